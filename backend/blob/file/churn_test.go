package file_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/ramdisk"
)

// A list beside puts and deletes is in order, has no name twice, has what stays throughout, and meets what moves towards the end
// within one directory. Names take turns at being a file and a directory.
func TestListBesideChurn(t *testing.T) {
	ctx := context.Background()
	b := open(t, ramdisk.Dir(t))
	stay := []string{"a", "a-1", "a/b", "a=1", "b/c/d", "b/c0", "m/0", "m/9"}
	for _, name := range stay {
		put(t, b, name, "v")
	}
	over := make(chan struct{})
	var writers sync.WaitGroup
	defer writers.Wait()
	defer close(over)
	turns := func(turn func(n int) error) {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-over:
					return
				default:
				}
				if err := turn(n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	move := func(from, to string) error {
		if _, err := tryPut(b, to, "v", backend.PutOptions{}); err != nil || from == to {
			return err
		}
		return b.Delete(ctx, backend.Key{Shelf: "s", Name: from})
	}
	const steps = 50
	names := func(i int) string { return fmt.Sprintf("m/5-%04d", i) }
	for _, pair := range [][2]string{{"b/c", "b/c/e"}, {"a/b/c", "a/b-"}, {"k", "k/l/m"}} {
		turns(func(n int) error { return move(pair[n%2], pair[1-n%2]) })
	}
	for range 40 {
		put(t, b, names(0), "v")
		var mover sync.WaitGroup
		mover.Go(func() {
			for i := range steps {
				if err := move(names(i), names(i+1)); err != nil {
					t.Error(err)
				}
			}
		})
		var listed []string
		for info, err := range b.List(ctx, "s", backend.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if n := len(listed); n > 0 && listed[n-1] >= info.Key.Name {
				t.Fatalf("%q comes after %q", info.Key.Name, listed[n-1])
			}
			listed = append(listed, info.Key.Name)
		}
		mover.Wait()
		for _, name := range stay {
			if _, ok := slices.BinarySearch(listed, name); !ok {
				t.Fatalf("%q, which stays, is not listed: %q", name, listed)
			}
		}
		at, _ := slices.BinarySearch(listed, names(0))
		if at == len(listed) || listed[at] > names(steps) {
			t.Fatalf("what moves is not listed: %q", listed)
		}
		if err := b.Delete(ctx, backend.Key{Shelf: "s", Name: names(steps)}); err != nil {
			t.Fatal(err)
		}
	}
}
