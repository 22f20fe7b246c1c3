package durable_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/larder-store/larder/internal/durable"
)

// counted counts the writes.
type counted struct {
	bytes.Buffer
	writes int
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes++
	return c.Buffer.Write(p)
}

func TestCopy(t *testing.T) {
	for _, size := range []int{0, 1, 9, 10, 11, 25} {
		text := strings.Repeat("x", size)
		for name, r := range map[string]io.Reader{
			"one byte": iotest.OneByteReader(strings.NewReader(text)),
			"with EOF": iotest.DataErrReader(strings.NewReader(text)),
			"whole":    strings.NewReader(text),
		} {
			var dst counted
			n, err := durable.Copy(&dst, r, make([]byte, 10))
			if err != nil || n != int64(size) || dst.String() != text || dst.writes != (size+9)/10 {
				t.Errorf("%d bytes, %s: %d, %v in %d writes; want %d", size, name, n, err, dst.writes, (size+9)/10)
			}
		}
	}
	failed := errors.New("failed")
	r := io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(failed))
	var dst counted
	if n, err := durable.Copy(&dst, r, make([]byte, 10)); !errors.Is(err, failed) || n != 3 {
		t.Errorf("a reader that fails: %d, %v; want what came before it, and its error", n, err)
	}
	if _, err := durable.Copy(failing{failed}, strings.NewReader("abc"), make([]byte, 10)); !errors.Is(err, failed) {
		t.Errorf("a writer that fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
