package driver_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/larder-store/larder/internal/driver"
)

// rewinding can do what a body must, and no more: begin again.
type rewinding struct{ *strings.Reader }

func (r rewinding) Seek(off int64, whence int) (int64, error) {
	if off != 0 || whence != io.SeekStart {
		return 0, errors.New("only a seek to the start is possible")
	}
	return r.Reader.Seek(0, io.SeekStart)
}

// A source need not know how to seek to its end, nor to where it is.
func TestBodyOfASourceThatOnlyRewinds(t *testing.T) {
	const text = "some ten bytes"
	b, err := driver.NewBody(struct{ io.ReadSeeker }{rewinding{strings.NewReader(text)}}, int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // as the SDKs do before each attempt
		for _, whence := range []int{io.SeekEnd, io.SeekStart, io.SeekCurrent} {
			if _, err := b.Seek(0, whence); err != nil {
				t.Fatalf("Seek(0, %d): %v", whence, err)
			}
		}
		if got, err := io.ReadAll(b); string(got) != text || err != nil {
			t.Errorf("the body is %q, %v; want %q", got, err, text)
		}
	}
	b.Seek(0, io.SeekStart)
	for off := int64(0); off < b.Size(); off += 5 { // as an upload in parts does
		n := min(5, b.Size()-off)
		part, err := b.Part(off, n)
		if err != nil {
			t.Fatalf("Part(%d, %d): %v", off, n, err)
		}
		if got, err := io.ReadAll(part); string(got) != text[off:off+n] || err != nil {
			t.Errorf("Part(%d, %d) is %q, %v", off, n, got, err)
		}
	}
}
