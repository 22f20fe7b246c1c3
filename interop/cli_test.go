package interop_test

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/larder-store/larder/interop/proxy"
	"github.com/larder-store/larder/interop/servers"
)

// A place is where a script has its store.
type place struct {
	url    string
	vars   map[string]string // more of the environment
	tamper func(how, object string) error
	proxy  *proxy.Proxy // what the store's requests go through; nil: there are none
}

// TestCommand builds larder and larder-cloud, as users install them, and runs the scripts of
// testdata/cli on each kind of place, which is $LARDER_STORE. Those of testdata/bad tell for each kind of
// bad input what is wrong, where, and the remedy.
func TestCommand(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "./cmd/larder", "./cmd/larder-cloud")
	build.Dir = ".." // with the versions of the module that users install
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	for _, on := range []struct {
		name, dir string
		make      func(t testing.TB) place
	}{
		{"versitygw", "cli", func(t testing.TB) place { return onS3(t, servers.VersityGW(t)) }},
		{"gofakes3", "cli", func(t testing.TB) place { return onS3(t, servers.GoFakeS3(t)) }},
		{"file", "cli", inFiles},
		{"postgres", "postgres", onPostgres},
		{"mistakes", "bad", func(t testing.TB) place { return badPlaces(t, servers.VersityGW(t)) }},
	} {
		t.Run(on.name, func(t *testing.T) { scripts(t, bin, filepath.Join("testdata", on.dir), on.make) })
	}
}

func scripts(t *testing.T, bin, dir string, make func(testing.TB) place) {
	places := map[string]place{} // by the directory of the script
	var mu sync.Mutex            // guards places
	at := func(ts *testscript.TestScript) place {
		mu.Lock()
		defer mu.Unlock()
		return places[ts.Getenv("WORK")]
	}
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			p := make(env.T().(testing.TB))
			mu.Lock()
			places[env.WorkDir] = p
			mu.Unlock()
			for name, value := range environment(env.WorkDir, bin, p) {
				env.Setenv(name, value)
			}
			return recipe(env.WorkDir)
		},
		Condition: func(cond string) (bool, error) {
			return t.Name() == "TestCommand/"+cond, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"larder":  func(ts *testscript.TestScript, _ bool, args []string) { runLarder(ts, 0, args) },
			"exits":   exits,
			"capture": capture,
			"tamper": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(at(ts).tamper(args[0], args[1]))
			},
			"requests": func(ts *testscript.TestScript, _ bool, args []string) { requests(ts, at(ts).proxy, args) },
			"repeat":   repeat,
		},
	})
}

// environment is all that a script's commands see.
func environment(work, bin string, p place) map[string]string {
	env := map[string]string{
		"LARDER_STORE":   p.url,
		"XDG_CACHE_HOME": filepath.Join(work, "cache"),
		"HOME":           filepath.Join(work, "home"),
		"PATH":           bin + string(filepath.ListSeparator) + os.Getenv("PATH"),
		"BIN":            bin,
		"URL":            p.url,
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_EC2_METADATA_DISABLED", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		env[name] = os.Getenv(name)
	}
	maps.Copy(env, p.vars)
	return env
}

// recipe puts the Makefile that docs/run.md shows into a script's directory.
func recipe(dir string) error {
	text, err := os.ReadFile(filepath.Join("..", "docs", "run.md"))
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(text), "```make\n")
	makefile, _, ok := strings.Cut(rest, "```")
	if !ok {
		return errors.New("docs/run.md shows no Makefile")
	}
	return os.WriteFile(filepath.Join(dir, "Makefile"), []byte(makefile), 0o644)
}

// larder ARGUMENT...: the command succeeds.
// exits CODE larder ARGUMENT...: it ends with this exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	if args[1] != "larder" {
		ts.Fatalf("usage: exits CODE larder ARGUMENT...")
	}
	runLarder(ts, code, args[2:])
}

// runLarder runs the command, and sees to it that no credential is in what it writes.
func runLarder(ts *testscript.TestScript, want int, args []string) {
	got := 0
	err := ts.Exec("larder", args...)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	wrote := ts.ReadFile("stdout") + ts.ReadFile("stderr")
	for _, secret := range []string{servers.AccessKey, servers.SecretKey, wrongKey, wrongSecret} {
		if strings.Contains(wrote, secret) {
			ts.Fatalf("the credential %s is in what it wrote", secret)
		}
	}
}

// capture NAME [PATTERN]: the variable is what the last command wrote to standard output; or what the
// pattern's group matches there.
func capture(ts *testscript.TestScript, _ bool, args []string) {
	value := strings.TrimSpace(ts.ReadFile("stdout"))
	if len(args) > 1 {
		found := regexp.MustCompile(args[1]).FindStringSubmatch(value)
		if found == nil {
			ts.Fatalf("no match for %s", args[1])
		}
		value = found[1]
	}
	ts.Setenv(args[0], value)
}

// repeat NAME TEXT COUNT: the variable is the text so many times.
func repeat(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Setenv(args[0], strings.Repeat(args[1], n))
}

// requests [KIND=COUNT...]: so many were made since the last time. A count is a sum such as 1+$STORE.
func requests(ts *testscript.TestScript, p *proxy.Proxy, args []string) {
	want := map[string]int{}
	for _, arg := range args {
		kind, sum, _ := strings.Cut(arg, "=")
		for n := range strings.SplitSeq(sum, "+") {
			count, err := strconv.Atoi(n)
			ts.Check(err)
			want[kind] += count
		}
	}
	if got := p.Counts(); len(args) > 0 && !maps.Equal(got, want) {
		ts.Fatalf("%v requests were made, want %v", got, want)
	}
}
