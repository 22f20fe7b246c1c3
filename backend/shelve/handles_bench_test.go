package shelve_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

// BenchmarkHandles: 8 goroutines put, or get, each on a handle of its own on one store.
func BenchmarkHandles(b *testing.B) {
	for _, what := range []string{"put", "get"} {
		for _, handles := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/%d", what, handles), func(b *testing.B) {
				dir := b.TempDir()
				var all []*shelve.Backend
				for range handles {
					h, err := shelve.Open(dir, nil)
					if err != nil {
						b.Fatal(err)
					}
					defer h.Close()
					all = append(all, h)
				}
				v := value("v", 1000)
				mustPut(b, all[0], cache("k"), v)
				b.ResetTimer()
				var group sync.WaitGroup
				for g := range 8 {
					group.Go(func() {
						h := all[g%handles]
						for i := range b.N {
							if what == "get" {
								if _, _, err := get(h, cache("k")); err != nil {
									b.Error(err)
									return
								}
								continue
							}
							if _, err := h.Put(context.Background(), backend.Key{Shelf: "cache", Name: fmt.Sprintf("%d/%d", g, i)}, bytes.NewReader(v), options(v)); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				group.Wait()
			})
		}
	}
}
