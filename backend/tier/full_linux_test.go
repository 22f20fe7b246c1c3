package tier_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/tier"
	"github.com/larder-store/larder/internal/ramdisk"
)

// Where the disk of a shelf is full, what waits is sent all the same, which makes room. (A file: store takes nothing at all then.)
func TestFullNear(t *testing.T) {
	disk := ramdisk.NewSmall(t, 8<<20)
	near := "shelve://" + filepath.ToSlash(filepath.Join(disk.Dir, "near"))
	far := newAway()
	far.gone.Store(true)
	b := openNear(t, near, far, tier.Options{Drain: -1})
	for _, size := range []int{100_000, 8_000, 80} {
		for i := 0; ; i++ {
			if i == 10_000 {
				t.Fatal("the disk is not full")
			}
			if _, err := backend.PutBytes(context.Background(), b, key(fmt.Sprint(size, "-", i)), []byte(value(i, size)), backend.PutOptions{}); err != nil {
				break
			}
		}
	}
	b.Close()
	far.gone.Store(false)
	b = openNear(t, near, far, tier.Options{})
	if err := b.(flusher).Flush(context.Background()); err != nil {
		t.Errorf("Flush with a full near store = %v", err)
	}
	for i := range 10 {
		wants(t, far.Backend, fmt.Sprint("100000-", i), value(i, 100_000))
	}
}
