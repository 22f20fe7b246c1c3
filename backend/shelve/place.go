package shelve

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
	"golang.org/x/sync/semaphore"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/calls"
	"github.com/larder-store/larder/internal/durable"
	"github.com/larder-store/larder/internal/turnstile"
)

// place is a store's directory as this process uses it: all handles on it, however they
// spell its path, share one, because two would shut each other out.
type place struct {
	path  string
	fi    os.FileInfo
	root  *os.File // keeps the directory's identity from being given to another
	disk  disk
	users int // guarded by placesMu
	main  *file
	data  turnstile.Turnstile

	mu     sync.RWMutex // guards the next two
	files  map[string]*file
	claims map[string]*claim // by name

	work    *calls.Counter      // all that touches the directory behind the callers' backs
	seats   *semaphore.Weighted // one for each open bbolt file
	waiting atomic.Int32        // for a seat
}

var (
	placesMu sync.Mutex // guards places
	places   []*place
)

// maxOpen bounds the bbolt files that are open at once: each takes three descriptors and a
// mapping.
const maxOpen = 64

// The names in a store's directory.
const (
	mainFile  = "main.db"
	shelfDir  = "shelves"
	shelfMark = "shelf-" // keeps shelves called con or nul possible on Windows
	shelfEnd  = ".db"
	dataDir   = "data"
	leaseDir  = "leases"
)

// openPlace returns the place at path, which must be a store already.
func openPlace(path string, d disk) (*place, error) {
	root, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	fi, err := root.Stat()
	if err != nil {
		root.Close()
		return nil, err
	}
	placesMu.Lock()
	defer placesMu.Unlock()
	for _, p := range places {
		if os.SameFile(p.fi, fi) {
			root.Close()
			p.users++
			return p, nil
		}
	}
	abs, err := filepath.Abs(path) // the working directory may change
	if err != nil {
		root.Close()
		return nil, err
	}
	p := &place{
		path:   abs,
		fi:     fi,
		root:   root,
		disk:   d,
		users:  1,
		data:   turnstile.Turnstile(filepath.Join(abs, dataDir)),
		files:  map[string]*file{},
		claims: map[string]*claim{},
		work:   calls.New(),
		seats:  semaphore.NewWeighted(maxOpen),
	}
	p.main = newFile(p, filepath.Join(abs, mainFile))
	places = append(places, p)
	return p, nil
}

// present refuses to write where the store's directory was moved away; see [durable.Present].
func (p *place) present() error { return durable.Present(p.path, p.fi, formatFile) }

// release gives up one use of the place, and ends it with the last.
func (p *place) release() {
	placesMu.Lock()
	defer placesMu.Unlock()
	if p.users--; p.users > 0 {
		return
	}
	for i, q := range places {
		if p == q {
			places = append(places[:i:i], places[i+1:]...)
		}
	}
	p.work.Close()
	p.mu.RLock()
	files := slices.Collect(maps.Values(p.files))
	p.mu.RUnlock() // a transaction that is waited for may need it
	for _, f := range append(files, p.main) {
		f.hangUp()
		f.end(f.current())
		f.hosting.Wait() // until the last answers are on their way
	}
	p.root.Close()
}

// mainShelves lie in one file, so that a result, its description and the store's record go in by one commit.
var mainShelves = []string{backend.ShelfCache, backend.ShelfComponents, backend.ShelfStore}

// file returns the bbolt file of a shelf.
func (p *place) file(shelf string) *file {
	if slices.Contains(mainShelves, shelf) {
		return p.main
	}
	p.mu.RLock()
	f := p.files[shelf]
	p.mu.RUnlock()
	if f != nil {
		return f
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if f = p.files[shelf]; f == nil {
		f = newFile(p, filepath.Join(p.path, shelfDir, shelfMark+shelf+shelfEnd))
		p.files[shelf] = f
	}
	return f
}

// shelves returns the names of the shelves that there may be, in byte order.
func (p *place) shelves() ([]string, error) {
	entries, err := durable.ReadDir(filepath.Join(p.path, shelfDir)) // compaction replaces files
	if err != nil {
		return nil, err
	}
	names := slices.Clone(mainShelves)
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), shelfMark)
		if name, isShelf := strings.CutSuffix(name, shelfEnd); ok && isShelf && backend.ValidateShelf(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// bboltFiles returns the bbolt files that there may be.
func (p *place) bboltFiles() ([]*file, error) {
	files := []*file{p.main}
	shelves, err := p.shelves()
	for _, shelf := range shelves {
		if f := p.file(shelf); f != p.main {
			files = append(files, f)
		}
	}
	return files, err
}

// seat waits until one more bbolt file may be open, and returns how to give that up.
func (p *place) seat() (leave func()) {
	if !p.seats.TryAcquire(1) {
		p.waiting.Add(1)
		_ = p.seats.Acquire(context.Background(), 1) // fails by its context alone
		p.waiting.Add(-1)
	}
	return func() { p.seats.Release(1) }
}

// closed reports whether the last handle was closed.
func (p *place) closed() bool {
	select {
	case <-p.work.Closing():
		return true
	default:
		return false
	}
}

// crowded reports whether a file waits for a seat.
func (p *place) crowded() bool { return p.waiting.Load() > 0 }

// create makes an empty bbolt file at path, whose turnstile is held. It is made under another
// name, so that path is never half a file.
func (p *place) create(path string) error {
	return p.replace(path, func(db *bbolt.DB) error { return nil })
}

// replace puts a new bbolt file at path, filled by fill. Its turnstile must be held alone.
func (p *place) replace(path string, fill func(*bbolt.DB) error) error {
	temp := path + rewritten
	if err := removeIfThere(temp); err != nil {
		return err
	}
	db, err := bbolt.Open(temp, 0o600, &bbolt.Options{Timeout: boltTimeout, NoSync: true, NoStatistics: true})
	if err != nil {
		return explainBolt(temp, err)
	}
	db.AllocSize = minGrowth
	err = fill(db)
	if err == nil {
		err = p.disk.step("sync index", temp, db.Sync)
	}
	if closing := db.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = p.disk.step("rename index", path, func() error { return os.Rename(temp, path) })
	}
	if err != nil {
		os.Remove(temp)
		return err
	}
	return p.disk.syncDir(filepath.Dir(path))
}

// rewritten is the end of the name of a file that is to replace another.
const rewritten = ".new"

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
