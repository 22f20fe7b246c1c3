package cli

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A companion that is not installed is named, with the way to get it.
func TestCompanionIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := companion("larder-nothing")
	if err == nil || !strings.Contains(err.Error(), "go install github.com/larder-store/larder/cmd/larder-nothing@latest") {
		t.Errorf("companion: %v, want how to install it", err)
	}
}

func TestSameVersion(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"v1.2.0", "v1.2.0", true},
		{"v1.2.0", "v1.2.1", false},
		{"v0.0.0-20261121041414-92430d3abcde", "v0.0.0-20261121041414-92430d3abcde+dirty", false},
		{"v1.2.0", "(devel)", true},
		{"", "v1.2.0", true},
		{unknownVersion, "v1.2.0", true},
	} {
		if got := sameVersion(c.a, c.b); got != c.want {
			t.Errorf("sameVersion(%q, %q) = %v, want %v", c.a, c.b, got, c.want)
		}
		if got := sameVersion(c.b, c.a); got != c.want {
			t.Errorf("sameVersion(%q, %q) = %v, want %v", c.b, c.a, got, c.want)
		}
	}
}

// Where there is no exec a child does the work, and larder exits as it did. TestMain makes a larder of
// this binary if it is called by that name.
func TestCompanionAsChild(t *testing.T) {
	larder, err := exec.LookPath("larder")
	if err != nil {
		t.Fatal(err)
	}
	for want, args := range map[int][]string{
		exitDone:    {larder, "-s", "mem:", "ls", "-q"},
		exitMiss:    {larder, "-s", "mem:", "get", "-q", "ff/x"},
		exitMisused: {larder, "-s", "mem:", "get", "-q"},
	} {
		err := runCompanion(larder, args, os.Environ())
		if code := new(exitError); !errors.As(err, &code) || code.code != want || code.err != nil {
			t.Errorf("%q: %v, want exit code %d and no words", args[1:], err, want)
		}
	}
	err = runCompanion(t.TempDir(), []string{"", "ls"}, nil)
	if code := new(exitError); err == nil || errors.As(err, &code) {
		t.Errorf("a directory as companion: %v, want an error that it cannot be started", err)
	}
}
