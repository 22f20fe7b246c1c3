package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/readers"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"larder": Main, "larder-cloud": fakeCloud})
}

// fakeCloud is larder-cloud with a bucket that is the directory $BUCKET, and pictures that say what was asked for.
func fakeCloud() {
	backend.Register("s3", func(context.Context, *url.URL, *backend.Params) (backend.Backend, error) {
		return shelve.Open(os.Getenv("BUCKET"), nil)
	})
	Draw = func(w io.Writer, t *readers.Table, p Picture) error {
		if os.Getenv("BROKEN") != "" {
			return errors.New("out of ink")
		}
		_, err := fmt.Fprintf(w, "%d rows\n%+v\n", t.Rows(), p)
		return err
	}
	Main()
}

// TestScripts runs the command as users do: each script in testdata/script begins with an
// empty home, and its store is the directory "store".
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("LARDER_STORE", filepath.Join(env.WorkDir, "store"))
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("LARDER_RUNS", filepath.Join(env.WorkDir, ".runs"))
			env.Setenv("BUCKET", filepath.Join(env.WorkDir, "bucket"))
			return binaries(env.WorkDir)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":     exits,
			"capture":   capture,
			"unchanged": unchanged,
			"flip":      flip,
			"cut":       cut,
			"waitfor":   waitFor,
		},
	})
}

// binaries makes the files that a script cannot hold: an array of three numbers, and a value
// that is too large for an index.
func binaries(dir string) error {
	ramp, err := codec.Encode([]int64{0, 1, 2})
	if err != nil {
		return err
	}
	npy, err := io.ReadAll(ramp.Body)
	if err != nil {
		return err
	}
	big := bytes.Repeat([]byte("0123456789abcde\n"), 20_000)
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "ramp.npy"), npy, 0o644),
		os.WriteFile(filepath.Join(dir, "big.bin"), big, 0o644),
	)
}

// exits CODE COMMAND...: the command ends with this exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	default:
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// capture NAME: the variable NAME is what the last command wrote to standard output.
func capture(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// unchanged DIR COMMAND...: the command, whatever its exit code, changes nothing below DIR.
func unchanged(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	before := fingerprint(ts, dir)
	err := ts.Exec(args[1], args[2:]...)
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		ts.Check(err)
	}
	if after := fingerprint(ts, dir); after != before {
		ts.Fatalf("%s changed %s\nbefore:\n%s\nafter:\n%s", strings.Join(args[1:], " "), args[0], before, after)
	}
}

// fingerprint tells the names, modes and contents of all below dir; but for the contents of
// locks, where readers leave their names too.
func fingerprint(ts *testscript.TestScript, dir string) string {
	var b strings.Builder
	ts.Check(filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%v %s", info.Mode(), rel)
		if ext := filepath.Ext(path); info.Mode().IsRegular() && ext != ".door" && ext != ".gate" {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %d %x", len(text), sha256.Sum256(text))
		}
		b.WriteByte('\n')
		return nil
	}))
	return b.String()
}

// flip PATTERN: one bit in the middle of the one file that matches is turned over.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	path := only(ts, args[0])
	text, err := os.ReadFile(path)
	ts.Check(err)
	text[len(text)/2] ^= 1
	ts.Check(os.WriteFile(path, text, 0o600))
}

// cut PATTERN SIZE: the one file that matches ends after so many bytes.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(only(ts, args[0]), size))
}

func only(ts *testscript.TestScript, pattern string) string {
	found, err := filepath.Glob(ts.MkAbs(pattern))
	ts.Check(err)
	if len(found) != 1 {
		ts.Fatalf("%d files match %s, want one", len(found), pattern)
	}
	return found[0]
}

// waitfor FILE [TEXT]: the file is there, and holds the text.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	want := strings.Join(args[1:], " ")
	for range 3000 {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(text), want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s did not come to hold %q", args[0], want)
}
