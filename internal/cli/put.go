package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/codec"
)

type putFlags struct {
	address          addressFlags
	json, npy        bool
	verify, ifAbsent bool
}

func newPut(a *app) *cobra.Command {
	var f putFlags
	cmd := &cobra.Command{
		Use:   "put [flags] ID/attribute | attribute [file]",
		Short: "Store a value from a file or standard input",
		Long: `Store a value, from a file or from standard input, over what was there unless --verify
or --if-absent says otherwise. The key of its component goes to standard output.

Without --json or --npy the bytes are stored as they are.

` + addressHelp,
		Example: `  larder put --name lab/fit --version v3 -p tau=0.02 --npy model model.npy
  echo '{"rate": 12.5}' | larder put 3f2a9c/summary --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 {
				return misused("put: write: larder put ID/attribute [file], or, with a described component, larder put attribute [file]")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.put(cmd.Context(), &f, args) },
	}
	f.address.add(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&f.json, "json", false, "the input is JSON: store the value that it says")
	fl.BoolVar(&f.npy, "npy", false, "the input is an array in NPY format: check and store it as one")
	fl.BoolVar(&f.verify, "verify", false, "fail if something else is stored already")
	fl.BoolVar(&f.ifAbsent, "if-absent", false, "fail if anything is stored already")
	cmd.MarkFlagsMutuallyExclusive("json", "npy")
	cmd.MarkFlagsMutuallyExclusive("verify", "if-absent")
	return cmd
}

func (a *app) put(ctx context.Context, f *putFlags, args []string) error {
	in := a.stdin
	if len(args) == 2 && args[1] != "-" {
		file, err := openInput(ctx, args[1])
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	value, err := f.value(input(ctx, in))
	if err != nil {
		return err
	}
	store, err := a.open(ctx, 0)
	if err != nil {
		return err
	}
	defer store.Close()
	defer func() { a.tally(countsOf(store.Stats())) }()
	at, err := f.address.resolve(ctx, store, args[0])
	if err != nil {
		return err
	}
	var opts []larder.PutOption
	if f.verify {
		opts = append(opts, larder.Verify())
	}
	if f.ifAbsent {
		opts = append(opts, larder.IfAbsent())
	}
	info, err := store.Put(ctx, at.c, at.attribute, value, opts...)
	if err != nil {
		return err
	}
	id, err := store.Key(ctx, at.c)
	if err != nil {
		return err
	}
	a.note("stored %s as %s/%s", size(info.Size), short(id), at.attribute)
	_, err = fmt.Fprintln(a.stdout, id)
	return err
}

// value makes of the input what is to be stored.
func (f *putFlags) value(in io.Reader) (any, error) {
	switch {
	case f.json:
		v, err := catalog.ParseJSON(in)
		if err != nil {
			return nil, fmt.Errorf("the input is not JSON: %w", err)
		}
		return v, nil
	case f.npy:
		b, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		var v any
		if err := codec.DecodeBytes(codec.NPY, b, &v); err != nil {
			return nil, fmt.Errorf("the input is not NPY: %w", err)
		}
		return v, nil
	}
	return struct{ io.Reader }{in}, nil // a terminal or pipe cannot seek, though it may seem to
}
