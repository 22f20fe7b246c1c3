package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder/backend"
)

func newIndex(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "index [list | add PATH...]",
		Short: "List or make indexes on parameters, for queries on ranges",
		Long: `List the parameters that have an index of their own, or make an index on each PATH, such as
params.filter.order. The store may be in use meanwhile.

A store in a database finds equal parameters by an index on all of them. What is compared by
order, or begins with a text, is looked for among all components of a type, unless the parameter
has an index of its own. Stores of other kinds look through their descriptions.`,
		Example: `  larder index
  larder index add params.rate`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0, len(args) == 1 && args[0] == "list", len(args) > 1 && args[0] == "add":
				return nil
			}
			return misused("index: write list, or add and one path at least")
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return a.addIndexes(cmd.Context(), args[1:])
			}
			return a.listIndexes(cmd.Context())
		},
	}
}

func (a *app) addIndexes(ctx context.Context, fields []string) error {
	store, err := a.open(ctx, 0)
	if err != nil {
		return err
	}
	defer store.Close()
	x, ok := backend.As[backend.Indexer](store.Backend())
	if !ok {
		return misused("index: this kind of store has no indexes; it looks through its descriptions")
	}
	for _, field := range fields {
		if err := x.AddIndex(ctx, field); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) listIndexes(ctx context.Context) error {
	store, err := a.openToRead(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	x, ok := backend.As[backend.Indexer](store.Backend())
	if !ok {
		return nil
	}
	fields, err := x.Indexes(ctx)
	if err != nil {
		return err
	}
	for _, field := range fields {
		if _, err := fmt.Fprintln(a.out(), field); err != nil {
			return err
		}
	}
	return nil
}
