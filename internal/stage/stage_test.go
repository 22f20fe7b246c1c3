package stage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/internal/stage"
)

// silent keeps a Store's words out of the tests' output.
var silent = &larder.Options{Logger: slog.New(slog.DiscardHandler)}

// place is a directory with a store for stages to run in.
type place struct {
	t     *testing.T
	dir   string
	store *larder.Store
}

func newPlace(t *testing.T) *place {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the stages of these tests are shell scripts")
	}
	store := larder.New(mem.New(nil), silent)
	t.Cleanup(func() { store.Close() })
	return &place{t, t.TempDir(), store}
}

func (p *place) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// read returns a file's text, or "absent".
func (p *place) read(name string) string {
	p.t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if os.IsNotExist(err) {
		return "absent"
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// shell is a stage that runs a script. Each run leaves a mark in the file "runs", which is no output.
func (p *place) shell(script string, outputs ...string) *stage.Stage {
	return &stage.Stage{Version: "1", Args: []string{"sh", "-c", "echo run >>runs; " + script}, Outputs: outputs, Dir: p.dir}
}

func (p *place) runs() int {
	if p.read("runs") == "absent" {
		return 0
	}
	return strings.Count(p.read("runs"), "\n")
}

// result is what a user sees of a run.
type result struct {
	stage.Outcome
	stdout, stderr string
}

func (p *place) run(s *stage.Stage, change ...func(*stage.Options)) result {
	p.t.Helper()
	r, err := p.try(s, change...)
	if err != nil {
		p.t.Fatalf("Run(%q): %v", s.Args, err)
	}
	return r
}

func (p *place) try(s *stage.Stage, change ...func(*stage.Options)) (result, error) {
	var stdout, stderr bytes.Buffer
	o := stage.Options{Store: p.store, Stdout: &stdout, Stderr: &stderr}
	for _, c := range change {
		c(&o)
	}
	outcome, err := s.Run(context.Background(), o)
	left, _ := filepath.Glob(filepath.Join(p.dir, ".larder-*"))
	if len(left) > 0 {
		p.t.Errorf("Run(%q) left %q", s.Args, left)
	}
	return result{outcome, stdout.String(), stderr.String()}, err
}

func TestSecondRunIsGivenBack(t *testing.T) {
	p := newPlace(t)
	script := `echo out; echo err >&2
		mkdir -p deep/er tree/sub tree/empty
		printf abc >deep/er/file; chmod 640 deep/er/file
		printf '#!' >tree/tool; chmod 755 tree/tool
		printf x >tree/sub/x; : >tree/sub/nothing; ln -s ../tool tree/sub/link
		chmod 500 tree/sub`
	s := p.shell(script, "tree", "deep/er/file")
	first := p.run(s)
	if first.Hit || first.NotKept != "" {
		t.Fatalf("first run: %+v; want it run and kept", first.Outcome)
	}
	want := snapshot(t, p.dir)
	for _, name := range []string{"deep", "tree"} {
		os.Chmod(filepath.Join(p.dir, "tree/sub"), 0o700)
		if err := os.RemoveAll(filepath.Join(p.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, what := range []string{"into nothing", "over what is there"} {
		second := p.run(s)
		if !second.Hit || p.runs() != 1 {
			t.Fatalf("%s: hit %v, %d runs; want it given back", what, second.Hit, p.runs())
		}
		if second.stdout != "out\n" || second.stderr != "err\n" || second.ID != first.ID {
			t.Errorf("%s: stdout %q, stderr %q, ID %s; want out, err, %s", what, second.stdout, second.stderr, second.ID, first.ID)
		}
		if got := snapshot(t, p.dir); got != want {
			t.Errorf("%s: the directory is\n%s\nwant\n%s", what, got, want)
		}
	}
}

// snapshot tells names, modes, links and contents of all below dir.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || path == dir {
			return err
		}
		text := ""
		switch {
		case info.Mode()&os.ModeSymlink != 0:
			text, err = os.Readlink(path)
		case info.Mode().IsRegular():
			var c []byte
			c, err = os.ReadFile(path)
			text = string(c)
		}
		fmt.Fprintf(&b, "%s %v %q\n", strings.TrimPrefix(path, dir), info.Mode(), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWhatCounts(t *testing.T) {
	p := newPlace(t)
	p.write("a", "A")
	p.write("copy of a", "A")
	p.write("b", "B")
	p.write("d/x", "X")
	p.write("e/x", "X")
	p.write("f/y", "X")
	t.Setenv("COUNTS", "1")
	base := func() *stage.Stage {
		return &stage.Stage{Name: "n", Version: "1", Args: []string{"cmd", "arg"}, Dir: p.dir,
			Inputs: []stage.Input{{Path: "a"}, {Path: "b"}}, Outputs: []string{"o", "q"}, Params: map[string]any{"k": 1}}
	}
	id := func(change func(*stage.Stage)) string {
		t.Helper()
		s := base()
		change(s)
		c, err := s.Component(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		key, err := p.store.Key(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	was := id(func(*stage.Stage) {})
	for what, change := range map[string]func(*stage.Stage){
		"order of inputs":         func(s *stage.Stage) { s.Inputs[0], s.Inputs[1] = s.Inputs[1], s.Inputs[0] },
		"order of outputs":        func(s *stage.Stage) { s.Outputs = []string{"q", "o"} },
		"spelling of paths":       func(s *stage.Stage) { s.Inputs[0].Path, s.Outputs[0] = "./a", "x/../o" },
		"type of a number":        func(s *stage.Stage) { s.Params["k"] = 1.0 },
		"a file of same contents": func(s *stage.Stage) { s.Inputs[0] = stage.Input{Label: "a", Path: "copy of a"} },
	} {
		if got := id(change); got != was {
			t.Errorf("%s changes the key", what)
		}
	}
	seen := map[string]string{was: "nothing"}
	for what, change := range map[string]func(*stage.Stage){
		"name":                   func(s *stage.Stage) { s.Name = "m" },
		"version":                func(s *stage.Stage) { s.Version = "2" },
		"parameter":              func(s *stage.Stage) { s.Params["k"] = 2 },
		"another parameter":      func(s *stage.Stage) { s.Params["l"] = 1 },
		"no parameters":          func(s *stage.Stage) { s.Params = nil },
		"argument":               func(s *stage.Stage) { s.Args[1] = "arg2" },
		"arguments split":        func(s *stage.Stage) { s.Args = []string{"cmd", "a", "rg"} },
		"command":                func(s *stage.Stage) { s.Args[0] = "cmd2" },
		"contents":               func(s *stage.Stage) { s.Inputs[0] = stage.Input{Label: "a", Path: "b"} },
		"swapped contents":       func(s *stage.Stage) { s.Inputs = []stage.Input{{"a", "b"}, {"b", "a"}} },
		"label":                  func(s *stage.Stage) { s.Inputs[0].Label = "c" },
		"fewer inputs":           func(s *stage.Stage) { s.Inputs = s.Inputs[:1] },
		"directory":              func(s *stage.Stage) { s.Inputs[0] = stage.Input{Label: "a", Path: "d"} },
		"names in a directory":   func(s *stage.Stage) { s.Inputs[0] = stage.Input{Label: "a", Path: "f"} },
		"output":                 func(s *stage.Stage) { s.Outputs[0] = "p" },
		"fewer outputs":          func(s *stage.Stage) { s.Outputs = s.Outputs[:1] },
		"variable":               func(s *stage.Stage) { s.Env = []string{"COUNTS"} },
		"variable that is unset": func(s *stage.Stage) { s.Env = []string{"LARDER_TEST_UNSET"} },
		"stdin":                  func(s *stage.Stage) { s.Stdin = filepath.Join(p.dir, "a") },
		"other stdin":            func(s *stage.Stage) { s.Stdin = filepath.Join(p.dir, "b") },
	} {
		got := id(change)
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s give the same key", what, other)
		}
		seen[got] = what
	}
	t.Setenv("COUNTS", "2")
	if got := id(func(s *stage.Stage) { s.Env = []string{"COUNTS"} }); seen[got] != "" {
		t.Errorf("another value of a variable and %s give the same key", seen[got])
	}
	inDir := func(dir string) string {
		return id(func(s *stage.Stage) { s.Inputs[0] = stage.Input{Label: "a", Path: dir} })
	}
	if inDir("d") != inDir("e") {
		t.Error("directories of the same contents give different keys")
	}
	before := inDir("e")
	os.Chmod(filepath.Join(p.dir, "e/x"), 0o755)
	if inDir("e") == before {
		t.Error("whether a file in a directory may be executed does not count")
	}
}

// The executable is the version, unless there is another.
func TestExecutableIsTheVersion(t *testing.T) {
	p := newPlace(t)
	p.write("tool", "#!/bin/sh\necho one\n")
	os.Chmod(filepath.Join(p.dir, "tool"), 0o755)
	s := &stage.Stage{Args: []string{"./tool"}, Dir: p.dir}
	if got := p.run(s); got.stdout != "one\n" || got.Hit {
		t.Fatalf("first: %+v", got)
	}
	p.write("tool", "#!/bin/sh\necho two\n")
	if got := p.run(s); got.stdout != "two\n" || got.Hit {
		t.Errorf("with a changed executable: hit %v, %q; want it run", got.Hit, got.stdout)
	}
	if got := p.run(s); got.stdout != "two\n" || !got.Hit {
		t.Errorf("unchanged: hit %v, %q; want it given back", got.Hit, got.stdout)
	}
}

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
	if strings.TrimSpace(got.stdout) != got.ID {
		t.Errorf("the command is told that it is part of %q, want %q", got.stdout, got.ID)
	}
	t.Setenv("LARDER_RUNNING", "outer "+got.ID)
	_, err := p.try(s, func(o *stage.Options) { o.Refresh = true })
	if !errors.Is(err, stage.ErrMisused) || !strings.Contains(err.Error(), "outer runs "+got.ID+" runs "+got.ID) {
		t.Errorf("within itself: %v, want the loop", err)
	}
	other := p.run(p.shell("echo $LARDER_RUNNING; : other"))
	if want := "outer " + got.ID + " " + other.ID; strings.TrimSpace(other.stdout) != want {
		t.Errorf("another one within: %q, want %q", other.stdout, want)
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
	p.write("text", "hello")
	s := p.shell("cat")
	if got := p.run(s); got.stdout != "" {
		t.Errorf("without a declared standard input the command read %q", got.stdout)
	}
	s.Stdin = filepath.Join(p.dir, "text")
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

// The same stage asked for by many at once, each with a handle of its own as processes have:
// one runs it, and all get what it made.
func TestOneRunForMany(t *testing.T) {
	p := newPlace(t)
	dir := filepath.Join(p.dir, "store")
	results := make([]result, 4)
	var group sync.WaitGroup
	for i := range results {
		b, err := shelve.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		q := &place{t, t.TempDir(), larder.New(b, silent)}
		defer q.store.Close()
		s := &stage.Stage{Version: "1", Args: []string{"sh", "-c", "echo run >>$RUNS; sleep 0.2; echo made | tee o"}, Outputs: []string{"o"}, Dir: q.dir}
		t.Setenv("RUNS", filepath.Join(p.dir, "runs"))
		group.Go(func() {
			var err error
			if results[i], err = q.try(s); err != nil {
				t.Error(err)
			}
			if q.read("o") != "made\n" {
				t.Errorf("output %q", q.read("o"))
			}
		})
	}
	group.Wait()
	hits := 0
	for _, r := range results {
		if r.Hit {
			hits++
		}
		if r.Waited != r.Hit {
			t.Errorf("hit %v, waited %v; want the same", r.Hit, r.Waited)
		}
		if r.stdout != "made\n" {
			t.Errorf("stdout %q", r.stdout)
		}
	}
	if p.runs() != 1 || hits != len(results)-1 {
		t.Errorf("%d runs and %d hits, want 1 and %d", p.runs(), hits, len(results)-1)
	}
}

// Runs that race without knowing of each other are kept whole, one of them.
func TestRacingRunsNeverMix(t *testing.T) {
	p := newPlace(t)
	p.store = larder.New(mem.New(nil), &larder.Options{NoLease: true})
	var group sync.WaitGroup
	for range 8 {
		q := &place{t, t.TempDir(), p.store}
		group.Go(func() {
			// every run makes its own number, three times
			s := &stage.Stage{Version: "1", Args: []string{"sh", "-c", "echo $$ | tee a b"}, Outputs: []string{"a", "b"}, Dir: q.dir}
			if _, err := q.try(s); err != nil {
				t.Error(err)
			}
			if got := q.run(s); !got.Hit || got.stdout != q.read("a") || got.stdout != q.read("b") {
				t.Errorf("hit %v: stdout %q, a %q, b %q; want three times the same", got.Hit, got.stdout, q.read("a"), q.read("b"))
			}
		})
	}
	group.Wait()
}

func TestInterrupt(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		exit   int
	}{
		"dies of it":                       {"touch started; exec sleep 60", 128 + int(syscall.SIGTERM)},
		"ends in peace":                    {"trap 'exit 0' TERM; touch started o; while :; do sleep 0.01; done", 0},
		"leaves one that holds its output": {"sleep 60 & echo $! >pid; touch started; wait", 128 + int(syscall.SIGTERM)},
	} {
		p := newPlace(t)
		p.write("o", "old")
		s := p.shell(tc.script, "o")
		signals := make(chan os.Signal, 1)
		go func() {
			for p.read("started") == "absent" {
				time.Sleep(time.Millisecond)
			}
			signals <- syscall.SIGTERM
		}()
		got := p.run(s, func(o *stage.Options) { o.Signals = signals })
		if pid, err := strconv.Atoi(strings.TrimSpace(p.read("pid"))); err == nil {
			if left, err := os.FindProcess(pid); err == nil {
				left.Kill()
			}
		}
		if got.Exit != tc.exit || got.NotKept == "" {
			t.Errorf("%s: %+v, want exit %d and not kept", name, got.Outcome, tc.exit)
		}
		if o, err := s.Lookup(context.Background(), stage.Options{Store: p.store}); err != nil || o.Hit {
			t.Errorf("%s: Lookup = %+v, %v; want a miss", name, o, err)
		}
	}
}

func TestEndOfContextKillsTheCommand(t *testing.T) {
	p := newPlace(t)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for p.read("started") == "absent" {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	var out bytes.Buffer
	got, err := p.shell("touch started; exec sleep 60").Run(ctx, stage.Options{Store: p.store, Stdout: &out, Stderr: &out})
	if err != nil || got.NotKept == "" || got.Exit != 128+int(syscall.SIGKILL) {
		t.Errorf("Run = %+v, %v; want it killed and not kept", got, err)
	}
}

func TestUndeclared(t *testing.T) {
	p := newPlace(t)
	for _, name := range []string{"script.py", "in", "config", "dir/x", "o"} {
		p.write(name, "")
	}
	s := &stage.Stage{Dir: p.dir, Outputs: []string{"o"}, Inputs: []stage.Input{{Path: "in"}, {Label: "d", Path: "./dir"}},
		Args: []string{"python3", "script.py", "./in", "dir/x", "dir", "--config=config", "o", "absent", "-v", "script.py"}}
	if got, want := fmt.Sprint(s.Undeclared()), "[script.py config]"; got != want {
		t.Errorf("Undeclared() = %s, want %s", got, want)
	}
}
