package tier_test

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/backend/tier"
)

// What cannot be a tier is said, with the remedy.
func TestBadPlaces(t *testing.T) {
	ctx := context.Background()
	dir := filepath.ToSlash(t.TempDir())
	at := func(name string) string { return url.QueryEscape("shelve://" + dir + "/" + name) }
	opened, err := openURL(ctx, "tier:?near="+at("near")+"&far="+at("far"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, opened, "a", "1")
	opened.Close()
	for _, tc := range []struct{ name, loc, want string }{
		{"nothing", "tier:", "near=URL"},
		{"no near", "tier:?far=" + at("far"), "near=URL"},
		{"a host", "tier://host?near=" + at("near") + "&far=" + at("far"), "near=URL"},
		{"the same", "tier:?near=" + at("far") + "&far=" + at("far"), "same store"},
		{"the same by another spelling", "tier:?near=" + at("x/../far") + "&far=" + at("far/"), "same store"},
		{"a tier", "tier:?near=" + at("near") + "&far=" + url.QueryEscape("tier:?near=a&far=b"), "a store each"},
		{"another far store", "tier:?near=" + at("near") + "&far=" + at("other"), "is the cache of shelve:" + dir + "/far, not of"},
		{"a store of its own", "tier:?near=" + at("far") + "&far=" + at("other"), "larder cp"},
		{"a mode", "tier:?near=" + at("near") + "&far=" + at("far") + "&write=twice", "one of through, back, near"},
		{"unknown scheme", "tier:?near=" + at("near") + "&far=nope%3A%2F%2Fx", "far="},
		{"a queue", "tier:?near=" + at("near") + "&far=" + at("far") + "&queue=much", "queue"},
		{"no lasting near store", "tier:?near=mem%3A%2F%2Fa&write=back&far=" + at("far"), "lasts"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, err := openURL(ctx, tc.loc)
			if err == nil {
				b.Close()
				t.Fatal("Open succeeds")
			}
			if !errors.Is(err, backend.ErrInvalidURL) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Open = %v, want %v and %q in it", err, backend.ErrInvalidURL, tc.want)
			}
		})
	}
	m := mem.New(nil)
	if _, err := tier.Open(ctx, m, m, nil); !errors.Is(err, backend.ErrInvalidURL) {
		t.Errorf("Open of one store as both = %v", err)
	}
}

// A Put beyond the queue waits for the far store, and says so where that takes nothing.
func TestQueueIsBounded(t *testing.T) {
	ctx := context.Background()
	far := newAway()
	far.gone.Store(true)
	b, _ := pair(t, far, tier.Options{Write: tier.Back, Queue: 10_000, Drain: -1})
	var err error
	n := 0
	for ; n < 1000 && err == nil; n++ {
		_, err = backend.PutBytes(ctx, b, key("a"+value(n, 8)), make([]byte, 1000), backend.PutOptions{})
	}
	if !errors.Is(err, backend.ErrUnavailable) || !strings.Contains(err.Error(), "queue=") || n < 5 || n > 20 {
		t.Errorf("Put %d = %v, want %v beyond the queue", n, err, backend.ErrUnavailable)
	}
	far.gone.Store(false)
	if err := b.(interface{ Flush(context.Context) error }).Flush(ctx); err != nil {
		t.Fatal(err)
	}
	put(t, b, "z", value(1, 1000))
	for i := range n - 1 {
		wants(t, b, "a"+value(i, 8), string(make([]byte, 1000)))
	}
}

// A waiting value whose metadata are damaged hides nothing but itself, and keeps no other from being sent.
func TestDamagedWhileWaiting(t *testing.T) {
	ctx := context.Background()
	far := newAway()
	far.gone.Store(true)
	b, near := pair(t, far, tier.Options{Write: tier.Back})
	put(t, b, "a", "1")
	n, err := shelve.Open(near, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	first := ""
	for info, err := range n.List(ctx, "larder.tier.own", backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ = strings.Cut(info.Key.Name, "/")
	}
	damaged := backend.Key{Shelf: "larder.tier.own", Name: first + "/0"}
	if _, err := backend.PutBytes(ctx, n, damaged, []byte("?"), backend.PutOptions{Meta: backend.Meta{"head": "9"}}); err != nil {
		t.Fatal(err)
	}
	names := 0
	for info, err := range b.List(ctx, "cache", backend.ListOptions{}) {
		if err != nil || info.Key != key("a") {
			t.Errorf("List yields %v, %v", info.Key, err)
		}
		names++
	}
	for shelf, err := range b.Shelves(ctx, backend.ListOptions{}) {
		if err != nil || shelf != "cache" {
			t.Errorf("Shelves yields %q, %v", shelf, err)
		}
	}
	far.gone.Store(false)
	if err := b.(interface{ Flush(context.Context) error }).Flush(ctx); !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("Flush = %v, want that one cannot be sent", err)
	}
	wants(t, far.Backend, "a", "1")
	if names != 1 {
		t.Errorf("%d values are listed, want 1", names)
	}
}

// What is put while an older value is being sent is not lost, and sent after it.
func TestOvertakenSender(t *testing.T) {
	ctx := context.Background()
	far := newAway()
	far.gone.Store(true)
	b, _ := pair(t, far, tier.Options{Write: tier.Back})
	put(t, b, "a", "1")
	overtaken := false
	far.after = func(string) {
		if !overtaken {
			overtaken = true
			put(t, b, "a", "2")
		}
	}
	far.gone.Store(false)
	flush := b.(interface{ Flush(context.Context) error }).Flush
	for range 3 { // the first may be overtaken
		if err := flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if !overtaken {
		t.Fatal("nothing was sent")
	}
	wants(t, b, "a", "2")
	wants(t, far.Backend, "a", "2")
}

// In the mode Near the far store is only read.
func TestNear(t *testing.T) {
	ctx := context.Background()
	dir := filepath.ToSlash(t.TempDir())
	far, err := openURL(ctx, "file://"+dir+"/far")
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	put(t, far, "a", "1")
	put(t, far, "b", "2")
	loc := "tier:?write=near&near=" + url.QueryEscape("shelve://"+dir+"/near") + "&far=" + url.QueryEscape("file://"+dir+"/far")
	for range 2 {
		b, err := openURL(ctx, loc)
		if err != nil {
			t.Fatal(err)
		}
		put(t, b, "a", "mine")
		put(t, b, "c", "3")
		if err := b.Delete(ctx, key("b")); err != nil {
			t.Fatal(err)
		}
		b.Close()
	}
	b, err := backend.OpenWith(ctx, loc, backend.ReadOnly())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for name, want := range map[string]string{"a": "mine", "b": "", "c": "3"} {
		wants(t, b, name, want)
	}
	var names []string
	for info, err := range b.List(ctx, "cache", backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Key.Name)
	}
	if strings.Join(names, " ") != "a c" {
		t.Errorf("List yields %q, want a and c", names)
	}
	wants(t, far, "a", "1")
	wants(t, far, "b", "2")
	wants(t, far, "c", "")
	if _, err := backend.PutBytes(ctx, b, key("d"), nil, backend.PutOptions{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Put into what was opened to be read = %v", err)
	}
}

// What is wrong with the near store alone is said.
func TestNearIsNoStore(t *testing.T) {
	for near, want := range map[string]string{"tier:?near=/a&far=/b": "a tier of a tier", "postgres://%zz/": "is no URL"} {
		_, err := backend.Open(context.Background(), tier.URL(near, "file:///nowhere"))
		if !errors.Is(err, backend.ErrInvalidURL) || !strings.Contains(err.Error(), want) {
			t.Errorf("Open with near=%s = %v, want that it is %s", near, err, want)
		}
	}
}

// A password that stands where none is looked for is shown by no error about two stores that are one.
func TestSameStoreShowsNoPassword(t *testing.T) {
	for _, u := range []string{"postgres:user:hunter2@host/db", "postgres://user:12/hunter2@host/db", "postgres://user:hunter2@host/db", "s3://key:1/hunter2@bucket/p", "s3://bucket/p?secret=hunter2"} {
		_, err := backend.Open(context.Background(), tier.URL(u, u))
		if !errors.Is(err, backend.ErrInvalidURL) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open of a tier of %s with itself = %v", u, err)
		}
	}
}
