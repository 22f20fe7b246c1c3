package shelve_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/larder-store/larder/backend"
)

// TestCompact: a sweep gives back what a file does not need, removes the files of empty
// shelves, and says how much; all values are there afterwards, under their versions.
func TestCompact(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	b := open(t, dir, nil)
	size := func(name string) int64 {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return 0
		}
		return fi.Size()
	}
	versions := map[string]string{}
	for _, shelf := range []string{"cache", "run", "empty"} {
		var items []backend.Item
		for i := range 400 {
			v := value("v", 10_000)
			items = append(items, backend.Item{
				Key:  backend.Key{Shelf: shelf, Name: fmt.Sprintf("k%03d", i)},
				Body: bytes.NewReader(v), PutOptions: options(v),
			})
		}
		infos, err := b.PutBatch(ctx, items)
		if err != nil {
			t.Fatal(err)
		}
		var gone []backend.Key
		for i, it := range items {
			if i%10 == 0 && shelf != "empty" {
				versions[it.Key.String()] = infos[i].Version
				continue
			}
			gone = append(gone, it.Key)
		}
		if err := b.DeleteBatch(ctx, gone); err != nil {
			t.Fatal(err)
		}
	}
	files := []string{"main.db", "shelves/shelf-run.db", "shelves/shelf-empty.db"}
	before := map[string]int64{}
	var total int64
	for _, name := range files {
		before[name] = size(name)
		total += size(name)
	}
	dry, err := b.Sweep(ctx, backend.SweepOptions{Compact: true, DryRun: true})
	if err != nil || dry.Compacted < total/2 || dry.Compacted > total {
		t.Errorf("dry sweep = %+v, %v, want most of %d", dry, err, total)
	}
	for _, name := range files {
		if size(name) != before[name] {
			t.Errorf("a dry sweep changed %s", name)
		}
	}
	report, err := b.Sweep(ctx, backend.SweepOptions{Compact: true})
	if err != nil {
		t.Fatal(err)
	}
	var after int64
	for _, name := range files {
		after += size(name)
	}
	if report.Compacted != total-after || after > total/3 {
		t.Errorf("sweep = %+v, and %d of %d bytes are left", report, after, total)
	}
	if size("shelves/shelf-empty.db") != 0 {
		t.Error("the file of an empty shelf is still there")
	}
	again, err := b.Sweep(ctx, backend.SweepOptions{Compact: true})
	if err != nil || again.Compacted != 0 {
		t.Errorf("second sweep = %+v, %v, want nothing", again, err)
	}
	for _, shelf := range []string{"cache", "run"} {
		for i := 0; i < 400; i += 10 {
			key := backend.Key{Shelf: shelf, Name: fmt.Sprintf("k%03d", i)}
			if _, info, err := get(b, key); err != nil || info.Version != versions[key.String()] {
				t.Errorf("get %q: version %q, %v", key, info.Version, err)
			}
		}
	}
	mustPut(t, b, backend.Key{Shelf: "empty", Name: "k"}, []byte("again"))
	b.Close()
	checkSwept(t, dir, 0)
}

// TestSweepReport counts litter, spares what is young, and removes nothing when it is dry.
func TestSweepReport(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	b := open(t, dir, nil)
	mustPut(t, b, cache("k"), value("v", large))
	for range 3 {
		if err := litterIn(dir); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		opts  backend.SweepOptions
		want  backend.SweepReport
		files int
	}{
		{backend.SweepOptions{DryRun: true}, backend.SweepReport{Orphans: 3, OrphanBytes: 3 * large}, 4},
		{backend.SweepOptions{Grace: 1 << 50}, backend.SweepReport{Kept: 3}, 4},
		{backend.SweepOptions{}, backend.SweepReport{Orphans: 3, OrphanBytes: 3 * large}, 1},
		{backend.SweepOptions{}, backend.SweepReport{}, 1},
	} {
		report, err := b.Sweep(ctx, tc.opts)
		if err != nil || report != tc.want {
			t.Errorf("Sweep(%+v) = %+v, %v, want %+v", tc.opts, report, err, tc.want)
		}
		if files := dataFiles(t, dir); len(files) != tc.files {
			t.Errorf("Sweep(%+v) left %d files, want %d", tc.opts, len(files), tc.files)
		}
	}
}
