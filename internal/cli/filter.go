package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// filterFlags choose among the entries of a store.
type filterFlags struct {
	typ, version, since string
	where               string
	params              []string
}

func (f *filterFlags) add(a *app, cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.typ, "type", "", "only of this type")
	fl.StringVar(&f.version, "version", "", "only of this version")
	fl.StringVar(&f.since, "since", "", "only stored since then: an age such as 12h or 30d, or a date")
	cmd.RegisterFlagCompletionFunc("type", a.completeType)
	fl.StringVar(&f.where, "where", "", "only what fulfils this `condition`, such as 'size > 1MiB'; see larder find")
	fl.StringArrayVarP(&f.params, "param", "p", nil, "only with this parameter, `key=value`; repeatable")
}

// used reports whether anything was chosen.
func (f *filterFlags) used() bool {
	return f.typ != "" || f.version != "" || f.since != "" || f.where != "" || len(f.params) > 0
}

// query returns what the flags choose of the components whose keys begin with a prefix.
func (f *filterFlags) query(prefix string, now time.Time) (component.Query, error) {
	var all []component.Condition
	if prefix != "" {
		if err := (backend.Key{Shelf: backend.ShelfCache, Name: prefix}).Validate(); err != nil {
			return component.Query{}, misused("no key begins with %q: %v", prefix, err)
		}
		all = append(all, component.Where(component.FieldKey, component.HasPrefix, prefix))
	}
	if f.typ != "" {
		all = append(all, component.Where(component.FieldType, component.Equal, f.typ))
	}
	if f.version != "" {
		all = append(all, component.Where(component.FieldVersion, component.Equal, f.version))
	}
	params, err := parseParams(f.params)
	if err != nil {
		return component.Query{}, err
	}
	for path, value := range params {
		if _, err := keying.Reduce(value); err != nil {
			return component.Query{}, misused("parameter %q: %v", path, err)
		}
		all = append(all, component.WhereParam(path, component.Equal, value))
	}
	if f.since != "" {
		since, err := parseSince(f.since, now)
		if err != nil {
			return component.Query{}, misused("--since: %v", err)
		}
		all = append(all, component.Where(component.FieldStored, component.GreaterEqual, since))
	}
	return component.Query{Where: component.And(all...)}, nil
}

// narrowed returns q with the condition of --where, whose inputs may be such as the store knows.
func narrowed(ctx context.Context, store *larder.Store, q component.Query, where string, now time.Time) (component.Query, error) {
	if where == "" {
		return q, nil
	}
	c, err := parseWhere(ctx, store, where, now)
	q.Where = component.And(q.Where, c)
	return q, err
}
