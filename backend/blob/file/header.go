package file

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/sums"
)

// A file is
//
//	larder-file-1 <length of the header, 8 hex digits> <its CRC-32C, 8 hex digits>\n
//	<the header: one JSON object and a newline>
//	<the value, to the end of the file>
//
// so that a value and what is known of it appear, change and vanish together, which a
// file beside it could not do. Extended attributes could, but not every file system has
// them, nor does every copy keep them.
type header struct {
	Version string            `json:"version"` // random: no two files ever have the same
	Meta    map[string]string `json:"meta"`
}

const (
	magicWords   = "larder-file-"
	headerFormat = 1
	magic        = magicWords + "1 "
	lineSize     = len(magic) + 8 + 1 + 8 + 1

	// maxHeader is above what 2 KiB of metadata take as JSON, and bounds what a
	// hostile length makes us read.
	maxHeader = 64 << 10
)

func (h header) encode() ([]byte, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	text = append(text, '\n')
	return append([]byte(firstLine(uint32(len(text)), sums.CRC(text))), text...), nil
}

// align is what values begin at a multiple of, so that numbers in them can be shown where they lie.
const align = 64

// encodeAligned is encode with as many blanks as it takes for the value to be aligned.
func (h header) encodeAligned() ([]byte, error) {
	head, err := h.encode()
	if err != nil || len(head)%align == 0 {
		return head, err
	}
	return h.encodePadded(len(head) + align - len(head)%align)
}

// encodePadded is encode to exactly size bytes, by blanks that JSON ignores; nil if that does not suffice.
func (h header) encodePadded(size int) ([]byte, error) {
	text, err := json.Marshal(h)
	if err != nil || lineSize+len(text)+1 > size {
		return nil, err
	}
	text = append(text, bytes.Repeat([]byte(" "), size-lineSize-len(text)-1)...)
	text = append(text, '\n')
	return append([]byte(firstLine(uint32(len(text)), sums.CRC(text))), text...), nil
}

func firstLine(length, sum uint32) string {
	return fmt.Sprintf("%s%08x %08x\n", magic, length, sum)
}

// readObject returns what a file's header says of its object, and where the value begins.
func readObject(f *os.File, name string) (driver.Object, int64, error) {
	stat, err := f.Stat()
	if err != nil {
		return driver.Object{}, 0, err
	}
	h, start, err := decodeHeader(f)
	if errors.Is(err, backend.ErrNewer) {
		return driver.Object{}, 0, fmt.Errorf("file %s: %w", f.Name(), err)
	}
	if err != nil {
		return driver.Object{}, 0, fmt.Errorf("%w: file %s: %w", backend.ErrCorrupt, f.Name(), err)
	}
	return driver.Object{
		Name: name, Size: stat.Size() - start, Version: h.Version, ModTime: stat.ModTime(), Meta: h.Meta,
	}, start, nil
}

// newer returns ErrNewer for the first line of a later format.
func newer(line string) error {
	rest, ok := strings.CutPrefix(line, magicWords)
	number, _, _ := strings.Cut(rest, " ")
	if n, err := strconv.Atoi(number); ok && err == nil && n > headerFormat {
		return fmt.Errorf("%w: its header has format %d, this program knows %d", backend.ErrNewer, n, headerFormat)
	}
	return nil
}

var errHeader = errors.New("it does not begin with a header of Larder")

func decodeHeader(r io.ReaderAt) (h header, start int64, err error) {
	var first [1024]byte // one read for nearly all headers
	n, err := r.ReadAt(first[:], 0)
	if err != nil && err != io.EOF {
		return h, 0, err
	}
	var length, sum uint32
	if n < lineSize {
		return h, 0, errHeader
	}
	line := string(first[:lineSize])
	later := newer(line)
	if later != nil { // unless all else is of this format: then its number is damaged
		line = magic + line[len(magic):]
	}
	fmt.Sscanf(line, magic+"%x %x", &length, &sum)
	if line != firstLine(length, sum) || length > maxHeader {
		return h, 0, cmp.Or(later, errHeader)
	}
	text := first[lineSize:n]
	if int(length) > len(text) {
		text = make([]byte, length)
		if _, err := r.ReadAt(text, int64(lineSize)); err != nil {
			return h, 0, cmp.Or(later, fmt.Errorf("its header is cut short: %w", err))
		}
	}
	text = text[:length]
	switch {
	case sums.CRC(text) != sum:
		return h, 0, cmp.Or(later, errors.New("its header does not match its checksum"))
	case later != nil:
		return h, 0, errHeader
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, 0, err
	}
	return h, int64(lineSize) + int64(length), nil
}
