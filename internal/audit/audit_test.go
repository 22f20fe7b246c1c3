package audit_test

import (
	"bytes"
	"context"
	encodinghex "encoding/hex"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob"
	"github.com/larder-store/larder/backend/blob/file"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/audit"
	"github.com/larder-store/larder/internal/sums"
)

var ctx = context.Background()

// put stores a text as it is, or, by change, as it should not be.
func put(t *testing.T, b backend.Backend, key backend.Key, text string, change func(*backend.PutOptions)) {
	t.Helper()
	o := backend.PutOptions{Size: int64(len(text))}
	o.Digest, o.Sum = sums.Of([]byte(text))
	if change != nil {
		change(&o)
	}
	if _, err := b.Put(ctx, key, bytes.NewReader([]byte(text)), o); err != nil {
		t.Fatal(err)
	}
}

// sound returns a store with three values of two components.
func sound(t *testing.T, b backend.Backend) {
	t.Helper()
	s := larder.New(b, nil)
	c := component.New("a", "1", nil)
	d := component.New("b", "1", nil, c)
	for attribute, c := range map[string]component.Component{"x": c, "y": d, "z": d} {
		if _, err := s.Put(ctx, c, attribute, "value "+attribute); err != nil {
			t.Fatal(err)
		}
	}
}

func run(t *testing.T, b backend.Backend, o audit.Options) (audit.Report, []audit.Finding) {
	t.Helper()
	var found []audit.Finding
	o.Found = func(f audit.Finding) { found = append(found, f) }
	r, err := audit.Run(ctx, b, o)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	if r.Findings != len(found) {
		t.Errorf("report counts %d findings, told were %d", r.Findings, len(found))
	}
	return r, found
}

func TestSoundStore(t *testing.T) {
	b := mem.New(nil)
	sound(t, b)
	put(t, b, backend.Key{Shelf: "leases", Name: "l"}, "a lease is no value", func(o *backend.PutOptions) { o.Sum++ })
	for _, tc := range []struct {
		read float64
		want audit.Report
	}{
		{0, audit.Report{Values: 3, Descriptions: 2}},
		{1, audit.Report{Values: 3, Descriptions: 2, Read: 3, ReadBytes: 21}},
	} {
		if r, found := run(t, b, audit.Options{Read: tc.read}); r != tc.want {
			t.Errorf("Read %v: %+v, findings %v; want %+v", tc.read, r, found, tc.want)
		}
	}
}

func TestShareThatIsRead(t *testing.T) {
	b := mem.New(nil)
	for i := range 400 {
		put(t, b, backend.Key{Shelf: "cache", Name: string(rune('a'+i%26)) + string(rune('a'+i/26))}, "x", nil)
	}
	r, _ := run(t, b, audit.Options{Read: 0.5})
	if r.Values != 400 || r.Read < 100 || r.Read > 300 || r.ReadBytes != int64(r.Read) {
		t.Errorf("half of 400 values: %+v", r)
	}
}

func TestFindings(t *testing.T) {
	value := backend.Key{Shelf: backend.ShelfCache, Name: "k/v"}
	preimage := "not a pre-image"
	digest, _ := sums.Of([]byte(preimage))
	for name, tc := range map[string]struct {
		key     backend.Key
		text    string
		change  func(*backend.PutOptions)
		unread  bool // found without reading values
		rescued string
	}{
		"checksum":         {value, "abc", func(o *backend.PutOptions) { o.Sum++ }, false, "abc"},
		"digest":           {value, "abc", func(o *backend.PutOptions) { o.Digest[7]++ }, false, "abc"},
		"on another shelf": {backend.Key{Shelf: "session-1", Name: "v"}, "abc", func(o *backend.PutOptions) { o.Sum++ }, false, "abc"},
		"empty":            {value, "", func(o *backend.PutOptions) { o.Sum++ }, false, ""},
		"description's checksum": {backend.Key{Shelf: backend.ShelfComponents, Name: hex(digest)}, preimage,
			func(o *backend.PutOptions) { o.Sum++ }, true, preimage},
		"description of another": {backend.Key{Shelf: backend.ShelfComponents, Name: hex([32]byte{1})}, preimage, nil, true, preimage},
		"no description":         {backend.Key{Shelf: backend.ShelfComponents, Name: hex(digest)}, preimage, nil, true, preimage},
	} {
		b := mem.New(nil)
		sound(t, b)
		put(t, b, tc.key, tc.text, tc.change)
		if r, _ := run(t, b, audit.Options{}); (r.Findings == 1) != tc.unread || r.Read != 0 {
			t.Errorf("%s, values not read: %+v; want found: %v, and nothing certified", name, r, tc.unread)
		}
		r, found := run(t, b, audit.Options{Read: 1})
		if len(found) != 1 || found[0].Key != tc.key || !errors.Is(found[0].Err, backend.ErrCorrupt) || found[0].Moved {
			t.Fatalf("%s: %+v, want it found as corrupt", name, found)
		}
		if r.Read > 3 {
			t.Errorf("%s: %d values certified, want at most the 3 sound ones", name, r.Read)
		}
		if _, found = run(t, b, audit.Options{Read: 1, Repair: true}); len(found) != 1 || found[0].Moved != (tc.rescued != "") || found[0].Gone == found[0].Moved {
			t.Errorf("%s, repairing: %+v, want it moved, or said to be gone", name, found)
		}
		if _, err := b.Stat(ctx, tc.key); !errors.Is(err, backend.ErrNotFound) {
			t.Errorf("%s: after the repair Stat: %v, want ErrNotFound", name, err)
		}
		if r, found := run(t, b, audit.Options{Read: 1}); len(found) != 0 || r.Read < 3 {
			t.Errorf("%s: after the repair %+v, %v", name, r, found)
		}
		rescued := ""
		if body, _, err := b.Get(ctx, backend.Key{Shelf: audit.Quarantine, Name: tc.key.String()}); err == nil {
			text, _ := io.ReadAll(body)
			rescued = string(text)
		}
		if rescued != tc.rescued {
			t.Errorf("%s: in quarantine is %q, want %q", name, rescued, tc.rescued)
		}
	}
}

func hex(digest [32]byte) string {
	const digits = "0123456789abcdef"
	var b []byte
	for _, c := range digest {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return string(b)
}

// telling is a backend whose engine tells something else than what is recorded.
type telling struct {
	backend.Backend
	t     *testing.T
	stats atomic.Int64
	stat  func(*backend.Info)
	list  func(*backend.Info)
}

func (b *telling) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	b.stats.Add(1)
	info, err := b.Backend.Stat(ctx, key)
	b.stat(&info)
	return info, err
}

func (b *telling) List(ctx context.Context, shelf string, o backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		for info, err := range b.Backend.List(ctx, shelf, o) {
			b.list(&info)
			if !yield(info, err) {
				return
			}
		}
	}
}

func (b *telling) Get(_ context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	b.t.Errorf("%q is read", key)
	return nil, backend.Info{}, errors.ErrUnsupported
}

func (b *telling) Limits() backend.Limits { return backend.Limits{CostlyRequests: true} }

// A quick audit reads nothing, asks once for each entry, and finds what the engine tells.
func TestQuick(t *testing.T) {
	none := func(*backend.Info) {}
	for name, tc := range map[string]struct {
		stat, list func(*backend.Info)
		findings   int
		says       string
	}{
		"sound":                 {none, none, 0, ""},
		"size":                  {none, func(i *backend.Info) { i.Size++ }, 5, "bytes, listed as "},
		"overwritten between":   {none, func(i *backend.Info) { i.Size++; i.Version = "older" }, 0, ""},
		"no digest":             {func(i *backend.Info) { i.Digest = [32]byte{} }, none, 5, "no digest is recorded"},
		"another's description": {func(i *backend.Info) { i.Digest[0]++ }, none, 2, "it describes the component "},
	} {
		b := &telling{Backend: mem.New(nil), t: t, stat: none, list: none}
		sound(t, b.Backend)
		b.stat, b.list = tc.stat, tc.list
		r, found := run(t, b, audit.Options{Quick: true, Read: 1})
		if want := (audit.Report{Values: 3, Descriptions: 2, Findings: tc.findings}); r != want {
			t.Errorf("%s: %+v, want %+v", name, r, want)
		}
		if n := b.stats.Load(); n != 5 {
			t.Errorf("%s: %d Stats of 5 entries", name, n)
		}
		for _, f := range found {
			if !errors.Is(f.Err, backend.ErrCorrupt) || !strings.Contains(f.Err.Error(), tc.says) {
				t.Errorf("%s: %v, want %q", name, f.Err, tc.says)
			}
		}
	}
}

// Data that is gone is found without reading any.
func TestMissingData(t *testing.T) {
	dir := t.TempDir()
	b, err := shelve.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	sound(t, b)
	large := backend.Key{Shelf: backend.ShelfCache, Name: "k/large"}
	put(t, b, large, string(make([]byte, 200_000)), nil)
	if _, found := run(t, b, audit.Options{}); len(found) > 0 {
		t.Fatalf("sound store: %v", found)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "data", "*", "*"))
	if len(files) != 1 {
		t.Fatalf("%d data files, want 1", len(files))
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if _, found := run(t, b, audit.Options{Repair: true}); len(found) != 1 || found[0].Key != large || !found[0].Gone {
		t.Errorf("data gone: %+v, want it found and removed", found)
	}
	if r, found := run(t, b, audit.Options{Read: 1}); len(found) > 0 || r.Read != 3 {
		t.Errorf("after the repair: %+v, %v", r, found)
	}
}

// healing is a backend where somebody stores another value as soon as one was read.
type healing struct {
	backend.Backend
	t     *testing.T
	heals backend.Key
}

func (h *healing) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	if key == h.heals {
		put(h.t, h.Backend, key, "healed", nil)
	}
	return h.Backend.Stat(ctx, key)
}

func TestRepairSparesWhatWasHealed(t *testing.T) {
	key := backend.Key{Shelf: backend.ShelfCache, Name: "k/v"}
	b := &healing{mem.New(nil), t, key}
	put(t, b.Backend, key, "abc", func(o *backend.PutOptions) { o.Sum++ })
	run(t, b, audit.Options{Read: 1, Repair: true})
	if _, err := b.Backend.Stat(ctx, key); err != nil {
		t.Errorf("the healed value is gone: %v", err)
	}
}

// racing is a backend where somebody stores another value at the instant of a deletion.
type racing struct {
	*mem.Backend
	t     *testing.T
	heals backend.Key
}

func (r *racing) Delete(ctx context.Context, key backend.Key) error {
	put(r.t, r.Backend, r.heals, "healed", nil)
	return r.Backend.Delete(ctx, key)
}

func (r *racing) DeleteMatch(ctx context.Context, seen []backend.Seen) error {
	put(r.t, r.Backend, r.heals, "healed", nil)
	return r.Backend.DeleteMatch(ctx, seen)
}

func TestRepairSparesWhatIsHealedLast(t *testing.T) {
	key := backend.Key{Shelf: backend.ShelfCache, Name: "k/v"}
	b := &racing{mem.New(nil), t, key}
	put(t, b.Backend, key, "abc", func(o *backend.PutOptions) { o.Sum++ })
	_, found := run(t, b, audit.Options{Read: 1, Repair: true})
	if len(found) != 1 || found[0].Moved || found[0].Gone {
		t.Errorf("%+v, want it found and left", found)
	}
	if _, err := b.Backend.Stat(ctx, key); err != nil {
		t.Errorf("the healed value is gone: %v", err)
	}
}

// racingFiles is racing over files, of which what is cut short cannot be opened.
type racingFiles struct {
	*blob.Backend
	t     *testing.T
	heals backend.Key
}

func (r *racingFiles) Delete(ctx context.Context, key backend.Key) error {
	put(r.t, r.Backend, r.heals, "healed", nil)
	return r.Backend.Delete(ctx, key)
}

func (r *racingFiles) DeleteMatch(ctx context.Context, seen []backend.Seen) error {
	put(r.t, r.Backend, r.heals, "healed", nil)
	return r.Backend.DeleteMatch(ctx, seen)
}

func TestRepairSparesWhatIsHealedLastAmongFiles(t *testing.T) {
	key := backend.Key{Shelf: backend.ShelfCache, Name: "k/v"}
	dir := t.TempDir()
	files, err := file.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	b := &racingFiles{files, t, key}
	put(t, files, key, "abc", nil)
	path := filepath.Join(dir, "cache", "k", "v!")
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()-1)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, found := run(t, b, audit.Options{Read: 1, Repair: true})
	if len(found) != 1 || found[0].Moved || found[0].Gone {
		t.Errorf("%+v, want it found and left", found)
	}
	if _, err := files.Stat(ctx, key); err != nil {
		t.Errorf("the healed value is gone: %v", err)
	}
}

// looking is a bucket without conditions for deletes, with an entry that cannot be understood.
type looking struct {
	*mem.Backend
	key backend.Key
}

func (l *looking) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	if key == l.key {
		return backend.Info{}, backend.Wrap("stat", "test", key, backend.ErrCorrupt)
	}
	return l.Backend.Stat(ctx, key)
}

func (l *looking) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	_, err := l.Stat(ctx, key)
	if err != nil {
		return nil, backend.Info{}, err
	}
	return l.Backend.Get(ctx, key)
}

func (l *looking) DeleteMatch(ctx context.Context, seen []backend.Seen) error {
	return backend.LookAndDelete(ctx, l, seen)
}

func TestRepairRemovesWhatCannotBeUnderstood(t *testing.T) {
	key := backend.Key{Shelf: backend.ShelfCache, Name: "k/v"}
	b := &looking{mem.New(nil), key}
	put(t, b.Backend, key, "abc", nil)
	_, found := run(t, b, audit.Options{Read: 1, Repair: true})
	if len(found) != 1 || !found[0].Gone {
		t.Errorf("%+v, want it found and removed", found)
	}
	if _, err := b.Backend.Stat(ctx, key); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("Stat behind the repair: %v, want ErrNotFound", err)
	}
}

// late is a backend whose entry cannot be opened until somebody stores it anew, right after it was looked at.
type late struct {
	backend.Backend
	key  backend.Key
	gets atomic.Int32
}

func (l *late) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	if key == l.key && l.gets.Add(1) <= 2 {
		return nil, backend.Info{}, backend.Wrap("get", "test", key, backend.ErrCorrupt)
	}
	return l.Backend.Get(ctx, key)
}

func TestRepairSparesWhatCouldNotBeOpened(t *testing.T) {
	key := backend.Key{Shelf: backend.ShelfCache, Name: "k/v"}
	b := &late{Backend: mem.New(nil), key: key}
	put(t, b.Backend, key, "healed", nil)
	_, found := run(t, b, audit.Options{Read: 1, Repair: true})
	if len(found) != 1 || found[0].Moved || found[0].Gone {
		t.Errorf("%+v, want it found and left", found)
	}
	if _, err := b.Backend.Stat(ctx, key); err != nil {
		t.Errorf("the healed value is gone: %v", err)
	}
}

func TestCancelledAudit(t *testing.T) {
	b := mem.New(nil)
	sound(t, b)
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := audit.Run(ctx, b, audit.Options{Read: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want Canceled", err)
	}
}

// newer is a store in which one key was written by a newer version.
type newer struct {
	backend.Backend
	key backend.Key
}

func (b *newer) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	if key == b.key {
		return nil, backend.Info{}, backend.Wrap("get", "test", key, backend.ErrNewer)
	}
	return b.Backend.Get(ctx, key)
}

func (b *newer) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	if key == b.key {
		return backend.Info{}, backend.Wrap("stat", "test", key, backend.ErrNewer)
	}
	return b.Backend.Stat(ctx, key)
}

// What a newer version wrote is reported, and no repair touches it.
func TestNewerIsLeft(t *testing.T) {
	description := "86726c61726465722f636f6d706f6e656e742f32"
	preimage, err := encodinghex.DecodeString(description)
	if err != nil {
		t.Fatal(err)
	}
	digest, _ := sums.Of(preimage)
	for name, key := range map[string]backend.Key{
		"value":       {Shelf: backend.ShelfCache, Name: "k/v"},
		"description": {Shelf: backend.ShelfComponents, Name: hex(digest)},
	} {
		m := mem.New(nil)
		b := &newer{m, backend.Key{Shelf: backend.ShelfCache, Name: "k/v"}}
		put(t, m, key, string(preimage), nil)
		_, found := run(t, b, audit.Options{Read: 1, Repair: true})
		if len(found) != 1 || found[0].Key != key || !errors.Is(found[0].Err, backend.ErrNewer) || errors.Is(found[0].Err, backend.ErrCorrupt) || found[0].Moved || found[0].Gone {
			t.Errorf("%s: %+v, want it reported as newer", name, found)
		}
		if _, err := m.Stat(ctx, key); err != nil {
			t.Errorf("%s: after the repair Stat = %v, want it there", name, err)
		}
	}
}
