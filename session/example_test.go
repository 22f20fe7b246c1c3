package session_test

import (
	"context"
	"fmt"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/session"
)

func Example() {
	ctx := context.Background()
	store := larder.New(mem.New(nil), nil)
	defer store.Close()
	m, _ := session.Open(ctx, store, "rate-curve", nil)

	for _, worker := range []string{"worker 1", "worker 2"} { // each in a process of its own
		s, _ := m.Session(ctx, worker, nil)
		s.Put(ctx, "current=0.5", 12.5)
		s.Put(ctx, "current=0.75", 20.0)
		s.Close(ctx)
	}
	for item, err := range session.Matching[float64](ctx, m, session.Prefix("current=")) {
		if err != nil {
			panic(err)
		}
		fmt.Println(item.Session, item.Key, item.Value)
	}
	// Output:
	// worker 1 current=0.5 12.5
	// worker 1 current=0.75 20
	// worker 2 current=0.5 12.5
	// worker 2 current=0.75 20
}

func ExampleUpdate() {
	ctx := context.Background()
	store := larder.New(mem.New(nil), nil)
	defer store.Close()
	m, _ := session.Open(ctx, store, "sweep", nil)
	shared, _ := m.LockingSession(ctx, "progress", nil) // in any number of processes
	defer shared.Close(ctx)

	for range 3 {
		session.Update(ctx, shared, "done", func(n int, _ bool) (int, error) { return n + 1, nil })
	}
	var n int
	shared.Get(ctx, "done", &n)
	fmt.Println(n)
	// Output: 3
}
