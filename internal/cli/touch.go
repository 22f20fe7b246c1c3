package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/catalog"
)

func newTouch(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "touch [flags] ID[/attribute]...",
		Short: "Reset the age of values, for --max-age",
		Long: `Make now the time at which values were stored, and leave their bytes as they are: so that --max-age
takes them, and rules by age keep them. ID alone stands for all attributes.

A value is read, verified and stored again, unless somebody else stores it meanwhile: that costs
as much as getting and putting it. A corrupt value stays as it is (exit code 1).`,
		Example: `  larder touch 3f2a9c
  larder touch 3f2a9c/model 8c11d0/model`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return misused("touch: no value is named; write: larder touch ID")
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, args []string) error { return a.touch(cmd.Context(), args) },
		ValidArgsFunction: a.completeAddress,
	}
}

func (a *app) touch(ctx context.Context, args []string) error {
	store, err := a.openToChange(ctx, false)
	if err != nil {
		return err
	}
	defer store.Close()
	var all []catalog.Entry
	for _, text := range args {
		id, attribute, err := catalog.ResolveValue(ctx, store, text)
		if err != nil {
			return resolveError(err)
		}
		of, err := attributesOf(ctx, store, id, attribute)
		if err != nil {
			return err
		}
		all = append(all, of...)
	}
	for i, e := range all {
		err := catalog.Touch(ctx, store, e)
		if errors.Is(err, larder.ErrNotFound) {
			return &exitError{exitMiss, fmt.Errorf("%s/%s was removed meanwhile", short(e.ID), printable(e.Attribute))}
		}
		if err != nil {
			return fmt.Errorf("after %s: %w", count(i, "value"), err)
		}
	}
	a.note("touched %s", count(len(all), "value"))
	return nil
}
