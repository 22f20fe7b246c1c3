package cli

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

// docs/cli.md is the help of every command, as the command prints it. To write it anew:
//
//	go test ./internal/cli -run TestDocs -update
func TestDocs(t *testing.T) {
	var want bytes.Buffer
	want.WriteString("# The command larder\n\nThis is its help; `go test ./internal/cli -run TestDocs -update` writes this file. " +
		"How to use it for stages of a pipeline is in [run.md](run.md).\n")
	a := &app{stdout: io.Discard, stderr: io.Discard}
	root := newRoot(a, "")
	describeAll(t, &want, root)

	path := filepath.Join("..", "..", "docs", "cli.md")
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the commands say; write it anew with -update", path)
	}
}

func describeAll(t *testing.T, w io.Writer, cmd *cobra.Command) {
	t.Helper()
	var out bytes.Buffer
	path := strings.Fields(cmd.CommandPath())
	if code := run(t.Context(), append(path[1:], "--help"), nil, &out, io.Discard); code != exitDone {
		t.Errorf("%s --help: exit code %d", cmd.CommandPath(), code)
	}
	fmt.Fprintf(w, "\n## %s\n\n```\n%s```\n", cmd.CommandPath(), out.String())
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			describeAll(t, w, sub)
		}
	}
}

// Every command has help that says more than its name, fits a terminal, and tells how it is used.
func TestHelp(t *testing.T) {
	const width = 100
	for _, cmd := range newRoot(&app{}, "").Commands() {
		if cmd.Short == "" || cmd.Long == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short help %q, long help %q", cmd.Name(), cmd.Short, cmd.Long)
		}
		for _, line := range strings.Split(cmd.Long+"\n"+cmd.Example, "\n") {
			if n := len([]rune(line)); n > width {
				t.Errorf("%s: a line of %d characters: %q", cmd.Name(), n, line)
			}
		}
	}
}

// What docs/run.md shows is what the script "behind" runs.
func TestRecipesAreTested(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "run.md"))
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join("testdata", "script", "behind.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for i, block := range strings.Split(string(doc), "```") {
		kind, text, _ := strings.Cut(block, "\n")
		if i%2 == 0 || kind == "" {
			continue // prose, or a session
		}
		found++
		if !strings.Contains(string(script), text) {
			t.Errorf("no test runs this from docs/run.md:\n%s", text)
		}
	}
	if found != 4 {
		t.Errorf("docs/run.md has %d recipes, want 4", found)
	}
}
