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

// idLength is how many digits a key of keying.Hash has.
const idLength = 64

func notHex(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }

// Resolve returns the key of the component that text means: the key itself; as many of its first
// characters as tell it from the others; or the component's type, or the last part of that behind a
// slash, where values of just one component of that type are stored. What is only an input of others has
// a key too. Nothing found is an error that matches [larder.ErrNotFound], several an [Ambiguity].
//
// A whole key of keying.Hash is returned as it is, without asking the store.
func Resolve(ctx context.Context, store *larder.Store, text string) (string, error) {
	if len(text) == idLength && !strings.ContainsFunc(text, notHex) {
		return text, nil
	}
	found := &Ambiguity{Text: text}
	if text != "" && (backend.Key{Shelf: backend.ShelfCache, Name: text}).Validate() == nil {
		for _, shelf := range []string{backend.ShelfCache, backend.ShelfComponents} {
			if err := withPrefix(ctx, store.Backend(), shelf, found); err != nil {
				return "", err
			}
		}
	}
	if len(found.Candidates) == 0 && text != "" {
		if err := ofType(ctx, store, found); err != nil {
			return "", err
		}
	}
	slices.Sort(found.Candidates)
	switch {
	case len(found.Candidates) == 0:
		return "", fmt.Errorf("no key and no type begins with %q: %w", text, larder.ErrNotFound)
	case len(found.Candidates) > 1:
		return "", found
	}
	return found.Candidates[0], nil
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

// ofType adds the keys of components of a type, or of one whose last part is the text.
func ofType(ctx context.Context, store *larder.Store, found *Ambiguity) error {
	last := "/" + found.Text
	for e, err := range Find(ctx, store, component.Query{}) {
		if err != nil {
			return err
		}
		if e.Known && (e.Description.Type == found.Text || strings.HasSuffix(e.Description.Type, last)) && !found.add(e.ID) {
			return nil
		}
	}
	return nil
}

// Attributes yields the values of one component, in byte order of their names in the backend.
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
