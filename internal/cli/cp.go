package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/tar"
	"github.com/larder-store/larder/catalog"
)

// copyFlags are those that cp and sync share.
type copyFlags struct {
	where, prefer            string
	sessions, dryRun, asJSON bool
	parallel                 int
}

func (f *copyFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.where, "where", "", "only values that fulfil this `condition`, as \"larder find\" takes it")
	fl.BoolVar(&f.sessions, "sessions", false, "with --where: all sessions too")
	fl.StringVar(&f.prefer, "prefer", "", "what counts where both hold other bytes under a key: newer, ours (DST's) or theirs (SRC's)")
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "say what would be done, and do nothing")
	fl.BoolVar(&f.asJSON, "json", false, "findings and the report as JSON objects, one a line")
	fl.IntVar(&f.parallel, "parallel", 0, "so many values or batches at the same time (default: 4, or 16 with buckets and databases)")
}

func newCopy(a *app) *cobra.Command {
	var f copyFlags
	cmd := &cobra.Command{
		Use:   "cp [flags] SRC DST",
		Short: "Copy a store, or merge it into another one",
		Long: `Copy what one store holds to another one, and merge it with what is there: values, the
descriptions of what they are, and sessions. Stores of any kind can be copied to each other. With
--where only the values go that fulfil a condition, with their descriptions and those of all that
they were computed from.

Each value is verified on the way; a corrupt one is listed, and not copied. What is there already,
by its SHA-256, is not read again: a copy that was interrupted or killed goes on when the same
command runs again. If a key holds other bytes in DST, that is a conflict: it is listed, nothing is
overwritten, and the exit code is 3, unless --prefer decides.

A path that ends in .tar is a store in one file, to carry or to publish: it is read in place, as SRC
here or as --store elsewhere, and written anew as DST, with what it held before.`,
		Example: `  larder cp s3://lab/results /var/cache/mine
  larder cp --where 'type=lab/fit and age < 30d' ~/.cache/larder/store fits.tar
  larder cp -n --prefer newer fits.tar s3://lab/results`,
		Args: two("cp"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.copy(cmd.Context(), &f, args[0], args[1]) },
	}
	f.add(cmd)
	return cmd
}

// two makes sure that a source and a destination are named.
func two(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 2 {
			return misused("%s: name two stores, by their URLs or paths: larder %[1]s SRC DST", name)
		}
		return notCompressed(args...)
	}
}

func (a *app) copy(ctx context.Context, f *copyFlags, from, to string) error {
	src, err := a.openSource(ctx, from, to)
	if err != nil {
		return err
	}
	defer src.Close()
	t := a.newCopyTeller(f)
	opts, err := f.options(ctx, src, t)
	if err != nil {
		return err
	}
	path, isTar := backend.LocalFile(to)
	if isTar {
		return t.end(a.copyToTar(ctx, path, src, opts))
	}
	dst, err := a.openDestination(ctx, to, f.dryRun)
	if err != nil {
		return err
	}
	defer dst.Close()
	return t.end(catalog.Copy(ctx, dst, src, opts))
}

// openSource opens the store to copy from, unless it is the destination.
func (a *app) openSource(ctx context.Context, from, to string) (*larder.Store, error) {
	if samePlace(from, to) {
		return nil, misused("%w: %s", catalog.ErrSamePlace, backend.Redact(from))
	}
	opts := a.options(0)
	opts.ReadOnly = true
	return larder.Open(ctx, from, opts)
}

// openDestination opens the store to copy to. For a dry run one that is not there is an empty one.
func (a *app) openDestination(ctx context.Context, to string, dryRun bool) (*larder.Store, error) {
	if !dryRun {
		return larder.Open(ctx, to, a.options(0))
	}
	return a.openOrEmpty(ctx, to)
}

// copyToTar writes a tar, with what the one in its place holds.
func (a *app) copyToTar(ctx context.Context, path string, src *larder.Store, opts catalog.CopyOptions) (r catalog.CopyReport, err error) {
	base, err := a.openOrEmpty(ctx, "tar:"+escapePath(path))
	if err != nil {
		return r, err
	}
	defer base.Close()
	if opts.DryRun {
		return catalog.Export(ctx, nil, base, src, opts)
	}
	w, err := tar.Create(path)
	if err != nil {
		return r, err
	}
	defer w.Abort() // nothing, once it is committed
	if r, err = catalog.Export(ctx, w, base, src, opts); err != nil {
		return r, fmt.Errorf("%s is as it was: %w", path, err)
	}
	return r, w.Commit()
}

// options returns what the flags say.
func (f *copyFlags) options(ctx context.Context, src *larder.Store, t *copyTeller) (catalog.CopyOptions, error) {
	opts := catalog.CopyOptions{
		Sessions: f.sessions, Prefer: catalog.Preference(f.prefer), DryRun: f.dryRun, Parallel: f.parallel,
		Found: t.found, Progress: t.progress,
	}
	switch opts.Prefer {
	case catalog.PreferNone, catalog.PreferNewer, catalog.PreferOurs, catalog.PreferTheirs:
	default:
		return opts, misused("--prefer: %q is none of newer, ours and theirs", f.prefer)
	}
	if f.parallel < 0 {
		return opts, misused("--parallel is not negative")
	}
	if f.where == "" {
		return opts, nil
	}
	var err error
	opts.Where, err = parseWhere(ctx, src, f.where, time.Now())
	return opts, err
}

// copyTeller says what becomes of a copy.
type copyTeller struct {
	a      *app
	f      *copyFlags
	line   *progress
	failed error // to write a finding
}

func (a *app) newCopyTeller(f *copyFlags) *copyTeller {
	return &copyTeller{a: a, f: f, line: a.newProgress()}
}

func (t *copyTeller) progress(r catalog.CopyReport) {
	t.line.show(func() string { return t.did(r) })
}

// found writes a line about a value that was not simply copied.
func (t *copyTeller) found(f catalog.CopyFinding) {
	t.line.end()
	err := t.tell(f)
	if t.failed == nil {
		t.failed = err
	}
}

func (t *copyTeller) tell(f catalog.CopyFinding) error {
	if f.Err != nil {
		if e := new(backend.Error); errors.As(f.Err, &e) && e.Key == f.Key {
			f.Err = e.Err
		}
	}
	if t.f.asJSON {
		text := findingText{Key: f.Key.String(), Finding: f.What}
		if f.Err != nil {
			text.Error = f.Err.Error()
		} else {
			text.Ours, text.Theirs = sideOf(f.Ours), sideOf(f.Theirs)
		}
		return writeJSON(t.a.stdout, text)
	}
	if f.Err != nil {
		_, err := fmt.Fprintf(t.a.out(), "%s: %s: %v\n", f.Key, f.What, f.Err)
		return err
	}
	_, err := fmt.Fprintf(t.a.out(), "%s: %s: ours is %s, stored %s; theirs is %s, stored %s\n", f.Key, f.What,
		size(f.Ours.Size), moment(f.Ours), size(f.Theirs.Size), moment(f.Theirs))
	return err
}

func moment(info larder.Info) string { return larder.Stored(info).UTC().Format(time.RFC3339) }

// findingText is a finding as JSON.
type findingText struct {
	Key     string    `json:"key"`
	Finding string    `json:"finding"`
	Error   string    `json:"error,omitempty"`
	Ours    *sideText `json:"ours,omitempty"`
	Theirs  *sideText `json:"theirs,omitempty"`
}

// sideText is a value at one side of a copy, as JSON.
type sideText struct {
	Bytes  int64     `json:"bytes"`
	Stored time.Time `json:"stored"`
}

func sideOf(info larder.Info) *sideText { return &sideText{info.Size, larder.Stored(info).UTC()} }

// end says how a copy ended.
func (t *copyTeller) end(r catalog.CopyReport, err error) error {
	t.line.end()
	if err == nil {
		err = t.failed
	}
	if err != nil {
		return copyError(err)
	}
	if t.f.asJSON {
		if err := writeJSON(t.a.stdout, reportOf(r, t.f.dryRun)); err != nil {
			return err
		}
	}
	return t.verdict(r, t.did(r))
}

// verdict ends the command with the words, and the exit code that findings have.
func (t *copyTeller) verdict(r catalog.CopyReport, words string) error {
	if r.Findings() == 0 {
		t.a.note("%s", words)
		return nil
	}
	if r.Conflicts > 0 {
		words += "; in a conflict both stay, unless --prefer newer, ours or theirs decides"
	}
	return &exitError{exitFindings, errors.New(words)}
}

// copyError gives an error of a copy its exit code.
func copyError(err error) error {
	if errors.Is(err, catalog.ErrSamePlace) || errors.Is(err, larder.ErrKeys) {
		return &exitError{exitMisused, err}
	}
	return err
}
