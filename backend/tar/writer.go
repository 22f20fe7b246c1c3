package tar

import (
	"archive/tar"
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/durable"
)

// A Writer makes a tar of a store. Nothing is at its path before Commit. The same entries give the same bytes. It is
// not safe for concurrent use.
type Writer struct {
	path string
	f    *os.File
	buf  *bufio.Writer
	w    *tar.Writer
	at   int64 // bytes written so far
	last backend.Key
	n    int
	err  error // of the file: nothing more can be written

	piece []byte // through which bodies are copied
}

// partEnd is what a file that is being written ends in.
const partEnd = ".part"

// Create begins a tar at path. What is written goes to path.part first, which another Writer of the same path waits for no longer
// than a moment: it fails with [backend.ErrLocked]. What a killed one left there is overwritten.
func Create(path string) (*Writer, error) {
	w, err := create(path)
	return w, backend.Wrap("create", scheme, backend.Key{}, err)
}

func create(path string) (*Writer, error) {
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file, and is not replaced by one", path)
	}
	f, err := os.OpenFile(path+partEnd, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	locked, err := durable.TryLock(f, false)
	if err == nil && !locked {
		err = fmt.Errorf("%w: it is writing %s", backend.ErrLocked, path+partEnd)
	}
	if err == nil {
		err = stillNamed(f)
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	w := &Writer{path: path, f: f, buf: bufio.NewWriterSize(f, 1<<20), piece: make([]byte, 256<<10)}
	w.w = tar.NewWriter(counting{w})
	return w, w.file(head, []byte(headText))
}

// stillNamed makes sure that another Writer did not rename the file between its being opened and locked.
func stillNamed(f *os.File) error {
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(f.Name())
	if err != nil || !os.SameFile(mine, there) {
		return fmt.Errorf("%w: it has just written %s", backend.ErrLocked, f.Name())
	}
	return nil
}

// file adds a member of the layout.
func (w *Writer) file(name string, text []byte) error {
	err := w.w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(text)), Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatPAX})
	if err == nil {
		_, err = w.w.Write(text)
	}
	if err == nil {
		err = w.w.Flush() // which pads it: rewind begins anew behind that
	}
	return err
}

// Add adds an entry. Entries come in byte order of shelves and names. The body must hold as many bytes as info says, and be what its sums
// say: the Writer believes it. A body that fails leaves the tar as it was.
func (w *Writer) Add(info backend.Info, body io.Reader) error {
	err := w.add(info, body)
	return backend.Wrap("put", scheme, info.Key, err)
}

func (w *Writer) add(info backend.Info, body io.Reader) error {
	if w.err != nil {
		return w.err
	}
	if err := backend.CheckPut(info.Key, backend.PutOptions{Size: info.Size, Meta: info.Meta}); err != nil {
		return err
	}
	if !after(info.Key, w.last) {
		return fmt.Errorf("it comes after %q; entries are added in order", w.last)
	}
	h, err := header(info)
	if err != nil {
		return err
	}
	start := w.at
	if w.err = w.w.WriteHeader(h); w.err != nil {
		return w.err
	}
	r := &noting{r: body}
	n, err := io.CopyBuffer(w.w, io.LimitReader(r, info.Size), w.piece)
	if err == nil && n < info.Size {
		r.err = fmt.Errorf("the body ended after %d of %d bytes: %w", n, info.Size, io.ErrUnexpectedEOF)
	}
	if r.err != nil {
		w.err = w.rewind(start)
		return errors.Join(r.err, w.err)
	}
	if err == nil {
		err = w.w.Flush()
	}
	if w.err = err; err != nil {
		return err
	}
	w.last = info.Key
	w.n++
	return nil
}

// noting keeps in mind why a body failed.
type noting struct {
	r   io.Reader
	err error
}

func (n *noting) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if err != nil && err != io.EOF {
		n.err = err
	}
	return k, err
}

// counting counts what goes to the file.
type counting struct{ w *Writer }

func (c counting) Write(p []byte) (int, error) {
	w := c.w
	n, err := w.buf.Write(p)
	w.at += int64(n)
	return n, err
}

// rewind takes back what was written from an offset on.
func (w *Writer) rewind(to int64) error {
	err := w.buf.Flush()
	if err == nil {
		err = w.f.Truncate(to)
	}
	if err == nil {
		_, err = w.f.Seek(to, io.SeekStart)
	}
	w.at = to
	w.w = tar.NewWriter(counting{w})
	return err
}

func after(a, b backend.Key) bool {
	return a.Shelf > b.Shelf || a.Shelf == b.Shelf && a.Name > b.Name
}

func header(info backend.Info) (*tar.Header, error) {
	a := attributesText{Digest: hex.EncodeToString(info.Digest[:]), Sum: fmt.Sprintf("%08x", info.Sum)}
	if len(info.Meta) > 0 {
		meta, err := json.Marshal(info.Meta)
		if err != nil {
			return nil, err
		}
		a.Meta = meta
	}
	text, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	return &tar.Header{
		Typeflag: tar.TypeReg, Name: info.Key.String() + mark, Size: info.Size, Mode: 0o644,
		ModTime:    info.ModTime.Truncate(time.Second), // what the contract promises
		PAXRecords: map[string]string{attributes: string(text)}, Format: tar.FormatPAX,
	}, nil
}

// Commit finishes the tar, makes it durable and gives it its name, in place of what has that name.
func (w *Writer) Commit() error {
	return backend.Wrap("create", scheme, backend.Key{}, w.commit())
}

func (w *Writer) commit() (err error) {
	defer w.Abort()
	if w.err != nil {
		return w.err
	}
	text, err := json.Marshal(tailText{w.n})
	if err == nil {
		err = w.file(tail, append(text, '\n'))
	}
	for _, step := range []func() error{w.w.Close, w.buf.Flush, w.f.Sync} {
		if err == nil {
			err = step()
		}
	}
	if err == nil {
		err = os.Rename(w.f.Name(), w.path)
	}
	if err != nil {
		return err
	}
	err = w.f.Close()
	w.f = nil
	return errors.Join(err, durable.SyncDir(filepath.Dir(w.path)))
}

// Abort gives up, unless Commit was called: nothing is left.
func (w *Writer) Abort() error {
	if w.f == nil {
		return nil
	}
	err := errors.Join(os.Remove(w.f.Name()), w.f.Close())
	w.f = nil
	return backend.Wrap("create", scheme, backend.Key{}, err)
}
