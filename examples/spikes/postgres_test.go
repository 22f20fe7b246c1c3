//go:build unix

package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-store/larder/internal/pgtest"
)

// The script makes a store in Postgres, and finds what it stored when it is run again.
func TestPostgresScript(t *testing.T) {
	store := pgtest.With(pgtest.With(pgtest.URL(t), "schema", "spikes"), "data", "file://"+t.TempDir())
	t.Cleanup(pgtest.Stop)
	out := t.TempDir()
	for _, want := range []string{"ran in", "given back"} {
		cmd := exec.Command("./postgres.sh", out)
		cmd.Env = append(cmd.Environ(), "LARDER_STORE="+store)
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if n := strings.Count(string(text), want); n != 3 {
			t.Errorf("%d stages say %q, want 3: %s", n, want, text)
		}
		for _, says := range []string{"server", "PostgreSQL", "spikes, format"} {
			if !strings.Contains(string(text), says) {
				t.Errorf("the output lacks %q: %s", says, text)
			}
		}
	}
	if found, err := filepath.Glob(filepath.Join(out, "spikes.txt")); err != nil || len(found) != 1 {
		t.Errorf("there is %q, want the spikes", found)
	}
}
