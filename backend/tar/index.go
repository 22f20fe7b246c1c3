package tar

import (
	"archive/tar"
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

// The layout, which docs/copying.md describes for others: the member head, a member <shelf>/<name>! for each entry in byte
// order of shelves and names, and the member tail. What the backend knows of an entry beside its bytes is an extended attribute
// in its pax header; tools that know nothing of Larder extract the values all the same.
const (
	head       = "LARDER.txt"
	tail       = "LARDER.end"
	mark       = "!" // behind each name: `a` stands beside `a/b`
	attributes = "SCHILY.xattr.user.larder"

	formatWords  = "Larder tar "
	formatNumber = 1
	maxHead      = 4 << 10
)

const headText = formatWords + "1\n" + `
This archive is a store of Larder: results that were computed once and are kept so that nobody computes
them twice. Each file whose name ends in "!" is one value, as it is. Its extended attribute user.larder, in
the pax header, has the checksums and the metadata.

    larder ls --store THIS.tar          lists it
    larder cp THIS.tar DIRECTORY        makes a store of it that can be written

The last member says how many values there are, so that an archive that was cut off is known for one.
`

// entry is what is known of one member.
type entry struct {
	name   string
	at     int64 // where its bytes begin in the file
	size   int64
	stored time.Time
	digest [32]byte
	sum    uint32
	meta   string // as JSON; "" if there is none
}

// attributesText is the extended attribute of a member.
type attributesText struct {
	Digest string          `json:"sha256"`
	Sum    string          `json:"crc32c"`
	Meta   json.RawMessage `json:"meta,omitempty"`
}

func (e *entry) version() string { return hex.EncodeToString(e.digest[:]) }

// info returns what Stat says of an entry.
func (e *entry) info(shelf string) backend.Info {
	return backend.Info{
		Key: backend.Key{Shelf: shelf, Name: e.name}, Size: e.size, Digest: e.digest, Sum: e.sum,
		Version: e.version(), ModTime: e.stored, Meta: metaOf(e.meta),
	}
}

func metaOf(text string) backend.Meta {
	meta := backend.Meta{}
	if text != "" {
		_ = json.Unmarshal([]byte(text), &meta) // it was checked when it was read
	}
	return meta
}

// readIndex reads the headers of all members.
func readIndex(ctx context.Context, f *os.File) ([]shelf, error) {
	w := &window{f: f, r: bufio.NewReaderSize(f, 64<<10)}
	r := tar.NewReader(w)
	if err := readHead(r); err != nil {
		return nil, err
	}
	index := map[string][]entry{}
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		h, err := r.Next()
		if err == io.EOF {
			return nil, cutOff(nil)
		}
		if err != nil {
			return nil, cutOff(err)
		}
		if h.Name == tail {
			if err := readTail(r, h, n); err != nil {
				return nil, err
			}
			return sorted(index)
		}
		name, e, err := entryOf(h)
		if err != nil {
			return nil, fmt.Errorf("%w: its member %.100q: %w", backend.ErrCorrupt, h.Name, err)
		}
		e.at = w.at
		index[name] = append(index[name], e)
	}
}

// cutOff says that an archive has no proper end.
func cutOff(err error) error {
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it was cut off; copy it anew", backend.ErrCorrupt)
	}
	return fmt.Errorf("%w: %w", backend.ErrCorrupt, err)
}

// readHead makes sure that this is a tar of a store, of this format.
func readHead(r *tar.Reader) error {
	h, err := r.Next()
	if err != nil || h.Name != head || h.Typeflag != tar.TypeReg || h.Size > maxHead {
		return fmt.Errorf("it is no tar of a Larder store: its first member must be %s; larder cp STORE FILE.tar writes one", head)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return cutOff(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	digits, ok := strings.CutPrefix(line, formatWords)
	n, err := strconv.Atoi(digits)
	switch {
	case !ok || err != nil || n < 1:
		return fmt.Errorf("%w: the first line of %s is %.40q, not %q and a number", backend.ErrCorrupt, head, line, formatWords)
	case n > formatNumber:
		return fmt.Errorf("%w: it has format %d, this Larder knows %d: use a newer one", backend.ErrNewer, n, formatNumber)
	}
	return nil
}

// tailText says what the archive has.
type tailText struct {
	Entries int `json:"entries"`
}

func readTail(r *tar.Reader, h *tar.Header, n int) error {
	var t tailText
	text, err := io.ReadAll(io.LimitReader(r, maxHead))
	if err != nil {
		return cutOff(err)
	}
	if err := json.Unmarshal(text, &t); err != nil || t.Entries != n {
		return fmt.Errorf("%w: %s says %.60q, and there are %d entries", backend.ErrCorrupt, h.Name, text, n)
	}
	if _, err := r.Next(); err != io.EOF {
		return fmt.Errorf("%w: there is more behind %s", backend.ErrCorrupt, h.Name)
	}
	return nil
}

// sorted returns the index in order, and refuses names that are there twice.
func sorted(index map[string][]entry) ([]shelf, error) {
	var shelves []shelf
	for name, entries := range index {
		byName := func(a, b entry) int { return cmp.Compare(a.name, b.name) }
		if !slices.IsSortedFunc(entries, byName) {
			slices.SortFunc(entries, byName)
		}
		for i := range entries[1:] {
			if entries[i].name == entries[i+1].name {
				return nil, fmt.Errorf("%w: %s/%s is there twice", backend.ErrCorrupt, name, entries[i].name)
			}
		}
		shelves = append(shelves, shelf{name, entries})
	}
	slices.SortFunc(shelves, func(a, b shelf) int { return cmp.Compare(a.name, b.name) })
	return shelves, nil
}

// entryOf reads the header of a member, and refuses all that a [Writer] does not write.
func entryOf(h *tar.Header) (shelf string, e entry, err error) {
	if h.Typeflag != tar.TypeReg {
		return "", e, errors.New("it is no plain file")
	}
	for name := range h.PAXRecords {
		if strings.HasPrefix(name, "GNU.sparse") {
			return "", e, errors.New("it has holes")
		}
	}
	path, ok := strings.CutSuffix(h.Name, mark)
	if !ok {
		return "", e, fmt.Errorf("its name does not end in %q", mark)
	}
	shelf, e.name, _ = strings.Cut(path, "/")
	if err := (backend.Key{Shelf: shelf, Name: e.name}).Validate(); err != nil {
		return "", e, err
	}
	e.size, e.stored = h.Size, h.ModTime
	text, ok := h.PAXRecords[attributes]
	if !ok {
		return "", e, fmt.Errorf("its pax header has no %s; another program wrote it anew, or its attributes were lost", attributes)
	}
	return shelf, e, e.read(text)
}

// read reads the extended attribute of a member.
func (e *entry) read(text string) error {
	var a attributesText
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return fmt.Errorf("its attribute is not as Larder writes it: %w", err)
	}
	digest, err := hex.DecodeString(a.Digest)
	if err != nil || copy(e.digest[:], digest) != len(e.digest) || len(digest) != len(e.digest) {
		return fmt.Errorf("its SHA-256 is %.80q", a.Digest)
	}
	sum, err := strconv.ParseUint(a.Sum, 16, 32)
	if err != nil {
		return fmt.Errorf("its CRC-32C is %.20q", a.Sum)
	}
	e.sum = uint32(sum)
	if len(a.Meta) == 0 {
		return nil
	}
	var meta backend.Meta
	if err := json.Unmarshal(a.Meta, &meta); err != nil {
		return fmt.Errorf("its metadata: %w", err)
	}
	e.meta = string(a.Meta)
	return meta.Validate()
}

// window reads a file through a buffer, and skips by seeking where that is far.
type window struct {
	f  *os.File
	r  *bufio.Reader
	at int64 // of the next Read
}

// Read implements [io.Reader].
func (w *window) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.at += int64(n)
	return n, err
}

// Seek implements [io.Seeker], by which a tar.Reader skips the bytes of members.
func (w *window) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += w.at
	case io.SeekEnd:
		return 0, errors.ErrUnsupported
	}
	if ahead := offset - w.at; ahead >= 0 && ahead <= int64(w.r.Buffered()) {
		n, err := w.r.Discard(int(ahead))
		w.at += int64(n)
		return w.at, err
	}
	if _, err := w.f.Seek(offset, io.SeekStart); err != nil {
		return w.at, err
	}
	w.r.Reset(w.f)
	w.at = offset
	return offset, nil
}
