package stage

import (
	"bytes"
	"fmt"
	"io"

	"github.com/larder-store/larder/internal/temp"
)

// captureMemory is how much of a stream is held in memory before it goes to a
// temporary file: more than nearly every command says.
const captureMemory = 1 << 20

// capture keeps what is written to it, of any length. The zero value is ready.
type capture struct {
	buf  bytes.Buffer
	file *temp.File // once buf was too small; all is in it then
	size int64
	err  error // why it is not whole
}

// Write implements [io.Writer]. It never fails, or the command would suffer from it: what could
// not be kept is reported by reader.
func (c *capture) Write(p []byte) (int, error) {
	if c.err == nil {
		c.err = c.write(p)
	}
	return len(p), nil
}

func (c *capture) write(p []byte) error {
	c.size += int64(len(p))
	if c.file == nil && c.size <= captureMemory {
		c.buf.Write(p)
		return nil
	}
	if c.file == nil {
		f, err := temp.Create("", "larder-run-*")
		if err != nil {
			return fmt.Errorf("long output needs a temporary file (TMPDIR says where): %w", err)
		}
		c.file = f
		if _, err := c.buf.WriteTo(f); err != nil {
			return err
		}
		c.buf = bytes.Buffer{}
	}
	_, err := c.file.Write(p)
	return err
}

// reader returns all that was written, from the start; one reader at a time.
func (c *capture) reader() (io.ReadSeeker, error) {
	switch {
	case c.err != nil:
		return nil, c.err
	case c.file != nil:
		return io.NewSectionReader(c.file, 0, c.size), nil
	}
	return bytes.NewReader(c.buf.Bytes()), nil
}

// Close forgets what was written.
func (c *capture) Close() {
	if c.file != nil {
		c.file.Close()
	}
	*c = capture{}
}
