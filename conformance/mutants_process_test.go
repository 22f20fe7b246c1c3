package conformance_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/conformance/law"
)

// onDisk is a handle on shelves, which several processes can open, of which mutants
// replace one method or another.
type onDisk struct {
	*shelve.Backend
	dir string

	doGet     func(ctx context.Context, k key) (io.ReadCloser, info, error)
	doPut     func(ctx context.Context, k key, b body, o put) (info, error)
	doAcquire func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error)
}

func (d *onDisk) Get(ctx context.Context, k key) (io.ReadCloser, info, error) {
	if d.doGet != nil {
		return d.doGet(ctx, k)
	}
	return d.Backend.Get(ctx, k)
}

func (d *onDisk) Put(ctx context.Context, k key, b body, o put) (info, error) {
	if d.doPut != nil {
		return d.doPut(ctx, k, b, o)
	}
	return d.Backend.Put(ctx, k, b, o)
}

func (d *onDisk) Acquire(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
	if d.doAcquire != nil {
		return d.doAcquire(ctx, name, ttl)
	}
	return d.Backend.Acquire(ctx, name, ttl)
}

// guarded runs f while nobody else of this process does.
func (d *onDisk) guarded() func(f func()) {
	var mu sync.Mutex
	return func(f func()) {
		mu.Lock()
		defer mu.Unlock()
		f()
	}
}

// checkInProcess decides conditions under a lock that other processes do not know.
func checkInProcess(d *onDisk) {
	guard := d.guarded()
	d.doPut = func(ctx context.Context, k key, b body, o put) (i info, err error) {
		guard(func() {
			old, serr := d.Backend.Stat(ctx, k)
			switch {
			case o.IfAbsent && serr == nil:
				err = backend.Wrap("put", "ref", k, backend.ErrExists)
				return
			case o.IfMatch != "" && (serr != nil || old.Version != o.IfMatch):
				err = backend.Wrap("put", "ref", k, backend.ErrChanged)
				return
			}
			time.Sleep(moment)
			o.IfAbsent, o.IfMatch = false, ""
			i, err = d.Backend.Put(ctx, k, b, o)
		})
		return i, err
	}
}

type diskMutant struct {
	law, did string
	breaks   func(d *onDisk)
	hangs    bool
}

var processMutants = []diskMutant{
	{law: "process/shared", did: "answers from a cache of its own", breaks: func(d *onDisk) {
		cache, infos, guard := map[key]string{}, map[key]info{}, d.guarded()
		d.doGet = func(ctx context.Context, k key) (b io.ReadCloser, i info, err error) {
			guard(func() {
				if text, ok := cache[k]; ok {
					b, i = io.NopCloser(strings.NewReader(text)), infos[k]
					return
				}
				if b, i, err = d.Backend.Get(ctx, k); err != nil {
					return
				}
				text, _ := io.ReadAll(b)
				b.Close()
				cache[k], infos[k] = string(text), i
				b = io.NopCloser(strings.NewReader(string(text)))
			})
			return b, i, err
		}
	}},
	{law: "process/if-absent", did: "guards IfAbsent by a lock of its process", breaks: checkInProcess},
	{law: "process/if-match", did: "guards IfMatch by a lock of its process", breaks: checkInProcess},
	{law: "process/storm", did: "gives up at once where another process writes", breaks: func(d *onDisk) {
		d.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			lock := filepath.Join(d.dir, "tmp-lock")
			f, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return info{}, backend.Wrap("put", "ref", k, fmt.Errorf("%w: %w", backend.ErrLocked, err))
			}
			defer os.Remove(lock)
			defer f.Close()
			return d.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "process/storm", did: "takes an Info first and its body later", breaks: func(d *onDisk) {
		d.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			i, err := d.Backend.Stat(ctx, k)
			if err != nil {
				return nil, i, err
			}
			time.Sleep(20 * moment)
			b, _, err := d.Backend.Get(ctx, k)
			return b, i, err
		}
	}},
	{law: "process/kill", did: "acknowledges what it has not written yet", breaks: func(d *onDisk) {
		d.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if err != nil {
				return info{}, err
			}
			time.AfterFunc(3*moment, func() { d.Backend.Put(ctx, k, strings.NewReader(text), o) })
			return info{Key: k, Size: o.Size, Version: "1"}, nil
		}
	}},
	{law: "process/kill", did: "overwrites in two steps", breaks: func(d *onDisk) {
		d.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if err := d.Backend.Delete(ctx, k); err != nil {
				return info{}, err
			}
			return d.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "process/kill-lease", did: "locks by a file that stays when its holder dies", hangs: true, breaks: func(d *onDisk) {
		d.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			file := filepath.Join(d.dir, "tmp-lease-"+name)
			f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return nil, backend.Wrap("acquire", "ref", key{}, fmt.Errorf("%w: %w", backend.ErrLocked, err))
			}
			f.Close()
			epoch := uint64(time.Now().UnixNano())
			return lease{
				epoch:   func() uint64 { return epoch },
				renew:   func(context.Context) error { return nil },
				release: func(context.Context) error { return os.Remove(file) },
			}, nil
		}
	}},
}

func TestProcessMutants(t *testing.T) {
	laws := map[string]law.Law{}
	for _, l := range law.Laws() {
		laws[l.Name] = l
	}
	for _, m := range processMutants {
		t.Run(m.law, func(t *testing.T) {
			open := func(_ context.Context, loc string) (backend.Backend, error) {
				b, err := shelve.Open(loc, nil)
				if err != nil {
					return nil, err
				}
				d := &onDisk{Backend: b, dir: loc}
				m.breaks(d)
				return d, nil
			}
			if asked, err := law.Child(t.Context(), open); asked {
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				os.Exit(0)
			}
			cfg := law.Config{
				New:      func(context.Context) (string, error) { return t.TempDir(), nil },
				Open:     open,
				Fresh:    true,
				Command:  func(loc string) *exec.Cmd { return conformance.Self(t, loc) },
				Seed:     1,
				Patience: time.Minute,
			}
			if m.hangs {
				cfg.Patience = 5 * time.Second
			}
			r := law.Try(t.Context(), cfg, laws[m.law], law.Quick)
			late := strings.Contains(r.Why, "not done after") || strings.Contains(r.Why, "hangs")
			switch {
			case r.Status != law.Failed:
				t.Errorf("%s is %s by a backend that %s %s", m.law, r.Status, m.did, r.Why)
			case late != m.hangs:
				t.Errorf("a backend that %s is caught by %s with %q", m.did, m.law, r.Why)
			default:
				t.Logf("a backend that %s:\n%s", m.did, r.Why)
			}
		})
	}
}
