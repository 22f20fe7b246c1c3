// Package cli is the command larder: all of it but for the backends that it links. The commands
// larder and larder-cloud are this package with few of them and with all.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/terminal"
)

// The exit codes, as the help lists them.
const (
	exitDone     = 0
	exitFailed   = 1
	exitMisused  = 2
	exitFindings = 3
	exitMiss     = 4
)

const exitHelp = `Exit codes: 0 done, 1 failed, 2 misused, 3 findings, 4 miss. "larder run" exits
as its command does; 126 and 127 say that the command could not be started.`

// Main is the whole command. It ends the process.
func Main() {
	if code, ok := asChild(context.Background()); ok {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)                 // a second signal kills
	log.SetOutput(terminal.NewWriter(os.Stderr)) // some SDKs say things by it
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole command but for the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{args: args, stdin: stdin, stdout: stdout, stderr: stderr, companionOf: os.Getenv(companionVariable)}
	os.Unsetenv(companionVariable) // it is nothing to the commands that are run
	if err := a.checkCompanion(); err != nil {
		fmt.Fprintf(stderr, "larder: %v\n", err)
		return exitFailed
	}
	var err error
	path := "larder"
	if own, work := direct(ctx, a); work != nil {
		a, err = own, work()
	} else {
		root := newRoot(a, plainly(args))
		root.SetArgs(args)
		var cmd *cobra.Command
		cmd, err = root.ExecuteContextC(ctx)
		path = cmd.CommandPath()
	}
	if err == nil {
		return exitDone
	}
	code := exitFailed
	var e *exitError
	switch {
	case errors.As(err, &e):
		code, err = e.code, e.err
	case !a.started: // cobra's words about commands and flags
		code, err = exitMisused, fmt.Errorf("%w; see %s --help", err, path)
	case errors.Is(err, backend.ErrInvalidURL):
		code = exitMisused
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		code, err = exitFailed, errors.New("interrupted")
	}
	if err != nil {
		fmt.Fprintf(a.words(), "larder: %s\n", strings.TrimSuffix(err.Error(), "\n"))
	}
	return code
}

// app is what the subcommands share.
type app struct {
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
	companionOf    string // the version of the larder whose companion this is; empty: of none

	storeURL string
	quiet    bool
	started  bool // a subcommand is at work: its arguments were understood
}

// exitError ends the command with a code, and words unless err is nil.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// misused is an error in how the command was called.
func misused(format string, args ...any) error {
	return &exitError{exitMisused, fmt.Errorf(format, args...)}
}

// note says what is good to know but no result.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.words(), "larder: "+format+"\n", args...)
	}
}

// warn says what a user must know, also with --quiet.
func (a *app) warn(format string, args ...any) {
	fmt.Fprintf(a.words(), "larder: "+format+"\n", args...)
}

// What a subcommand opens.
type opens int

const (
	noStore     opens = iota
	theStore          // that of the flag, of the environment or of the user
	storeNamed        // that of its argument, if there is one
	storesNamed       // those of its arguments
)

// commands are the subcommands.
var commands = []struct {
	name  string
	build func(*app) *cobra.Command
	opens opens
}{
	{"run", newRun, theStore},
	{"get", newGet, theStore},
	{"put", newPut, theStore},
	{"ls", newList, theStore},
	{"find", newFind, theStore},
	{"show", newShow, theStore},
	{"tree", newTree, theStore},
	{"why", newWhy, theStore},
	{"touch", newTouch, theStore},
	{"rm", newRemove, theStore},
	{"cp", newCopy, storesNamed},
	{"sync", newSync, storesNamed},
	{"stats", newStats, theStore},
	{"check", newCheck, theStore},
	{"gc", newGC, theStore},
	{"pin", newPin, theStore},
	{"unpin", newUnpin, theStore},
	{"pins", newPins, theStore},
	{"info", newInfo, storeNamed},
	{"migrate", newMigrate, storeNamed},
	{"index", newIndex, theStore},
	{"read", newRead, noStore},
	{"conformance", newConformance, storeNamed},
	{"sessions", newSessions, noStore}, // its commands open it
	{"collate", newCollate, theStore},
	{"version", newVersion, noStore},
}

// plainly returns the subcommand that args begin with, or "" if they begin otherwise. It is all
// that has to be built then, which spares half a millisecond at each start.
func plainly(args []string) string {
	for _, c := range commands {
		if len(args) > 0 && args[0] == c.name {
			return c.name
		}
	}
	return ""
}

// newRoot returns the command with its subcommands; or with one, if only is not empty.
func newRoot(a *app, only string) *cobra.Command {
	root := &cobra.Command{
		Use:   "larder",
		Short: "Keep what commands have made, so that nobody computes it twice",
		Long: `Larder keeps results, and finds them again by what they are: the type, version,
parameters and inputs of what computed them. "larder run" does so for commands in
any language.

The store is named by --store URL, else by LARDER_STORE; else it is a shelf in the
user's cache directory. A plain path is a shelf of its own.
For a bucket (s3://, gs://, azblob://), a database (postgres://) and pictures larder becomes
larder-cloud, which is installed beside it.

Data goes to standard output, words to standard error.

` + exitHelp,
		SuggestionsMinimumDistance: 1,
		SilenceErrors:              true,
		SilenceUsage:               true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			err := fmt.Errorf("there is no command %q", args[0])
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				err = fmt.Errorf("%w; perhaps %s", err, strings.Join(near, ", "))
			}
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	a.addFlags(root.PersistentFlags())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return explainFlagError(cmd, a.args, err) })
	root.SetHelpCommand(newHelp(a, root))
	for _, c := range commands {
		if only != "" && c.name != only {
			continue
		}
		cmd := c.build(a)
		work := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.started = true
			if err := checkDashes(cmd, a.args); err != nil {
				return err
			}
			if err := a.prepare(c.opens, args); err != nil {
				return err
			}
			return work(cmd, args)
		}
		root.AddCommand(cmd)
	}
	return root
}

// addFlags adds the flags of all commands.
func (a *app) addFlags(flags *pflag.FlagSet) {
	flags.VarP(&storeFlag{a: a}, "store", "s", "URL or path of the store (default $LARDER_STORE, else the user's cache); given twice, a near store and the far one that it is a cache of")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "say only what went wrong")
}

// prepare sees to it that this process can open the store that is meant.
func (a *app) prepare(what opens, args []string) error {
	if what == noStore {
		return nil
	}
	if what == storesNamed {
		for _, a.storeURL = range args {
			if err := a.companionFor(); err != nil {
				return err
			}
		}
		return nil
	}
	if what == storeNamed && len(args) == 1 {
		a.storeURL = args[0]
	}
	return a.companionFor()
}
