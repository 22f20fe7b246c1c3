package blob_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
)

// What the service tells of an object is held against what was recorded with it.
func TestWhatTheServiceTells(t *testing.T) {
	const text = "twelve bytes"
	digest := sha256.Sum256([]byte(text))
	sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)))
	other := sha256.Sum256([]byte("another"))
	for _, c := range []struct {
		name string
		tell driver.Object
		old  bool // written before sizes were recorded
		says string
	}{
		{"nothing but the size", driver.Object{Size: 12}, false, ""},
		{"the same sums", driver.Object{Size: 12, SHA256: digest[:], CRC32C: sum}, false, ""},
		{"another size", driver.Object{Size: 11}, false, "it has 11 bytes, stored were 12"},
		{"another size, none recorded", driver.Object{Size: 11}, true, ""},
		{"another SHA-256", driver.Object{Size: 12, SHA256: other[:]}, false, "the service says that its SHA-256 is "},
		{"another CRC-32C", driver.Object{Size: 12, CRC32C: []byte{1, 2, 3, 4}}, false, "the service says that its CRC-32C is 01020304, stored was "},
		{"a sum of unknown form", driver.Object{Size: 12, SHA256: []byte("what"), CRC32C: []byte("is this")}, false, ""},
	} {
		var meta map[string]string
		b := &told{
			put: func(opts driver.PutOptions) (driver.Object, error) {
				meta = opts.Meta
				return driver.Object{}, nil
			},
			head: func() (driver.Object, error) {
				c.tell.Meta = meta
				return c.tell, nil
			},
		}
		handle := open(t, b, "")
		opts := backend.PutOptions{Size: int64(len(text)), Digest: digest, Sum: binary.BigEndian.Uint32(sum)}
		if _, err := handle.Put(context.Background(), key, strings.NewReader(text), opts); err != nil {
			t.Fatal(err)
		}
		if c.old {
			meta["larder"] = strings.Replace(meta["larder"], "size=12;", "", 1)
		}
		_, err := handle.Stat(context.Background(), key)
		if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, backend.ErrCorrupt) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: Stat = %v, want %q", c.name, err, c.says)
		}
	}
}
