package catalog_test

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/ramdisk"
)

// A real disk that fills up ends a copy with an error that says how far it came, and the same copy goes on once there is room.
func TestCopyToADiskThatFillsUp(t *testing.T) {
	ctx := context.Background()
	for _, scheme := range []string{"shelve", "file"} {
		t.Run(scheme, func(t *testing.T) {
			src := kinds["mem"](t)
			for i := range 200 {
				put(t, src, component.New("lab/value", "1", map[string]any{"n": i}), "v", strings.Repeat("x", 40_000+i), false)
			}
			disk := ramdisk.NewSmall(t, 4<<20)
			b, err := backend.Open(ctx, scheme+"://"+filepath.Join(disk.Dir, "store"))
			if err != nil {
				t.Fatal(err)
			}
			dst := opened(t, b)
			r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{})
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "stopped after") || r.Copied() == 0 {
				t.Errorf("Copy to a disk that fills up = %+v, %v", r, err)
			}
			disk.Grow(t, 64<<20)
			if r, err = catalog.Copy(ctx, dst, src, catalog.CopyOptions{}); err != nil || r.Present == 0 {
				t.Errorf("Copy once there is room = %+v, %v, want that it goes on", r, err)
			}
			if !maps.Equal(contents(t, dst), contents(t, src)) {
				t.Error("the copy is not whole")
			}
		})
	}
}
