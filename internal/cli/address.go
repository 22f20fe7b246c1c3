package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

const addressHelp = `A value is named by ID/attribute: the key of its component, or as many of its first
digits as distinguish it from the others, and the attribute. For ID the component's type, or the
last part of that, will do where there is only one such component. The attribute may be left out
where there is only one. Or the component is described: by --name, --version, -p and
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
		text, err := os.ReadFile(f.component)
		if err != nil {
			return nil, fmt.Errorf("component: %w", err)
		}
		c, err := catalog.ParseComponent(text)
		if err != nil {
			return nil, misused("component %q: %v", f.component, err)
		}
		return c, nil
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
		_, err := store.Key(ctx, c)
		if ofStore := new(backend.Error); errors.As(err, &ofStore) { // which was asked how it makes keys
			return address{}, err
		}
		if err != nil {
			return address{}, &exitError{exitMisused, err}
		}
		if text == "" {
			text, err = onlyAttribute(ctx, store, c)
		}
		return address{c, text}, err
	}
	if text == "" {
		return address{}, misused("no value is named; write ID/attribute")
	}
	id, attribute, err := catalog.ResolveValue(ctx, store, text)
	if err != nil {
		return address{}, resolveError(err)
	}
	c = component.Ref(id)
	if attribute == "" {
		attribute, err = onlyAttribute(ctx, store, c)
	}
	return address{c, attribute}, err
}

// resolveError gives an error of a resolution its exit code.
func resolveError(err error) error {
	var several *catalog.Ambiguity
	switch {
	case errors.As(err, &several):
		return &exitError{exitMisused, fmt.Errorf("%w; name one of them", shortly(several))}
	case errors.Is(err, catalog.ErrAmbiguous):
		return &exitError{exitMisused, err}
	case errors.Is(err, larder.ErrNotFound):
		return &exitError{exitMiss, err}
	}
	return err
}

// shortly returns an ambiguity whose keys are as long as in a table, if that distinguishes them.
func shortly(several *catalog.Ambiguity) *catalog.Ambiguity {
	cut := *several
	cut.Candidates = nil
	for _, id := range several.Candidates {
		if slices.Contains(cut.Candidates, short(id)) {
			return several
		}
		cut.Candidates = append(cut.Candidates, short(id))
	}
	return &cut
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
