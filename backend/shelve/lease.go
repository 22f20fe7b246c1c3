package shelve

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/durable"
)

// A lease is a kernel lock on a file of its name, so that it ends with its holder at the
// very instant, however it ends. The file is removed at the end, by the holder or, after
// a kill, by the sweep: a process that has locked a file makes sure that it is still the one that the
// name leads to. Epochs come from one counter for all names and so grow for each.
//
// A lease that is not renewed for its ttl is given up. A process that is stopped
// cannot do that: it holds its leases until it goes on or is ended.
type lease struct {
	place *place
	name  string
	path  string
	ttl   time.Duration
	epoch uint64

	mu    sync.Mutex  // guards the rest
	file  *os.File    // nil once released, or lost
	timer *time.Timer // gives the lease up
	until time.Time   // when it does
}

const (
	leaseMark   = "lease-"
	epochFile   = "epoch"
	leaseReason = "lease %q: %w"
)

// Acquire implements [backend.Leaser].
func (b *Backend) Acquire(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
	l, err := b.acquire(ctx, name, ttl)
	if err != nil {
		return nil, wrap("acquire", backend.Key{}, fmt.Errorf(leaseReason, name, err))
	}
	return l, nil
}

func (b *Backend) acquire(ctx context.Context, name string, ttl time.Duration) (*lease, error) {
	if err := (backend.Key{Shelf: leaseDir, Name: name}).Validate(); err != nil {
		return nil, err
	}
	if strings.Contains(name, "/") {
		return nil, fmt.Errorf("%w: the name of a lease is one segment", backend.ErrInvalidKey)
	}
	if ttl <= 0 {
		return nil, fmt.Errorf("a time to live of %v is too short", ttl)
	}
	if b.opts.ReadOnly {
		return nil, errReadOnly
	}
	if err := b.parts.Calls.Begin(ctx); err != nil {
		return nil, err
	}
	defer b.parts.Calls.End()
	if err := b.place.present(); err != nil {
		return nil, err
	}
	l := &lease{place: b.place, name: name, path: filepath.Join(b.place.path, leaseDir, leaseMark+name), ttl: ttl}
	f, err := lockLease(l.path)
	if err != nil {
		return nil, err
	}
	if l.epoch, err = b.place.nextEpoch(); err != nil {
		removeLocked(f)
		return nil, err
	}
	durable.Sign(f, 0)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file = f
	l.until = time.Now().Add(ttl)
	l.timer = time.AfterFunc(ttl, l.expire)
	return l, nil
}

// lockLease locks the file of a lease, or returns an error that names its holder.
func lockLease(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		free, err := durable.TryLock(f, false)
		switch {
		case err != nil:
			f.Close()
			return nil, err
		case !free:
			f.Close()
			return nil, fmt.Errorf("%w: held by %s", backend.ErrLocked, durable.Signer(durable.Signature(path)))
		case durable.IsAt(f, path):
			return f, nil
		}
		f.Close() // it was removed between the two steps
	}
}

// removeLocked removes the file of a lease that is held, and gives up the lock.
func removeLocked(f *os.File) error {
	path := f.Name()
	if runtime.GOOS == "windows" {
		f.Close() // an open file cannot be removed there, neither by us nor, then, by another
		return os.Remove(path)
	}
	err := os.Remove(path)
	f.Close()
	return err
}

// nextEpoch counts on the epochs of the store.
func (p *place) nextEpoch() (uint64, error) {
	f, err := os.OpenFile(filepath.Join(p.path, leaseDir, epochFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := durable.Lock(f, false); err != nil { // for the few µs that others need
		return 0, err
	}
	var b [8]byte
	if n, err := f.ReadAt(b[:], 0); n > 0 && n < len(b) {
		return 0, fmt.Errorf("%w: %s has %d bytes of %d: %v", backend.ErrCorrupt, f.Name(), n, len(b), err)
	}
	epoch := binary.LittleEndian.Uint64(b[:]) + 1
	binary.LittleEndian.PutUint64(b[:], epoch)
	_, err = f.WriteAt(b[:], 0)
	return epoch, err
}

// Epoch implements [backend.Lease].
func (l *lease) Epoch() uint64 { return l.epoch }

// Renew implements [backend.Lease].
func (l *lease) Renew(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := ctx.Err()
	if err == nil && (l.file == nil || !durable.IsAt(l.file, l.path)) {
		err = backend.ErrChanged
	}
	if err != nil {
		return wrap("renew", backend.Key{}, fmt.Errorf(leaseReason, l.name, err))
	}
	l.until = time.Now().Add(l.ttl)
	l.timer.Reset(l.ttl)
	return nil
}

// Release implements [backend.Lease]. It works whatever became of ctx or the handle.
func (l *lease) Release(context.Context) error {
	l.end()
	return nil
}

// expire gives up a lease that was not renewed. A busy machine may have renewed it after the timer
// fired and before this runs.
func (l *lease) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.until) {
		return // the timer was set again
	}
	l.giveUp()
}

func (l *lease) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.giveUp()
}

// giveUp ends the lease. The lock is held.
func (l *lease) giveUp() {
	if l.file == nil {
		return
	}
	l.timer.Stop()
	_ = removeLocked(l.file) // what stays is removed by the sweep
	l.file = nil
}

// sweepLeases removes the files of leases whose holders died.
func (p *place) sweepLeases() error {
	entries, err := os.ReadDir(filepath.Join(p.path, leaseDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), leaseMark) {
			continue
		}
		path := filepath.Join(p.path, leaseDir, e.Name())
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		free, err := durable.TryLock(f, false)
		if err != nil || !free || !durable.IsAt(f, path) {
			f.Close()
			continue
		}
		if err := removeLocked(f); err != nil && runtime.GOOS != "windows" {
			return err
		}
	}
	return nil
}
