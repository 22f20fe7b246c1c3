package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

type removeFlags struct {
	address addressFlags
	typ     string
	older   string
	where   string
	dryRun  bool
	json    bool
}

func newRemove(a *app) *cobra.Command {
	var f removeFlags
	cmd := &cobra.Command{
		Use:   "rm [flags] [ID[/attribute]...]",
		Short: "Remove values",
		Long: `Remove values: those that are named, or all that are chosen by --type, --older-than and --where,
which --version and -p narrow down.

ID alone stands for all attributes of a component. With -n the values are listed
and stay, and it says how many there are, their size, and what computing them took, as far as
that is known: on a bucket, which does not list it, it is not asked for.

` + addressHelp,
		Example: `  larder rm 3f2a9c
  larder rm -n --type detect --older-than 30d
  larder rm -n --where 'cost < 1s and age > 7d'
  larder rm --type lab/fit --version v2 -p tau=0.02`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.remove(cmd.Context(), &f, args) },
	}
	f.address.add(cmd)
	cmd.ValidArgsFunction = a.completeAddress
	fl := cmd.Flags()
	fl.StringVar(&f.typ, "type", "", "all values of components of this type")
	cmd.RegisterFlagCompletionFunc("type", a.completeType)
	fl.StringVar(&f.older, "older-than", "", "all values that were stored longer ago, such as 12h or 30d")
	fl.StringVar(&f.where, "where", "", "all values that fulfil this `condition`; see larder find")
	fl.BoolVar(&f.json, "json", false, "what was removed as a JSON object; with -n, what would be, one object a line")
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "list what would be removed, and remove nothing")
	return cmd
}

func (a *app) remove(ctx context.Context, f *removeFlags, args []string) error {
	store, err := a.openToChange(ctx, f.dryRun)
	if err != nil {
		return err
	}
	defer store.Close()
	found, err := f.find(ctx, store, args)
	if err != nil {
		return err
	}
	if f.dryRun {
		return a.tellRemoval(ctx, store, found, f.json)
	}
	done, err := catalog.DeleteEntries(ctx, store, found)
	if err == nil && f.json {
		return writeJSON(a.stdout, removedText{done.Values, done.Bytes})
	}
	if err == nil {
		a.note("removed %s, %s", count(done.Values, "value"), size(done.Bytes))
	}
	return err
}

// tellRemoval lists what would be removed, and sums it up.
func (a *app) tellRemoval(ctx context.Context, store *larder.Store, found []catalog.Entry, asJSON bool) error {
	var err error
	if asJSON {
		err = a.listJSON(entriesOf(found))
	} else {
		err = a.listTable(entriesOf(found), columns, time.Now())
	}
	if err != nil {
		return err
	}
	t, err := catalog.SumOf(ctx, store, found)
	if err != nil {
		return err
	}
	cost := ""
	if t.NoCost < t.Values {
		cost = ", " + duration(t.Cost) + " to compute again"
	}
	if t.NoCost > 0 {
		cost += fmt.Sprintf(", cost of %s not known", count(t.NoCost, "value"))
	}
	a.note("would remove %s, %s%s", count(t.Values, "value"), size(t.Bytes), cost)
	return nil
}

// removedText is what was removed as JSON.
type removedText struct {
	Values int   `json:"values"`
	Bytes  int64 `json:"bytes"`
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// find returns the entries to remove.
func (f *removeFlags) find(ctx context.Context, store *larder.Store, args []string) ([]catalog.Entry, error) {
	filtered := f.typ != "" || f.older != "" || f.where != ""
	switch {
	case filtered && (f.address.name != "" || f.address.component != "" || len(args) > 0):
		return nil, misused("rm: name values, or choose by --type, --older-than and --where; not both")
	case filtered && len(f.address.inputs) > 0:
		return nil, misused("rm: -i describes a component, with --name; it does not narrow down a --type")
	case filtered:
		return f.chosen(ctx, store)
	}
	c, err := f.address.described()
	switch {
	case err != nil:
		return nil, err
	case c != nil:
		return f.ofComponent(ctx, store, c, args)
	case len(args) == 0:
		return nil, misused("rm: nothing is named; write: larder rm ID, or choose by --type, --older-than and --where")
	}
	var found []catalog.Entry
	for _, text := range args {
		id, attribute, err := catalog.ResolveValue(ctx, store, text)
		if err != nil {
			return nil, resolveError(err)
		}
		of, err := attributesOf(ctx, store, id, attribute)
		if err != nil {
			return nil, err
		}
		found = append(found, of...)
	}
	return found, nil
}

// ofComponent returns the named attributes of a described component; all, if none is named.
func (f *removeFlags) ofComponent(ctx context.Context, store *larder.Store, c larder.Component, attributes []string) ([]catalog.Entry, error) {
	id, err := store.Key(ctx, c)
	if err != nil {
		return nil, &exitError{exitMisused, err}
	}
	if len(attributes) == 0 {
		return attributesOf(ctx, store, id, "")
	}
	var found []catalog.Entry
	for _, attribute := range attributes {
		of, err := attributesOf(ctx, store, id, attribute)
		if err != nil {
			return nil, err
		}
		found = append(found, of...)
	}
	return found, nil
}

// attributesOf returns one attribute of a component; all, if attribute is empty.
func attributesOf(ctx context.Context, store *larder.Store, id, attribute string) ([]catalog.Entry, error) {
	found, err := catalog.Attributes(ctx, store, id)
	if err != nil {
		return nil, err
	}
	name := short(id)
	if attribute != "" {
		name += "/" + attribute
		found = slices.DeleteFunc(found, func(e catalog.Entry) bool { return e.Attribute != attribute })
	}
	if len(found) == 0 {
		return nil, &exitError{exitMiss, fmt.Errorf("nothing is kept as %s", name)}
	}
	return found, nil
}

// chosen returns what type, age, version and parameters choose.
func (f *removeFlags) chosen(ctx context.Context, store *larder.Store) ([]catalog.Entry, error) {
	flags := filterFlags{typ: f.typ, version: f.address.version, params: f.address.params}
	q, err := flags.query("", time.Now())
	if err != nil {
		return nil, err
	}
	if f.older != "" {
		d, err := catalog.ParseAge(f.older)
		if err != nil {
			return nil, misused("--older-than: %v", err)
		}
		q.Where = component.And(q.Where, component.Where(component.FieldStored, component.Less, time.Now().Add(-d)))
	}
	if q, err = narrowed(ctx, store, q, f.where, time.Now()); err != nil {
		return nil, err
	}
	found, err := catalog.Newest(ctx, store, q, 0)
	if err == nil && len(found) == 0 {
		err = &exitError{exitMiss, errors.New("nothing found")}
	}
	return found, err
}
