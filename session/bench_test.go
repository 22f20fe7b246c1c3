package session_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/session"
)

// BenchmarkMatching collates sessions on shelves: of many items, and of few, where opening a file counts most.
// Group "collating" of ./bench puts the former beside raw bbolt.
func BenchmarkMatching(b *testing.B) {
	for _, of := range []struct{ sessions, items int }{{100, 1000}, {1000, 10}} {
		b.Run(fmt.Sprintf("%dx%d", of.sessions, of.items), func(b *testing.B) {
			ctx := context.Background()
			m := filled(b, of.sessions, of.items)
			for b.Loop() {
				b.StopTimer()
				time.Sleep(200 * time.Millisecond) // shelves closes what it has open
				b.StartTimer()
				n := 0
				for item, err := range session.Matching[[]byte](ctx, m, session.All) {
					if err != nil || len(item.Value) != 100 {
						b.Fatal(item, err)
					}
					n++
				}
				if n != of.sessions*of.items {
					b.Fatalf("%d items", n)
				}
			}
			n := float64(b.N * of.sessions)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n/float64(of.items), "ns/item")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n/1e3, "µs/session")
		})
	}
}

// filled returns a manager of sessions with items of 100 bytes.
func filled(b *testing.B, sessions, items int) *session.Manager {
	b.Helper()
	ctx := context.Background()
	s := larder.New(onShelves(b)(), nil)
	b.Cleanup(func() { s.Close() })
	m, err := session.Open(ctx, s, "sweep", nil)
	if err != nil {
		b.Fatal(err)
	}
	all := func(yield func(string, any) bool) {
		for i := range items {
			if !yield(fmt.Sprintf("current=%06d", i), make([]byte, 100)) {
				return
			}
		}
	}
	for i := range sessions {
		ses, err := m.Session(ctx, fmt.Sprintf("%05d", i), nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := ses.PutAll(ctx, iter.Seq2[string, any](all)); err != nil {
			b.Fatal(err)
		}
		if err := ses.Close(ctx); err != nil {
			b.Fatal(err)
		}
	}
	return m
}
