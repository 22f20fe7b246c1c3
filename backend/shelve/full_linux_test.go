package shelve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/internal/ramdisk"
)

func init() { roles["filler"] = filler }

// fillerValue returns the i-th value of a filler, small enough to be put by a host.
func fillerValue(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 20_000) }

// filler puts values of its own until the disk is full, and prints how many were acknowledged.
func filler(dir string, args []string) error {
	b, err := shelve.Open(dir, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	shelve.LikeToHost(b)
	n := 0
	for ; err == nil; n++ {
		v := fillerValue(n)
		_, err = b.Put(context.Background(), cache(args[0]+fmt.Sprint(n)), bytes.NewReader(v), options(v))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("a put on a full disk: %w", err)
	}
	fmt.Println("acknowledged", n-1)
	return nil
}

// TestFullDiskAmongProcesses: processes that commit for each other fill a real disk. Each gets the error, and everything that was
// acknowledged is there. The store goes on once there is room.
func TestFullDiskAmongProcesses(t *testing.T) {
	disk := ramdisk.NewSmall(t, 12<<20)
	dir := filepath.Join(disk.Dir, "store")
	b := open(t, dir, nil)
	mustPut(t, b, cache("before"), []byte("v"))
	name := func(i int) string { return fmt.Sprint("filler", i, "-") }
	printed := crew(t, 4, func(i int) *exec.Cmd { return another(t, "filler", dir, name(i)) })
	disk.Grow(t, 64<<20)
	mustPut(t, b, cache("after"), []byte("v"))
	total := 0
	for i, p := range printed {
		n := number(t, p, "acknowledged")
		for j := range n {
			if got, _, err := get(b, cache(name(i)+fmt.Sprint(j))); err != nil || !bytes.Equal(got, fillerValue(j)) {
				t.Errorf("value %d of process %d: %v, as it was put: %v", j, i, err, bytes.Equal(got, fillerValue(j)))
			}
		}
		if _, _, err := get(b, cache(name(i)+fmt.Sprint(n+1))); !errors.Is(err, backend.ErrNotFound) {
			t.Errorf("a value that was never put = %v, want %v", err, backend.ErrNotFound)
		}
		total += n
	}
	if total < 50 {
		t.Errorf("%d values filled the disk", total)
	}
	b.Close()
	checkIndex(t, dir)
}
