//go:build unix

package catalog_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// many is how many components the benchmarks ask for: the number of the project's goals.
const many = 100_000

// fillMany puts n results of a sweep on a shelf: all computed from one of ten recordings, each of the type lab/fit, and after each ten one that
// is computed from these. It returns their keys.
func fillMany(tb testing.TB, store *larder.Store, n int) []string {
	tb.Helper()
	ctx := context.Background()
	var items []backend.Item
	flush := func() {
		if _, err := backend.PutBatch(ctx, store.Backend(), items); err != nil {
			tb.Fatal(err)
		}
		items = items[:0]
	}
	put := func(shelf, name string, text []byte, meta backend.Meta) {
		items = append(items, backend.Item{Key: backend.Key{Shelf: shelf, Name: name}, Body: bytes.NewReader(text), PutOptions: backend.PutOptions{
			Size: int64(len(text)), Digest: sha256.Sum256(text), Sum: crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)), Meta: meta}})
		if len(items) >= 5000 {
			flush()
		}
	}
	describe := func(c component.Component) string {
		id, preimage, err := keying.Hash{}.Preimage(ctx, c)
		if err != nil {
			tb.Fatal(err)
		}
		put(backend.ShelfComponents, id, preimage, backend.Meta{codec.MetaKey: codec.CBOR})
		return id
	}
	var recordings, lastTen []component.Component
	for i := range 10 {
		c := component.Content(sha256.Sum256(fmt.Append(nil, "recording ", i)), int64(i+1))
		recordings = append(recordings, component.Ref(describe(c)))
	}
	var ids []string
	for i := range n {
		typ, inputs := "lab/fit", []component.Component{recordings[i%10]}
		if i%11 == 10 {
			typ, inputs = "lab/mean", lastTen
			lastTen = nil
		}
		id := describe(component.New(typ, "v3", map[string]any{"tau": float64(i) / 1000, "trial": i, "kind": "exponential",
			"filter": map[string]any{"order": i % 7, "cutoff": 300.5}}, inputs...))
		put(backend.ShelfCache, id+"/fit", fmt.Append(nil, "result ", i), backend.Meta{codec.MetaKey: codec.Raw, "cost_ms": "1200"})
		lastTen = append(lastTen, component.Ref(id))
		ids = append(ids, id)
	}
	flush()
	return ids
}

func manyOnShelf(b *testing.B) (*larder.Store, []string) {
	shelf, err := shelve.Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	store := larder.New(shelf, silent)
	b.Cleanup(func() { store.Close() })
	return store, fillMany(b, store, many)
}

// peak reports how far the heap grew while f ran, and what it took of the processors: other processes do not count there.
func peak(b *testing.B, f func()) {
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	done, stopped := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			select {
			case <-done:
				stopped <- most
				return
			case <-time.After(5 * time.Millisecond):
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
	}()
	took := cpu()
	f()
	b.ReportMetric(1000*(cpu()-took).Seconds()/float64(b.N), "cpu-ms/op")
	close(done)
	if most := <-stopped; most > before.HeapAlloc {
		b.ReportMetric(float64(most-before.HeapAlloc)/(1<<20), "peak-MiB")
	}
}

// cpu is the time of all processors that this process has had.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkFind(b *testing.B) {
	store, _ := manyOnShelf(b)
	for name, where := range map[string]string{
		"few":  "type=lab/fit and params.tau < 0.01",
		"mean": "type=lab/mean",
		"all":  "params.trial exists",
	} {
		b.Run(name, func(b *testing.B) {
			c, err := catalog.ParseWhere(where, catalog.Words{Now: time.Now()})
			if err != nil {
				b.Fatal(err)
			}
			found := 0
			peak(b, func() {
				for b.Loop() {
					found = 0
					for _, err := range catalog.Find(b.Context(), store, component.Query{Where: c}) {
						if err != nil {
							b.Fatal(err)
						}
						found++
					}
				}
			})
			b.ReportMetric(float64(found), "found")
		})
	}
}

func BenchmarkExplain(b *testing.B) {
	store, _ := manyOnShelf(b)
	in := component.Content(sha256.Sum256([]byte("another recording")), 5)
	c := component.New("lab/fit", "v3", map[string]any{"tau": 5.5, "trial": 5500, "kind": "exponential",
		"filter": map[string]any{"order": 5, "cutoff": 300.5}}, in)
	peak(b, func() {
		for b.Loop() {
			e, err := catalog.Explain(b.Context(), store, c, nil)
			if err != nil || len(e.Nearest) != 1 {
				b.Fatal(e, err)
			}
		}
	})
}

func BenchmarkTree(b *testing.B) {
	store, ids := manyOnShelf(b)
	file, err := store.Key(b.Context(), component.Content(sha256.Sum256([]byte("recording 0")), 1))
	if err != nil {
		b.Fatal(err)
	}
	for name, of := range map[string]struct {
		id  string
		way catalog.Direction
	}{"up": {ids[10], catalog.Up}, "down": {file, catalog.Down}} {
		b.Run(name, func(b *testing.B) {
			nodes := 0
			peak(b, func() {
				for b.Loop() {
					l, err := catalog.TreeOf(b.Context(), store, of.id, of.way, 0)
					if err != nil {
						b.Fatal(err)
					}
					nodes = len(l.Nodes)
				}
			})
			b.ReportMetric(float64(nodes), "nodes")
		})
	}
}
