package tar_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/tar"
)

var stored = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// infoOf describes a value.
func infoOf(shelf, name string, body []byte, meta backend.Meta) backend.Info {
	return backend.Info{
		Key: backend.Key{Shelf: shelf, Name: name}, Size: int64(len(body)), Digest: sha256.Sum256(body),
		Sum: crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)), ModTime: stored, Meta: meta,
	}
}

// value is an entry of a tar and its bytes.
type value struct {
	info backend.Info
	body []byte
}

// values are of all kinds that matter, in order.
func values() []value {
	var all []value
	add := func(shelf, name string, size int) {
		body := bytes.Repeat([]byte(name), size/len(name)+1)[:size]
		all = append(all, value{infoOf(shelf, name, body, backend.Meta{"codec": "raw", "note": `a "quoted" = text`}), body})
	}
	long := strings.Repeat(strings.Repeat("n", 190)+"/", 3) + "end"
	add("cache", "a", 3)
	add("cache", "a-b", 0)
	add("cache", "a/b", 5)
	add("cache", "a/b/c", 64<<10)
	add("cache", "b", 64<<10+1)
	add("cache", long, 512)
	add("components", strings.Repeat("0a", 32), 511)
	add(strings.Repeat("s", backend.MaxShelf), "x", 513)
	add("t.u", "=_", 1<<20)
	all[0].info.Meta = nil
	return all
}

// write makes a tar of values.
func write(t testing.TB, path string, all []value) {
	t.Helper()
	w, err := tar.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for _, v := range all {
		if err := w.Add(v.info, bytes.NewReader(v.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

// A tar answers as a store in memory with the same entries does.
func TestReadsLikeAStore(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "store.tar")
	write(t, path, values())
	got, err := backend.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	want := mem.New(nil)
	for _, v := range values() {
		if _, err := backend.PutBytes(ctx, want, v.info.Key, v.body, backend.PutOptions{Meta: v.info.Meta}); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range values() {
		info, err := got.Stat(ctx, v.info.Key)
		if err != nil || !alike(info, v.info) {
			t.Errorf("Stat(%v) = %+v, %v, want %+v", v.info.Key, info, err, v.info)
		}
		body, info, err := backend.GetVerified(ctx, got, v.info.Key)
		if err != nil || !alike(info, v.info) || !bytes.Equal(body, v.body) {
			t.Errorf("Get(%v) = %d bytes, %+v, %v", v.info.Key, len(body), info, err)
		}
		for _, r := range [][2]int64{{0, -1}, {0, 1}, {1, 3}, {v.info.Size, 1}, {v.info.Size + 5, -1}, {v.info.Size / 2, v.info.Size}} {
			if a, b := ranged(t, got, v.info.Key, r[0], r[1]), ranged(t, want, v.info.Key, r[0], r[1]); !bytes.Equal(a, b) {
				t.Errorf("GetRange(%v, %d, %d) has %d bytes, want %d", v.info.Key, r[0], r[1], len(a), len(b))
			}
		}
		if _, _, err := backend.GetRange(ctx, got, v.info.Key, "another", 0, 1); !errors.Is(err, backend.ErrChanged) {
			t.Errorf("GetRange of another version = %v, want ErrChanged", err)
		}
	}
	shelves := []string{}
	for shelf := range want.Shelves(ctx, backend.ListOptions{}) {
		shelves = append(shelves, shelf)
	}
	for _, opts := range []backend.ListOptions{
		{}, {Limit: 1}, {Limit: 2}, {Prefix: "a"}, {Prefix: "a/"}, {Prefix: "a/b/c"}, {After: "a"}, {After: "a/b"}, {After: "a", Prefix: "a/"}, {After: "zzz"}, {Prefix: "b", After: "a"}, {Prefix: "zz"}, {Prefix: "a/", Limit: 1},
	} {
		for _, shelf := range append(shelves, "nothing") {
			if a, b := listed(t, got, shelf, opts), listed(t, want, shelf, opts); !slices.Equal(a, b) {
				t.Errorf("List(%q, %+v) = %q, want %q", shelf, opts, a, b)
			}
			if a, b := scanned(t, got, shelf, opts), scanned(t, want, shelf, opts); !maps.Equal(a, b) {
				t.Errorf("Scan(%q, %+v) yields %d, want %d", shelf, opts, len(a), len(b))
			}
		}
		if strings.Contains(opts.Prefix+opts.After, "/") {
			continue
		}
		if a, b := shelvesOf(t, got, opts), shelvesOf(t, want, opts); !slices.Equal(a, b) {
			t.Errorf("Shelves(%+v) = %q, want %q", opts, a, b)
		}
	}
}

func alike(a, b backend.Info) bool {
	if len(a.Meta)+len(b.Meta) > 0 && !maps.Equal(a.Meta, b.Meta) {
		return false
	}
	a.Meta, b.Meta, b.Version = nil, nil, a.Version
	return a.Version != "" && a.ModTime.Equal(b.ModTime) && func() bool { b.ModTime = a.ModTime; return reflect.DeepEqual(a, b) }()
}

func ranged(t *testing.T, b backend.Backend, key backend.Key, off, n int64) []byte {
	t.Helper()
	body, info, err := backend.GetRange(context.Background(), b, key, "", off, n)
	if err != nil || info.Key != key {
		t.Fatalf("GetRange(%v, %d, %d) = %+v, %v", key, off, n, info, err)
	}
	defer body.Close()
	all, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func listed(t *testing.T, b backend.Backend, shelf string, opts backend.ListOptions) []string {
	t.Helper()
	var all []string
	for info, err := range b.List(context.Background(), shelf, opts) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(info.Key, info.Size, info.Digest, info.Sum))
	}
	return all
}

func scanned(t *testing.T, b backend.Backend, shelf string, opts backend.ListOptions) map[string]string {
	t.Helper()
	all := map[string]string{}
	for e, err := range backend.Scan(context.Background(), b, shelf, opts) {
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		all[e.Key.String()] = string(body)
	}
	return all
}

func shelvesOf(t *testing.T, b backend.Backend, opts backend.ListOptions) []string {
	t.Helper()
	var all []string
	for shelf, err := range b.Shelves(context.Background(), opts) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, shelf)
	}
	return all
}

// What a tar cannot do it refuses, in the words of the contract.
func TestRefusals(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "store.tar")
	write(t, path, values())
	b, err := tar.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	key, absent := values()[8].info.Key, backend.Key{Shelf: "cache", Name: "absent"}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	bad := backend.Key{Shelf: "cache", Name: "../x"}
	put := func(ctx context.Context, key backend.Key) error {
		_, err := backend.PutBytes(ctx, b, key, []byte("x"), backend.PutOptions{})
		return err
	}
	get := func(ctx context.Context, key backend.Key) error {
		body, _, err := b.Get(ctx, key)
		if err == nil {
			body.Close()
		}
		return err
	}
	list := func(ctx context.Context, shelf string) error {
		for _, err := range b.List(ctx, shelf, backend.ListOptions{}) {
			return err
		}
		return nil
	}
	for _, tt := range []struct {
		what string
		err  error
		want error
	}{
		{"Put", put(ctx, absent), errors.ErrUnsupported},
		{"Put of a bad key", put(ctx, bad), backend.ErrInvalidKey},
		{"Put after its context ended", put(ended, absent), context.Canceled},
		{"Delete", b.Delete(ctx, key), errors.ErrUnsupported},
		{"Delete of what is absent", b.Delete(ctx, absent), nil},
		{"Get of what is absent", get(ctx, absent), backend.ErrNotFound},
		{"Get of a bad key", get(ctx, bad), backend.ErrInvalidKey},
		{"Get after its context ended", get(ended, key), context.Canceled},
		{"List of a bad shelf", list(ctx, "A"), backend.ErrInvalidKey},
		{"List after its context ended", list(ended, "cache"), context.Canceled},
	} {
		if !errors.Is(tt.err, tt.want) || (tt.err == nil) != (tt.want == nil) {
			t.Errorf("%s = %v, want %v", tt.what, tt.err, tt.want)
		}
		if e := new(backend.Error); tt.err != nil && !errors.As(tt.err, &e) {
			t.Errorf("%s = %T, want a *backend.Error", tt.what, tt.err)
		}
	}

	body, _, err := b.Get(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	if _, err := io.ReadAll(body); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("reading after Close = %v, want ErrClosed", err)
	}
	for what, err := range map[string]error{"Get": get(ctx, key), "Put": put(ctx, absent), "Delete": b.Delete(ctx, absent), "List": list(ctx, "cache"), "List of nothing": list(ctx, "none")} {
		if !errors.Is(err, backend.ErrClosed) {
			t.Errorf("%s after Close = %v, want ErrClosed", what, err)
		}
	}
	if err := b.Close(); err != nil {
		t.Errorf("a second Close = %v", err)
	}
}

// A tar that shrinks while it is read is corrupt, not a shorter value.
func TestShrinks(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "store.tar")
	write(t, path, values())
	b, err := tar.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := os.Truncate(path, 1024); err != nil {
		t.Fatal(err)
	}
	for _, v := range values()[3:] {
		if _, _, err := backend.GetVerified(ctx, b, v.info.Key); !errors.Is(err, backend.ErrCorrupt) {
			t.Errorf("Get(%v) of a tar that shrank = %v, want ErrCorrupt", v.info.Key, err)
		}
	}
}

func TestURLs(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	path := filepath.Join(dir, "a b#.tar")
	write(t, path, values())
	for _, url := range []string{path, "tar:" + strings.NewReplacer(" ", "%20", "#", "%23").Replace(path), "tar://" + strings.NewReplacer(" ", "%20", "#", "%23").Replace(path)} {
		b, err := backend.Open(ctx, url)
		if err != nil {
			t.Errorf("Open(%q) = %v", url, err)
			continue
		}
		b.Close()
		if got, ok := backend.LocalFile(url); !ok || got != path {
			t.Errorf("LocalFile(%q) = %q, %v", url, got, ok)
		}
	}
	if _, ok := backend.LocalFile("store"); ok {
		t.Error("a plain path is taken for a file")
	}
	if _, err := backend.Open(ctx, filepath.Join(dir, "none.tar")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open of an absent tar = %v, want ErrNotExist", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "none.tar")); err == nil {
		t.Error("opening a tar made one")
	}
	if _, err := backend.Open(ctx, "tar:"+dir); err == nil || !strings.Contains(err.Error(), "is no regular file; a directory of that name is opened as shelve:PATH") {
		t.Errorf("Open of a directory = %v", err)
	}
	if _, err := backend.Open(ctx, "tar:x.tar?sync=1"); !errors.Is(err, backend.ErrInvalidURL) {
		t.Errorf("Open with a parameter = %v, want ErrInvalidURL", err)
	}
}
