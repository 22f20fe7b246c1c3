package blob_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob"
	"github.com/larder-store/larder/internal/driver"
)

var key = backend.Key{Shelf: "s", Name: "a/b"}

func TestMetaFitsAndComesBack(t *testing.T) {
	many := backend.Meta{}
	for i := range 250 {
		many[fmt.Sprintf("k%03d", i)] = "ab"
	}
	for name, meta := range map[string]backend.Meta{
		"none":       nil,
		"empty":      {"codec": ""},
		"awkward":    {"a": "x=1&b=2", "b": "50% + more; a,b", "c": "two  blanks", "d": `"quoted" \u0041 %zz`, "e_1": "~"},
		"long":       {"k": strings.Repeat("v", backend.MaxMeta-1)},
		"many":       many,
		"long blank": {"k": "a" + strings.Repeat(" ", backend.MaxMeta-3) + "b"},
	} {
		info, total, err := blob.RoundTrip(key, meta)
		if err != nil || !maps.Equal(info.Meta, meta) || info.Sum != 2 || info.Digest != [32]byte{1} {
			t.Errorf("%s: Meta comes back as %q, %v; want %q", name, info.Meta, err, meta)
		}
		if total > 2048 {
			t.Errorf("%s: %d bytes of metadata; S3 takes 2048", name, total)
		}
	}
}

func FuzzMeta(f *testing.F) {
	f.Add("codec", "npy", "cost_ms", "12")
	f.Add("a", "&=%+;~", "b", "")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string) {
		meta := backend.Meta{k1: v1, k2: v2}
		if meta.Validate() != nil {
			return
		}
		info, _, err := blob.RoundTrip(key, meta)
		if errors.Is(err, backend.ErrTooLarge) {
			return // only what triples by its escapes
		}
		if err != nil || !maps.Equal(info.Meta, meta) {
			t.Errorf("%q comes back as %q, %v", meta, info.Meta, err)
		}
	})
}

func TestBodyIsExactlyItsSize(t *testing.T) {
	const text = "0123456789"
	readers := map[string]func(string) io.ReadSeeker{
		"at any offset": func(s string) io.ReadSeeker { return strings.NewReader(s) },
		"in order":      func(s string) io.ReadSeeker { return inOrder{strings.NewReader(s)} },
	}
	for name, reader := range readers {
		for size, want := range map[int64]error{0: backend.ErrTooLong, 9: backend.ErrTooLong, 10: nil, 11: io.ErrUnexpectedEOF} {
			b, err := driver.NewBody(reader(text), size)
			if err == nil {
				var got []byte
				got, err = io.ReadAll(iotest.OneByteReader(b))
				if err != nil && int64(len(got)) >= size {
					t.Errorf("%s: all %d bytes were handed out before the error %v", name, size, err)
				}
			}
			if !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("%s: a body of %d bytes with size %d = %v, want %v", name, len(text), size, err, want)
			}
			if size == 0 {
				continue
			}
			b, err = driver.NewBody(reader(text), size)
			if err != nil {
				t.Fatal(err)
			}
			first, err1 := b.Part(0, 4)
			last, err2 := b.Part(4, size-4)
			err = errors.Join(err1, err2)
			if err == nil {
				var got []byte
				got, err = io.ReadAll(io.MultiReader(first, last))
				if err == nil && string(got) != text {
					t.Errorf("%s: parts are %q, want %q", name, got, text)
				}
			}
			if !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("%s: parts of a body of %d bytes with size %d = %v, want %v", name, len(text), size, err, want)
			}
		}
	}
}

type inOrder struct{ io.ReadSeeker }

// told is a bucket that says what it is told to.
type told struct {
	driver.Bucket
	names []string
	put   func(opts driver.PutOptions) (driver.Object, error)
	head  func() (driver.Object, error)

	yielded int // names, so far
}

func (b *told) Limits() backend.Limits {
	return backend.Limits{AtomicIfAbsent: true, AtomicIfMatch: true}
}
func (b *told) Close() error { return nil }

func (b *told) List(context.Context, driver.ListOptions) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		for _, name := range b.names {
			b.yielded++
			if !yield(driver.Object{Name: name}, nil) {
				return
			}
		}
	}
}

func (b *told) Put(_ context.Context, _ string, _ *driver.Body, opts driver.PutOptions) (driver.Object, error) {
	return b.put(opts)
}

func (b *told) Head(context.Context, string) (driver.Object, error) { return b.head() }

func open(t *testing.T, b driver.Bucket, prefix string) backend.Backend {
	t.Helper()
	back, err := blob.Open(b, blob.Options{Scheme: "told", Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func TestListThatGoesBackwardsIsAnError(t *testing.T) {
	for _, names := range [][]string{{"p/s/a!", "p/s/c!", "p/s/b!"}, {"p/s/a!", "p/s/a!"}} {
		var last error
		for _, err := range open(t, &told{names: names}, "p").List(context.Background(), "s", backend.ListOptions{}) {
			last = err
		}
		if last == nil {
			t.Errorf("List of %q ends without an error", names)
		}
	}
}

func TestStrangersAreNotListed(t *testing.T) {
	names := []string{"p/s/.hidden!", "p/s/A!", "p/s/a", "p/s/a!", "p/s/a/b!", "p/s/notes.txt"}
	var got []string
	for info, err := range open(t, &told{names: names}, "p").List(context.Background(), "s", backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, info.Key.Name)
	}
	if text := strings.Join(got, " "); text != "a a/b" {
		t.Errorf("List yields %q, want a and a/b", text)
	}
}

// Shelves come in byte order, which is not that of folders: "a-b/" is before "a/".
func TestShelvesAreSorted(t *testing.T) {
	var got []string
	for shelf, err := range open(t, &told{names: []string{"a-b/", "a/", "plain!"}}, "").Shelves(context.Background(), backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, shelf)
	}
	if text := strings.Join(got, " "); text != "a a-b" {
		t.Errorf("Shelves yields %q, want a and a-b", text)
	}
}

// A shelf is yielded as soon as none can follow that goes before it, not at the end of the list.
func TestShelvesAreNotHeldForLong(t *testing.T) {
	bucket := &told{names: []string{"a-b-c/", "a-b/", "a/", "b/", "c-d/", "c/"}}
	for shelf, asked := range map[string]int{"a": 3, "a-b": 3, "a-b-c": 3, "b": 4, "c": 6, "c-d": 6} {
		bucket.yielded = 0
		for got, err := range open(t, bucket, "").Shelves(context.Background(), backend.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if got == shelf {
				break
			}
		}
		if bucket.yielded != asked {
			t.Errorf("shelf %q is yielded after %d folders, want %d", shelf, bucket.yielded, asked)
		}
	}
}

// What became of a Put whose answer was lost is told by the nonce.
func TestLostAnswers(t *testing.T) {
	for _, c := range []struct {
		name  string
		sent  bool
		err   error
		opts  backend.PutOptions
		found string // ours, another's, none
		want  error
	}{
		{"ours is there", true, backend.ErrExists, backend.PutOptions{IfAbsent: true}, "ours", nil},
		{"another's is there", true, backend.ErrExists, backend.PutOptions{IfAbsent: true}, "another's", backend.ErrUnavailable},
		{"nothing is there", true, backend.ErrUnavailable, backend.PutOptions{IfAbsent: true}, "none", backend.ErrUnavailable},
		{"never sent, another's", false, backend.ErrUnavailable, backend.PutOptions{IfAbsent: true}, "another's", backend.ErrExists},
		{"never sent, none", false, backend.ErrUnavailable, backend.PutOptions{IfAbsent: true}, "none", backend.ErrUnavailable},
		{"IfMatch, ours", true, backend.ErrChanged, backend.PutOptions{IfMatch: "v1"}, "ours", nil},
		{"IfMatch, another's", true, backend.ErrChanged, backend.PutOptions{IfMatch: "v1"}, "another's", backend.ErrUnavailable},
		{"IfMatch, never sent, another's", false, backend.ErrUnavailable, backend.PutOptions{IfMatch: "v1"}, "another's", backend.ErrChanged},
		{"IfMatch, never sent, none", false, backend.ErrUnavailable, backend.PutOptions{IfMatch: "v1"}, "none", backend.ErrChanged},
		{"plain, ours", true, backend.ErrUnavailable, backend.PutOptions{}, "ours", nil},
		{"plain, another's", true, backend.ErrUnavailable, backend.PutOptions{}, "another's", backend.ErrUnavailable},
	} {
		var meta map[string]string
		b := &told{
			put: func(opts driver.PutOptions) (driver.Object, error) {
				meta = opts.Meta
				return driver.Object{}, &driver.Unclear{Err: c.err, Sent: c.sent}
			},
			head: func() (driver.Object, error) {
				switch c.found {
				case "none":
					return driver.Object{}, backend.ErrNotFound
				case "another's":
					return driver.Object{Version: "v2", Meta: map[string]string{"larder": "1;nonce=ANOTHER"}}, nil
				}
				return driver.Object{Version: "v2", Meta: meta}, nil
			},
		}
		info, err := open(t, b, "").Put(context.Background(), key, strings.NewReader(""), c.opts)
		if !errors.Is(err, c.want) || c.want == nil && (err != nil || info.Version != "v2") {
			t.Errorf("%s: Put = %q, %v; want %v", c.name, info.Version, err, c.want)
		}
	}
}

func TestPrefixes(t *testing.T) {
	for prefix, ok := range map[string]bool{
		"": true, "/": true, "a": true, "/a/b/": true, "Team/Data_2": true, strings.Repeat("a/", 150): true,
		"a//b": false, "a/../b": false, ".": false, "a b": false, "a__b": false, "ä": false, "a!": false, strings.Repeat("a/", 151): false,
	} {
		if _, err := blob.Open(&told{}, blob.Options{Prefix: prefix}); (err == nil) != ok {
			t.Errorf("a store with prefix %.20q = %v, want it to be taken: %v", prefix, err, ok)
		}
	}
}
