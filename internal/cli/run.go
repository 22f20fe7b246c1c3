package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/internal/reserve"
	"github.com/larder-store/larder/internal/stage"
	"github.com/larder-store/larder/keying"
)

const runHelp = `Run a command, keep what it makes, and give that back the next time.

The first time, the command runs, and its declared outputs, standard output,
standard error and exit status are kept. The next time the same stage is asked
for, they are given back byte for byte, and the command does not run.

Stages are the same if all of this is the same:

  --name and --version   the name (default: the command's) and the version (default:
                       the SHA-256 of the executable)
  -p key=value         parameters, in any order
  -i [label=]file      inputs: the contents of a file, or of all files in a
                       directory; and its label, by default the path as given
  -e NAME              variables of the environment: their values
  -o file              outputs: their paths as given
  --stdin              standard input: what it holds
  the command and its arguments, as given

What is not declared does not count. So declare what the command reads: its script,
if it is one that an interpreter runs, too. Its standard input is empty unless
--stdin is given. Its outputs belong to the stage: they are moved away before the
command runs, and replaced as a whole when they are given back; that holds for
directories too. What a command wrote to them before it failed stays.

A command that fails is not kept, nor is one that was interrupted, or during which an
input changed. If the same stage is being run by another process, larder waits for
it and takes what it made; if another stage that is being run has one of the outputs,
larder waits for its end. A stage is over when the last process that it started is.
What a larder that was killed left running is ended by the next one that wants
its outputs.

-i and -o take one path each: of a pattern such as src/*.py, which the shell expands,
-i would take the first and the second would be the command. Declare the directory,
or write -i before each path.

A label is letters, digits, '.', '_' and '-'; write ./a=b for a file with '=' in
its name. A value is read as JSON if it is JSON (5, true, [1,2], {"a":1}, "5"; a number
with more digits than a 64-bit float holds is refused, since another would share its key),
else as text.

larder exits as the command does, or with 128 and the number of the signal that ended it;
with 127 if the command was not found, and with 126 if it could not be started.
Where it fails itself, with 1 (2 if misused), and says so.`

const runExample = `  larder run -i recording.atf -o spikes.csv -- ./detect --threshold 5 recording.atf spikes.csv
  larder run --name fit --version v3 -p tau=0.02 -i fit.py -i data/ -o model.npy -- python3 fit.py
  seq 3 | xargs -P 2 -I{} larder run -p trial={} -o out{}.txt -- ./simulate {}`

// runFlags are the flags of run.
type runFlags struct {
	name, version, dir string
	params, env        []string
	inputs, outputs    []string
	stdin              bool
	dryRun, refresh    bool
	check, failures    bool
	endLeft, json      bool
	why                bool
	maxAge             string
	storeErrors        string
	wait               time.Duration
}

// The values of --store-errors.
const (
	storeErrorsRun  = "run"
	storeErrorsFail = "fail"
)

func newRun(a *app) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:     "run [flags] [--] command [argument...]",
		Short:   "Run a command, or give back what it made before",
		Long:    runHelp,
		Example: runExample,
		Args:    func(cmd *cobra.Command, args []string) error { return f.checkCommand(cmd.ArgsLenAtDash() < 0, args) },
		RunE:    func(cmd *cobra.Command, args []string) error { return a.run(cmd, &f, args) },
	}
	fl := cmd.Flags()
	fl.SetInterspersed(false)
	fl.StringVar(&f.name, "name", "", "name of the stage (default: the base name of the command)")
	fl.StringVar(&f.version, "version", "", "version of its code (default: the SHA-256 of the executable)")
	fl.VarP(listFlag{&f.params}, "param", "p", "`key=value` that counts; repeatable")
	fl.VarP(listFlag{&f.env}, "env", "e", "`NAME` of a variable whose value counts; repeatable")
	fl.VarP(listFlag{&f.inputs}, "input", "i", "`[label=]path` of a file or directory that is read; repeatable")
	fl.VarP(listFlag{&f.outputs}, "output", "o", "`path` of a file or directory that is made; repeatable")
	fl.BoolVar(&f.stdin, "stdin", false, "the command reads standard input, and its contents count")
	fl.StringVarP(&f.dir, "dir", "C", "", "`directory` to run in; paths are relative to it")
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "only say whether the command would run (exit code 4) or not")
	fl.BoolVar(&f.why, "why", false, "explain a miss: how it differs from the nearest earlier run (with -n on standard output)")
	fl.StringVar(&f.maxAge, "max-age", "", "a run that was kept longer ago does not count: an `age` such as 12h or 30d")
	fl.BoolVar(&f.refresh, "refresh", false, "run the command in any case, and keep what it makes now")
	fl.BoolVar(&f.check, "check", false, "run the command in any case, and compare (exit code 3 if it differs)")
	fl.BoolVar(&f.failures, "keep-failures", false, "keep the run, and give it back, also if the command fails")
	fl.DurationVar(&f.wait, "wait", time.Hour, "how long to wait for another process: one that runs the same, then run it too; or one that uses an output, then fail")
	fl.BoolVar(&f.json, "json", false, "say what happened as a JSON object, on standard error (with --dry-run: on standard output)")
	fl.BoolVar(&f.endLeft, "end-leftovers", false, "end processes that the command leaves behind (default: wait for them)")
	fl.StringVar(&f.storeErrors, "store-errors", storeErrorsRun, "if the store cannot be reached or opened: `run` the command without it, or fail (a URL that makes no sense always fails)")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "refresh", "check")
	return cmd
}

// checkCommand refuses a command that begins before the "--", where paths were declared: most likely the shell made several
// words of one pattern, of which -i took the first, and the second would be run.
func (f *runFlags) checkCommand(noDash bool, args []string) error {
	switch {
	case len(args) == 0:
		return misused("run: no command was given; write: larder run [flags] -- command argument...")
	case noDash && len(f.inputs)+len(f.outputs) > 0 && slices.Contains(args, "--"):
		return misused("run: the command would begin with %q, before the --: -i and -o take one path each, and a pattern that the shell expands gives several; write -i before each path, or declare their directory. If %q is the command, write -- before it", args[0], args[0])
	}
	return nil
}

func (a *app) run(cmd *cobra.Command, f *runFlags, args []string) error {
	allProcessors := oneProcessor()
	defer allProcessors()
	ctx := cmd.Context()
	s, err := f.stage(args)
	if err != nil {
		return err
	}
	fresh, err := freshness(f.maxAge)
	if err != nil {
		return err
	}
	if f.stdin {
		if s.Stdin, err = stage.ReadStdin(input(ctx, a.stdin)); err != nil {
			return err
		}
		defer s.Stdin.Close()
	}
	wait := max(f.wait, time.Nanosecond) // 0 would be the library's default
	store, err := a.openToRun(ctx, f, wait)
	if err != nil {
		return err
	}
	defer store.Close()
	for _, path := range s.Undeclared() {
		a.warn("%s names a file that is not declared; if its contents matter, add -i %s", path, path)
	}
	if f.dryRun {
		o, err := s.Lookup(ctx, stage.Options{Store: store, KeepFailures: f.failures, Fresh: fresh})
		if err != nil {
			return runError(err)
		}
		return a.tellDryRun(ctx, f, store, s, o)
	}

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, stage.Signals...)
	defer signal.Stop(signals)
	bar := a.newProgress()
	bar.late()
	o, err := s.Run(ctx, stage.Options{
		Progress: func(doing string, done, total int64) {
			if total > largeRun {
				allProcessors()
			}
			bar.show(func() string { return fmt.Sprintf("%s: %s %s of %s", s.Title(), doing, size(done), size(total)) })
		},
		Store:        store,
		Reserve:      reserve.Options{MaxWait: wait, Reap: true, Note: func(text string) { a.warn("%s", text) }},
		EndLeft:      f.endLeft,
		FailOnStore:  f.storeErrors == storeErrorsFail,
		Stdout:       a.stdout,
		Stderr:       a.stderr,
		Signals:      signals,
		Refresh:      f.refresh,
		Check:        f.check,
		KeepFailures: f.failures,
		Fresh:        fresh,
	})
	bar.end()
	c := countsOf(store.Stats())
	c.Misses, c.Waited = 1, 0 // however often it looked
	if o.Hit {
		c.Misses = 0
	}
	if o.Waited {
		c.Waited = 1
	}
	a.tally(c)
	if err != nil {
		return runError(err)
	}
	a.afterRun(ctx, f, store, s, o)
	return a.tellRun(f, s, o)
}

// afterRun notes what a run left, and explains why it was one. A hit costs nothing of this.
func (a *app) afterRun(ctx context.Context, f *runFlags, store *larder.Store, s *stage.Stage, o stage.Outcome) {
	if len(o.Left) > 0 {
		left := make([]catalog.Output, len(o.Left))
		for i, file := range o.Left {
			left[i] = catalog.Output(file)
		}
		if err := catalog.NoteOutputs(ctx, store, o.ID, left); err != nil {
			a.note("%s: what it left was not noted for larder tree: %v", s.Title(), err)
		}
	}
	switch {
	case o.Hit || f.refresh || f.check:
	case f.why:
		if err := a.tellMiss(ctx, f, store, o); err != nil {
			a.warn("%s: the miss cannot be explained: %v", s.Title(), err)
		}
	case !f.json:
		a.hintAfter(ctx, store, s, o)
	}
}

// openToRun opens the store for a stage: one that fails at every call, if it cannot be opened and
// the stage is to run all the same.
func (a *app) openToRun(ctx context.Context, f *runFlags, wait time.Duration) (store *larder.Store, err error) {
	if f.storeErrors != storeErrorsRun && f.storeErrors != storeErrorsFail {
		return nil, misused("--store-errors is %q; it is %s or %s", f.storeErrors, storeErrorsRun, storeErrorsFail)
	}
	if f.dryRun {
		return a.openToRead(ctx)
	}
	rawURL, err := a.url()
	if err != nil {
		return nil, err
	}
	opts := a.options(wait)
	opts.KeysOfStore = false // a hit costs one request
	store, err = larder.Open(ctx, rawURL, opts)
	if err == nil || f.storeErrors == storeErrorsFail || errors.Is(err, backend.ErrInvalidURL) || ctx.Err() != nil {
		return store, err
	}
	a.warn("running without the store, and keeping nothing: %v", err)
	return larder.New(broken{err}, a.options(wait)), nil
}

// stage makes a stage of the flags.
func (f *runFlags) stage(args []string) (*stage.Stage, error) {
	params, err := parseParams(f.params)
	if err != nil {
		return nil, err
	}
	s := &stage.Stage{
		Name:    f.name,
		Version: f.version,
		Params:  params,
		Args:    args,
		Env:     f.env,
		Outputs: f.outputs,
		Dir:     f.dir,
	}
	if dir, err := os.UserCacheDir(); err == nil {
		s.Digests = filepath.Join(dir, "larder", "digests")
	}
	for _, in := range f.inputs {
		label, path, ok := strings.Cut(in, "=")
		if !ok || strings.ContainsFunc(label, notInLabel) || label == "" {
			label, path = "", in
		}
		s.Inputs = append(s.Inputs, stage.Input{Label: label, Path: path})
	}
	return s, nil
}

func notInLabel(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
}

// tellDryRun says what would happen, and why.
func (a *app) tellDryRun(ctx context.Context, f *runFlags, store *larder.Store, s *stage.Stage, o stage.Outcome) error {
	word := "miss"
	if o.Hit {
		word = "hit"
	}
	var err error
	if f.json {
		err = writeJSON(a.stdout, outcomeOf(s, o))
	} else {
		_, err = fmt.Fprintf(a.stdout, "%s %s\n", word, o.ID)
	}
	if err != nil || o.Hit {
		return err
	}
	if o.Stale != "" && !f.json && !f.why {
		a.note("%s: what is kept is too old: %s", s.Title(), o.Stale)
	}
	switch {
	case f.why:
		if err := a.tellMiss(ctx, f, store, o); err != nil {
			return err
		}
	case !f.json:
		a.hintAfter(ctx, store, s, o)
	}
	return &exitError{exitMiss, nil}
}

// outcomeText is an outcome as JSON.
type outcomeText struct {
	Stage   string   `json:"stage"`
	ID      string   `json:"id"`
	Hit     bool     `json:"hit"`
	Waited  bool     `json:"waited"`             // for another process, which made it
	Exit    int      `json:"exit"`               // of the command
	Seconds float64  `json:"seconds"`            // that the command took, now or when it was kept
	Size    int64    `json:"size"`               // of what is kept, in bytes
	NotKept string   `json:"not_kept,omitempty"` // why
	Late    bool     `json:"late,omitempty"`     // another process had kept its run
	Checked bool     `json:"checked,omitempty"`  // compared with what is kept
	Differs []string `json:"differs,omitempty"`  // in what
	Stale   string   `json:"stale,omitempty"`    // why what was kept did not count
}

func outcomeOf(s *stage.Stage, o stage.Outcome) outcomeText {
	return outcomeText{s.Title(), o.ID, o.Hit, o.Waited, o.Exit, o.Took.Seconds(), o.Size, o.NotKept, o.Late, o.Checked, o.Differs, o.Stale}
}

// tellRun says what happened, and exits as the command did. JSON goes to standard error, too: standard
// output is the command's.
func (a *app) tellRun(f *runFlags, s *stage.Stage, o stage.Outcome) error {
	if f.json {
		if err := writeJSON(a.stderr, outcomeOf(s, o)); err != nil {
			return err
		}
		switch {
		case len(o.Differs) > 0:
			return &exitError{exitFindings, nil}
		case o.Exit != 0:
			return &exitError{o.Exit, nil}
		}
		return nil
	}
	name := s.Title()
	if o.Unread != "" && o.Unread != o.NotKept {
		a.warn("%s: ran, for the store could not be read: %s", name, o.Unread)
	}
	if o.Stale != "" {
		a.note("%s: ran, for what is kept as %s was too old: %s", name, short(o.ID), o.Stale)
	}
	switch {
	case o.Hit:
		a.note("%s: given back from %s, saved %s", name, short(o.ID), duration(o.Took))
	case o.NotKept != "":
		a.warn("%s: not kept: %s", name, o.NotKept)
	case len(o.Differs) > 0:
		err := fmt.Errorf("%s: not the same as what is kept as %s: %s", name, short(o.ID), strings.Join(o.Differs, ", "))
		return &exitError{exitFindings, err}
	case o.Late:
		a.note("%s: ran in %s; another process had kept its run as %s", name, duration(o.Took), short(o.ID))
	case o.Checked:
		a.note("%s: ran in %s; the same as what is kept as %s", name, duration(o.Took), short(o.ID))
	default:
		a.note("%s: ran in %s; kept %s as %s", name, duration(o.Took), size(o.Size), short(o.ID))
	}
	if o.Exit != 0 {
		return &exitError{o.Exit, nil}
	}
	return nil
}

// runError gives a failure to start the command the code that shells give it.
func runError(err error) error {
	var c *stage.CommandError
	var unfit *keying.Error // parameters that no key can be made of
	switch {
	case errors.As(err, &c) && (errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist)):
		return &exitError{127, err}
	case errors.As(err, &c):
		return &exitError{126, err}
	case errors.As(err, &unfit), errors.Is(err, stage.ErrMisused):
		return &exitError{exitMisused, err}
	}
	return err
}
