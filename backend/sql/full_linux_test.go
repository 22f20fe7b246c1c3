package sql_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/pgtest"
	"github.com/larder-store/larder/internal/ramdisk"
)

// The server's disk fills up: the put that finds it full says so, all that was acknowledged is there, and once there is room
// the same handle goes on.
func TestFullDisk(t *testing.T) {
	c := pgtest.New(t)
	disk := ramdisk.NewSmall(t, 8<<20)
	c.Own(t, disk.Dir)
	conn, _ := connect(t, c.URL())
	mustExec(t, conn, "CREATE TABLESPACE small LOCATION '"+disk.Dir+"'")
	mustExec(t, conn, "ALTER DATABASE postgres SET default_tablespace = small")
	b := open(t, pgtest.With(place(t, c.URL()), "timeout", "500ms"))
	var err error
	n := 0
	for ; err == nil; n++ {
		if n > 2000 {
			t.Fatal("the disk does not fill up")
		}
		_, err = put(b, backend.Key{Shelf: "s", Name: fmt.Sprint(n)}, text(30_000, n), backend.PutOptions{})
	}
	if !errors.Is(err, backend.ErrUnavailable) || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("Put %d = %v, want %v and that the disk is full", n, err, backend.ErrUnavailable)
	}
	disk.Grow(t, 64<<20)
	mustPut(t, b, theKey, old)
	for i := range n - 1 {
		if got := get(t, b, backend.Key{Shelf: "s", Name: fmt.Sprint(i)}); got != text(30_000, i) {
			t.Fatalf("value %d of %d that were acknowledged is %.16q", i, n-1, got)
		}
	}
}
