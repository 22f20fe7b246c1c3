package marks_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/internal/marks"
)

var day = time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)

func packs(t *testing.T, b backend.Backend) (names []string) {
	t.Helper()
	for info, err := range b.List(context.Background(), marks.Shelf, backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Key.Name)
	}
	return names
}

func read(t *testing.T, b backend.Backend) marks.Set {
	t.Helper()
	set, err := marks.Read(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Packs are read as the latest mark of each value, whatever the order in which they came; folding changes nothing but their number.
func TestPacksAreTheLatestMarks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := mem.New(nil)
		want := map[uint64]uint32{}
		for range rapid.IntRange(0, 6).Draw(rt, "packs") {
			var pack []marks.Mark
			for range rapid.IntRange(0, 20).Draw(rt, "marks") {
				m := marks.Mark{ID: rapid.Uint64Range(0, 30).Draw(rt, "id"), At: rapid.Uint32Range(0, 50).Draw(rt, "at")}
				pack = append(pack, m)
				want[m.ID] = max(want[m.ID], m.At)
			}
			if err := marks.Put(context.Background(), b, marks.Of(pack)); err != nil {
				rt.Fatal(err)
			}
			if rapid.Bool().Draw(rt, "fold") {
				if err := marks.Fold(context.Background(), b, nil); err != nil {
					rt.Fatal(err)
				}
				if n := len(packs(t, b)); n > 1 {
					rt.Fatalf("%d packs after folding", n)
				}
			}
		}
		got := read(t, b)
		if len(got) != len(want) || !slices.IsSortedFunc(got, func(a, b marks.Mark) int { return int(a.ID) - int(b.ID) }) {
			rt.Fatalf("read %v, want %v", got, want)
		}
		for _, m := range got {
			if want[m.ID] != m.At {
				rt.Errorf("mark of %d is %d, want %d", m.ID, m.At, want[m.ID])
			}
		}
	})
}

// What is no pack, corrupt, cut off or huge is left out, and harms nothing.
func TestPacksAreUntrusted(t *testing.T) {
	b := mem.New(nil)
	good := marks.Set{{ID: 1, At: 2}}
	if err := marks.Put(t.Context(), b, good); err != nil {
		t.Fatal(err)
	}
	text, _, err := backend.GetVerified(t.Context(), b, backend.Key{Shelf: marks.Shelf, Name: packs(t, b)[0]})
	if err != nil {
		t.Fatal(err)
	}
	for i, bad := range [][]byte{nil, []byte("x"), text[:len(text)-1], bytes.Repeat([]byte("larder marks 1\n"), 100_000), []byte("larder marks 2\n0123456789ab")} {
		key := backend.Key{Shelf: marks.Shelf, Name: fmt.Sprint("bad", i)}
		if _, err := backend.PutBytes(t.Context(), b, key, bad, backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	corrupt := backend.PutOptions{Size: int64(len(text)), Sum: 1}
	if _, err := b.Put(t.Context(), backend.Key{Shelf: marks.Shelf, Name: "corrupt"}, bytes.NewReader(text), corrupt); err != nil {
		t.Fatal(err)
	}
	if got := read(t, b); !slices.Equal(got, good) {
		t.Errorf("read %v, want %v", got, good)
	}
	if err := marks.Fold(t.Context(), b, nil); err != nil {
		t.Fatal(err)
	}
	if got := read(t, b); !slices.Equal(got, good) || len(packs(t, b)) != 1 {
		t.Errorf("after folding %v in %d packs", got, len(packs(t, b)))
	}
}

// A mark counts from its hour on; one from a clock that is ahead is not believed.
func TestUsed(t *testing.T) {
	stored := day.Add(-100 * time.Hour)
	for _, c := range []struct{ at, want time.Time }{
		{day.Add(-200 * time.Hour), stored},
		{day.Add(-50 * time.Hour), day.Add(-50 * time.Hour).Truncate(time.Hour)},
		{day.Add(time.Hour), day.Add(time.Hour).Truncate(time.Hour)},
		{day.Add(3 * time.Hour), stored},
		{day.Add(1000 * time.Hour), stored},
	} {
		set := marks.Set{{ID: marks.ID("a/x"), At: marks.Hour(c.at)}}
		if got := set.Used("a/x", stored, day); !got.Equal(c.want) {
			t.Errorf("used, with a mark of %v: %v, want %v", c.at, got, c.want)
		}
		if got := set.Used("b/x", stored, day); !got.Equal(stored) {
			t.Errorf("another value was used at %v", got)
		}
	}
}

// counting counts the writes of a backend, and fails them on demand.
type counting struct {
	backend.Backend
	puts int
	fail bool
}

func (c *counting) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if c.puts++; c.fail {
		return backend.Info{}, backend.ErrUnavailable
	}
	return c.Backend.Put(ctx, key, body, opts)
}

// A value is marked at most once a day by a process, and not while it is younger; all marks of a process are one write.
func TestOnceADay(t *testing.T) {
	b := &counting{Backend: mem.New(nil)}
	now := day
	r := marks.NewRecorder(b, "", 1, func() time.Time { return now })
	for hour := range 48 {
		now = day.Add(time.Duration(hour) * time.Hour)
		r.Used("old/x", day.Add(-100*time.Hour))
		for i := range 10 {
			r.Used(fmt.Sprintf("new%d/x", i), now.Add(-time.Hour))
		}
	}
	if b.puts != 0 {
		t.Errorf("%d writes while the hits came", b.puts)
	}
	r.Close()
	if b.puts != 1 {
		t.Errorf("%d writes, want 1", b.puts)
	}
	set := read(t, b)
	last := marks.Hour(day.Add(47 * time.Hour))
	if len(set) != 1 || set[0].At != last-last%24 {
		t.Errorf("marks: %v; want one of the first hour of the last day, %d", set, last-last%24)
	}
	r.Used("late/x", day.Add(-100*time.Hour))
	r.Close()
	if len(read(t, b)) != 1 {
		t.Error("what came after Close was stored")
	}
}

// A process that goes on for long stores what it noted now and then, in few writes.
func TestManyAreStoredOnTheWay(t *testing.T) {
	b := &counting{Backend: mem.New(nil)}
	r := marks.NewRecorder(b, "", 1, func() time.Time { return day })
	const n = 20_000
	for i := range n {
		r.Used(fmt.Sprintf("%d/x", i), day.Add(-100*time.Hour))
	}
	r.Close()
	if got := len(read(t, b)); got > n || got < n*99/100 {
		t.Errorf("%d marks of %d values", got, n)
	}
	if b.puts > 2*n/4096+1 { // folding writes too
		t.Errorf("%d writes for %d marks", b.puts, n)
	}
}

// Where requests are costly one hit in 64 writes, in the mean.
func TestSampled(t *testing.T) {
	b := &counting{Backend: mem.New(nil)}
	const hits = 1600
	for i := range hits {
		r := marks.NewRecorder(b, "", marks.Sample, func() time.Time { return day })
		r.Used(fmt.Sprintf("%d/x", i), day.Add(-100*time.Hour))
		r.Close()
	}
	// 25 in the mean, plus one in 32 for folding; a chance of less than 1 in 10^8 for these bounds.
	if b.puts < 3 || b.puts > 80 {
		t.Errorf("%d writes for %d hits", b.puts, hits)
	}
}

// Where a store takes no marks, nothing comes of it.
func TestStoreThatTakesNone(t *testing.T) {
	b := &counting{Backend: mem.New(nil), fail: true}
	r := marks.NewRecorder(b, "", 1, func() time.Time { return day })
	for i := range 10_000 {
		r.Used(fmt.Sprintf("%d/x", i), day.Add(-100*time.Hour))
	}
	r.Flush(t.Context())
	r.Close()
	if len(packs(t, b)) != 0 || b.puts == 0 {
		t.Errorf("%d packs, %d writes", len(packs(t, b)), b.puts)
	}
}

// Processes that make a hit each append to one file, which is stored once it is an hour old, or has many.
func TestJournal(t *testing.T) {
	b := &counting{Backend: mem.New(nil)}
	path := filepath.Join(t.TempDir(), "sub", "uses")
	now := day
	hit := func(name string) {
		r := marks.NewRecorder(b, path, 1, func() time.Time { return now })
		r.Used(name, day.Add(-100*time.Hour))
		r.Close()
	}
	for i := range 50 {
		hit(fmt.Sprintf("%d/x", i%20))
	}
	if info, err := os.Stat(path); b.puts != 0 || err != nil || info.Size() != 50*12 {
		t.Errorf("%d writes; the journal: %v, %v", b.puts, info, err)
	}
	now = day.Add(2 * time.Hour)
	hit("last/x")
	if got := len(read(t, b)); b.puts != 1 || got != 21 {
		t.Errorf("%d writes, %d marks; want 1 and 21", b.puts, got)
	}
	if left, err := filepath.Glob(path + "*"); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	hit("young/x")
	r := marks.NewRecorder(b, path, 1, func() time.Time { return now })
	r.Flush(t.Context())
	if got := len(read(t, b)); got != 22 {
		t.Errorf("%d marks after Flush, want 22", got)
	}
}

// A journal that a process took and did not store, because it died or the store failed, is stored by a later one; what is cut off or
// no journal harms nothing.
func TestJournalThatWasLeft(t *testing.T) {
	b := &counting{Backend: mem.New(nil), fail: true}
	path := filepath.Join(t.TempDir(), "uses")
	r := marks.NewRecorder(b, path, 1, func() time.Time { return day })
	r.Used("a/x", day.Add(-100*time.Hour))
	r.Close()
	gc := marks.NewRecorder(b, path, 1, func() time.Time { return day })
	gc.Flush(t.Context())
	b.fail = false
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 17)), 0o600); err != nil {
		t.Fatal(err)
	}
	gc.Flush(t.Context())
	set := read(t, b)
	if _, ok := set.Find(marks.ID("a/x")); !ok || len(set) != 2 {
		t.Errorf("marks: %v", set)
	}
	if left, err := filepath.Glob(path + "*"); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // what cannot be written
		t.Fatal(err)
	}
	r = marks.NewRecorder(b, path, 1, func() time.Time { return day })
	r.Used("b/x", day.Add(-100*time.Hour))
	r.Close()
	if len(read(t, b)) != 2 {
		t.Errorf("marks: %v", read(t, b))
	}
}

// What a hit pays: for a value of today, and for one that was noted today.
func BenchmarkUsed(b *testing.B) {
	r := marks.NewRecorder(mem.New(nil), "", 1, time.Now)
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("%064x/x", i)
	}
	for name, stored := range map[string]time.Time{"young": time.Now(), "noted": time.Now().Add(-100 * time.Hour)} {
		b.Run(name, func(b *testing.B) {
			for i := range b.N {
				r.Used(names[i%len(names)], stored)
			}
		})
	}
}
