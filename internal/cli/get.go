package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/codec"
)

type getFlags struct {
	address        addressFlags
	output, maxAge string
	raw, json, npy bool
}

func newGet(a *app) *cobra.Command {
	var f getFlags
	cmd := &cobra.Command{
		Use:   "get [flags] ID[/attribute] | attribute",
		Short: "Write a value to standard output",
		Long: `Write a value to standard output, or to a file.

Bytes and text are written as they are, arrays of numbers as NPY (numpy opens it), and
everything else as JSON. The value is verified: a corrupt one counts as absent (exit code 4), or,
if it is long and was partly written already, as a failure (exit code 1). With -o there
is the whole value or none.

` + addressHelp,
		Example: `  larder get 3f2a9c/model > model.npy
  larder get --json --name lab/fit --version v3 -p tau=0.02 model`,
		Args: oneAddress,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.get(cmd.Context(), &f, first(args))
		},
	}
	f.address.add(cmd)
	cmd.ValidArgsFunction = a.completeAddress
	fl := cmd.Flags()
	fl.StringVarP(&f.output, "output", "o", "", "write to this `file`")
	fl.StringVar(&f.maxAge, "max-age", "", "a value that was stored longer ago counts as absent: an `age` such as 12h or 30d")
	fl.BoolVar(&f.raw, "raw", false, "write the bytes as they are stored")
	fl.BoolVar(&f.json, "json", false, "write the value as JSON, numbers too")
	fl.BoolVar(&f.npy, "npy", false, "write an array as NPY; refuse anything else")
	cmd.MarkFlagsMutuallyExclusive("raw", "json", "npy")
	return cmd
}

// oneAddress accepts one argument, or none where flags describe the component.
func oneAddress(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return misused("%s: one value is named by one argument; here are %d", cmd.Name(), len(args))
	}
	described := cmd.Flags().Changed("name") || cmd.Flags().Changed("component")
	if len(args) == 0 && !described {
		return misused("%s: no value is named; write: larder %s", cmd.Name(), cmd.Use)
	}
	return nil
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (a *app) get(ctx context.Context, f *getFlags, text string) error {
	fresh, err := freshness(f.maxAge)
	if err != nil {
		return err
	}
	store, err := a.openToRead(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	defer func() { a.tally(countsOf(store.Stats())) }()
	at, err := f.address.resolve(ctx, store, text)
	if err != nil {
		return err
	}
	body, info, err := store.Reader(ctx, at.c, at.attribute, fresh...)
	if errors.Is(err, larder.ErrNotFound) {
		return &exitError{exitMiss, err}
	}
	if err != nil {
		return err
	}
	defer body.Close()
	if f.output == "" {
		return f.write(a.stdout, body, info)
	}
	return wholeFile(f.output, func(w io.Writer) error { return f.write(w, body, info) })
}

// write writes a value in the form that was asked for.
func (f *getFlags) write(w io.Writer, body io.Reader, info larder.Info) error {
	name := info.Meta[codec.MetaKey]
	if f.npy && name != codec.NPY {
		return fmt.Errorf("the value is no array of numbers; it was stored as %s", orRaw(name))
	}
	if f.json || name == codec.CBOR && !f.raw {
		var v any
		if err := codec.Decode(orRaw(name), body, info.Size, &v); err != nil {
			return err
		}
		if b, ok := v.([]byte); ok {
			if !utf8.Valid(b) {
				return errors.New("the value is bytes that are no text, which JSON cannot hold; leave out --json")
			}
			v = string(b)
		}
		return writeJSON(w, plain(v))
	}
	_, err := io.Copy(w, body)
	return err
}

// orRaw is the codec of a value that was stored by other means than a Store.
func orRaw(name string) string {
	if name == "" {
		return codec.Raw
	}
	return name
}

// wholeFile makes a file of what write writes, or leaves what was there.
func wholeFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".larder-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = write(f)
	if err == nil {
		err = f.Chmod(0o666 &^ umask())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// freshness returns what --max-age asks for; nothing, if it is empty.
func freshness(maxAge string) ([]larder.GetOption, error) {
	if maxAge == "" {
		return nil, nil
	}
	d, err := catalog.ParseAge(maxAge)
	if err != nil {
		return nil, misused("--max-age: %v", err)
	}
	return []larder.GetOption{larder.MaxAge(d)}, nil
}
