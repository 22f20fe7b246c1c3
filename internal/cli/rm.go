package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

type removeFlags struct {
	address addressFlags
	typ     string
	older   string
	dryRun  bool
}

func newRemove(a *app) *cobra.Command {
	var f removeFlags
	cmd := &cobra.Command{
		Use:   "rm [flags] [ID[/attribute]...]",
		Short: "Remove values",
		Long: `Remove values: those that are named, or all of a type, or of an age, or both.

ID alone stands for all attributes of a component. With -n the values are listed
and stay.

` + addressHelp,
		Example: `  larder rm 3f2a9c
  larder rm -n --type detect --older-than 30d`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.remove(cmd.Context(), &f, args) },
	}
	f.address.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.typ, "type", "", "all values of components of this type")
	fl.StringVar(&f.older, "older-than", "", "all values that were stored longer ago, such as 12h or 30d")
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
		return a.listTable(found, columns, time.Now())
	}
	if err := ownOnly(ctx, store.Backend(), found); err != nil {
		return err
	}
	keys := make([]backend.Key, len(found))
	var bytes int64
	for i, e := range found {
		keys[i] = e.info.Key
		bytes += e.info.Size
	}
	if err := backend.DeleteBatch(ctx, store.Backend(), keys); err != nil {
		return err
	}
	a.note("removed %s, %s", count(len(found), "value"), size(bytes))
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ownOnly refuses to remove what may be of another store, whose prefix in the bucket begins with this one's:
// its keys look like attributes of components whose names are no digests.
func ownOnly(ctx context.Context, b larder.Backend, found []entry) error {
	for _, e := range found {
		if id, _, _ := strings.Cut(e.info.Key.Name, "/"); len(id) == idLength && checkID(id) == nil {
			continue
		}
		_, err := b.Stat(ctx, e.info.Key)
		if err != nil && !errors.Is(err, larder.ErrNotFound) && !errors.Is(err, backend.ErrCorrupt) {
			return fmt.Errorf("nothing is removed: %w", err)
		}
	}
	return nil
}

// find returns the entries to remove.
func (f *removeFlags) find(ctx context.Context, store *larder.Store, args []string) ([]entry, error) {
	c, err := f.address.described()
	if err != nil {
		return nil, err
	}
	filtered := f.typ != "" || f.older != ""
	switch {
	case c != nil && filtered, len(args) > 0 && filtered:
		return nil, misused("rm: name values, or choose by --type and --older-than; not both")
	case c != nil:
		return f.ofComponent(ctx, store, c, args)
	case filtered:
		return f.byFilter(ctx, store)
	case len(args) == 0:
		return nil, misused("rm: nothing is named; write: larder rm ID, or choose by --type and --older-than")
	}
	var found []entry
	for _, text := range args {
		prefix, attribute, given := strings.Cut(text, "/")
		if err := checkID(prefix); err != nil {
			return nil, err
		}
		id, err := findID(ctx, store.Backend(), prefix)
		if err != nil {
			return nil, err
		}
		of, err := attributesOf(ctx, store, id, attribute, given)
		if err != nil {
			return nil, err
		}
		found = append(found, of...)
	}
	return found, nil
}

// ofComponent returns the named attributes of a described component; all, if none is named.
func (f *removeFlags) ofComponent(ctx context.Context, store *larder.Store, c larder.Component, attributes []string) ([]entry, error) {
	id, err := store.Key(ctx, c)
	if err != nil {
		return nil, &exitError{exitMisused, err}
	}
	if len(attributes) == 0 {
		return attributesOf(ctx, store, id, "", false)
	}
	var found []entry
	for _, attribute := range attributes {
		of, err := attributesOf(ctx, store, id, attribute, true)
		if err != nil {
			return nil, err
		}
		found = append(found, of...)
	}
	return found, nil
}

// attributesOf returns one attribute of a component, or all.
func attributesOf(ctx context.Context, store *larder.Store, id, attribute string, one bool) ([]entry, error) {
	var found []entry
	for e, err := range entries(ctx, store.Backend(), filter{prefix: id}) {
		if err != nil {
			return nil, err
		}
		if !one || e.attribute == attribute {
			found = append(found, e)
		}
	}
	if len(found) == 0 {
		err := fmt.Errorf("nothing is kept as %s", short(id))
		if one {
			err = fmt.Errorf("nothing is kept as %s/%s", short(id), attribute)
		}
		return nil, &exitError{exitMiss, err}
	}
	return found, nil
}

func (f *removeFlags) byFilter(ctx context.Context, store *larder.Store) ([]entry, error) {
	before := time.Now()
	if f.older != "" {
		d, err := parseAge(f.older)
		if err != nil {
			return nil, misused("--older-than: %v", err)
		}
		before = before.Add(-d)
	}
	var found []entry
	for e, err := range entries(ctx, store.Backend(), filter{query: backend.Query{Type: f.typ}}) {
		if err != nil {
			return nil, err
		}
		if f.older == "" || e.info.ModTime.Before(before) {
			found = append(found, e)
		}
	}
	if len(found) == 0 {
		return nil, &exitError{exitMiss, errors.New("nothing found")}
	}
	return found, nil
}
