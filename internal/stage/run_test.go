package stage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/internal/stage"
)

func TestCommandThatCannotStart(t *testing.T) {
	p := newPlace(t)
	p.write("plain", "no program")
	for _, args := range [][]string{{"larder-no-such-command"}, {"./plain"}, {"./absent"}, {"/"}} {
		for _, version := range []string{"", "1"} {
			_, err := p.try(&stage.Stage{Version: version, Args: args, Dir: p.dir})
			var c *stage.CommandError
			if !errors.As(err, &c) || !strings.Contains(err.Error(), fmt.Sprintf("%q", args[0])) {
				t.Errorf("Run(%q) with version %q: %v, want a CommandError that names it", args, version, err)
			}
		}
	}
}

func TestFailureIsNotKept(t *testing.T) {
	p := newPlace(t)
	p.write("o", "old")
	s := p.shell("echo sorry; exit 7", "o")
	for i := 1; i <= 2; i++ {
		got := p.run(s)
		if got.Exit != 7 || got.Hit || got.NotKept == "" || p.runs() != i {
			t.Errorf("run %d: %+v, %d runs; want exit 7, not kept", i, got.Outcome, p.runs())
		}
		if p.read("o") != "old" {
			t.Errorf("after a failure without an output, the old one is %q, want it back", p.read("o"))
		}
	}
	keep := func(o *stage.Options) { o.KeepFailures = true }
	p.run(s, keep)
	if got := p.run(s, keep); !got.Hit || got.Exit != 7 || got.stdout != "sorry\n" {
		t.Errorf("kept failure: %+v, want a hit with exit 7", got)
	}
	for _, keeps := range []bool{true, false} {
		o := stage.Options{Store: p.store, KeepFailures: keeps}
		if got, err := s.Lookup(context.Background(), o); err != nil || got.Hit != keeps {
			t.Errorf("Lookup with KeepFailures %v: %+v, %v; want hit %v", keeps, got, err, keeps)
		}
	}
	if got := p.run(s); got.Hit {
		t.Error("a kept failure was given back to who did not ask for it")
	}

	// Once it succeeds, the success takes the failure's place.
	moody := p.shell("[ -e fixed ] || exit 3; echo done")
	p.run(moody, keep)
	p.write("fixed", "")
	p.run(moody)
	if got := p.run(moody); !got.Hit || got.Exit != 0 || got.stdout != "done\n" {
		t.Errorf("after a success in place of a kept failure: %+v, want it given back", got)
	}

	// A signal says nothing about the stage.
	if got := p.run(p.shell("kill $$"), keep); got.NotKept == "" {
		t.Errorf("a run that was killed is kept: %+v", got.Outcome)
	}
}

// A stage whose command runs the same stage does not wait for itself.
func TestStageWithinItself(t *testing.T) {
	p := newPlace(t)
	s := p.shell("echo $LARDER_RUNNING")
	got := p.run(s)
	if id, _, _ := strings.Cut(strings.TrimSpace(got.stdout), "@"); id != got.ID {
		t.Errorf("the command is part of %q, want %q", got.stdout, got.ID)
	}
	t.Setenv("LARDER_RUNNING", "outer@1 "+strings.TrimSpace(got.stdout))
	_, err := p.try(s, func(o *stage.Options) { o.Refresh = true })
	if !errors.Is(err, stage.ErrMisused) || !strings.Contains(err.Error(), "outer runs "+got.ID+" runs "+got.ID) {
		t.Errorf("within itself: %v, want the loop", err)
	}
	other := p.run(p.shell("echo $LARDER_RUNNING; : other"))
	if want := "outer@1 " + strings.TrimSpace(got.stdout) + " " + other.ID + "@"; !strings.HasPrefix(other.stdout, want) {
		t.Errorf("another one within: %q, want it to begin with %q", other.stdout, want)
	}
}

func TestOutputThatIsNotMade(t *testing.T) {
	p := newPlace(t)
	p.write("old", "of an earlier run")
	for _, name := range []string{"never", "old"} {
		_, err := p.try(p.shell(": make nothing", name))
		if !errors.Is(err, stage.ErrNotMade) || !strings.Contains(err.Error(), name) {
			t.Errorf("output %q: %v, want ErrNotMade with its name", name, err)
		}
	}
	if p.read("old") != "of an earlier run" {
		t.Error("the old output is lost")
	}
}

func TestChangedInputIsNotKept(t *testing.T) {
	for name, change := range map[string]string{
		"contents":           "echo more >>in",
		"a file's going":     "rm in",
		"a file in a dir":    "echo more >>dir/x",
		"a new one in a dir": "echo new >dir/y",
	} {
		p := newPlace(t)
		p.write("in", "1")
		p.write("dir/x", "1")
		s := p.shell(change+"; echo done >o", "o")
		s.Inputs = []stage.Input{{Path: "in"}, {Path: "dir"}}
		got := p.run(s)
		if got.NotKept == "" || p.read("o") != "done\n" {
			t.Errorf("%s: %+v, o = %q; want the result, not kept", name, got.Outcome, p.read("o"))
		}
		if o, err := s.Lookup(context.Background(), stage.Options{Store: p.store}); err == nil && o.Hit {
			t.Errorf("%s: it was kept", name)
		}
	}
}

func TestDangerousOutputsAreRefused(t *testing.T) {
	p := newPlace(t)
	p.write("data/in", "1")
	p.write("w/x", "1")
	if err := os.Symlink("data", filepath.Join(p.dir, "link")); err != nil {
		t.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, outputs := range [][]string{
		{"."}, {".."}, {"/"}, {p.dir}, {home}, {"data"}, {"data/in"}, {"link"}, {"link/in"}, {"w/../data"},
		{"o", "o"}, {"o", "./o"}, {"o", "o/p"}, {""}, {"/dev/null"},
	} {
		s := p.shell("mkdir -p o; touch o/p", outputs...)
		s.Inputs = []stage.Input{{Path: "data/in"}}
		if _, err := p.try(s); !errors.Is(err, stage.ErrMisused) {
			t.Errorf("outputs %q: %v, want it refused", outputs, err)
		}
	}
	if p.runs() != 0 || p.read("data/in") != "1" {
		t.Error("a refused stage was run")
	}
}

// A link stays, and what it leads to is replaced.
func TestOutputBehindALink(t *testing.T) {
	p := newPlace(t)
	p.write("disk/real", "old")
	if err := os.Symlink("disk/real", filepath.Join(p.dir, "o")); err != nil {
		t.Fatal(err)
	}
	s := p.shell("echo new >o", "o")
	p.run(s)
	p.write("disk/real", "other")
	if got := p.run(s); !got.Hit || p.read("disk/real") != "new\n" {
		t.Errorf("hit %v, behind the link %q; want the output there", got.Hit, p.read("disk/real"))
	}
	if link, _ := os.Readlink(filepath.Join(p.dir, "o")); link != "disk/real" {
		t.Errorf("the link leads to %q", link)
	}
}

func TestStdin(t *testing.T) {
	p := newPlace(t)
	s := p.shell("cat")
	if got := p.run(s); got.stdout != "" {
		t.Errorf("without a declared standard input the command read %q", got.stdout)
	}
	s.Stdin = stdin(t, "hello")
	for range 2 {
		if got := p.run(s); got.stdout != "hello" {
			t.Errorf("standard input: %q, want hello", got.stdout)
		}
	}
}

func TestRefreshAndCheck(t *testing.T) {
	p := newPlace(t)
	check := func(o *stage.Options) { o.Check = true }
	steady := p.shell("mkdir d; echo same >d/x; echo same", "d")
	if got := p.run(steady, check); got.Checked || got.NotKept != "" {
		t.Errorf("check with nothing kept: %+v, want it run and kept", got.Outcome)
	}
	if got := p.run(steady, check); !got.Checked || len(got.Differs) > 0 || p.runs() != 2 {
		t.Errorf("check of a steady stage: %+v, want no difference", got.Outcome)
	}

	moody := p.shell("wc -l <runs >o; mkdir d; wc -l <runs >d/n; wc -l <runs", "o", "d")
	p.run(moody)
	kept := p.read("o")
	got := p.run(moody, check)
	if want := "[d/n o stdout]"; fmt.Sprint(got.Differs) != want {
		t.Errorf("check of an unsteady stage: differs in %v, want %s", got.Differs, want)
	}
	if got := p.run(p.shell("echo x >m; chmod 60$(wc -l <runs | tr -d ' ') m", "m")); got.NotKept != "" {
		t.Fatalf("%+v", got.Outcome)
	}
	got = p.run(p.shell("echo x >m; chmod 60$(wc -l <runs | tr -d ' ') m", "m"), check)
	if want := "[m]"; fmt.Sprint(got.Differs) != want {
		t.Errorf("check of an output with another mode: differs in %v, want %s", got.Differs, want)
	}

	if p.run(moody); p.read("o") != kept {
		t.Error("a check replaced what is kept")
	}
	p.run(moody, func(o *stage.Options) { o.Refresh = true })
	fresh := p.read("o")
	if p.run(moody); fresh == kept || p.read("o") != fresh {
		t.Errorf("after a refresh %q is given back, want %q, not %q", p.read("o"), fresh, kept)
	}
}

func TestLongOutput(t *testing.T) {
	p := newPlace(t)
	const mb = 48
	s := p.shell(fmt.Sprintf("head -c %d /dev/zero >o; head -c %d /dev/zero; head -c 3000000 /dev/zero >&2", mb<<20, mb<<20), "o")
	b, err := shelve.Open(filepath.Join(p.dir, "store"), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.store = larder.New(b, silent)
	defer p.store.Close()
	var out counter
	quiet := func(o *stage.Options) { o.Stdout, o.Stderr = &out, &out }
	for _, hit := range []bool{false, true} {
		out = 0
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if got := p.run(s, quiet); got.Hit != hit {
			t.Fatalf("hit %v, want %v", got.Hit, hit)
		}
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 16 {
			t.Errorf("hit %v: %d MiB allocated for an output of %d MiB, want at most 16", hit, n, mb)
		}
		if out != mb<<20+3000000 || len(p.read("o")) != mb<<20 {
			t.Errorf("hit %v: %d bytes written and %d in the file", hit, out, len(p.read("o")))
		}
	}
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// deaf is a store that does not answer. It counts the values that are sent to it.
type deaf struct {
	backend.Backend
	slow time.Duration
	puts int
}

func (d *deaf) Get(context.Context, backend.Key) (io.ReadCloser, backend.Info, error) {
	time.Sleep(d.slow)
	return nil, backend.Info{}, backend.ErrUnavailable
}

func (d *deaf) Put(context.Context, backend.Key, io.ReadSeeker, backend.PutOptions) (backend.Info, error) {
	d.puts++
	return backend.Info{}, backend.ErrUnavailable
}

// A store that does not answer costs a stage its time-outs once: the result is not sent to it, unless
// that is worth another try.
func TestStoreThatDoesNotAnswer(t *testing.T) {
	for _, c := range []struct {
		slow   time.Duration
		script string
		sent   bool
	}{{time.Second / 2, "echo made >o", false}, {0, "sleep 0.1; echo made >o", true}} {
		p := newPlace(t)
		d := &deaf{Backend: mem.New(nil), slow: c.slow}
		p.store = larder.New(d, silent)
		got, err := p.try(p.shell(c.script, "o"))
		if err != nil || got.NotKept == "" || p.read("o") != "made\n" || (d.puts > 0) != c.sent {
			t.Errorf("%q: %+v, %v, %d puts; want it run, not kept, and puts: %v", c.script, got.Outcome, err, d.puts, c.sent)
		}
		_, err = p.try(p.shell(c.script, "o"), func(o *stage.Options) { o.FailOnStore = true })
		if !errors.Is(err, backend.ErrUnavailable) || p.runs() != 1 {
			t.Errorf("%q, to fail if the store does: %v and %d runs, want ErrUnavailable and 1", c.script, err, p.runs())
		}
	}
}

// A hit never saves more than the command took.
func TestSavedIsWhatItTook(t *testing.T) {
	p := newPlace(t)
	s := p.shell("echo made >o", "o")
	first := p.run(s)
	if again := p.run(s); !again.Hit || again.Took > first.Took {
		t.Errorf("ran in %v and saved %v", first.Took, again.Took)
	}
}

// How far the keeping and the giving back of outputs has come can be shown.
func TestProgress(t *testing.T) {
	p := newPlace(t)
	s := p.shell("head -c 3000000 /dev/zero >o", "o")
	for _, want := range []string{"keeping", "giving back"} {
		var last, whole int64
		got := p.run(s, func(o *stage.Options) {
			o.Progress = func(doing string, done, size int64) {
				if doing != want || done > size {
					t.Errorf("%s %d of %d, want %s", doing, done, size, want)
				}
				last, whole = done, size
			}
		})
		if whole != got.Size || last != whole || whole < 3_000_000 {
			t.Errorf("%s: came to %d of %d; want all of %d", want, last, whole, got.Size)
		}
	}
}
