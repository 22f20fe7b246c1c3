package larder

import (
	"bytes"
	"fmt"
	"io"

	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/internal/temp"
	"github.com/larder-store/larder/internal/verify"
)

// spoolMemory is how much of a stream is held in memory before it goes to a file.
const spoolMemory = 1 << 20

// spool reads a stream once to its end, summing it, into memory or, if it is long,
// into a temporary file in dir ("" is the system's). Closing the result removes the file.
func spool(r io.Reader, dir string) (*encoded, error) {
	var buf bytes.Buffer
	sums := verify.NewSummer(&buf)
	n, err := io.CopyN(sums, r, spoolMemory)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read the stream after %d bytes: %w", n, err)
	}
	e := &encoded{codec: codec.Raw}
	if err == io.EOF {
		e.body = bytes.NewReader(buf.Bytes())
		e.digest, e.sum, e.size = sums.Sums()
		return e, nil
	}
	f, err := spoolFile(dir)
	if err != nil {
		return nil, err
	}
	e.body, e.closer = f, f
	if _, err := f.Write(buf.Bytes()); err != nil {
		f.Close()
		return nil, spoolError(f, err)
	}
	sums.Redirect(f)
	buf = bytes.Buffer{} // given back before the long part
	if _, err := io.CopyBuffer(sums, struct{ io.Reader }{r}, make([]byte, 256<<10)); err != nil {
		f.Close()
		return nil, spoolError(f, err)
	}
	e.digest, e.sum, e.size = sums.Sums()
	return e, nil
}

func spoolFile(dir string) (*temp.File, error) {
	f, err := temp.Create(dir, "larder-spool-*")
	if err != nil {
		return nil, fmt.Errorf("a stream of more than %d bytes needs a temporary file (Options.TempDir or TMPDIR say where): %w", spoolMemory, err)
	}
	return f, nil
}

func spoolError(f *temp.File, err error) error {
	return fmt.Errorf("spool the stream to %s: %w", f.Name(), err)
}
