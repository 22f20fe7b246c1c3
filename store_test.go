package larder_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

func newSeeker(b []byte) io.ReadSeeker { return bytes.NewReader(b) }

func put(t testing.TB, s *larder.Store, c larder.Component, attribute string, v any, opts ...larder.PutOption) larder.Info {
	t.Helper()
	info, err := s.Put(t.Context(), c, attribute, v, opts...)
	if err != nil {
		t.Fatalf("Put(%q): %v", attribute, err)
	}
	return info
}

func same[T any](t *testing.T, s *larder.Store, v T) {
	t.Helper()
	attribute := fmt.Sprintf("%T", v)
	put(t, s, fit(1), attribute, v)
	got, err := larder.Get[T](t.Context(), s, fit(1), attribute)
	if err != nil || !reflect.DeepEqual(got, v) {
		t.Errorf("Get[%T] = %v, %v; want %v", v, got, err, v)
	}
}

func TestValuesComeBack(t *testing.T) {
	s := open(t, mem.New(nil))
	same(t, s, []byte("bytes\x00\xff"))
	same(t, s, "text")
	same(t, s, 42)
	same(t, s, -0.5)
	same(t, s, true)
	same(t, s, int64(math.MaxInt64))
	same(t, s, []float64{1, math.Inf(1), -0.25})
	same(t, s, []int16{-1, 2})
	same(t, s, [][]float32{{1, 2}, {3, 4}})
	same(t, s, map[string]int{"a": 1})
	same(t, s, struct {
		Name string
		Tags []string
	}{"x", []string{"a", "b"}})
	same(t, s, (*int)(nil))
}

// A stored nil is a hit, nothing stored is a miss: the ancestors could not tell.
func TestNilIsNotAbsent(t *testing.T) {
	s := open(t, mem.New(nil))
	put(t, s, fit(1), "nothing", nil)
	v, err := larder.Get[any](t.Context(), s, fit(1), "nothing")
	if v != nil || err != nil {
		t.Errorf("Get of a stored nil = %v, %v; want nil, nil", v, err)
	}
	_, err = larder.Get[any](t.Context(), s, fit(1), "absent")
	var miss *larder.Miss
	if !errors.As(err, &miss) || !errors.Is(err, larder.ErrNotFound) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get of what is absent: %v; want a Miss that is ErrNotFound and fs.ErrNotExist", err)
	}
	if st := s.Stats(); st.Hits != 1 || st.Misses != 1 {
		t.Errorf("Stats = %+v; want 1 hit, 1 miss", st)
	}
}

func TestGetIntoReusesMemory(t *testing.T) {
	s := open(t, mem.New(nil))
	want := []float64{1, 2, 3}
	put(t, s, fit(1), "x", want)
	buf := make([]float64, 10)
	into := buf
	if err := s.GetInto(t.Context(), fit(1), "x", &into); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(into, want) || &into[0] != &buf[0] {
		t.Errorf("GetInto gave %v in other memory; want %v in the given slice", into, want)
	}
}

func TestStreams(t *testing.T) {
	dir := t.TempDir()
	s := larder.New(mem.New(nil), &larder.Options{Logger: quiet, TempDir: dir})
	for _, size := range []int{0, 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 5 << 20} {
		want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		for name, r := range map[string]io.Reader{
			"a stream": struct{ io.Reader }{bytes.NewReader(want)},
			"seekable": bytes.NewReader(want),
			"past its start": func() io.Reader {
				r := bytes.NewReader(want)
				io.CopyN(io.Discard, r, int64(size/2))
				return r
			}(),
		} {
			put(t, s, fit(size), name, r)
			body, info, err := s.Reader(t.Context(), fit(size), name)
			if err != nil {
				t.Fatalf("%s of %d bytes: Reader: %v", name, size, err)
			}
			got, err := io.ReadAll(body)
			body.Close()
			if err != nil || !bytes.Equal(got, want) || info.Size != int64(size) {
				t.Errorf("%s of %d bytes came back as %d, info %d, %v", name, size, len(got), info.Size, err)
			}
		}
	}
	_, err := s.Put(t.Context(), fit(0), "broken", io.MultiReader(strings.NewReader("half"), errReader{}))
	if !errors.Is(err, errBoom) {
		t.Errorf("Put of a stream that fails: %v; want its error", err)
	}
	if ok, err := s.Has(t.Context(), fit(0), "broken"); ok || err != nil {
		t.Errorf("Has after a broken stream = %v, %v; want false", ok, err)
	}
	if left, err := os.ReadDir(dir); len(left) != 0 || err != nil {
		t.Errorf("temporary files left: %v, %v", left, err)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errBoom }

func TestHasStatDeleteAttributes(t *testing.T) {
	s := open(t, mem.New(nil))
	names := []string{"", "a", "Result (mV)", "a/b", "..", "ünïcode ☃", "UPPER", strings.Repeat("x", 150)}
	for _, name := range names {
		put(t, s, fit(1), name, name)
	}
	put(t, s, fit(2), "of another", 1)
	var got []string
	for name, err := range s.Attributes(t.Context(), fit(1)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, name)
	}
	slices.Sort(names)
	if slices.Sort(got); !slices.Equal(got, names) {
		t.Errorf("Attributes = %q, want %q", got, names)
	}
	for _, name := range names {
		info, err := s.Stat(t.Context(), fit(1), name)
		if err != nil || info.Size != int64(len(name)) {
			t.Errorf("Stat(%q) = %d bytes, %v; want %d", name, info.Size, err, len(name))
		}
		for range 2 { // what is absent can be deleted
			if err := s.Delete(t.Context(), fit(1), name); err != nil {
				t.Errorf("Delete(%q): %v", name, err)
			}
		}
		if ok, err := s.Has(t.Context(), fit(1), name); ok || err != nil {
			t.Errorf("Has(%q) after Delete = %v, %v", name, ok, err)
		}
	}
	if _, err := s.Stat(t.Context(), fit(1), "a"); !errors.Is(err, larder.ErrNotFound) {
		t.Errorf("Stat after Delete: %v, want ErrNotFound", err)
	}
	_, err := s.Put(t.Context(), fit(1), strings.Repeat("Ü", 100), 1)
	if !errors.Is(err, backend.ErrTooLarge) || !strings.Contains(err.Error(), fmt.Sprint(backend.MaxSegment)) {
		t.Errorf("an attribute too long: %v; want ErrTooLarge with the limit", err)
	}
}

func TestPutConditions(t *testing.T) {
	b := mem.New(nil)
	s := open(t, b)
	put(t, s, fit(1), "x", "one", larder.IfAbsent())
	if _, err := s.Put(t.Context(), fit(1), "x", "two", larder.IfAbsent()); !errors.Is(err, larder.ErrExists) {
		t.Errorf("second Put with IfAbsent: %v, want ErrExists", err)
	}
	put(t, s, fit(1), "x", "one", larder.Verify())
	_, err := s.Put(t.Context(), fit(1), "x", "two", larder.Verify())
	sums := []string{ // sha256sum of "one" and of "two"
		"7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
		"3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3",
	}
	if !errors.Is(err, larder.ErrConflict) || !strings.Contains(err.Error(), sums[0]) || !strings.Contains(err.Error(), sums[1]) {
		t.Errorf("Put of other bytes with Verify: %v; want ErrConflict with both digests", err)
	}
	if v, err := larder.Get[string](t.Context(), s, fit(1), "x"); v != "one" || err != nil {
		t.Errorf("after refused puts Get = %q, %v; want one", v, err)
	}
	spoil(t, s, b, fit(1), "x")
	put(t, s, fit(1), "x", "one", larder.Verify())
	if v, err := larder.Get[string](t.Context(), s, fit(1), "x"); v != "one" || err != nil {
		t.Errorf("Verify did not heal: Get = %q, %v", v, err)
	}
	put(t, s, fit(1), "x", "two")
	if v, err := larder.Get[string](t.Context(), s, fit(1), "x"); v != "two" || err != nil {
		t.Errorf("after a plain Put Get = %q, %v; want two", v, err)
	}
}

// Verify works, if not among racing writers, where the backend has no conditions.
func TestVerifyWithoutConditions(t *testing.T) {
	b := newTap()
	b.limits = backend.Limits{}
	b.onPut = func(_ backend.Key, opts backend.PutOptions) error {
		if opts.IfAbsent || opts.IfMatch != "" {
			return errors.ErrUnsupported
		}
		return nil
	}
	s := open(t, b)
	put(t, s, fit(1), "x", "one", larder.Verify())
	put(t, s, fit(1), "x", "one", larder.Verify())
	if _, err := s.Put(t.Context(), fit(1), "x", "two", larder.Verify()); !errors.Is(err, larder.ErrConflict) {
		t.Errorf("Put of other bytes with Verify: %v, want ErrConflict", err)
	}
	if _, err := s.Put(t.Context(), fit(1), "x", "two", larder.IfAbsent()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Put with IfAbsent: %v, want ErrUnsupported", err)
	}
}

// What is corrupt is a miss with a reason, counted once, and healed by the next Put.
func TestCorruptIsAMiss(t *testing.T) {
	for name, way := range map[string]func(io.ReadCloser) io.ReadCloser{
		"in memory": nil,
		"streamed":  func(r io.ReadCloser) io.ReadCloser { return struct{ io.ReadCloser }{r} },
	} {
		b := newTap()
		b.body = way
		s := open(t, b)
		put(t, s, fit(1), "x", []float64{1, 2, 3})
		spoil(t, s, b.Backend, fit(1), "x")
		for range 2 {
			_, err := larder.Get[[]float64](t.Context(), s, fit(1), "x")
			if !errors.Is(err, larder.ErrNotFound) || !errors.Is(err, larder.ErrCorrupt) {
				t.Errorf("%s: Get: %v; want a miss because of ErrCorrupt", name, err)
			}
		}
		body, info, err := s.Reader(t.Context(), fit(1), "x")
		if err == nil {
			var n int
			n, err = io.ReadFull(body, make([]byte, info.Size))
			if n >= int(info.Size) {
				t.Errorf("%s: Reader delivered all %d bytes of a corrupt value", name, n)
			}
			body.Close()
		}
		if !errors.Is(err, larder.ErrCorrupt) {
			t.Errorf("%s: Reader: %v; want ErrCorrupt", name, err)
		}
		put(t, s, fit(1), "x", []float64{1, 2, 3})
		if _, err := larder.Get[[]float64](t.Context(), s, fit(1), "x"); err != nil {
			t.Errorf("%s: Get after a new Put: %v", name, err)
		}
		if st := s.Stats(); st.Corrupt != 1 || st.Healed != 1 {
			t.Errorf("%s: Stats = %+v; want 1 corrupt, 1 healed", name, st)
		}
	}
}

// An entry whose data is gone is the backend's ErrCorrupt, and a miss too.
func TestDanglingIsAMiss(t *testing.T) {
	b := newTap()
	s := open(t, b)
	put(t, s, fit(1), "x", 1)
	b.onGet = func(backend.Key) error { return backend.ErrCorrupt }
	if _, err := larder.Get[int](t.Context(), s, fit(1), "x"); !errors.Is(err, larder.ErrNotFound) || !errors.Is(err, larder.ErrCorrupt) {
		t.Errorf("Get: %v; want a miss because of ErrCorrupt", err)
	}
}

func TestMaxAge(t *testing.T) {
	s := open(t, mem.New(nil))
	put(t, s, fit(1), "x", 1)
	now := time.Now()
	for _, tt := range []struct {
		clock  time.Duration // the reader's clock against the store's
		maxAge time.Duration
		hit    bool
	}{
		{0, time.Hour, true},
		{59 * time.Minute, time.Hour, true},
		{61 * time.Minute, time.Hour, false},
		{-4 * time.Minute, time.Hour, true},  // the reader's clock is behind
		{-6 * time.Minute, time.Hour, false}, // by so much that something is wrong
		{0, 0, false},
	} {
		larder.SetClock(s, func() time.Time { return now.Add(tt.clock) })
		_, err := larder.Get[int](t.Context(), s, fit(1), "x", larder.MaxAge(tt.maxAge))
		if hit := err == nil; hit != tt.hit || !hit && (!errors.Is(err, larder.ErrStale) || !errors.Is(err, larder.ErrNotFound)) {
			t.Errorf("clock %v, MaxAge(%v): %v; want a hit: %v", tt.clock, tt.maxAge, err, tt.hit)
		}
	}
}

// Bytes written by a codec of the future are an error that names it, not a miss.
func TestUnknownCodec(t *testing.T) {
	b := mem.New(nil)
	s := open(t, b)
	key := at(t, s, fit(1), "x")
	if _, err := b.Put(t.Context(), key, newSeeker(nil), backend.PutOptions{Meta: backend.Meta{"codec": "zarr9"}}); err != nil {
		t.Fatal(err)
	}
	_, err := larder.Get[int](t.Context(), s, fit(1), "x")
	if err == nil || errors.Is(err, larder.ErrNotFound) || !strings.Contains(err.Error(), "zarr9") {
		t.Errorf("Get: %v; want an error that names zarr9 and is no miss", err)
	}
}

// The shelf "components" says what each stored result is, and what its inputs are.
func TestDescriptions(t *testing.T) {
	b := mem.New(nil)
	s := open(t, b)
	raw := component.New("test/raw", "v1", map[string]any{"path": "a.dat"})
	c := component.New("test/filter", "v2", map[string]any{"cutoff": 300}, raw)
	put(t, s, c, "x", 1)
	for _, c := range []larder.Component{c, raw} {
		id, err := s.Key(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		body, info, err := b.Get(t.Context(), backend.Key{Shelf: backend.ShelfComponents, Name: id})
		if err != nil {
			t.Fatalf("%s: %v", c.Type(), err)
		}
		preimage, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		d, err := keying.Decode(preimage)
		if err != nil || d.Type != c.Type() || d.Version != c.Version() {
			t.Errorf("description of %s = %+v, %v", c.Type(), d, err)
		}
		if fmt.Sprintf("%x", info.Digest) != id {
			t.Errorf("%s: the description's digest is %x; want its name %s", c.Type(), info.Digest, id)
		}
	}
}

// A miss costs one GET, then one PUT for the value and one more for a new component's
// description; a hit costs one GET. Nothing is asked for twice.
func TestRequestBudget(t *testing.T) {
	b := newTap()
	b.limits.CostlyRequests = true
	s := open(t, b)
	raw := component.New("test/raw", "v1", nil)
	c := component.New("test/fit", "v1", nil, raw)
	for _, tt := range []struct {
		what       string
		do         func() error
		gets, puts int64
	}{
		{"a miss", func() error { return memo(t, s, c, "x") }, 1, 2},
		{"a hit", func() error { return memo(t, s, c, "x") }, 1, 0},
		{"a miss of a known component", func() error { return memo(t, s, c, "y") }, 1, 1},
		{"a put", func() error { _, err := s.Put(t.Context(), c, "z", 1); return err }, 0, 1},
	} {
		b.gets.Store(0)
		b.puts.Store(0)
		b.stats.Store(0)
		if err := tt.do(); err != nil {
			t.Fatalf("%s: %v", tt.what, err)
		}
		if g, p, h := b.gets.Load(), b.puts.Load(), b.stats.Load(); g != tt.gets || p != tt.puts || h != 0 {
			t.Errorf("%s took %d GETs, %d PUTs, %d HEADs; want %d, %d, 0", tt.what, g, p, h, tt.gets, tt.puts)
		}
	}
}
