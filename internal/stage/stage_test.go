package stage_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend/mem"
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
		"stdin":                  func(s *stage.Stage) { s.Stdin = stdin(t, "a") },
		"other stdin":            func(s *stage.Stage) { s.Stdin = stdin(t, "b") },
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

func stdin(t *testing.T, text string) *stage.Stdin {
	t.Helper()
	in, err := stage.ReadStdin(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in
}
