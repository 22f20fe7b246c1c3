package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/blob/file"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/session"
)

var errFull = errors.New("no space left on device")

// filling is a backend whose disk is full while full is set. Each attempt may have taken effect all the same, if late is.
type filling struct {
	*mem.Backend
	full, late atomic.Bool
	refused    atomic.Int64
}

func (f *filling) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if f.full.Load() && strings.HasPrefix(key.Shelf, "s.") {
		if f.late.Load() {
			if info, err := f.Backend.Put(ctx, key, body, opts); err != nil {
				return info, err
			}
		}
		f.refused.Add(1)
		return backend.Info{}, backend.Wrap("put", "filling", key, errFull)
	}
	return f.Backend.Put(ctx, key, body, opts)
}

func (f *filling) PutBatch(ctx context.Context, items []backend.Item) ([]backend.Info, error) {
	infos, errs := make([]backend.Info, len(items)), make(backend.BatchError, len(items))
	for i, it := range items {
		infos[i], errs[i] = f.Put(ctx, it.Key, it.Body, it.PutOptions)
	}
	return infos, errs.OrNil()
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// What a full disk refuses is told, nothing that was acknowledged is lost, and the session goes on once there is room.
func TestFullDisk(t *testing.T) {
	ctx := context.Background()
	for _, layout := range []session.Layout{session.LayoutItems, session.LayoutPacks} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprint(layout, late), func(t *testing.T) {
				f := &filling{Backend: mem.New(nil)}
				f.late.Store(late)
				m := manager(t, f, "m", &session.Options{Layout: layout, Logger: quiet()})
				s := opened(t, m, "s", &session.SessionOptions{FlushSize: 1000})
				put(t, s, "a", 1)
				if err := s.Flush(ctx); err != nil {
					t.Fatal(err)
				}
				f.full.Store(true)
				failed := 0
				for i := range 50 {
					if err := s.Put(ctx, fmt.Sprint("b", i), bytes.Repeat([]byte("x"), 100)); errors.Is(err, errFull) {
						failed++
					} else if err != nil {
						t.Fatal(err)
					}
				}
				if failed == 0 || layout == session.LayoutItems && failed != 50 {
					t.Errorf("%d of 50 puts to a full disk fail", failed)
				}
				if err := s.Close(ctx); !errors.Is(err, errFull) {
					t.Errorf("Close on a full disk = %v, want its error", err)
				}
				f.full.Store(false)
				put(t, s, "a", 2)
				put(t, s, "c", 3)
				closed(t, s)
				got := collected[int](t, m, session.Func(func(k string) bool { return k < "b" || k >= "c" }))
				same(t, "collated after room was made", got, []string{"s:a=2", "s:c=3"})
				want := int64(52 - failed)
				n, err := session.Count(ctx, m, session.All)
				if err != nil || n != want && !late {
					t.Errorf("Count = %d, %v, want %d: all that was taken", n, err, want)
				}
			})
		}
	}
}

func TestFlushByTime(t *testing.T) {
	ctx := context.Background()
	m := manager(t, mem.New(nil), "m", &session.Options{Layout: session.LayoutPacks})
	s := opened(t, m, "s", &session.SessionOptions{FlushAge: time.Millisecond})
	put(t, s, "a", 1)
	eventually(t, "an item is stored by time", func() bool {
		n, err := session.Count(ctx, m, session.All)
		return err == nil && n == 1
	})
	closed(t, s)
}

func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// What could not be stored is tried again by itself, however often that failed, and whoever tried first.
func TestFlushByTimeGoesOn(t *testing.T) {
	ctx := context.Background()
	for _, explicit := range []bool{false, true} {
		t.Run(fmt.Sprint(explicit), func(t *testing.T) {
			f := &filling{Backend: mem.New(nil)}
			m := manager(t, f, "m", &session.Options{Layout: session.LayoutPacks, Logger: quiet()})
			age := time.Millisecond
			if explicit {
				age = 100 * time.Millisecond
			}
			s := opened(t, m, "s", &session.SessionOptions{FlushAge: age})
			f.full.Store(true)
			put(t, s, "a", 1)
			if explicit {
				if err := s.Flush(ctx); !errors.Is(err, errFull) {
					t.Fatalf("Flush to a full disk = %v", err)
				}
			} else {
				eventually(t, "three flushes by time fail", func() bool { return f.refused.Load() >= 3 })
			}
			f.full.Store(false)
			eventually(t, "the item is stored once there is room", func() bool {
				n, err := session.Count(ctx, m, session.All)
				return err == nil && n == 1
			})
			closed(t, s)
		})
	}
}

// What was put while another goroutine closes the session is stored, or refused.
func TestPutBesideClose(t *testing.T) {
	ctx := context.Background()
	for _, layout := range []session.Layout{session.LayoutItems, session.LayoutPacks} {
		t.Run(string(layout), func(t *testing.T) {
			m := manager(t, mem.New(nil), "m", &session.Options{Layout: layout})
			var taken atomic.Int64
			for round := range 30 {
				s := opened(t, m, fmt.Sprint(round), nil)
				var putting sync.WaitGroup
				begun := make(chan struct{}, 8)
				for g := range 4 {
					putting.Go(func() {
						for i := 0; ; i++ {
							err := s.Put(ctx, fmt.Sprint(g, "-", i), i)
							if errors.Is(err, session.ErrClosed) {
								return
							}
							if err != nil {
								t.Error(err)
								return
							}
							taken.Add(1)
							if i == 10 {
								begun <- struct{}{}
							}
						}
					})
				}
				<-begun
				closed(t, s)
				putting.Wait()
			}
			if n, err := session.Count(ctx, m, session.All); err != nil || n != taken.Load() {
				t.Errorf("Count = %d, %v, want the %d that were taken", n, err, taken.Load())
			}
		})
	}
}

func TestCorruptItems(t *testing.T) {
	ctx := context.Background()
	everywhere(t, func(t *testing.T, open func(string) *session.Manager) {
		m := open("m")
		for _, name := range []string{"a", "b", "c"} {
			s := opened(t, m, name, nil)
			put(t, s, "good", name)
			put(t, s, "other", 1)
			put(t, s, "z", name)
			closed(t, s)
		}
		var errs []error
		got := 0
		for item, err := range session.Matching[string](ctx, m, session.All, session.SkipErrors(func(err error) { errs = append(errs, err) })) {
			if err != nil {
				t.Fatal(err)
			}
			if item.Value != item.Session {
				t.Errorf("%+v", item)
			}
			got++
		}
		if got != 6 || len(errs) != 3 {
			t.Errorf("%d items and %d errors, want 6 and 3", got, len(errs))
		}
		for _, err := range errs {
			var named *session.Error
			if !errors.As(err, &named) || named.Key != "other" || !errors.Is(err, codec.ErrType) || !strings.Contains(err.Error(), "string") || !strings.Contains(err.Error(), "int") {
				t.Errorf("the error %q names not session, key and both types", err)
			}
		}
	})
}

// An entry that was changed under its checksum, and one that is no pack at all.
func TestForgedEntries(t *testing.T) {
	ctx := context.Background()
	for _, layout := range []session.Layout{session.LayoutItems, session.LayoutPacks} {
		b := mem.New(nil)
		m := manager(t, b, "m", &session.Options{Layout: layout, Logger: quiet()})
		for _, name := range []string{"a", "b", "c"} {
			s := opened(t, m, name, nil)
			put(t, s, "k", name)
			closed(t, s)
		}
		shelf, err := m.Location("b")
		if err != nil {
			t.Fatal(err)
		}
		for info, err := range b.List(ctx, shelf, backend.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if info.Key.Name == "m" {
				continue
			}
			// The sum is that of other bytes.
			forged := bytes.Repeat([]byte{7}, int(info.Size))
			if _, err := b.Put(ctx, info.Key, bytes.NewReader(forged), backend.PutOptions{Size: info.Size, Sum: 1, Meta: info.Meta}); err != nil {
				t.Fatal(err)
			}
		}
		var errs []error
		got := collected[string](t, m, session.All, session.SkipErrors(func(err error) { errs = append(errs, err) }))
		same(t, string(layout)+": what is sound", got, []string{"a:k=a", "c:k=c"})
		if len(errs) != 1 || !errors.Is(errs[0], larder.ErrCorrupt) || !strings.Contains(errs[0].Error(), `session "b"`) {
			t.Errorf("%s: errors %v, want one that is ErrCorrupt and names the session", layout, errs)
		}
		var last error
		for _, err := range session.Matching[string](ctx, m, session.All) {
			last = err
		}
		if !errors.Is(last, larder.ErrCorrupt) {
			t.Errorf("%s: a collation that skips nothing ends with %v, want ErrCorrupt", layout, last)
		}
	}
}

// A file that was copied over another one's, as a bad restore does, costs the items under the wrong names, and no others.
func TestMisplacedItems(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	b, err := backend.Open(ctx, "file://"+filepath.ToSlash(dir))
	if err != nil {
		t.Fatal(err)
	}
	m := manager(t, b, "m", nil)
	s := opened(t, m, "s", nil)
	for i := range 9 {
		put(t, s, fmt.Sprint("k", i), i)
	}
	closed(t, s)
	shelf, _ := m.Location("s")
	text, err := os.ReadFile(filepath.Join(dir, shelf, "kk3!"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, shelf, "kk4!"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	var errs []error
	got := collected[int](t, m, session.All, session.SkipErrors(func(err error) { errs = append(errs, err) }))
	same(t, "what is sound", got, []string{"s:k0=0", "s:k1=1", "s:k2=2", "s:k3=3", "s:k5=5", "s:k6=6", "s:k7=7", "s:k8=8"})
	if len(errs) != 1 || !errors.Is(errs[0], larder.ErrCorrupt) || !strings.Contains(errs[0].Error(), `session "s", key "k4"`) {
		t.Errorf("errors %v, want one that names the item", errs)
	}
}

func TestMissingPack(t *testing.T) {
	ctx := context.Background()
	b := mem.New(nil)
	m := manager(t, b, "m", &session.Options{Layout: session.LayoutPacks, Logger: quiet()})
	s := opened(t, m, "s", &session.SessionOptions{Sync: true})
	for i := range 3 {
		put(t, s, fmt.Sprint(i), i)
	}
	shelf, _ := m.Location("s")
	if err := b.Delete(ctx, backend.Key{Shelf: shelf, Name: "p/000000000002=000000000000"}); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Count(ctx, m, session.All); !errors.Is(err, larder.ErrCorrupt) {
		t.Errorf("Count without the second of three packs = %v, want ErrCorrupt", err)
	}
}

func TestNames(t *testing.T) {
	ctx := context.Background()
	m := manager(t, mem.New(nil), "m", nil)
	long := strings.Repeat("n", 117)
	for name, want := range map[string]error{
		long[:116]:                nil, // "m" is the manager
		long:                      backend.ErrTooLarge,
		"\xff":                    backend.ErrInvalidKey,
		strings.Repeat("中", 23):   nil,
		strings.Repeat("中", 24):   backend.ErrTooLarge,
		"a/b ../\x00\n'\"<>|*? é": nil,
	} {
		s, err := m.Session(ctx, name, nil)
		if !errors.Is(err, want) {
			t.Errorf("Session(%.20q… of %d bytes) = %v, want %v", name, len(name), err, want)
		}
		if err == nil {
			put(t, s, "k", 1)
			closed(t, s)
		}
		if errors.Is(err, backend.ErrTooLarge) && !strings.Contains(err.Error(), "117 are allowed") && !strings.Contains(err.Error(), "are allowed") {
			t.Errorf("the error %q does not name the limit", err)
		}
	}
	s := opened(t, m, "keys", nil)
	for key, want := range map[string]error{
		"":                        nil,
		strings.Repeat("k", 597):  nil,
		strings.Repeat("k", 598):  backend.ErrTooLarge,
		"\xc3":                    backend.ErrInvalidKey,
		strings.Repeat("/", 298):  nil,
		strings.Repeat("é", 1000): backend.ErrTooLarge,
	} {
		if err := s.Put(ctx, key, 1); !errors.Is(err, want) {
			t.Errorf("Put(%.20q… of %d bytes) = %v, want %v", key, len(key), err, want)
		}
	}
	if _, err := session.Open(ctx, larder.New(mem.New(nil), nil), "", nil); !errors.Is(err, backend.ErrInvalidKey) {
		t.Errorf("Open of a manager without a name = %v, want ErrInvalidKey", err)
	}
}

func TestReadOnlyStore(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	b, err := shelve.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := opened(t, manager(t, b, "m", nil), "s", nil)
	put(t, s, "a", 1)
	closed(t, s)
	r, err := shelve.Open(dir, &shelve.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	m := manager(t, r, "m", nil)
	if _, err := m.Session(ctx, "s", nil); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("Session in a store that was opened read-only = %v, want an error that says so", err)
	}
	same(t, "collated from it", collected[int](t, m, session.All), []string{"s:a=1"})
}

func TestKindsOfSessions(t *testing.T) {
	ctx := context.Background()
	m := manager(t, mem.New(nil), "m", nil)
	locking, err := m.LockingSession(ctx, "l", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer locking.Close(ctx)
	if _, err := m.Session(ctx, "l", nil); err == nil || !strings.Contains(err.Error(), "locking session") {
		t.Errorf("Session of a locking session = %v, want an error that says so", err)
	}
	s := opened(t, m, "s", nil)
	closed(t, s)
	if _, err := m.LockingSession(ctx, "s", nil); err == nil || !strings.Contains(err.Error(), "another name") {
		t.Errorf("LockingSession of a session = %v, want an error that says so", err)
	}
	c, err := m.ComputerSession(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if !strings.Contains(c.Name(), session.UserName()) || !strings.Contains(c.Name(), session.ComputerName()) {
		t.Errorf("the computer's session is called %q", c.Name())
	}
}

// Times are instants: a clock that changes its zone or its hour changes nothing, and one that goes back is told as it is.
func TestTimes(t *testing.T) {
	ctx := context.Background()
	zone := time.FixedZone("summer", 2*3600)
	begin := time.Date(2026, 10, 25, 2, 30, 0, 123, zone)
	now := begin
	m := manager(t, mem.New(nil), "m", &session.Options{Now: func() time.Time { return now }})
	s := opened(t, m, "s", &session.SessionOptions{Labels: map[string]string{"sweep": "rate", "ort": "Zürich"}})
	now = now.Add(30 * time.Minute).In(time.FixedZone("winter", 3600)) // 2:00 again
	put(t, s, "a", 1)
	closed(t, s)
	info, err := m.Info(ctx, "s")
	if err != nil {
		t.Fatal(err)
	}
	if !info.Started.Equal(begin) || info.LastWrite.Sub(info.Started) != 30*time.Minute || info.Started.Location() != time.UTC {
		t.Errorf("started %v, written last %v, want %v and half an hour later", info.Started, info.LastWrite, begin.UTC())
	}
	same(t, "labels", info.Labels, map[string]string{"sweep": "rate", "ort": "Zürich"})
	if !info.Closed || info.Host == "" || info.User == "" || info.PID == 0 || info.Stored.IsZero() {
		t.Errorf("Info = %+v", info)
	}
	now = begin.Add(-24 * time.Hour) // a clock that was set back
	s = opened(t, m, "s", nil)
	put(t, s, "a", 2)
	closed(t, s)
	info, err = m.Info(ctx, "s")
	if err != nil || !info.Started.Equal(begin) || !info.LastWrite.Equal(now) || info.Labels["sweep"] != "rate" {
		t.Errorf("after the clock was set back: %+v, %v", info, err)
	}
}

func TestUnsupported(t *testing.T) {
	ctx := context.Background()
	m := manager(t, plain{mem.New(nil)}, "m", nil)
	if _, err := m.Session(ctx, "named", nil); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "random name") {
		t.Errorf("Session where no condition is atomic = %v, want ErrUnsupported and what to do", err)
	}
	if _, err := m.LockingSession(ctx, "named", nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("LockingSession where no condition is atomic = %v, want ErrUnsupported", err)
	}
	s := opened(t, m, "", nil)
	put(t, s, "a", 1)
	closed(t, s)
	if n, err := session.Count(ctx, m, session.All); n != 1 || err != nil {
		t.Errorf("Count = %d, %v", n, err)
	}
}

// plain is a backend with the methods that all have, and no more.
type plain struct{ backend.Backend }

func (p plain) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if opts.IfAbsent || opts.IfMatch != "" {
		return backend.Info{}, errors.ErrUnsupported
	}
	return p.Backend.Put(ctx, key, body, opts)
}
