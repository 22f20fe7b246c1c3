// Package marks keeps when values were last used, roughly: once a day for each value, so that a hit costs nothing.
//
// A mark is a value and an hour. Marks are gathered in memory and stored many at once, as a pack: an object on a shelf of its own.
// Packs are only added, and folded into few now and then, so that writers need no agreement. Which value a mark means is a digest
// of its name of eight bytes: a mark costs twelve bytes in a pack and sixteen in memory.
//
// Marks are an estimate. One that is lost makes a value look less used than it was, and nothing else depends on them:
// they change no value, and whatever goes wrong with them is ignored.
package marks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

// Shelf is where packs are kept.
const Shelf = "larder.marks"

// Grain is how much older a value's last known use must be for another one to be worth a mark.
const Grain = 24 * time.Hour

// A Mark says that a value was used.
type Mark struct {
	ID uint64
	At uint32 // hours since 1970, UTC
}

// ID returns what marks call the value of a name on the shelf of results.
func ID(name string) uint64 {
	digest := sha256.Sum256([]byte(name))
	return binary.LittleEndian.Uint64(digest[:])
}

// Hour returns the time of a mark.
func Hour(t time.Time) uint32 { return uint32(max(0, t.Unix()/3600)) }

// A Set is marks in order of their IDs, one for each.
type Set []Mark

// Of returns the latest mark for each ID. It sorts all in place.
func Of(all []Mark) Set {
	slices.SortFunc(all, func(a, b Mark) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(b.At, a.At))
	})
	return slices.CompactFunc(all, func(a, b Mark) bool { return a.ID == b.ID })
}

// Find returns where the mark of a value is, if there is one.
func (s Set) Find(id uint64) (int, bool) {
	i := sort.Search(len(s), func(i int) bool { return s[i].ID >= id })
	return i, i < len(s) && s[i].ID == id
}

// Used returns when a value was last used: stored, or later if a mark says so. Marks from after now are
// not believed: the clock of whoever made them is wrong.
func (s Set) Used(name string, stored, now time.Time) time.Time {
	i, ok := s.Find(ID(name))
	if !ok || s[i].At > Hour(now)+1 {
		return stored
	}
	if at := time.Unix(int64(s[i].At)*3600, 0); at.After(stored) {
		return at
	}
	return stored
}

// The form of a pack: a line, then marks of 12 bytes each, little endian: ID, hour.
const (
	magic    = "larder marks 1\n"
	markSize = 12

	// packMarks is how many marks a pack has at most: 768 KiB.
	packMarks = 1 << 16
	maxPack   = len(magic) + packMarks*markSize
)

func encode(set Set) []byte {
	b := append(make([]byte, 0, len(magic)+len(set)*markSize), magic...)
	for _, m := range set {
		b = m.appendTo(b)
	}
	return b
}

func (m Mark) appendTo(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(b, m.ID), m.At)
}

// decode appends the marks of a pack; none, if it is something else.
func decode(all []Mark, b []byte) []Mark {
	marks, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok {
		return all
	}
	return decodeMarks(all, marks)
}

// decodeMarks appends marks; a last one that is cut off is left out.
func decodeMarks(all []Mark, b []byte) []Mark {
	for ; len(b) >= markSize; b = b[markSize:] {
		all = append(all, Mark{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])})
	}
	return all
}

// maxPacks bounds how many packs are read: 64 million marks of which each takes 16 bytes.
const maxPacks = 1000

// Read returns all marks of a store. Packs that cannot be read are left out.
func Read(ctx context.Context, b backend.Backend) (Set, error) {
	set, _, err := read(ctx, b)
	return set, err
}

// read also returns the packs that it read, and those that are no packs. A list may lack packs that were folded while it went on, and
// what they were folded into. So packs are looked for until there are none that were not read.
func read(ctx context.Context, b backend.Backend) (Set, []backend.Key, error) {
	r := reading{seen: map[string]bool{}}
	for e, err := range backend.Scan(ctx, b, Shelf, backend.ListOptions{}) {
		if errors.Is(err, backend.ErrCorrupt) || len(r.packs) == maxPacks {
			break // corrupt: at the end of the list, entries that cannot be decoded
		}
		if err == nil {
			err = r.add(e.Info, func() ([]byte, error) { return whole(e) })
		}
		if err != nil {
			return nil, nil, err
		}
	}
	for more := true; more; {
		more = false
		for info, err := range b.List(ctx, Shelf, backend.ListOptions{}) {
			if errors.Is(err, backend.ErrCorrupt) || len(r.packs) == maxPacks {
				break
			}
			if err == nil && !r.seen[info.Key.Name] {
				more = true
				err = r.add(info, func() ([]byte, error) {
					text, _, err := backend.GetVerified(ctx, b, info.Key)
					return text, err
				})
			}
			if err != nil {
				return nil, nil, err
			}
		}
	}
	return Of(r.all), r.packs, nil
}

// reading is what was read so far.
type reading struct {
	all    []Mark
	folded int // of them, those that are a Set
	packs  []backend.Key
	seen   map[string]bool // names of packs
}

// add adds the marks of a pack. One that is damaged has none, and may be deleted; one that cannot be read at the moment may not.
func (r *reading) add(info backend.Info, text func() ([]byte, error)) error {
	r.packs, r.seen[info.Key.Name] = append(r.packs, info.Key), true
	if info.Size > int64(maxPack) {
		return nil
	}
	b, err := text()
	if errors.Is(err, backend.ErrCorrupt) || errors.Is(err, backend.ErrNotFound) {
		return nil
	}
	r.all = decode(r.all, b)
	if len(r.all) > 2*r.folded+packMarks { // so that many packs of the same values take the memory of one
		r.all = Of(r.all)
		r.folded = len(r.all)
	}
	return err
}

// whole returns the bytes of an entry.
func whole(e backend.Entry) ([]byte, error) {
	body, err := backend.Verify(io.NopCloser(e.Body), e.Info)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}

// Put stores a set, as new packs.
func Put(ctx context.Context, b backend.Backend, set Set) error {
	for part := range slices.Chunk(set, packMarks) {
		key := backend.Key{Shelf: Shelf, Name: strings.ToLower(rand.Text())}
		if _, err := backend.PutBytes(ctx, b, key, encode(part), backend.PutOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// Fold replaces all packs by as few as hold the marks that keep chooses; nil keeps all. One that dies midway leaves
// both: marks that are there twice count once.
func Fold(ctx context.Context, b backend.Backend, keep func(Mark) bool) error {
	set, packs, err := read(ctx, b)
	if err != nil || len(packs) == 0 {
		return err
	}
	if keep != nil {
		set = slices.DeleteFunc(set, func(m Mark) bool { return !keep(m) })
	}
	if len(packs) == 1 && keep == nil {
		return nil
	}
	if err := Put(ctx, b, set); err != nil {
		return err
	}
	return backend.DeleteBatch(ctx, b, packs)
}
