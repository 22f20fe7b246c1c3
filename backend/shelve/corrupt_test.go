package shelve_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

// filled returns the directory of a store with n values in main.db, and their keys.
func filled(t testing.TB, n int) (dir string, keys []backend.Key) {
	t.Helper()
	dir = t.TempDir()
	b := open(t, dir, nil)
	var items []backend.Item
	for i := range n {
		v := value(fmt.Sprint("value-", i, "."), 100+i%7*500)
		keys = append(keys, cache(fmt.Sprintf("k%03d", i)))
		items = append(items, backend.Item{Key: keys[i], Body: bytes.NewReader(v), PutOptions: options(v)})
	}
	if _, err := b.PutBatch(context.Background(), items); err != nil {
		t.Fatal(err)
	}
	mustPut(t, b, backend.Key{Shelf: "run", Name: "k"}, []byte("on another shelf"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, keys
}

// TestCorruptIndex: a bbolt file that is not as bbolt left it is ErrCorrupt, which names it
// and says what to do. It never ends the process, leaves the other files usable, and is
// healed as the error says.
func TestCorruptIndex(t *testing.T) {
	cut := func(size int64) func(path string) error {
		return func(path string) error { return os.Truncate(path, size) }
	}
	fill := func(from, to int64, with byte) func(path string) error {
		return func(path string) error {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt(bytes.Repeat([]byte{with}, int(to-from)), from)
			return err
		}
	}
	for name, spoil := range map[string]func(path string) error{
		"empty":             cut(0),
		"100 bytes":         cut(100),
		"one page":          cut(4096),
		"two pages":         cut(2 * 4096),
		"five pages":        cut(5 * 4096),
		"zeros":             fill(0, 40*4096, 0),
		"text":              fill(0, 40*4096, 'x'),
		"no meta pages":     fill(0, 2*4096, 0),
		"all but the metas": fill(2*4096, 60*4096, 0xff),
	} {
		t.Run(name, func(t *testing.T) {
			dir, keys := filled(t, 100)
			path := filepath.Join(dir, "main.db")
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			b := open(t, dir, &shelve.Options{Timeout: time.Second})
			_, _, getErr := get(b, keys[0])
			for range 3 { // also after it is known
				for op, err := range map[string]error{"get": getErr, "put": put(b, keys[0], []byte("new")), "list": listError(b)} {
					if !errors.Is(err, backend.ErrCorrupt) {
						t.Errorf("%s: %v, want %v", op, err, backend.ErrCorrupt)
					} else if text := err.Error(); !strings.Contains(text, path) || !strings.Contains(text, "move it away") {
						t.Errorf("%s: %v, want it to name %s and a remedy", op, err, path)
					} else if (name == "two pages" || name == "five pages") && !strings.Contains(text, "it is cut off: ") {
						t.Errorf("%s: %v, want it to say that the file is cut off", op, err)
					}
				}
			}
			if _, err := b.Sweep(context.Background(), backend.SweepOptions{Compact: true}); !errors.Is(err, backend.ErrCorrupt) {
				t.Errorf("sweep: %v, want %v", err, backend.ErrCorrupt)
			}
			if v, _, err := get(b, backend.Key{Shelf: "run", Name: "k"}); err != nil || string(v) != "on another shelf" {
				t.Errorf("another shelf: %q, %v", v, err)
			}
			if err := os.Rename(path, path+".bad"); err != nil {
				t.Fatal(err)
			}
			if err := put(b, keys[0], []byte("new")); err != nil {
				t.Errorf("put after the file was moved away: %v", err)
			}
			if v, _, err := get(b, keys[0]); err != nil || string(v) != "new" {
				t.Errorf("get after the file was moved away: %q, %v", v, err)
			}
		})
	}
}

// TestFlippedBytes damages a bbolt file at random: nothing ends the process, and no value
// is wrong without its checksums telling.
func TestFlippedBytes(t *testing.T) {
	whole, keys := filled(t, 100)
	good, err := os.ReadFile(filepath.Join(whole, "main.db"))
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for i := range 200 {
		bad, rng := bytes.Clone(good), rand.New(rand.NewPCG(7, uint64(i)))
		for range 1 + rng.IntN(8) {
			bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
		}
		path := filepath.Join(whole, "main.db")
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		b := open(t, whole, nil)
		for n, key := range keys {
			body, info, err := b.Get(context.Background(), key)
			if errors.Is(err, backend.ErrCorrupt) || errors.Is(err, backend.ErrNotFound) || errors.Is(err, backend.ErrNewer) {
				continue
			}
			if err != nil {
				t.Fatalf("round %d: get: %v", i, err)
			}
			v := body.(*backend.Body).Take()
			o := options(v)
			if o.Sum != info.Sum {
				continue // told by the checksum
			}
			used++
			if !bytes.HasPrefix(v, fmt.Appendf(nil, "value-%d.", n)) || info.Meta["codec"] != "bytes" || info.Digest != o.Digest || info.Size != o.Size {
				t.Fatalf("round %d: %q holds %.20q of %+v", i, key, v, info)
			}
		}
		for _, err := range b.List(context.Background(), backend.ShelfCache, backend.ListOptions{}) {
			if err != nil && !errors.Is(err, backend.ErrCorrupt) && !errors.Is(err, backend.ErrNewer) {
				t.Fatalf("round %d: list: %v", i, err)
			}
		}
		if err := put(b, keys[0], []byte("new")); err != nil && !errors.Is(err, backend.ErrCorrupt) && !errors.Is(err, backend.ErrNewer) {
			t.Fatalf("round %d: put: %v", i, err)
		}
		b.Close()
	}
	if used == 0 {
		t.Error("no value survived")
	}
}

// TestCutWhileOpen: a file that someone cuts off under our hands is an error, not the end of
// the process.
func TestCutWhileOpen(t *testing.T) {
	dir, keys := filled(t, 100)
	b := open(t, dir, nil)
	if _, _, err := get(b, keys[99]); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "main.db"), 3*4096); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if _, _, err := get(b, key); !errors.Is(err, backend.ErrCorrupt) {
			t.Fatalf("get %q: %v, want %v", key, err, backend.ErrCorrupt)
		}
	}
}

// TestCorruptRecord: one record that cannot be decoded is ErrCorrupt under its own name, and
// stands in nobody's way; a put or delete heals it. No sweep decides what it named.
func TestCorruptRecord(t *testing.T) {
	ctx := context.Background()
	dir, keys := filled(t, 3)
	b := open(t, dir, nil)
	mustPut(t, b, keys[1], value("large", large))
	b.Close()
	db, err := bbolt.Open(filepath.Join(dir, "main.db"), 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte("cache"))
		record := bytes.Clone(bucket.Get([]byte(keys[1].Name)))
		record[20]++
		return bucket.Put([]byte(keys[1].Name), record)
	})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()

	b = open(t, dir, nil)
	if _, _, err := get(b, keys[1]); !errors.Is(err, backend.ErrCorrupt) || !strings.Contains(err.Error(), keys[1].Name) {
		t.Errorf("get: %v, want %v of %s", err, backend.ErrCorrupt, keys[1])
	}
	var listed []string
	var last error
	for info, err := range b.List(ctx, backend.ShelfCache, backend.ListOptions{}) {
		if last = err; err == nil {
			listed = append(listed, info.Key.Name)
		}
	}
	if got := strings.Join(listed, " "); got != "k000 k002" || !errors.Is(last, backend.ErrCorrupt) {
		t.Errorf("list = %s, %v, want the others and then %v", got, last, backend.ErrCorrupt)
	}
	if _, err := b.Sweep(ctx, backend.SweepOptions{}); !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("sweep: %v, want %v", err, backend.ErrCorrupt)
	}
	if files := dataFiles(t, dir); len(files) != 1 {
		t.Errorf("the sweep left %v, want the one file that the record may name", files)
	}
	o := options([]byte("x"))
	o.IfAbsent = true
	if _, err := b.Put(ctx, keys[1], strings.NewReader("x"), o); !errors.Is(err, backend.ErrExists) {
		t.Errorf("put if absent: %v, want %v", err, backend.ErrExists)
	}
	mustPut(t, b, keys[1], []byte("healed"))
	b.Close()
	checkSwept(t, dir, 0)
}

// TestNewerRecord: a record of a later format is neither corrupt nor absent; one that is of this format
// but for a damaged number is corrupt.
func TestNewerRecord(t *testing.T) {
	key := backend.Key{Shelf: "s", Name: "k"}
	whole := shelve.Record(key, options([]byte("x")), []byte("x"), "", time.Unix(1, 0))
	damaged := bytes.Clone(whole)
	damaged[0] = 9
	later := bytes.Clone(damaged)
	later[40]++ // its checksum is another one
	for _, c := range []struct {
		record []byte
		want   error
	}{{damaged, backend.ErrCorrupt}, {later, backend.ErrNewer}, {append([]byte{2}, make([]byte, 100)...), backend.ErrNewer}, {make([]byte, 100), backend.ErrCorrupt}} {
		_, err := shelve.ParseRecord(key, c.record)
		if !errors.Is(err, c.want) || errors.Is(err, backend.ErrNewer) && errors.Is(err, backend.ErrCorrupt) {
			t.Errorf("a record of format %d: %v, want %v alone", c.record[0], err, c.want)
		}
	}
}

// TestCutValue: a value file that is cut off or gone is ErrCorrupt at once, with the version
// by which to heal it, and counted by a sweep.
func TestCutValue(t *testing.T) {
	ctx := context.Background()
	for name, spoil := range map[string]func(path string) error{
		"cut":    func(path string) error { return os.Truncate(path, 1000) },
		"longer": func(path string) error { return os.Truncate(path, large+1) },
		"gone":   os.Remove,
	} {
		dir := t.TempDir()
		b := open(t, dir, nil)
		mustPut(t, b, cache("k"), value("v", large))
		if err := spoil(dataFiles(t, dir)[0]); err != nil {
			t.Fatal(err)
		}
		_, info, err := get(b, cache("k"))
		if !errors.Is(err, backend.ErrCorrupt) || info.Version == "" {
			t.Errorf("%s: get = version %q, %v, want %v", name, info.Version, err, backend.ErrCorrupt)
		}
		if _, err := b.Stat(ctx, cache("k")); !errors.Is(err, backend.ErrCorrupt) {
			t.Errorf("%s: stat: %v, want %v", name, err, backend.ErrCorrupt)
		}
		report, err := b.Sweep(ctx, backend.SweepOptions{})
		if err != nil || report.Dangling != 1 || report.Orphans != 0 {
			t.Errorf("%s: sweep = %+v, %v, want 1 dangling", name, report, err)
		}
		o := options([]byte("healed"))
		o.IfMatch = info.Version
		if _, err := b.Put(ctx, cache("k"), strings.NewReader("healed"), o); err != nil {
			t.Errorf("%s: put: %v", name, err)
		}
		b.Close()
		checkSwept(t, dir, 0)
	}
}

// FuzzRecord: whatever stands in the index is decoded or refused, and what is decoded fits
// together.
func FuzzRecord(f *testing.F) {
	key := cache("k")
	meta := options(nil)
	meta.Meta = backend.Meta{"a": "", "codec": "npy", "long": strings.Repeat("x", 1000)}
	name := shelve.DataName()
	large := options(value("v", large))
	for _, record := range [][]byte{
		shelve.Record(key, options([]byte("value")), []byte("value"), "", time.Unix(0, 1)),
		shelve.Record(key, options(nil), nil, "", time.Unix(1e9, 0)),
		shelve.Record(key, meta, nil, "", time.Unix(1e9, 0)),
		shelve.Record(key, large, nil, name, time.Unix(1e9, 0)),
		nil,
		make([]byte, 76),
	} {
		f.Add(record)
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		reseal(key, record)
		e, err := shelve.ParseRecord(key, record)
		if err != nil {
			if !errors.Is(err, backend.ErrCorrupt) {
				t.Errorf("ParseRecord = %v, want %v", err, backend.ErrCorrupt)
			}
			return
		}
		if e.Size < 0 || e.Name == "" && int64(len(e.Inline)) != e.Size || e.Name != "" && e.Inline != nil || e.Version == "" {
			t.Errorf("ParseRecord = %+v", e)
		}
	})
}

// reseal gives a record the checksum that it should have, so that a fuzzer gets past it.
func reseal(key backend.Key, record []byte) {
	if len(record) < 76 {
		return
	}
	end := int(binary.LittleEndian.Uint16(record[2:]))
	if end < 76 || end > len(record) {
		return
	}
	sum := options(append([]byte(key.Name), record[8:end]...)).Sum
	binary.LittleEndian.PutUint32(record[4:], sum)
}

func TestRecord(t *testing.T) {
	key := backend.Key{Shelf: strings.Repeat("s", backend.MaxShelf), Name: strings.Repeat(strings.Repeat("n", 99)+"/", 5) + "n"}
	v := value("v", 1000)
	o := options(v)
	o.Meta = backend.Meta{}
	for i := range 300 {
		o.Meta[fmt.Sprintf("k%d", i)] = ""
	}
	at := time.Unix(1_700_000_000, 123456789)
	record := shelve.Record(key, o, v, "", at)
	e, err := shelve.ParseRecord(key, record)
	if err != nil {
		t.Fatal(err)
	}
	if e.Key != key || e.Size != o.Size || e.Digest != o.Digest || e.Sum != o.Sum || !e.ModTime.Equal(at) ||
		!bytes.Equal(e.Inline, v) || len(e.Meta) != 300 || e.Name != "" || e.Version == "" {
		t.Errorf("ParseRecord = %+v", e.Info)
	}
	if _, err := shelve.ParseRecord(cache("another"), record); !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("under another name: %v, want %v", err, backend.ErrCorrupt)
	}
	header := len(record) - len(v)
	for i := range header {
		for bit := range 8 {
			record[i] ^= 1 << bit
			if _, err := shelve.ParseRecord(key, record); !errors.Is(err, backend.ErrCorrupt) {
				t.Fatalf("bit %d of byte %d flipped: %v, want %v", bit, i, err, backend.ErrCorrupt)
			}
			record[i] ^= 1 << bit
		}
	}
	for n := range len(record) {
		if _, err := shelve.ParseRecord(key, record[:n]); !errors.Is(err, backend.ErrCorrupt) {
			t.Fatalf("cut to %d bytes: %v, want %v", n, err, backend.ErrCorrupt)
		}
	}
}
