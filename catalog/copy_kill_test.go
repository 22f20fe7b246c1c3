package catalog_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/ramdisk"
)

const (
	copyFrom = "LARDER_TEST_COPY_FROM"
	copyTo   = "LARDER_TEST_COPY_TO"
)

// TestCopyProcess is the process that TestKilledCopy kills.
func TestCopyProcess(t *testing.T) {
	if os.Getenv(copyFrom) == "" {
		return // it asserts nothing by itself
	}
	ctx := context.Background()
	src, err := larder.Open(ctx, os.Getenv(copyFrom), silent)
	if err != nil {
		t.Fatal(err)
	}
	dst, err := larder.Open(ctx, os.Getenv(copyTo), silent)
	if err != nil {
		t.Fatal(err)
	}
	_, err = catalog.Copy(ctx, dst, src, catalog.CopyOptions{Progress: func(r catalog.CopyReport) { fmt.Println(r.Copied() + r.Present) }})
	if err != nil {
		t.Fatal(err)
	}
}

// A copy that is killed with -9 goes on when it is called again: nothing is lost, nothing torn, and what was copied is not
// copied again.
func TestKilledCopy(t *testing.T) {
	ctx := context.Background()
	for _, pair := range [][2]string{{"shelve:", "shelve:"}, {"shelve:", "file:"}, {"file:", "shelve:"}} {
		t.Run(pair[0]+pair[1], func(t *testing.T) {
			t.Parallel()
			from, to := pair[0]+ramdisk.Dir(t)+"/src", pair[1]+ramdisk.Dir(t)+"/dst"
			src, err := larder.Open(ctx, from, silent)
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			furnish(t, src)
			for i := range 60 {
				c := component.New("lab/many", "1", map[string]any{"i": i})
				if _, err := src.Put(ctx, c, "v", bytes.Repeat([]byte{byte(i)}, i*4<<10)); err != nil {
					t.Fatal(err)
				}
			}
			want := contents(t, src)
			last := 0
			for lines := 1; lines < len(want); lines += 30 {
				killCopy(t, from, to, lines)
				dst, err := larder.Open(ctx, to, silent)
				if err != nil {
					t.Fatal(err)
				}
				got := contents(t, dst) // each is verified
				for key, value := range got {
					if want[key] != value {
						t.Errorf("after %d lines %s is not as in the source", lines, key)
					}
				}
				if len(got) < last {
					t.Errorf("after a kill %d entries are there, before it %d", len(got), last)
				}
				last = len(got)
				t.Logf("killed after %d of %d entries", last, len(want))
				dst.Close()
			}
			dst, err := larder.Open(ctx, to, silent)
			if err != nil {
				t.Fatal(err)
			}
			defer dst.Close()
			r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{})
			if err != nil || r.Present != last || r.Copied() != len(want)-last || r.Findings() != 0 {
				t.Errorf("the last copy = %+v, %v, want %d present of %d", r, err, last, len(want))
			}
			if !maps.Equal(contents(t, dst), want) {
				t.Error("the copy is not whole")
			}
			sessionsReadAlike(t, dst, src)
			for info, err := range dst.Backend().List(ctx, backend.ShelfStore, backend.ListOptions{Prefix: "copy/"}) {
				if err != nil || info.Size != 0 { // what killed copies left goes after a day
					t.Errorf("%+v, %v", info, err)
				}
			}
		})
	}
}

// killCopy starts a copy in another process, and kills that when it has said so many lines, or is done.
func killCopy(t *testing.T, from, to string, lines int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCopyProcess$")
	cmd.Env = append(os.Environ(), copyFrom+"="+from, copyTo+"="+to)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for said := bufio.NewScanner(out); lines > 0 && said.Scan(); lines-- {
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Log(err) // it was done
	}
	cmd.Wait()
}
