package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

const addressHelp = `A value is named by ID/attribute: the key of its component, or as many of its first
digits as tell it from the others, and the attribute. The attribute may be left out
where there is only one. Or the component is described: by -name, -version, -p and
-i, or by --component FILE; then the attribute alone is the name.

FILE holds a component as JSON (a graph of them, by names or nested in one another):

  {"type": "lab/fit", "version": "v3", "parameters": {"tau": 0.02},
   "inputs": ["rec", {"file": "mask.npy"}, {"key": "3f2a…"}],
   "components": {"rec": {"type": "lab/recording", "version": "1"}}}`

// An address names a value.
type address struct {
	c         component.Component
	attribute string
}

// addressFlags are the flags that describe a component.
type addressFlags struct {
	name, version  string
	params, inputs []string
	component      string
}

func (f *addressFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.name, "name", "", "type of the component")
	fl.StringVar(&f.version, "version", "", "version of the component")
	fl.StringArrayVarP(&f.params, "param", "p", nil, "`key=value`, a parameter of the component; repeatable")
	fl.StringArrayVarP(&f.inputs, "input", "i", nil, "`path` of a file that the component is computed from; repeatable, in order")
	fl.StringVar(&f.component, "component", "", "`file` that holds the component as JSON")
	cmd.MarkFlagsMutuallyExclusive("component", "name")
}

// described returns the component that the flags describe, or nil if they are not used.
func (f *addressFlags) described() (component.Component, error) {
	if f.component != "" {
		if f.version != "" || len(f.params)+len(f.inputs) > 0 {
			return nil, misused("--component describes the whole component; leave out --version, -p and -i")
		}
		return readComponent(f.component)
	}
	if f.name == "" {
		if f.version != "" || len(f.params)+len(f.inputs) > 0 {
			return nil, misused("a component is described by its --name too")
		}
		return nil, nil
	}
	params, err := parseParams(f.params)
	if err != nil {
		return nil, err
	}
	var inputs []component.Component
	for _, path := range f.inputs {
		c, err := component.File(path)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, c)
	}
	if params == nil {
		return component.New(f.name, f.version, nil, inputs...), nil
	}
	return component.New(f.name, f.version, params, inputs...), nil
}

// resolve finds the component that text and flags name, and the attribute; an attribute
// that is left out is sought in the store.
func (f *addressFlags) resolve(ctx context.Context, store *larder.Store, text string) (address, error) {
	c, err := f.described()
	if err != nil {
		return address{}, err
	}
	if c != nil {
		if _, err := store.Key(ctx, c); err != nil {
			return address{}, &exitError{exitMisused, err}
		}
		if text == "" {
			text, err = onlyAttribute(ctx, store, c)
		}
		return address{c, text}, err
	}
	prefix, attribute, given := strings.Cut(text, "/")
	if err := checkID(prefix); err != nil {
		return address{}, err
	}
	id, err := findID(ctx, store.Backend(), prefix)
	if err != nil {
		return address{}, err
	}
	c = component.Ref(id)
	if !given {
		attribute, err = onlyAttribute(ctx, store, c)
	}
	return address{c, attribute}, err
}

// idLength is how many digits a whole key has; what is shorter is a prefix.
const idLength = 64

// checkID refuses what can be no key and no beginning of one.
func checkID(id string) error {
	bad := strings.IndexFunc(id, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) })
	switch {
	case id == "":
		return misused("no key is given; write ID/attribute, where ID is up to %d digits of 0-9 a-f", idLength)
	case bad >= 0:
		return misused("malformed key %q: write ID/attribute, where ID is up to %d digits of 0-9 a-f; %q is none", id, idLength, []rune(id[bad:])[0])
	case len(id) > idLength:
		return misused("malformed key %q: it has %d digits, %d are allowed", id, len(id), idLength)
	}
	return nil
}

// maxShown bounds how many candidates an error lists.
const maxShown = 5

// findID completes the beginning of a key of which something is kept.
func findID(ctx context.Context, b larder.Backend, prefix string) (string, error) {
	return completeID(ctx, b, prefix, backend.ShelfCache)
}

// findComponent is findID also for inputs of which nothing is kept but what they are.
func findComponent(ctx context.Context, b larder.Backend, prefix string) (string, error) {
	return completeID(ctx, b, prefix, backend.ShelfCache, backend.ShelfComponents)
}

func completeID(ctx context.Context, b larder.Backend, prefix string, shelves ...string) (string, error) {
	if len(prefix) == idLength {
		return prefix, nil
	}
	var found []string
	for _, shelf := range shelves {
		some := 0
		for info, err := range b.List(ctx, shelf, backend.ListOptions{Prefix: prefix}) {
			if err != nil {
				return "", err
			}
			id, _, _ := strings.Cut(info.Key.Name, "/")
			if !slices.Contains(found, id) {
				found = append(found, id)
				some++
			}
			if some > maxShown {
				break
			}
		}
	}
	slices.Sort(found)
	switch {
	case len(found) == 0:
		return "", &exitError{exitMiss, fmt.Errorf("no key begins with %q", prefix)}
	case len(found) > maxShown:
		found = append(found[:maxShown], "…")
		fallthrough
	case len(found) > 1:
		return "", misused("several keys begin with %q: %s", prefix, strings.Join(found, ", "))
	}
	return found[0], nil
}

// onlyAttribute returns the attribute of c, if there is just one.
func onlyAttribute(ctx context.Context, store *larder.Store, c component.Component) (string, error) {
	var found []string
	for name, err := range store.Attributes(ctx, c) {
		if err != nil {
			return "", err
		}
		found = append(found, name)
	}
	switch len(found) {
	case 0:
		return "", &exitError{exitMiss, errors.New("nothing is kept of this component")}
	case 1:
		return found[0], nil
	}
	return "", misused("the component has several attributes; name one: %s", strings.Join(found, ", "))
}
