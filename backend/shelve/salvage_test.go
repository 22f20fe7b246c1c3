package shelve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

// Whatever is damaged of a bbolt file, all records in pages that are sound are saved, byte by byte, and
// the store lists and takes values again. The damaged file is kept.
func TestSalvage(t *testing.T) {
	ctx := context.Background()
	const n = 2000 // some dozens of leaves, and a branch over them
	saved, damagedPages := 0, 0
	for round := range 40 {
		dir, keys := filled(t, n)
		path := filepath.Join(dir, "main.db")
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(11, uint64(round)))
		bad := bytes.Clone(good)
		page := 4096 * (2 + rng.IntN(len(bad)/4096-2)) // not the meta pages
		switch round % 3 {
		case 0: // a page of zeros
			clear(bad[page : page+4096])
		case 1: // noise
			for i := range 4096 {
				bad[page+i] = byte(rng.Uint32())
			}
		case 2: // one byte
			bad[page+rng.IntN(4096)] ^= 1 << rng.IntN(8)
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := shelve.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		report, err := backend.Salvage(ctx, b)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for _, s := range report {
			damagedPages++
			if s.Part != path || len(s.Errors) == 0 {
				t.Fatalf("round %d: %+v, want %s with its errors", round, s, path)
			}
			if s.Aside == "" { // the root was hit: nothing was found
				continue
			}
			if kept, err := os.ReadFile(s.Aside); err != nil || !bytes.Equal(kept, bad) {
				t.Fatalf("round %d: the damaged file was not kept: %v", round, err)
			}
		}
		if len(report) == 1 && report[0].Aside == "" {
			b.Close()
			continue
		}
		listed := 0
		for info, err := range b.List(ctx, backend.ShelfCache, backend.ListOptions{}) {
			if err != nil {
				t.Fatalf("round %d: after the rescue List = %v", round, err)
			}
			body, _, err := b.Get(ctx, info.Key)
			if err != nil {
				t.Fatalf("round %d: after the rescue Get = %v", round, err)
			}
			if v := body.(*backend.Body).Take(); !strings.HasPrefix(string(v), "value-") {
				t.Fatalf("round %d: %q holds %.20q", round, info.Key, v)
			}
			listed++
		}
		saved += listed
		if len(report) == 0 && listed != n {
			t.Fatalf("round %d: nothing is said to be damaged, and %d of %d are listed", round, listed, n)
		}
		if again, err := backend.Salvage(ctx, b); err != nil || len(again) > 0 {
			t.Fatalf("round %d: a second rescue found %+v, %v", round, again, err)
		}
		mustPut(t, b, keys[0], []byte("new"))
		if _, err := b.Sweep(ctx, backend.SweepOptions{}); err != nil {
			t.Fatalf("round %d: Sweep = %v", round, err)
		}
		b.Close()
	}
	if damagedPages < 10 || saved < 30*n {
		t.Errorf("%d files were damaged and %d records saved: this tested little", damagedPages, saved)
	}
}

// A sound store is left alone, and so is a file of which nothing can be read.
func TestNothingToSalvage(t *testing.T) {
	ctx := context.Background()
	dir, _ := filled(t, 10)
	b := open(t, dir, nil)
	defer b.Close()
	if report, err := backend.Salvage(ctx, b); err != nil || len(report) > 0 {
		t.Errorf("Salvage of a sound store = %+v, %v", report, err)
	}
	other := filepath.Join(t.TempDir(), "store")
	o := open(t, other, nil)
	mustPut(t, o, backend.Key{Shelf: backend.ShelfCache, Name: "a"}, []byte("x"))
	o.Close()
	noise := bytes.Repeat([]byte("noise"), 5000)
	if err := os.WriteFile(filepath.Join(other, "main.db"), noise, 0o600); err != nil {
		t.Fatal(err)
	}
	o = open(t, other, nil)
	defer o.Close()
	report, err := backend.Salvage(ctx, o)
	if err != nil || len(report) != 1 || report[0].Aside != "" {
		t.Errorf("Salvage of noise = %+v, %v; want it reported and left", report, err)
	}
	if got, _ := os.ReadFile(filepath.Join(other, "main.db")); !bytes.Equal(got, noise) {
		t.Error("a file of which nothing could be saved was changed")
	}
	if _, err := o.Stat(ctx, backend.Key{Shelf: backend.ShelfCache, Name: "a"}); !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("Stat = %v, want ErrCorrupt", err)
	}
}

// The data of records that were lost stays until the damaged file is removed: only that file could still tell
// whose it was.
func TestSalvageKeepsData(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "store")
	b := open(t, dir, nil)
	const n, size = 60, 200 << 10 // each in a file of its own
	for i := range n {
		mustPut(t, b, backend.Key{Shelf: backend.ShelfCache, Name: fmt.Sprintf("k%03d", i)}, bytes.Repeat([]byte{byte(i)}, size))
	}
	b.Close()
	path := filepath.Join(dir, "main.db")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for page := 2 * 4096; page < len(good); page += 4096 {
		bad := bytes.Clone(good)
		clear(bad[page : page+4096])
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		b = open(t, dir, nil)
		report, err := backend.Salvage(ctx, b)
		if err == nil && len(report) == 1 && report[0].Aside != "" && report[0].Saved < n {
			testKept(t, b, report[0].Aside, n-report[0].Saved)
			b.Close()
			return
		}
		b.Close()
	}
	t.Error("no page was lost with records: this tested nothing")
}

func testKept(t *testing.T, b *shelve.Backend, aside string, lost int) {
	t.Helper()
	s, err := b.Sweep(t.Context(), backend.SweepOptions{})
	if !errors.Is(err, backend.ErrCorrupt) || !strings.Contains(err.Error(), aside) || s.Orphans > 0 {
		t.Errorf("Sweep = %+v, %v; want no data removed, and %s named", s, err, aside)
	}
	if err := os.Remove(aside); err != nil {
		t.Fatal(err)
	}
	if s, err = b.Sweep(t.Context(), backend.SweepOptions{}); err != nil || s.Orphans != lost {
		t.Errorf("Sweep without the damaged file = %+v, %v; want %d orphans removed", s, err, lost)
	}
}
