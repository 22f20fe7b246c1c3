package backend_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/sums"
)

func info(b []byte) backend.Info {
	return backend.Info{
		Key:  backend.Key{Shelf: "s", Name: "n"},
		Size: int64(len(b)),
		Sum:  sums.CRC(b),
	}
}

// ways are the shapes in which a backend may deliver the same bytes.
var ways = map[string]func([]byte) io.ReadCloser{
	"in memory":      func(b []byte) io.ReadCloser { return backend.NewBody(b) },
	"plain":          func(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) },
	"byte by byte":   func(b []byte) io.ReadCloser { return io.NopCloser(iotest.OneByteReader(bytes.NewReader(b))) },
	"eof with bytes": func(b []byte) io.ReadCloser { return io.NopCloser(iotest.DataErrReader(bytes.NewReader(b))) },
	"half reads":     func(b []byte) io.ReadCloser { return io.NopCloser(iotest.HalfReader(bytes.NewReader(b))) },
}

var sizes = []int{0, 1, 2, 1000, 256<<10 - 1, 256 << 10, 256<<10 + 1}

func value(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func TestSoundValuesComeThrough(t *testing.T) {
	for name, way := range ways {
		for _, size := range sizes {
			want := value(size)
			r, err := backend.Verify(way(bytes.Clone(want)), info(want))
			if err != nil {
				t.Fatalf("%s, %d bytes: Open: %v", name, size, err)
			}
			if err := iotest.TestReader(r, want); err != nil {
				t.Errorf("%s, %d bytes: %v", name, size, err)
			}
		}
	}
}

// A reader that asks for exactly the bytes of the value must not get them all.
func TestLastByteIsWithheld(t *testing.T) {
	for name, way := range ways {
		for _, size := range sizes {
			good := value(size)
			damaged := map[string][]byte{"cut by a byte": good, "cut to nothing": nil}
			if size > 0 {
				damaged["cut by a byte"] = good[:size-1]
				for what, at := range map[string]int{"first byte": 0, "last byte": size - 1, "middle": size / 2} {
					b := bytes.Clone(good)
					b[at] ^= 1
					damaged[what] = b
				}
			}
			for what, bad := range damaged {
				want := info(good)
				if size == 0 {
					want.Sum = 1 // the only damage that an empty value can have
				}
				r, err := backend.Verify(way(bytes.Clone(bad)), want)
				n := 0
				if err == nil {
					buf := make([]byte, size)
					n, err = io.ReadFull(r, buf)
				}
				if !errors.Is(err, backend.ErrCorrupt) || n >= max(size, 1) {
					t.Errorf("%s, %d bytes, %s: ReadFull = %d, %v; want fewer bytes and ErrCorrupt", name, size, what, n, err)
				}
			}
		}
	}
}

func TestOtherErrorsStay(t *testing.T) {
	boom := errors.New("boom")
	b := value(1000)
	body := io.MultiReader(bytes.NewReader(b[:500]), iotest.ErrReader(boom))
	r, err := backend.Verify(io.NopCloser(body), info(b))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it sticks
		if _, err := io.ReadAll(r); !errors.Is(err, boom) || errors.Is(err, backend.ErrCorrupt) {
			t.Errorf("ReadAll: %v, want boom", err)
		}
	}
}

type closer struct {
	io.Reader
	n int
}

func (c *closer) Close() error { c.n++; return nil }

func TestCloseReachesTheBody(t *testing.T) {
	b := value(10)
	c := &closer{Reader: bytes.NewReader(b)}
	r, err := backend.Verify(c, info(b))
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if c.n != 1 {
		t.Errorf("body closed %d times, want 1", c.n)
	}
	c = &closer{Reader: bytes.NewReader(nil)}
	if _, err := backend.Verify(c, backend.Info{Sum: 5}); err == nil || c.n != 1 {
		t.Errorf("corrupt empty value: err %v, body closed %d times; want an error and 1", err, c.n)
	}
}
