package blob

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
)

// An object carries two metadata entries:
//
//	larder      1;size=<bytes>;sha256=<hex>;crc32c=<hex>;key=<hex>;nonce=<text>
//	lardermeta  the caller's Meta, as in a URL's query; absent if there is none
//
// "1" is the number of this format. The names have neither "-", which Azure refuses, nor
// "_", which some proxies drop from headers.
const (
	metaStamp = "larder"
	metaMeta  = "lardermeta"
	format    = "1"

	formatNumber = 1
)

// maxObjectMeta bounds names and values together: S3's limit, and the smallest of all.
const maxObjectMeta = 2048

// stamp is what Larder itself keeps with an object.
type stamp struct {
	size   int64 // negative: not recorded
	digest [32]byte
	sum    uint32
	key    string // keyCheck of the key
	nonce  string // tells one Put from every other
}

func (s stamp) String() string {
	return fmt.Sprintf("%s;size=%d;sha256=%x;crc32c=%08x;key=%s;nonce=%s", format, s.size, s.digest, s.sum, s.key, s.nonce)
}

// encodeMeta returns the metadata of an object.
func encodeMeta(s stamp, meta backend.Meta) (map[string]string, error) {
	m := map[string]string{metaStamp: s.String()}
	if len(meta) == 0 {
		return m, nil
	}
	room := maxObjectMeta - len(metaStamp) - len(m[metaStamp]) - len(metaMeta)
	text := encodeQuery(meta)
	if len(text) > room {
		text = squeeze(text)
	}
	if len(text) > room {
		return nil, fmt.Errorf("%w: the metadata takes %d bytes as it is kept with an object, %d are left", backend.ErrTooLarge, len(text), room)
	}
	m[metaMeta] = text
	return m, nil
}

// encodeQuery escapes no more than url.ParseQuery needs, and blanks, because servers may
// join or trim them.
func encodeQuery(meta backend.Meta) string {
	var b strings.Builder
	for i, k := range slices.Sorted(maps.Keys(meta)) {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(k)
		b.WriteByte('=')
		for _, c := range []byte(meta[k]) {
			switch c {
			case ' ':
				b.WriteByte('+')
			case '%', '&', '+', ';':
				fmt.Fprintf(&b, "%%%02X", c)
			default:
				b.WriteByte(c)
			}
		}
	}
	return b.String()
}

// squeezed begins the form for a Meta of so many entries that the separators would not
// fit. No key begins with it.
const squeezed = "~"

func squeeze(text string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression) // its only error is a wrong level
	io.WriteString(w, text)
	w.Close()
	return squeezed + base64.RawURLEncoding.EncodeToString(b.Bytes())
}

func unsqueeze(text string) (string, error) {
	packed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return "", err
	}
	// Three times MaxMeta is more than any Meta takes as a query.
	b, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), 3*backend.MaxMeta))
	return string(b), err
}

// errStranger: the object has no metadata of ours.
var errStranger = errors.New("the object does not carry Larder's metadata: another program wrote it, or it was copied without its metadata; delete it, or copy it anew with the metadata")

// describe makes the Info of the object that holds key. An object that cannot be
// understood is backend.ErrCorrupt, so that a cache replaces it.
func describe(key backend.Key, o driver.Object) (backend.Info, stamp, error) {
	s, err := parseStamp(o.Meta[metaStamp])
	if errors.Is(err, backend.ErrNewer) {
		return backend.Info{}, s, fmt.Errorf("object %q: %w", o.Name, err)
	}
	if err != nil {
		return backend.Info{}, s, fmt.Errorf("%w: object %q: %w", backend.ErrCorrupt, o.Name, err)
	}
	if s.key != keyCheck(key) {
		return backend.Info{}, s, s.strange(o.Name)
	}
	if err := s.holds(o); err != nil {
		return backend.Info{}, s, fmt.Errorf("%w: object %q: %w", backend.ErrCorrupt, o.Name, err)
	}
	meta, err := parseMeta(o.Meta[metaMeta])
	if err != nil {
		return backend.Info{}, s, fmt.Errorf("%w: metadata of object %q: %w", backend.ErrCorrupt, o.Name, err)
	}
	return backend.Info{
		Key: key, Size: o.Size, Digest: s.digest, Sum: s.sum, Version: o.Version, ModTime: o.ModTime, Meta: meta,
	}, s, nil
}

// strange says what is wrong with an object that was stored under another key than its name says. It is corrupt, unless
// it is where another store has it, whose prefix is longer or shorter: nobody removes that store's values for damaged ones.
func (s stamp) strange(object string) error {
	whole := strings.TrimSuffix(object, mark)
	for i := range len(whole) {
		if (i == 0 || whole[i-1] == '/') && s.key == keyCheckOf(whole[i:]) {
			return fmt.Errorf("object %q belongs to the store with the prefix %q; open that one", object, strings.TrimSuffix(whole[:i], "/"))
		}
	}
	return fmt.Errorf("%w: object %q: %w; give it its name back, or store the value again", backend.ErrCorrupt, object, backend.ErrMisplaced)
}

// holds compares what was recorded with what the service says of the object, as far as it does.
func (s stamp) holds(o driver.Object) error {
	switch {
	case s.size >= 0 && s.size != o.Size:
		return fmt.Errorf("it has %d bytes, stored were %d", o.Size, s.size)
	case len(o.SHA256) == len(s.digest) && !bytes.Equal(o.SHA256, s.digest[:]):
		return fmt.Errorf("the service says that its SHA-256 is %x, stored was %x", o.SHA256, s.digest)
	case len(o.CRC32C) == crc32.Size && binary.BigEndian.Uint32(o.CRC32C) != s.sum:
		return fmt.Errorf("the service says that its CRC-32C is %x, stored was %08x", o.CRC32C, s.sum)
	}
	return nil
}

func parseStamp(text string) (s stamp, err error) {
	s.size = -1
	if text == "" {
		return s, errStranger
	}
	number, rest, _ := strings.Cut(text, ";")
	if n, err := strconv.Atoi(number); err == nil && n > formatNumber {
		return s, fmt.Errorf("%w: its metadata has format %d, this version reads %d", backend.ErrNewer, n, formatNumber)
	}
	if number != format {
		return s, fmt.Errorf("its metadata has format %q, this version of Larder reads %q", number, format)
	}
	for field := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "size":
			s.size, err = strconv.ParseInt(value, 10, 64)
		case "sha256":
			var b []byte
			if b, err = hex.DecodeString(value); err == nil && len(b) != len(s.digest) {
				err = hex.ErrLength
			}
			copy(s.digest[:], b)
		case "crc32c":
			var sum uint64
			sum, err = strconv.ParseUint(value, 16, 32)
			s.sum = uint32(sum)
		case "key":
			s.key = value
		case "nonce":
			s.nonce = value
		}
		if err != nil {
			return s, fmt.Errorf("its metadata holds %q: %w", field, err)
		}
	}
	return s, nil
}

func parseMeta(text string) (backend.Meta, error) {
	if text == "" {
		return nil, nil
	}
	if packed, ok := strings.CutPrefix(text, squeezed); ok {
		var err error
		if text, err = unsqueeze(packed); err != nil {
			return nil, err
		}
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, err
	}
	meta := make(backend.Meta, len(values))
	for k, v := range values {
		meta[k] = v[0]
	}
	return meta, nil
}
