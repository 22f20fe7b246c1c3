package indexed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
)

// Values up to 4 bytes are small. Each is different, so that a wrong one is noticed.
const (
	small, large         = "old", "old and large"
	newSmall, newLarge   = "new", "new and large"
	otherSmall, otherBig = "they", "theirs, and large"
)

var theKey = backend.Key{Shelf: "shelf", Name: "key"}

// A scenario is one operation on a key that holds a value or none.
type scenario struct {
	name   string
	before string // what key holds; empty for nothing
	litter bool   // killed writers left data behind
	do     func(ctx context.Context, s *indexed.Store, version string) error
	after  string // what it holds after success; empty for nothing
	fails  error  // what it fails with though nothing is injected
}

func put(value string, change func(o *backend.PutOptions, version string)) func(context.Context, *indexed.Store, string) error {
	return func(ctx context.Context, s *indexed.Store, version string) error {
		o := backend.PutOptions{Size: int64(len(value))}
		if change != nil {
			change(&o, version)
		}
		_, err := s.Put(ctx, backend.Item{Key: theKey, Body: strings.NewReader(value), PutOptions: o})
		return err
	}
}

func ifAbsent(o *backend.PutOptions, _ string)       { o.IfAbsent = true }
func ifMatch(o *backend.PutOptions, version string)  { o.IfMatch = version }
func ifOther(o *backend.PutOptions, version string)  { o.IfMatch = version + "?" }
func tooShort(o *backend.PutOptions, version string) { o.Size++ }

func remove(ctx context.Context, s *indexed.Store, _ string) error {
	return s.Delete(ctx, []backend.Key{theKey})[0]
}

// batch puts four values, the last two under one key: the later one stands.
func batch(ctx context.Context, s *indexed.Store, _ string) error {
	var items []backend.Item
	for i, v := range []string{otherSmall, otherBig, otherBig, newLarge} {
		key := backend.Key{Shelf: "shelf", Name: fmt.Sprint("other-", i)}
		if i >= 2 {
			key = theKey
		}
		items = append(items, backend.Item{Key: key, Body: strings.NewReader(v), PutOptions: backend.PutOptions{Size: int64(len(v))}})
	}
	_, errs := s.PutBatch(ctx, items)
	return errors.Join(errs...)
}

func sweep(ctx context.Context, s *indexed.Store, _ string) error {
	_, err := s.Sweep(ctx, backend.SweepOptions{Grace: graceTime})
	return err
}

var scenarios = []scenario{
	{name: "put small", do: put(newSmall, nil), after: newSmall},
	{name: "put large", do: put(newLarge, nil), after: newLarge},
	{name: "small over small", before: small, do: put(newSmall, nil), after: newSmall},
	{name: "small over large", before: large, do: put(newSmall, nil), after: newSmall},
	{name: "large over small", before: small, do: put(newLarge, nil), after: newLarge},
	{name: "large over large", before: large, do: put(newLarge, nil), after: newLarge},
	{name: "large if absent", do: put(newLarge, ifAbsent), after: newLarge},
	{name: "large if absent, present", before: large, do: put(newLarge, ifAbsent), after: large, fails: backend.ErrExists},
	{name: "large if match", before: large, do: put(newLarge, ifMatch), after: newLarge},
	{name: "large if match, other", before: large, do: put(newLarge, ifOther), after: large, fails: backend.ErrChanged},
	{name: "small if match, other", before: large, do: put(newSmall, ifOther), after: large, fails: backend.ErrChanged},
	{name: "body too short", before: large, do: put(newLarge, tooShort), after: large, fails: io.ErrUnexpectedEOF},
	{name: "delete small", before: small, do: remove},
	{name: "delete large", before: large, do: remove},
	{name: "delete nothing", do: remove},
	{name: "batch", before: large, do: batch, after: newLarge},
	{name: "sweep", before: large, litter: true, do: sweep, after: large},
}

// prepare returns a world in which key holds the value before, and its version.
func (sc scenario) prepare(t *testing.T, records bool) (*world, string) {
	t.Helper()
	w := newWorld(records)
	if sc.before == "" {
		return w, ""
	}
	p := &process{world: w}
	p.run(func(s *indexed.Store) {
		if err := put(sc.before, nil)(context.Background(), s, ""); err != nil {
			t.Fatal(err)
		}
	})
	for at := 2; sc.litter && at <= 4; at++ {
		killed := &process{world: w, at: at, fault: kill}
		killed.run(func(s *indexed.Store) { _ = put(otherBig, nil)(context.Background(), s, "") })
	}
	if sc.litter && records { // condemned, and ripe to be removed
		w.now = w.now.Add(2 * leaseTime)
		w.sweep(t)
		w.now = w.now.Add(2 * graceTime)
	}
	return w, w.entries[theKey].Version
}

// everyFault runs f for both kinds of world, each scenario, and each fault at each step.
func everyFault(t *testing.T, faults []fault, f func(t *testing.T, records bool, sc scenario, at int, fa fault)) {
	for _, records := range []bool{false, true} {
		for _, sc := range scenarios {
			w, version := sc.prepare(t, records)
			dry := &process{world: w}
			dry.run(func(s *indexed.Store) { _ = sc.do(context.Background(), s, version) })
			for at := 1; at <= dry.steps; at++ {
				for _, fa := range faults {
					name := fmt.Sprintf("records=%v/%s/%s %d %s", records, sc.name, fa, at, dry.names[at-1])
					t.Run(name, func(t *testing.T) { f(t, records, sc, at, fa) })
				}
			}
			if dry.steps == 0 {
				t.Errorf("%s: no steps", sc.name)
			}
		}
	}
}

// TestFaults fails or kills an operation at each of its steps.
func TestFaults(t *testing.T) {
	everyFault(t, []fault{none, errorBefore, errorAfter, kill, killAfter}, func(t *testing.T, records bool, sc scenario, at int, fa fault) {
		w, version := sc.prepare(t, records)
		p := &process{world: w, at: at, fault: fa}
		var err error
		alive := p.run(func(s *indexed.Store) { err = sc.do(context.Background(), s, version) })
		if fa == none && !errors.Is(err, sc.fails) {
			t.Fatalf("error = %v, want %v", err, sc.fails)
		}
		if fa == none && !records {
			w.checkData(t)
		}
		w.checkEntries(t)
		switch got := w.value(t); {
		case alive && err == nil && got != sc.after:
			t.Errorf("acknowledged, and then the key holds %q, want %q", got, sc.after)
		case got != sc.before && got != sc.after && (sc.name != "batch" || got != otherBig):
			t.Errorf("the key holds %q, want %q or %q", got, sc.before, sc.after)
		}
		w.checkSwept(t)
	})
}

// TestSweepMeanwhile sweeps between any two steps of an operation, at once and after all
// leases ran out.
func TestSweepMeanwhile(t *testing.T) {
	for _, late := range []bool{false, true} {
		everyFault(t, []fault{interrupt}, func(t *testing.T, records bool, sc scenario, at int, fa fault) {
			w, version := sc.prepare(t, records)
			p := &process{world: w, at: at, fault: fa}
			p.others = func() {
				for range 2 { // one to condemn, one to remove
					if late {
						w.now = w.now.Add(graceTime + leaseTime)
					}
					w.sweep(t)
				}
			}
			var err error
			p.run(func(s *indexed.Store) { err = sc.do(context.Background(), s, version) })
			if !errors.Is(err, sc.fails) {
				t.Errorf("error = %v, want %v", err, sc.fails)
			}
			if got := w.value(t); got != sc.after {
				t.Errorf("the key holds %q, want %q", got, sc.after)
			}
			w.checkEntries(t)
			w.checkSwept(t)
		})
	}
}

// TestWriterMeanwhile lets another process put, over and over, or delete between any two
// steps of an operation: both take effect whole.
func TestWriterMeanwhile(t *testing.T) {
	others := map[string]func(context.Context, *indexed.Store, string) error{
		otherSmall: put(otherSmall, nil),
		otherBig:   put(otherBig, nil),
		"":         remove,
	}
	for theirs, do := range others {
		everyFault(t, []fault{interrupt}, func(t *testing.T, records bool, sc scenario, at int, fa fault) {
			w, version := sc.prepare(t, records)
			p := &process{world: w, at: at, fault: fa}
			p.others = func() {
				(&process{world: w}).run(func(s *indexed.Store) {
					if err := do(context.Background(), s, ""); err != nil {
						t.Error(err)
					}
				})
			}
			var err error
			p.run(func(s *indexed.Store) { err = sc.do(context.Background(), s, version) })
			after := sc.after
			if sc.fails != nil && err == nil {
				after = newLarge // they deleted what would have been in the way
			}
			if got := w.value(t); got != theirs && got != after {
				t.Errorf("the key holds %q, want %q or %q", got, theirs, after)
			}
			if err == nil && sc.fails != nil && (theirs != "" || !errors.Is(sc.fails, backend.ErrExists)) {
				t.Errorf("no error, want %v", sc.fails)
			}
			w.checkEntries(t)
			w.checkSwept(t)
		})
	}
}

// TestReaderMeanwhile overwrites, deletes and sweeps between any two steps of reading: what
// is read is one of the values, or nothing, and never called corrupt.
func TestReaderMeanwhile(t *testing.T) {
	type reading func(ctx context.Context, s *indexed.Store) (string, error)
	readings := map[string]reading{
		"get": func(ctx context.Context, s *indexed.Store) (string, error) {
			body, info, err := s.Get(ctx, theKey)
			return readAll(body, info, err)
		},
		"get range": func(ctx context.Context, s *indexed.Store) (string, error) {
			body, info, err := s.GetRange(ctx, theKey, "", 0, 100)
			return readAll(body, info, err)
		},
		"scan": func(ctx context.Context, s *indexed.Store) (string, error) {
			for e, err := range s.Scan(ctx, theKey.Shelf, backend.ListOptions{}) {
				return readAll(io.NopCloser(e.Body), e.Info, err)
			}
			return "", backend.ErrNotFound
		},
		"stat": func(ctx context.Context, s *indexed.Store) (string, error) {
			info, err := s.Stat(ctx, theKey)
			return map[int64]string{3: small, 13: large, 17: otherBig, 4: otherSmall}[info.Size], err
		},
	}
	for name, read := range readings {
		for _, records := range []bool{false, true} {
			for _, before := range []string{small, large} {
				for _, theirs := range []string{otherSmall, otherBig, ""} {
					for at := 1; at <= 3; at++ {
						t.Run(fmt.Sprintf("%s/records=%v/%s to %s at %d", name, records, before, theirs, at), func(t *testing.T) {
							w, _ := scenario{before: before}.prepare(t, records)
							p := &process{world: w, at: at, fault: interrupt}
							p.others = func() {
								do := put(theirs, nil)
								if theirs == "" {
									do = remove
								}
								(&process{world: w}).run(func(s *indexed.Store) { _ = do(context.Background(), s, "") })
								w.now = w.now.Add(graceTime + leaseTime)
								w.sweep(t)
							}
							p.run(func(s *indexed.Store) {
								got, err := read(context.Background(), s)
								switch {
								case errors.Is(err, backend.ErrNotFound) && theirs == "":
								case err != nil:
									t.Errorf("error = %v", err)
								case got != before && got != theirs:
									t.Errorf("read %q, want %q or %q", got, before, theirs)
								}
							})
						})
					}
				}
			}
		}
	}
}

func readAll(body io.ReadCloser, info backend.Info, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err == nil && int64(len(b)) != info.Size {
		err = fmt.Errorf("%d bytes, and Info says %d", len(b), info.Size)
	}
	return string(b), err
}

// cancelling is a body that ends a context when it is read.
type cancelling struct {
	*strings.Reader
	cancel context.CancelFunc
}

func (c cancelling) Read(p []byte) (int, error) {
	c.cancel()
	return c.Reader.Read(p)
}

// A Put whose ctx ends while its small body is read stores nothing, whatever the index thinks of the ctx.
func TestCancelledWhileRead(t *testing.T) {
	w := newWorld(false)
	(&process{world: w}).run(func(s *indexed.Store) {
		ctx, cancel := context.WithCancel(context.Background())
		item := backend.Item{Key: theKey, Body: cancelling{strings.NewReader("new"), cancel}, PutOptions: backend.PutOptions{Size: 3}}
		if _, err := s.Put(ctx, item); !errors.Is(err, context.Canceled) {
			t.Errorf("Put = %v, want %v", err, context.Canceled)
		}
	})
	if got := w.value(t); got != "" {
		t.Errorf("it stored %q", got)
	}
}

// TestDangling: data that is lost is corrupt with the version to heal it by, healed by a
// put, and not mistaken for absent.
func TestDangling(t *testing.T) {
	for name, lose := range map[string]func(w *world, name string){
		"gone":    func(w *world, name string) { delete(w.data, name) },
		"cut off": func(w *world, name string) { w.data[name] = w.data[name][:3] },
	} {
		w, version := scenario{before: large}.prepare(t, false)
		lose(w, w.entries[theKey].Name)
		(&process{world: w}).run(func(s *indexed.Store) {
			ctx := context.Background()
			_, info, err := s.Get(ctx, theKey)
			if !errors.Is(err, backend.ErrCorrupt) || info.Version != version {
				t.Errorf("%s: Get = version %q, %v, want %q, %v", name, info.Version, err, version, backend.ErrCorrupt)
			}
			if info, err = s.Stat(ctx, theKey); !errors.Is(err, backend.ErrCorrupt) || info.Version != version {
				t.Errorf("%s: Stat = version %q, %v, want %q, %v", name, info.Version, err, version, backend.ErrCorrupt)
			}
			if err := put(newLarge, ifAbsent)(ctx, s, ""); !errors.Is(err, backend.ErrExists) {
				t.Errorf("%s: put if absent: %v, want %v", name, err, backend.ErrExists)
			}
			if err := put(newLarge, ifMatch)(ctx, s, version); err != nil {
				t.Errorf("%s: put: %v", name, err)
			}
		})
		if got := w.value(t); got != newLarge {
			t.Errorf("%s: healed to %q, want %q", name, got, newLarge)
		}
		w.checkSwept(t)
	}
}

// value returns what a process with nothing against it reads under the key; "" for nothing.
func (w *world) value(t *testing.T) (value string) {
	t.Helper()
	(&process{world: w}).run(func(s *indexed.Store) {
		body, info, err := s.Get(context.Background(), theKey)
		if errors.Is(err, backend.ErrNotFound) {
			return
		}
		if value, err = readAll(body, info, err); err != nil {
			t.Errorf("get: %v", err)
		}
	})
	return value
}

// checkEntries makes sure that no entry is without its data.
func (w *world) checkEntries(t *testing.T) {
	t.Helper()
	for key, e := range w.entries {
		if e.Name != "" && !w.whole[e.Name] || e.Name != "" && w.data[e.Name] == nil {
			t.Errorf("entry %q names %s, which is not there", key, e.Name)
		}
	}
}

// checkSwept makes sure that after a sweep there is the data of the entries and no other.
func (w *world) checkSwept(t *testing.T) {
	t.Helper()
	for range 2 {
		w.now = w.now.Add(graceTime + leaseTime)
		w.sweep(t)
	}
	w.checkData(t)
	if live := len(w.named()); w.records && len(w.recorded) != live {
		t.Errorf("after a sweep there are records %v, and %d entries", w.recorded, live)
	}
}

// named returns the names of data that entries name.
func (w *world) named() (named []string) {
	for _, e := range w.entries {
		if e.Name != "" {
			named = append(named, e.Name)
		}
	}
	slices.Sort(named)
	return named
}

// checkData makes sure that there is the data of the entries and no other.
func (w *world) checkData(t *testing.T) {
	t.Helper()
	if have := slices.Sorted(maps.Keys(w.data)); !slices.Equal(have, w.named()) {
		t.Errorf("there is data %v, and entries name %v", have, w.named())
	}
}

func (w *world) sweep(t *testing.T) {
	t.Helper()
	(&process{world: w}).run(func(s *indexed.Store) {
		if err := sweep(context.Background(), s, ""); err != nil {
			t.Errorf("sweep: %v", err)
		}
	})
}

// TestLists walks over more than a page, with values of both kinds and options.
func TestLists(t *testing.T) {
	w := newWorld(false)
	p := &process{world: w}
	p.run(func(s *indexed.Store) {
		ctx := context.Background()
		for i := range 5 {
			v := bytes.Repeat([]byte{byte('a' + i)}, 3*i)
			_, err := s.Put(ctx, backend.Item{
				Key:  backend.Key{Shelf: "shelf", Name: fmt.Sprint("n", i)},
				Body: bytes.NewReader(v), PutOptions: backend.PutOptions{Size: int64(len(v))},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, tc := range []struct {
			opts backend.ListOptions
			want string
		}{
			{backend.ListOptions{}, "n0 n1 n2 n3 n4"},
			{backend.ListOptions{Limit: 3}, "n0 n1 n2"},
			{backend.ListOptions{Limit: 1, After: "n2"}, "n3"},
			{backend.ListOptions{After: "n4"}, ""},
			{backend.ListOptions{Prefix: "n1"}, "n1"},
		} {
			var listed, scanned []string
			for e, err := range s.List(ctx, "shelf", tc.opts) {
				if err != nil {
					t.Fatal(err)
				}
				listed = append(listed, e.Key.Name)
			}
			for e, err := range s.Scan(ctx, "shelf", tc.opts) {
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(e.Body)
				if err != nil || int64(len(b)) != e.Size {
					t.Errorf("scan of %s: %d bytes, %v, want %d", e.Key, len(b), err, e.Size)
				}
				scanned = append(scanned, e.Key.Name)
			}
			if got := strings.Join(listed, " "); got != tc.want {
				t.Errorf("List(%+v) = %s, want %s", tc.opts, got, tc.want)
			}
			if got := strings.Join(scanned, " "); got != tc.want {
				t.Errorf("Scan(%+v) = %s, want %s", tc.opts, got, tc.want)
			}
		}
	})
}
