package backend_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/larder-store/larder/backend"
)

// bodies are what may be given for "0123456789", with what comes of it.
var bodies = []struct {
	name string
	body func() io.ReadSeeker
	size int64
	want error
}{
	{"whole", func() io.ReadSeeker { return strings.NewReader("0123456789") }, 10, nil},
	{"empty", func() io.ReadSeeker { return strings.NewReader("") }, 0, nil},
	{"at its end", func() io.ReadSeeker { return at(strings.NewReader("0123456789"), 10) }, 10, nil},
	{"in its middle", func() io.ReadSeeker { return at(strings.NewReader("0123456789"), 5) }, 10, nil},
	{"byte by byte", func() io.ReadSeeker { return &slow{Reader: strings.NewReader("0123456789")} }, 10, nil},
	{"short", func() io.ReadSeeker { return strings.NewReader("012345678") }, 10, io.ErrUnexpectedEOF},
	{"nothing", func() io.ReadSeeker { return strings.NewReader("") }, 10, io.ErrUnexpectedEOF},
	{"long", func() io.ReadSeeker { return strings.NewReader("0123456789x") }, 10, backend.ErrTooLong},
	{"long for nothing", func() io.ReadSeeker { return strings.NewReader("x") }, 0, backend.ErrTooLong},
	{"failing", func() io.ReadSeeker { return &fails{strings.NewReader("0123456789"), 5} }, 10, errFails},
	{"failing at its end", func() io.ReadSeeker { return &fails{strings.NewReader("0123456789"), 10} }, 10, errFails},
	{"not to be rewound", func() io.ReadSeeker { return noSeek{strings.NewReader("0123456789")} }, 10, errFails},
	// A stated size is not worth the memory of the machine.
	{"a lie of an exabyte", func() io.ReadSeeker { return strings.NewReader("0123456789") }, 1 << 60, io.ErrUnexpectedEOF},
	{"large and not to be rewound", func() io.ReadSeeker { return noSeek{strings.NewReader("0123456789")} }, 1 << 40, errFails},
}

var errFails = errors.New("fails on purpose")

func at(r *strings.Reader, off int64) io.ReadSeeker {
	r.Seek(off, io.SeekStart)
	return r
}

type slow struct{ *strings.Reader }

func (s *slow) Read(p []byte) (int, error) { return iotest.OneByteReader(s.Reader).Read(p) }

func (s *slow) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{s}) }

// fails reads n bytes and then an error.
type fails struct {
	r *strings.Reader
	n int64
}

func (f *fails) Seek(off int64, whence int) (int64, error) { return f.r.Seek(off, whence) }

func (f *fails) Read(p []byte) (int, error) {
	done := f.r.Size() - int64(f.r.Len())
	if done == f.n {
		return 0, errFails
	}
	return f.r.Read(p[:min(int64(len(p)), f.n-done)])
}

type noSeek struct{ io.Reader }

func (noSeek) Seek(int64, int) (int64, error) { return 0, errFails }

func TestReadBody(t *testing.T) {
	for _, c := range bodies {
		got, err := backend.ReadBody(c.body(), c.size)
		if !errors.Is(err, c.want) {
			t.Errorf("ReadBody of a body that is %s = error %v, want %v", c.name, err, c.want)
		}
		if want := "0123456789"[:min(c.size, 10)]; c.want == nil && string(got) != want {
			t.Errorf("ReadBody of a body that is %s = %q, want %q", c.name, got, want)
		}
	}
}

func TestReadBodyLarge(t *testing.T) {
	text := strings.Repeat("0123456789", 200_000)
	got, err := backend.ReadBody(at(strings.NewReader(text), 7), int64(len(text)))
	if err != nil || string(got) != text {
		t.Errorf("ReadBody of %d bytes = %d bytes, %v", len(text), len(got), err)
	}
}

func TestCopyBody(t *testing.T) {
	for _, c := range bodies {
		var got bytes.Buffer
		if err := backend.CopyBody(&got, c.body(), c.size); !errors.Is(err, c.want) {
			t.Errorf("CopyBody of a body that is %s = error %v, want %v", c.name, err, c.want)
		}
		if want := "0123456789"[:min(c.size, 10)]; c.want == nil && got.String() != want {
			t.Errorf("CopyBody of a body that is %s wrote %q, want %q", c.name, got.String(), want)
		}
	}
	if err := backend.CopyBody(fullDisk{}, strings.NewReader("0123456789"), 10); !errors.Is(err, errFails) {
		t.Errorf("CopyBody to a full disk = %v, want %v", err, errFails)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFails }

func TestBody(t *testing.T) {
	text := []byte("0123456789")
	if err := iotest.TestReader(backend.NewBody(bytes.Clone(text)), text); err != nil {
		t.Error(err)
	}
	b := backend.NewBody(bytes.Clone(text))
	head := make([]byte, 3)
	if n, err := b.Read(head); n != 3 || err != nil {
		t.Errorf("Read = %d, %v, want 3, nil", n, err)
	}
	if got := b.Take(); string(got) != "3456789" {
		t.Errorf("Take after 3 bytes = %q, want the rest", got)
	}
	if got := b.Take(); len(got) != 0 {
		t.Errorf("Take again = %q, want nothing", got)
	}
	if n, err := b.Read(head); n != 0 || err != io.EOF {
		t.Errorf("Read after Take = %d, %v, want 0, EOF", n, err)
	}
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Errorf("Close = %v", err)
	}
	var out bytes.Buffer
	if n, err := backend.NewBody(text).WriteTo(&out); n != 10 || err != nil || out.String() != string(text) {
		t.Errorf("WriteTo = %d, %v and wrote %q", n, err, out.String())
	}
}
