package session_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/blob/file"
	_ "github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/internal/ramdisk"
	"github.com/larder-store/larder/session"
)

// A real disk fills up while a session writes: every put that was acknowledged is there, the session goes on once there is
// room, and the store is whole.
func TestDiskFillsUp(t *testing.T) {
	ctx := context.Background()
	for _, scheme := range []string{"shelve", "file"} {
		t.Run(scheme, func(t *testing.T) {
			disk := ramdisk.NewSmall(t, 6<<20)
			b, err := backend.Open(ctx, scheme+"://"+filepath.Join(disk.Dir, "store"))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			m := manager(t, b, "m", &session.Options{Logger: quiet()})
			s := opened(t, m, "s", nil)
			value := strings.Repeat("x", 20_000)
			var acknowledged []string
			for i := 0; err == nil; i++ {
				if i > 2000 {
					t.Fatal("the disk does not fill up")
				}
				key := fmt.Sprintf("k%04d", i)
				if err = s.Put(ctx, key, value); err == nil {
					acknowledged = append(acknowledged, key)
				}
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("Put on a full disk = %v, want %v", err, syscall.ENOSPC)
			}
			disk.Grow(t, 64<<20)
			put(t, s, "room", value)
			closed(t, s)
			acknowledged = append(acknowledged, "room")
			got := collected[string](t, m, session.All)
			n := 0
			for _, line := range got { // the put that failed may be there too
				if n < len(acknowledged) && line == fmt.Sprintf("s:%s=%s", acknowledged[n], value) {
					n++
				}
			}
			if n != len(acknowledged) || len(got) > n+1 {
				t.Errorf("%d items are there, %d of %d that were acknowledged", len(got), n, len(acknowledged))
			}
		})
	}
}
