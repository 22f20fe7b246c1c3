package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mainVariable makes this test binary the command.
const mainVariable = "LARDER_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(mainVariable) != "" {
		main()
	}
	os.Exit(m.Run())
}

// larder runs the command, and returns what it says on standard output.
func larder(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), mainVariable+"=1")
	cmd.Stdin = strings.NewReader(stdin)
	var words strings.Builder
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("larder %q: %v\n%s%s", args, err, out, words.String())
	}
	return string(out)
}

// TestOwnBackend: values go into a folder and come out of it, and the folder keeps the laws.
func TestOwnBackend(t *testing.T) {
	dir := t.TempDir()
	store := "folder://" + filepath.ToSlash(dir)
	larder(t, "a model\n", "put", "--store", store, "--name", "lab/fit", "--version", "v3", "model")
	if got := larder(t, "", "get", "--store", store, "--name", "lab/fit", "--version", "v3", "model"); got != "a model\n" {
		t.Errorf("larder get = %q, want what was put", got)
	}
	if got := larder(t, "", "version"); !strings.Contains(got, "folder") {
		t.Errorf("larder version = %q, want the scheme folder in it", got)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "cache", "*", "*!")); err != nil || len(files) != 1 {
		t.Errorf("the folder holds %q, %v, want one value", files, err)
	}
	if got := larder(t, "", "conformance", "--quick", "folder://"+filepath.ToSlash(t.TempDir())); !strings.Contains(got, " 0 failed") {
		t.Errorf("larder conformance = %s, want no law broken", got)
	}
}

// TestPage: the page shows the program that is tested here.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/your-backend.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(source), "package main\n")
	if !strings.Contains(string(page), "```go\npackage main\n"+program+"```\n") {
		t.Errorf("docs/your-backend.md does not show examples/command/main.go")
	}
}
