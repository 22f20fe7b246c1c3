package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob/file"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/audit"
	"github.com/larder-store/larder/internal/ramdisk"
	"github.com/larder-store/larder/keying"
)

// A store is not copied into itself, by whatever names.
func TestCopyIntoItself(t *testing.T) {
	ctx := context.Background()
	dir := ramdisk.Dir(t)
	link := filepath.Join(dir, "link")
	switch err := os.Symlink(filepath.Join(dir, "shelf"), link); {
	case err != nil && runtime.GOOS == "windows":
		t.Skip("links take rights there that few have:", err)
	case err != nil:
		t.Fatal(err)
	}
	shelf := func(dir string) *larder.Store {
		b, err := shelve.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		return opened(t, b)
	}
	files := func(dir string) *larder.Store {
		b, err := file.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		return opened(t, b)
	}
	a := shelf(filepath.Join(dir, "shelf"))
	fill(t, a)
	f := files(filepath.Join(dir, "files"))
	fill(t, f)
	m := mem.New(nil)
	for name, pair := range map[string][2]*larder.Store{
		"the same store":   {a, a},
		"a symbolic link":  {a, shelf(link)},
		"another spelling": {f, files(filepath.Join(dir, "shelf", "..", "files"))},
		"the same backend": {opened(t, m), opened(t, m)},
		"a wrapper of it":  {opened(t, m), opened(t, frugal{m})},
	} {
		before := contents(t, pair[0])
		r, err := catalog.Copy(ctx, pair[0], pair[1], catalog.CopyOptions{Prefer: catalog.PreferTheirs})
		if !errors.Is(err, catalog.ErrSamePlace) || r.Copied() != 0 {
			t.Errorf("%s: Copy = %+v, %v, want ErrSamePlace", name, r, err)
		}
		if _, err := catalog.Sync(ctx, pair[0], pair[1], catalog.CopyOptions{}); !errors.Is(err, catalog.ErrSamePlace) {
			t.Errorf("%s: Sync = %v, want ErrSamePlace", name, err)
		}
		if !maps.Equal(contents(t, pair[0]), before) {
			t.Errorf("%s: the store changed", name)
		}
	}
}

// below is a store in a prefix of another one's bucket: one shelf of that.
type below struct {
	backend.Backend
	shelf string
}

func (b below) at(key backend.Key) backend.Key {
	return backend.Key{Shelf: b.shelf, Name: key.Shelf + "/" + key.Name}
}

func (b below) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	return b.Backend.Put(ctx, b.at(key), body, opts)
}

func (b below) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	return b.Backend.Stat(ctx, b.at(key))
}

func (b below) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	return b.Backend.Get(ctx, b.at(key))
}

func (b below) Delete(ctx context.Context, key backend.Key) error {
	return b.Backend.Delete(ctx, b.at(key))
}

func (b below) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		for info, err := range b.Backend.List(ctx, b.shelf, backend.ListOptions{Prefix: shelf + "/" + opts.Prefix}) {
			info.Key = backend.Key{Shelf: shelf, Name: strings.TrimPrefix(info.Key.Name, shelf+"/")}
			if info.Key.Name > opts.After && !yield(info, err) {
				return
			}
		}
	}
}

// A destination within the source would be copied into itself without an end.
func TestCopyIntoAPartOfItself(t *testing.T) {
	m := mem.New(nil)
	src := opened(t, m)
	fill(t, src)
	sound(t, src)
	r, err := catalog.Copy(context.Background(), opened(t, below{m, "sub"}), src, catalog.CopyOptions{})
	if err == nil || !strings.Contains(err.Error(), `within the source, as its shelf "sub"`) {
		t.Errorf("Copy = %+v, %v, want that the destination lies within", r, err)
	}
}

// Keys of two generators never meet, and what is newer is not understood.
func TestCopyOfStrangers(t *testing.T) {
	ctx := context.Background()
	readable := larder.New(mem.New(nil), &larder.Options{Keys: keying.Readable{}, Logger: silent.Logger})
	defer readable.Close()
	put(t, readable, component.New("lab/fit", "1", nil), "model", "text", false)
	for name, newStore := range kinds {
		hashed := newStore(t)
		put(t, hashed, component.New("lab/fit", "1", nil), "model", "text", false)
		for _, pair := range [][2]*larder.Store{{hashed, readable}, {readable, hashed}} {
			before := contents(t, pair[0])
			if _, err := catalog.Copy(ctx, pair[0], pair[1], catalog.CopyOptions{}); !errors.Is(err, larder.ErrKeys) {
				t.Errorf("%s: Copy between stores of two generators = %v, want ErrKeys", name, err)
			}
			if !maps.Equal(contents(t, pair[0]), before) {
				t.Errorf("%s: the destination changed", name)
			}
		}
		// An empty destination becomes one of the source's keys.
		dst := newStore(t)
		if _, err := catalog.Copy(ctx, dst, readable, catalog.CopyOptions{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := dst.KeysName(ctx); got != "readable" || err != nil {
			t.Errorf("%s: the copy has keys of %q, %v, want readable", name, got, err)
		}
	}
	record := backend.Key{Shelf: backend.ShelfStore, Name: "record"}
	for _, name := range []string{"shelve", "file", "costly"} {
		newer, other := kinds[name](t), kinds[name](t)
		put(t, other, component.New("lab/fit", "1", nil), "model", "text", false)
		if _, err := backend.PutBytes(ctx, newer.Backend(), record, []byte(`{"format":99,"by":"v9"}`), backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, pair := range [][2]*larder.Store{{newer, other}, {other, newer}} {
			if _, err := catalog.Copy(ctx, pair[0], pair[1], catalog.CopyOptions{}); !errors.Is(err, larder.ErrNewer) || !strings.Contains(err.Error(), "format 99") {
				t.Errorf("%s: Copy of a newer store = %v, want ErrNewer", name, err)
			}
		}
	}
	if audit.Quarantine != "quarantine" { // catalog does not link package audit for its name
		t.Errorf("quarantine is called %q", audit.Quarantine)
	}
}

// full is a disk that is full after some values.
type full struct {
	backend.Backend
	left atomic.Int64
}

func (f *full) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if key.Shelf != backend.ShelfStore && f.left.Add(-1) < 0 {
		return backend.Info{}, backend.Wrap("put", "full", key, syscall.ENOSPC)
	}
	return f.Backend.Put(ctx, key, body, opts)
}

func (f *full) Limits() backend.Limits { return backend.LimitsOf(f.Backend) }

func TestCopyToAFullDisk(t *testing.T) {
	ctx := context.Background()
	for name, newStore := range kinds {
		src := newStore(t)
		furnish(t, src)
		want := contents(t, src)
		disk := &full{Backend: mem.New(nil)}
		dst := opened(t, disk)
		for space := int64(3); ; space += 3 {
			before := len(contents(t, dst))
			disk.left.Store(space)
			r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{})
			if err == nil {
				if r.Present != before || r.Copied()+before != len(want) {
					t.Errorf("%s: the last copy = %+v, want %d present of %d", name, r, before, len(want))
				}
				break
			}
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), fmt.Sprintf("stopped after %d entries", r.Copied())) {
				t.Fatalf("%s: Copy with room for %d = %+v, %v", name, space, r, err)
			}
			if now := len(contents(t, dst)); r.Present > before || r.Copied() != now-before || now-before > int(space) {
				t.Errorf("%s: Copy with room for %d = %+v, and %d entries became %d", name, space, r, before, now)
			}
		}
		if !maps.Equal(contents(t, dst), want) {
			t.Errorf("%s: the copy is not whole", name)
		}
	}
}

// A source whose directory goes away midway is no source of which everything was deleted.
func TestSourceVanishes(t *testing.T) {
	ctx := context.Background()
	dir := ramdisk.Dir(t)
	b, err := file.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	src, dst := opened(t, b), kinds["mem"](t)
	c := component.New("lab/fit", "1", nil)
	for i := range 300 {
		put(t, src, c, fmt.Sprint(i), "text", false)
	}
	var once sync.Once
	r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{Parallel: 1, Progress: func(catalog.CopyReport) {
		once.Do(func() {
			if err := os.Rename(filepath.Join(dir, "cache"), filepath.Join(dir, ".larder", "aside")); err != nil {
				t.Error(err)
			}
			if err := os.RemoveAll(filepath.Join(dir, "larder.store")); err != nil {
				t.Error(err)
			}
		})
	}})
	if err == nil || r.Copied() >= 300 || !strings.Contains(err.Error(), "the same copy goes on from there") {
		t.Errorf("Copy from a place that vanished = %+v, %v", r, err)
	}
}

// A value that is deleted meanwhile is counted, and the rest is copied.
func TestDeletedMeanwhile(t *testing.T) {
	ctx := context.Background()
	for name, newStore := range kinds {
		src, dst := newStore(t), kinds["mem"](t)
		c := component.New("lab/fit", "1", nil)
		for i := range 50 {
			put(t, src, c, fmt.Sprint(i), "text", false)
		}
		var once sync.Once
		r, err := catalog.Copy(ctx, dst, opened(t, &vanishing{Backend: src.Backend(), once: &once}), catalog.CopyOptions{})
		if err != nil || r.Gone != 1 || r.Values != 49 || r.Findings() != 0 {
			t.Errorf("%s: Copy = %+v, %v, want 49 values and one gone", name, r, err)
		}
	}
}

// vanishing deletes one value after it was listed.
type vanishing struct {
	backend.Backend
	once *sync.Once
}

func (v *vanishing) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		for info, err := range v.Backend.List(ctx, shelf, opts) {
			if shelf == backend.ShelfCache && err == nil && opts.Limit == 0 {
				v.once.Do(func() { err = v.Delete(ctx, info.Key) })
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

// overwriting replaces one value after it was listed.
type overwriting struct {
	backend.Backend
	once *sync.Once
}

func (o *overwriting) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		for info, err := range o.Backend.List(ctx, shelf, opts) {
			if shelf == backend.ShelfCache && err == nil && opts.Limit == 0 {
				o.once.Do(func() {
					_, err = backend.PutBytes(ctx, o.Backend, info.Key, bytes.Repeat([]byte("n"), 200<<10), backend.PutOptions{Meta: info.Meta})
				})
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

// A large value that is overwritten between being listed and being read is copied as it is then.
func TestOverwrittenMeanwhile(t *testing.T) {
	ctx := context.Background()
	for name, newStore := range kinds {
		src, dst := newStore(t), newStore(t)
		c := component.New("lab/fit", "1", nil)
		for i := range 20 {
			put(t, src, c, fmt.Sprint(i), strings.Repeat("o", 100<<10), false)
		}
		var once sync.Once
		r, err := catalog.Copy(ctx, dst, opened(t, &overwriting{Backend: src.Backend(), once: &once}), catalog.CopyOptions{})
		if err != nil || r.Values != 20 || r.Findings() != 0 {
			t.Errorf("%s: Copy = %+v, %v, want 20 values", name, r, err)
		}
		if !maps.Equal(contents(t, dst), contents(t, src)) {
			t.Errorf("%s: the copy is not what the source holds", name)
		}
	}
}

// Copies, and writers of their own, meet at one destination.
func TestManyCopiesAtOnce(t *testing.T) {
	ctx := context.Background()
	for name, newStore := range kinds {
		dst := newStore(t)
		c := component.New("lab/fit", "1", nil)
		const sources, values = 4, 120
		var group sync.WaitGroup
		var conflicts, copied atomic.Int64
		for n := range sources {
			src := kinds["mem"](t)
			for i := range values {
				put(t, src, c, fmt.Sprint("same", i), "same", false)
				put(t, src, c, fmt.Sprint("other", i), fmt.Sprint("of ", n), false)
			}
			group.Go(func() {
				r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{})
				if err != nil {
					t.Error(err)
				}
				conflicts.Add(int64(r.Conflicts))
				copied.Add(int64(r.Values))
			})
		}
		group.Go(func() { // of the same results, computed here
			for i := range values {
				if _, err := dst.Put(ctx, c, fmt.Sprint("same", i), "same", larder.IfAbsent()); err != nil && !errors.Is(err, larder.ErrExists) {
					t.Error(err)
				}
			}
		})
		group.Wait()
		if conflicts.Load() != (sources-1)*values {
			t.Errorf("%s: %d conflicts, want %d: each key has one value that was first", name, conflicts.Load(), (sources-1)*values)
		}
		if n := copied.Load(); n < values || n > 2*values {
			t.Errorf("%s: %d values were copied, want each once", name, n)
		}
		for i := range values {
			if v, err := larder.Get[string](ctx, dst, c, fmt.Sprint("same", i)); v != "same" || err != nil {
				t.Errorf("%s: %q, %v", name, v, err)
			}
			if v, err := larder.Get[string](ctx, dst, c, fmt.Sprint("other", i)); !strings.HasPrefix(v, "of ") || err != nil {
				t.Errorf("%s: %q, %v", name, v, err)
			}
		}
	}
}

// racing overwrites what a copy is about to replace.
type racing struct {
	backend.Backend
	times atomic.Int64
}

func (r *racing) Limits() backend.Limits { return backend.LimitsOf(r.Backend) }

func (r *racing) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if key.Shelf == backend.ShelfCache && r.times.Add(-1) >= 0 {
		if _, err := backend.PutBytes(ctx, r.Backend, key, fmt.Appendf(nil, "of another process %d", r.times.Load()), backend.PutOptions{}); err != nil {
			return backend.Info{}, err
		}
	}
	return r.Backend.Put(ctx, key, body, opts)
}

// What another process stored between the comparison and the write is compared anew.
func TestReplacesOnlyWhatWasCompared(t *testing.T) {
	ctx := context.Background()
	c := component.New("lab/fit", "1", nil)
	for _, there := range []bool{false, true} {
		src := kinds["mem"](t)
		put(t, src, c, "model", "theirs", false)
		race := &racing{Backend: mem.New(nil)}
		dst := opened(t, race)
		if there {
			put(t, dst, c, "model", "ours", false)
		}
		race.times.Store(1)
		r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{})
		if err != nil || r.Conflicts != 1 || r.Values != 0 || r.Replaced != 0 {
			t.Errorf("there %v: Copy = %+v, %v, want a conflict", there, r, err)
		}
		race.times.Store(3)
		r, err = catalog.Copy(ctx, dst, src, catalog.CopyOptions{Prefer: catalog.PreferTheirs})
		if got, getErr := larder.Get[string](ctx, dst, c, "model"); err != nil || r.Replaced != 1 || r.Values != 1 || got != "theirs" || getErr != nil {
			t.Errorf("there %v: Copy that prefers theirs = %+v, %v; stored is %q, %v", there, r, err, got, getErr)
		}
		race.times.Store(1000)
		put(t, src, c, "model", "theirs again", false)
		if _, err = catalog.Copy(ctx, dst, src, catalog.CopyOptions{Prefer: catalog.PreferTheirs}); !errors.Is(err, backend.ErrChanged) {
			t.Errorf("there %v: Copy against a writer that never rests = %v, want ErrChanged", there, err)
		}
	}
}

// Large values travel in pieces: the memory of a copy does not grow with them.
func TestMemoryStaysFlat(t *testing.T) {
	ctx := context.Background()
	const count, size = 3, 32 << 20
	for _, pair := range [][2]string{{"shelve", "shelve"}, {"shelve", "file"}, {"file", "file"}, {"file", "shelve"}} {
		src, dst := kinds[pair[0]](t), kinds[pair[1]](t)
		c := component.New("lab/large", "1", nil)
		for i := range count {
			if _, err := src.Put(ctx, c, fmt.Sprint(i), io.LimitReader(zeros{}, size)); err != nil {
				t.Fatal(err)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{})
		runtime.ReadMemStats(&after)
		if err != nil || r.Values != count || r.Bytes < count*size {
			t.Fatalf("%v: Copy = %+v, %v", pair, r, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > size/2 {
			t.Errorf("%v: the copy allocated %d MiB in all for %d values of %d MiB", pair, took>>20, count, size>>20)
		}
	}
}

// A destination with a limit stays near it, as it does when values are put.
func TestCopyToALimitedStore(t *testing.T) {
	ctx := context.Background()
	src := kinds["mem"](t)
	c := component.New("lab/fit", "1", nil)
	const values, size, limit = 200, 10 << 10, 400 << 10
	for i := range values {
		put(t, src, c, fmt.Sprint(i), strings.Repeat(fmt.Sprint(i%10), size), false)
	}
	b, err := shelve.Open(ramdisk.Dir(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	opts := *silent
	opts.MaxSize = limit
	dst := larder.New(b, &opts)
	defer dst.Close()
	if _, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	var total int64
	for info, err := range b.List(ctx, backend.ShelfCache, backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size
	}
	if total == 0 || total > 2*limit {
		t.Errorf("a store with a limit of %d bytes holds %d after a copy of %d", limit, total, values*size)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// However many are asked for, a copy starts no more goroutines than help.
func TestCopyAbsurdlyParallel(t *testing.T) {
	src, dst := kinds["mem"](t), kinds["mem"](t)
	put(t, src, component.New("lab/fit", "1", nil), "1", "text", false)
	if r, err := catalog.Copy(context.Background(), dst, src, catalog.CopyOptions{Parallel: math.MaxInt}); err != nil || r.Copied() == 0 {
		t.Errorf("Copy = %+v, %v", r, err)
	}
}
