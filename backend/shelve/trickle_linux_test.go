package shelve_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/larder-store/larder/backend"
)

// trickle is a body that delivers a byte at a time.
type trickle struct{ *strings.Reader }

func (t trickle) Read(p []byte) (int, error) { return iotest.OneByteReader(t.Reader).Read(p) }

// WriteTo hides the one of strings.Reader.
func (t trickle) WriteTo() {}

// A body that trickles costs no system call a byte.
func TestTrickle(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	defer b.Close()
	text := strings.Repeat("0123456789", 30_000)
	before := writes(t)
	var body io.ReadSeeker = trickle{strings.NewReader(text)}
	if _, err := b.Put(context.Background(), backend.Key{Shelf: "s", Name: "k"}, body, options([]byte(text))); err != nil {
		t.Fatal(err)
	}
	if n := writes(t) - before; n > 1000 {
		t.Errorf("%d bytes took %d writes", len(text), n)
	}
}

// writes returns how many system calls of this process wrote something.
func writes(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "syscw: ")
	if _, err := fmt.Sscan(after, &n); err != nil {
		t.Fatal(err)
	}
	return n
}
