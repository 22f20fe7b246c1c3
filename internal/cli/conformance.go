package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/conformance/law"
	"github.com/larder-store/larder/internal/terminal"
)

type conformanceFlags struct{ quick, full, soak, json bool }

func newConformance(a *app) *cobra.Command {
	var f conformanceFlags
	cmd := &cobra.Command{
		Use:   "conformance [flags] URL",
		Short: "Test whether a place keeps the laws of a backend",
		Long: `Try whether a bucket, a database or a directory keeps the laws that every backend must keep,
with several processes where it can be shared. What is there already stays as it is: the
experiments keep to shelves of their own, whose names begin with "law-", and remove them; in a
directory, to a directory of their own.

Broken laws are findings: the exit code is 3.`,
		Example: `  larder conformance 's3://bucket/prefix?region=eu-central-1'
  larder conformance --full --json /mnt/scratch/larder`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misused("conformance: write: larder conformance URL")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.conformance(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.quick, "quick", false, "some seconds on this machine (the default)")
	fl.BoolVar(&f.full, "full", false, "about a minute")
	fl.BoolVar(&f.soak, "soak", false, "many minutes")
	fl.BoolVar(&f.json, "json", false, "the report as a JSON object")
	cmd.MarkFlagsMutuallyExclusive("quick", "full", "soak")
	return cmd
}

func (a *app) conformance(ctx context.Context, f *conformanceFlags) (err error) {
	cfg, clean, err := laboratory(a.storeURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clean()) }()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	lasting, err := lasts(ctx, cfg)
	if err != nil {
		return err // a wrong URL is no broken law
	}
	if lasting {
		cfg.Command = func(string) *exec.Cmd { return exec.Command(self) }
	}
	line := a.newProgress()
	cfg.Progress = func(r law.Result) { line.show(func() string { return r.String() }) }
	tier := law.Quick
	switch {
	case f.full:
		tier = law.Full
	case f.soak:
		tier = law.Soak
	}
	report, err := law.Check(ctx, cfg, tier)
	line.end()
	if err != nil {
		return err
	}
	if f.json {
		err = writeJSON(a.stdout, report)
	} else {
		err = report.WriteText(a.out())
	}
	if err != nil {
		return err
	}
	if report.Err() != nil {
		return &exitError{exitFindings, fmt.Errorf("%s does not keep the laws", backend.Redact(a.storeURL))}
	}
	return nil
}

// laboratory returns where the experiments are made, and how to leave it. A directory has room
// for fresh places, so that no lock of an experiment stays behind in a store.
func laboratory(rawURL string) (law.Config, func() error, error) {
	cfg := law.Config{
		New:  func(context.Context) (string, error) { return rawURL, nil },
		Open: openBackend,
	}
	dir, ok := backend.LocalDir(rawURL)
	if !ok {
		return cfg, func() error { return nil }, nil
	}
	_, err := os.Stat(dir)
	made := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return cfg, nil, err
	}
	lab, err := os.MkdirTemp(dir, ".larder-conformance-") // on the file system that is asked about
	if err != nil {
		return cfg, nil, err
	}
	cfg.Fresh = true
	cfg.New = func(context.Context) (string, error) {
		place, err := os.MkdirTemp(lab, "")
		return inDir(rawURL, place), err
	}
	return cfg, func() error {
		err := os.RemoveAll(lab)
		if made {
			err = errors.Join(err, os.Remove(dir))
		}
		return err
	}, nil
}

// openBackend opens what any URL of a store names, with the Store's own parameters in it too.
func openBackend(ctx context.Context, rawURL string) (backend.Backend, error) {
	store, err := larder.Open(ctx, rawURL, nil)
	if err != nil {
		return nil, err
	}
	return store.Backend(), nil
}

// lasts reports whether values stay in a place when all its handles are closed.
func lasts(ctx context.Context, cfg law.Config) (bool, error) {
	loc, err := cfg.New(ctx)
	if err != nil {
		return false, err
	}
	b, err := openBackend(ctx, loc)
	if err != nil {
		return false, err
	}
	lasting := backend.LimitsOf(b).Lasting
	return lasting, b.Close()
}

// asChild does what a law of the parent process asks for, and reports whether this process was
// started for that.
func asChild(ctx context.Context) (code int, ok bool) {
	ok, err := law.Child(ctx, openBackend)
	if err != nil {
		fmt.Fprintln(terminal.NewWriter(os.Stderr), "larder:", err)
		return exitFailed, ok
	}
	return exitDone, ok
}
