package session

import (
	"fmt"
	"strings"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/packname"
	"github.com/larder-store/larder/keying"
)

// A session is a shelf: "s.", its manager's name, ".", its own name, both in the form of keying.Ordered.
// That form holds no dot, so that no two pairs of names meet, and the sessions of a manager are one range
// among the shelves, in the order of their names.
//
// On the shelf are the metadata, and items or packs.
const (
	shelfMark = "s."
	shelfDot  = "."

	metaName = "m"             // the metadata of the session
	itemMark = "k"             // k and the form of an item's key, folded into segments: one item
	packMark = packname.Prefix // see packRef: many items
)

// shelfPrefix returns what the shelves of a manager's sessions begin with.
func shelfPrefix(manager string) (string, error) {
	form, err := nameForm("manager", manager)
	if err != nil {
		return "", err
	}
	return shelfMark + form + shelfDot, nil
}

// shelfOf returns the shelf of a session.
func shelfOf(prefix, session string) (string, error) {
	form, err := nameForm("session", session)
	if err != nil {
		return "", err
	}
	shelf := prefix + form
	if len(shelf) > backend.MaxShelf {
		return "", fmt.Errorf("session %.40q…: %w: the names of manager and session take %d bytes, %d are allowed%s",
			session, backend.ErrTooLarge, len(shelf)-len(shelfMark)-len(shelfDot), backend.MaxShelf-len(shelfMark)-len(shelfDot), counts)
	}
	return shelf, nil
}

// counts explains a form that is longer than its text.
const counts = " (characters other than a to y and 0 to 9 take two to six)"

func nameForm(what, name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("%w: the name of a %s is empty", backend.ErrInvalidKey, what)
	}
	form, err := keying.Ordered(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w: %w", what, backend.ErrInvalidKey, err)
	}
	if most := backend.MaxShelf - len(shelfMark) - len(shelfDot) - 1; len(form) > most {
		return "", fmt.Errorf("%s %.40q…: %w: its name takes %d bytes, %d are allowed%s", what, name, backend.ErrTooLarge, len(form), most, counts)
	}
	return form, nil
}

// managerOf returns the manager to which a shelf belongs, and what the shelves of its sessions begin with.
func managerOf(shelf string) (name, prefix string, ok bool) {
	form, ok := strings.CutPrefix(shelf, shelfMark)
	form, _, dot := strings.Cut(form, shelfDot)
	if !ok || !dot || form == "" {
		return "", "", false
	}
	name, err := keying.ParseOrdered(form)
	return name, shelfMark + form + shelfDot, err == nil
}

// sessionOf returns the name of the session on a shelf of the manager; false for a stranger's.
func sessionOf(prefix, shelf string) (string, bool) {
	form, ok := strings.CutPrefix(shelf, prefix)
	if !ok || form == "" {
		return "", false
	}
	name, err := keying.ParseOrdered(form)
	return name, err == nil
}

// itemName returns the name of an item of this key, or of a prefix of keys.
func itemName(key string) (string, error) {
	form, err := keying.Ordered(key)
	if err != nil {
		return "", fmt.Errorf("key: %w: %w", backend.ErrInvalidKey, err)
	}
	name := keying.Folded(itemMark + form)
	if len(name) > backend.MaxName {
		return "", fmt.Errorf("key %.40q…: %w: it takes %d bytes, %d are allowed%s", key, backend.ErrTooLarge, len(name)-1, backend.MaxName-1, counts)
	}
	return name, nil
}

// keyOf returns the key of the item called name; false for what is no item.
func keyOf(name string) (string, bool) {
	if !strings.HasPrefix(name, itemMark) {
		return "", false
	}
	form, err := keying.Unfolded(name)
	if err != nil {
		return "", false
	}
	key, err := keying.ParseOrdered(form[len(itemMark):])
	return key, err == nil
}

// A Match chooses items by their keys. The zero Match takes all.
type Match struct {
	prefix string
	fn     func(key string) bool
}

// All takes every key.
var All Match

// Prefix takes the keys that begin with prefix. They are one range, found without looking at others.
func Prefix(prefix string) Match { return Match{prefix: prefix} }

// Func takes the keys for which f says so. It looks at every key, and may be called from several goroutines
// at once.
func Func(f func(key string) bool) Match { return Match{fn: f} }

// And takes the keys that m takes and for which f says so.
func (m Match) And(f func(key string) bool) Match {
	if before := m.fn; before != nil {
		return Match{m.prefix, func(key string) bool { return before(key) && f(key) }}
	}
	return Match{m.prefix, f}
}

// takes reports whether the match takes key.
func (m Match) takes(key string) bool {
	return strings.HasPrefix(key, m.prefix) && (m.fn == nil || m.fn(key))
}
