package codec_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/larder-store/larder/codec"
)

// A body is a reader, seeker, ReaderAt and WriterTo like any other.
func TestBodies(t *testing.T) {
	large := make([]int32, 300_000)
	for i := range large {
		large[i] = int32(i)
	}
	for _, v := range []any{"", "text", []float64{}, []float64{1, 2, 3}, large, [][]int16{{1, 2}, {3, 4}, {5, 6}}, 1i, map[string]int{"a": 1}} {
		e, err := codec.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		want, err := io.ReadAll(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Body.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if len(want) < 10_000 {
			if err := iotest.TestReader(e.Body, want); err != nil {
				t.Errorf("the body of %T: %v", v, err)
			}
		}
		for _, from := range []int64{0, 1, int64(len(want)) / 2, int64(len(want)), int64(len(want)) + 5} {
			if at, err := e.Body.Seek(from, io.SeekStart); at != from || err != nil {
				t.Fatalf("Seek(%d) = %d, error %v", from, at, err)
			}
			rest := want[min(from, int64(len(want))):]
			var b bytes.Buffer
			n, err := e.Body.(io.WriterTo).WriteTo(&b)
			if err != nil || n != int64(len(rest)) || !bytes.Equal(b.Bytes(), rest) {
				t.Errorf("the body of %T: WriteTo from %d wrote %d of %d bytes, error %v", v, from, n, len(rest), err)
			}
			if n, err := e.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("the body of %T: Read after WriteTo = %d, error %v, want EOF", v, n, err)
			}
		}
	}
}

func TestBodyRefusesToSeekAstray(t *testing.T) {
	e, err := codec.Encode("text")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Body.Seek(-1, io.SeekStart); err == nil {
		t.Error("Seek(-1) succeeded")
	}
	if _, err := e.Body.Seek(0, 7); err == nil {
		t.Error("Seek with whence 7 succeeded")
	}
	if _, err := e.Body.(io.ReaderAt).ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("ReadAt(-1) succeeded")
	}
}

// A WriteTo that fails tells how far it came, and goes on from there.
func TestWriteToFails(t *testing.T) {
	e, err := codec.Encode(make([]byte, 3*codec.Step))
	if err != nil {
		t.Fatal(err)
	}
	full := &limited{room: codec.Step + 5}
	if n, err := e.Body.(io.WriterTo).WriteTo(full); n != codec.Step+5 || !errors.Is(err, errFull) {
		t.Errorf("WriteTo a writer with %d bytes of room = %d, error %v", codec.Step+5, n, err)
	}
	short := &limited{room: 3, quiet: true}
	if n, err := e.Body.(io.WriterTo).WriteTo(short); n != 3 || !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("WriteTo a writer that takes 3 bytes and says nothing = %d, error %v, want ErrShortWrite", n, err)
	}
	if n, err := io.Copy(io.Discard, e.Body); n != 2*codec.Step-8 || err != nil {
		t.Errorf("after %d bytes, %d more followed, error %v, want %d", codec.Step+8, n, err, 2*codec.Step-8)
	}
}

var errFull = errors.New("full")

type limited struct {
	room  int
	quiet bool
}

func (w *limited) Write(p []byte) (int, error) {
	n := min(len(p), w.room)
	w.room -= n
	if n < len(p) && !w.quiet {
		return n, errFull
	}
	return n, nil
}
