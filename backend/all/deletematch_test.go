package all_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/all"
)

// plain hides the abilities of a backend.
type plain struct{ backend.Backend }

// A value goes only while it is the one that was seen, whether the engine decides that or the fallback looks.
func TestDeleteMatch(t *testing.T) {
	open := func(url string) backend.Backend {
		b, err := backend.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return b
	}
	for name, b := range map[string]backend.Backend{
		"mem":      open("mem:"),
		"shelve":   open(t.TempDir()),
		"file":     open("file://" + t.TempDir()),
		"fallback": plain{open("mem:")},
	} {
		t.Run(name, func(t *testing.T) { testDeleteMatch(t, b) })
	}
}

func testDeleteMatch(t *testing.T, b backend.Backend) {
	put := func(name, text string) backend.Seen {
		t.Helper()
		key := backend.Key{Shelf: "s", Name: name}
		_, err := b.Put(t.Context(), key, strings.NewReader(text), backend.PutOptions{
			Size: int64(len(text)), Digest: sha256.Sum256([]byte(text)), Sum: crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)),
		})
		if err != nil {
			t.Fatal(err)
		}
		info, err := b.Stat(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return backend.Seen{Key: key, Version: info.Version}
	}
	same, old, gone, large := put("same", "1"), put("old", "1"), put("gone", "1"), put("large", strings.Repeat("x", 100_000))
	put("old", "2")
	if err := b.Delete(t.Context(), gone.Key); err != nil {
		t.Fatal(err)
	}
	bad := backend.Seen{Key: backend.Key{Shelf: "s", Name: "../x"}, Version: "1"}
	unnamed := backend.Seen{Key: put("kept", "1").Key} // no entry has the Version ""
	err := backend.DeleteMatch(t.Context(), b, []backend.Seen{same, old, gone, large, bad, unnamed})
	for i, want := range []error{nil, backend.ErrChanged, backend.ErrChanged, nil, backend.ErrInvalidKey, backend.ErrChanged} {
		if got := backend.ItemError(err, i); !errors.Is(got, want) || want == nil && got != nil {
			t.Errorf("item %d: %v, want %v", i, got, want)
		}
	}
	for _, s := range []backend.Seen{same, large} {
		if _, err := b.Stat(t.Context(), s.Key); !errors.Is(err, backend.ErrNotFound) {
			t.Errorf("%s is still there: %v", s.Key, err)
		}
	}
	for _, s := range []backend.Seen{old, unnamed} {
		if _, err := b.Stat(t.Context(), s.Key); err != nil {
			t.Errorf("%s, which was not seen as it is, is gone: %v", s.Key, err)
		}
	}
	absent := backend.Seen{Key: backend.Key{Shelf: "nothing", Name: "x"}, Version: same.Version}
	if err := backend.DeleteMatch(t.Context(), b, []backend.Seen{absent}); !errors.Is(err, backend.ErrChanged) {
		t.Errorf("on a shelf that is not there: %v", err)
	}
	if err := backend.DeleteMatch(t.Context(), b, nil); err != nil {
		t.Errorf("nothing to delete: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	now, err := b.Stat(t.Context(), old.Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := backend.DeleteMatch(ended, b, []backend.Seen{{Key: old.Key, Version: now.Version}}); !errors.Is(err, context.Canceled) {
		t.Errorf("under a context that has ended: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := backend.DeleteMatch(t.Context(), b, []backend.Seen{{Key: old.Key, Version: now.Version}}); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
