package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// ErrAmbiguous is what the error of a resolution matches if several components are meant.
var ErrAmbiguous = errors.New("ambiguous")

// An Ambiguity says which components a text may mean. It matches [ErrAmbiguous].
type Ambiguity struct {
	Text       string
	Candidates []string // keys, in order; some of them, if More
	More       bool
}

// Error lists the candidates.
func (a *Ambiguity) Error() string {
	more := ""
	if a.More {
		more = ", …"
	}
	return fmt.Sprintf("%q may mean several components: %s%s", a.Text, strings.Join(a.Candidates, ", "), more)
}

// Is makes every Ambiguity an ErrAmbiguous.
func (a *Ambiguity) Is(target error) bool { return target == ErrAmbiguous }

// unknown is a text that means no component.
type unknown string

func (u unknown) Error() string {
	return fmt.Sprintf("no key begins with %q, and nothing is stored of such a type", string(u))
}

// Is makes every unknown text an ErrNotFound.
func (u unknown) Is(target error) bool { return target == larder.ErrNotFound }

// idLength is how many digits a key of keying.Hash has.
const idLength = 64

func notHex(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }

// Resolve returns the key of the component that text means: the key itself; as many of its first
// characters as distinguish it from the others; or the component's type, or the last part of that behind a
// slash, where values of just one component of that type are stored. What is only an input of others has
// a key too. Nothing found is an error that matches [larder.ErrNotFound], several an [Ambiguity].
//
// A whole key of keying.Hash is returned as it is, without asking the store.
func Resolve(ctx context.Context, store *larder.Store, text string) (string, error) {
	id, err := byKey(ctx, store, text)
	if errors.Is(err, larder.ErrNotFound) && text != "" {
		return byType(ctx, store, text)
	}
	return id, err
}

// ResolveValue is Resolve for text that may also name an attribute, behind a slash; else that is "".
func ResolveValue(ctx context.Context, store *larder.Store, text string) (id, attribute string, err error) {
	key, attribute, _ := strings.Cut(text, "/")
	if id, err = byKey(ctx, store, key); !errors.Is(err, larder.ErrNotFound) {
		return id, attribute, err
	}
	if id, err = byType(ctx, store, text); !errors.Is(err, larder.ErrNotFound) {
		return id, "", err
	}
	if i := strings.LastIndexByte(text, '/'); i > 0 {
		if id, ofType := byType(ctx, store, text[:i]); !errors.Is(ofType, larder.ErrNotFound) {
			return id, text[i+1:], ofType
		}
	}
	return "", "", err
}

// byKey returns the key that text is, or begins.
func byKey(ctx context.Context, store *larder.Store, text string) (string, error) {
	if len(text) == idLength && !strings.ContainsFunc(text, notHex) {
		return text, nil
	}
	found := &Ambiguity{Text: text}
	if (backend.Key{Shelf: backend.ShelfCache, Name: text}).Validate() == nil {
		for _, shelf := range []string{backend.ShelfCache, backend.ShelfComponents} {
			if err := withPrefix(ctx, store.Backend(), shelf, found); err != nil {
				return "", err
			}
		}
	}
	return found.only()
}

// byType returns the key of the one component of a type, or of one whose last part is the text.
func byType(ctx context.Context, store *larder.Store, text string) (string, error) {
	found := &Ambiguity{Text: text}
	for e, err := range Find(ctx, store, component.Query{}) {
		if err != nil {
			return "", err
		}
		of := e.Known && (e.Description.Type == text || strings.HasSuffix(e.Description.Type, "/"+text))
		if of && !found.add(e.ID) {
			break
		}
	}
	return found.only()
}

// only returns the one candidate.
func (a *Ambiguity) only() (string, error) {
	switch len(a.Candidates) {
	case 0:
		return "", unknown(a.Text)
	case 1:
		return a.Candidates[0], nil
	}
	slices.Sort(a.Candidates)
	return "", a
}

// maxCandidates bounds how many candidates are sought.
const maxCandidates = 5

// add adds a key, and reports whether more are wanted.
func (a *Ambiguity) add(id string) bool {
	switch {
	case slices.Contains(a.Candidates, id):
		return true
	case len(a.Candidates) == maxCandidates:
		a.More = true
		return false
	}
	a.Candidates = append(a.Candidates, id)
	return true
}

// withPrefix adds the keys on a shelf that begin with the text. One that is the text is the only one.
func withPrefix(ctx context.Context, b larder.Backend, shelf string, found *Ambiguity) error {
	for info, err := range b.List(ctx, shelf, backend.ListOptions{Prefix: found.Text}) {
		if err != nil {
			return err
		}
		id, _, _ := strings.Cut(info.Key.Name, "/")
		if id == found.Text {
			found.Candidates, found.More = []string{id}, false
			return nil
		}
		if !found.add(id) {
			return nil
		}
	}
	return nil
}

// Attributes returns the values of one component, in byte order of their names in the backend.
func Attributes(ctx context.Context, store *larder.Store, id string) ([]Entry, error) {
	var all []Entry
	for e, err := range Find(ctx, store, component.Query{Where: component.Where(component.FieldKey, component.Equal, id)}) {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}
