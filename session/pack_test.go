package session

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/sums"
)

// readerOf reads a pack that is in memory.
func readerOf(b []byte, window int64) *packReader {
	return &packReader{size: int64(len(b)), window: window, fetch: func(_ context.Context, off, n int64) ([]byte, error) {
		if off < 0 || n < 0 || off > int64(len(b)) {
			return nil, errors.New("outside of the pack")
		}
		return bytes.Clone(b[off:min(off+n, int64(len(b)))]), nil
	}}
}

// packed is some records of many sizes.
func packed(n, size int) []record {
	var records []record
	for i := range n {
		records = append(records, record{key: fmt.Sprintf("key-%05d", i), codec: "raw", body: bytes.Repeat([]byte{byte(i)}, (i*size)%(size+1))})
	}
	records[n/2].deleted, records[n/2].body, records[n/2].codec = true, nil, ""
	return records
}

func read(t testing.TB, b []byte, window int64, q query) (got []record, errs []error) {
	t.Helper()
	for r, err := range ofPack(t.Context(), readerOf(b, window), q) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		got = append(got, r)
	}
	return got, errs
}

func equal(a, b record) bool {
	return a.key == b.key && a.codec == b.codec && a.deleted == b.deleted && bytes.Equal(a.body, b.body)
}

func TestPack(t *testing.T) {
	for _, n := range []int{1, 2, 100, 3000} {
		records := packed(n, 300)
		b := packOf(records)
		for _, window := range []int64{1000, 4096, 64 << 10, 1 << 30} {
			got, errs := read(t, b, window, query{})
			if len(errs) > 0 || !slices.EqualFunc(got, records, equal) {
				t.Errorf("%d records by windows of %d: %d came back, with %v", n, window, len(got), errs)
			}
			for _, from := range []int{0, n / 3, n - 1} {
				q := query{after: records[from].key, from: true}
				got, errs := read(t, b, window, q)
				if len(errs) > 0 || !slices.EqualFunc(got, records[from+1:], equal) {
					t.Errorf("%d records after the one at %d by windows of %d: %d came back, with %v", n, from, window, len(got), errs)
				}
				got, errs = read(t, b, window, query{match: Prefix(records[from].key), exact: true})
				if len(errs) > 0 || len(got) != 1 || !equal(got[0], records[from]) {
					t.Errorf("the record at %d of %d by windows of %d: %d came back, with %v", from, n, window, len(got), errs)
				}
			}
		}
	}
}

// This pack is on disks: every release must read it, and write the same.
const goldenText = "6c6172646572706b010000000000000017593dc8e9b2942a000100030300000000000000617261776f6e6529acb35b0000000001010000000000000000000062d2a44dbc0de3ef18000200040200000000000000c3a463626f72182a" +
	"1001615c00000000000000030000000000000001000000e656c9909057fef06c61726465727065"

func TestPackGolden(t *testing.T) {
	b := packOf([]record{{key: "a", codec: "raw", body: []byte("one")}, {key: "b", deleted: true}, {key: "ä", codec: "cbor", body: []byte{0x18, 0x2a}}})
	if got := hex.EncodeToString(b); got != goldenText {
		t.Errorf("the pack is\n%s, want\n%s", got, goldenText)
	}
}

// One byte changed anywhere: nothing wrong is told, and an error is.
func TestPackDamaged(t *testing.T) {
	records := packed(60, 40)
	whole := packOf(records)
	for at := range whole {
		b := bytes.Clone(whole)
		b[at] ^= 0x10
		got, errs := read(t, b, 1<<20, query{})
		if len(errs) == 0 && at < len(whole)-packFooter && len(got) != len(records) {
			t.Errorf("byte %d changed: %d of %d records and no error", at, len(got), len(records))
		}
		for _, r := range got {
			if !slices.ContainsFunc(records, func(want record) bool { return equal(r, want) }) {
				t.Errorf("byte %d changed: record %q came back, which was never put", at, r.key)
			}
		}
		for _, err := range errs {
			if !errors.Is(err, backend.ErrCorrupt) && !errors.Is(err, backend.ErrNewer) {
				t.Errorf("byte %d changed: %v, want ErrCorrupt", at, err)
			}
		}
	}
	for n := range whole {
		if got, errs := read(t, whole[:n], 1<<20, query{}); len(errs) == 0 || len(got) > 0 {
			t.Errorf("cut off at byte %d: %d records and %v, want none and an error", n, len(got), errs)
		}
	}
}

// A damaged value costs one record, a damaged head those up to the next block, and what such a record replaced is
// not delivered in its place.
func TestPackDamagedHidesWhatItReplaced(t *testing.T) {
	var old, young []record
	for i := range 4000 {
		r := record{key: fmt.Sprintf("key-%05d", i), codec: "raw", body: fmt.Appendf(nil, "old %050d", i)}
		old = append(old, r)
		if i%2 == 0 {
			r.body = fmt.Appendf(nil, "young %050d", i)
			young = append(young, r)
		}
	}
	for _, c := range []struct {
		what string
		off  int // from the start of the damaged record
		lost int // at most
	}{{"a value", fixedHead + len("key-01000") + len("raw") + 3, 1}, {"a head", 10, 2500}} {
		b := packOf(young)
		at := bytes.Index(b, []byte("key-01000")) - fixedHead
		b[at+c.off] ^= 1
		sources := []source{
			ofPack(t.Context(), readerOf(packOf(old), 4096), query{}),
			ofPack(t.Context(), readerOf(b, 4096), query{}),
		}
		got, failed := 0, 0
		for r, err := range merge(sources) {
			if err != nil {
				failed++
				continue
			}
			got++
			i := 0
			fmt.Sscanf(r.key, "key-%d", &i)
			if want := i%2 == 0; want != strings.HasPrefix(string(r.body), "young") {
				t.Errorf("%s is damaged: %q is %q", c.what, r.key, r.body)
			}
		}
		if failed != 1 || got < 4000-c.lost || got >= 4000 {
			t.Errorf("%s is damaged: %d records of 4000 and %d errors, want 1 error and at most %d lost", c.what, got, failed, c.lost)
		}
	}
}

// Forged sums: whatever a pack says, reading it ends, within the memory that its size justifies.
func FuzzPack(f *testing.F) {
	f.Add(packOf(packed(3, 20)))
	f.Add(packOf(nil))
	f.Add(packOf(packed(200, 900)))
	f.Add([]byte(packMagic + packEnd))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, q := range []query{{}, {after: "key-00001", from: true}, {keys: true}} {
			last, any := "", false
			for r, err := range ofPack(t.Context(), readerOf(b, 512), q) {
				if err != nil {
					continue
				}
				if any && r.key <= last {
					t.Fatalf("key %q comes after %q", r.key, last)
				}
				last, any = r.key, true
				if len(r.body) > len(b) {
					t.Fatalf("a value of %d bytes from a pack of %d", len(r.body), len(b))
				}
			}
		}
	})
}

// FuzzPackResealed forges a pack whose sums are right: what it says is changed, and sealed again.
func FuzzPackResealed(f *testing.F) {
	f.Add(uint64(40), uint64(3), []byte{1, 2, 3})
	f.Add(uint64(0), ^uint64(0), []byte{})
	f.Add(^uint64(0), uint64(1), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, index, count uint64, blocks []byte) {
		b := packOf(packed(5, 30))
		b = append(b[:len(b)-packFooter], blocks...)
		b = footer{index: int64(index), count: count, sum: sums.CRC(blocks)}.append(b)
		for _, q := range []query{{}, {after: "key-00002", from: true}} {
			n := 0
			for range ofPack(t.Context(), readerOf(b, 512), q) {
				if n++; n > 1000 {
					t.Fatal("reading goes on and on")
				}
			}
		}
	})
}

func TestCompactionStopsWhereItCostsMore(t *testing.T) {
	var packs []packRef
	for i := range uint64(1000) {
		packs = append(packs, packRef{first: i + 1, last: i + 1, size: 1000})
		for {
			from, to := tooMany(packs)
			if to == from {
				break
			}
			packs = slices.Replace(packs, from, to, packRef{first: packs[from].first, last: packs[to-1].last, size: 16_000})
		}
		if len(packs) > 3*fanIn {
			t.Fatalf("%d packs after %d flushes", len(packs), i+1)
		}
	}
	big := slices.Repeat([]packRef{{size: maxMerged/2 + 1}}, 40)
	for i := range big {
		big[i].first, big[i].last = uint64(i+1), uint64(i+1)
	}
	if from, to := tooMany(big); to > from {
		t.Errorf("large packs %d to %d are merged", from, to)
	}
	if from, to := smallOnes(big); to > from {
		t.Errorf("large packs %d to %d are merged at the end", from, to)
	}
}
