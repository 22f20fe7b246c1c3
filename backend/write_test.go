package backend_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
)

// What the helpers store is what a Store would: with size and sums, whatever its length and the kind of its source.
func TestPutAndGet(t *testing.T) {
	ctx, b := context.Background(), mem.New(nil)
	key := backend.Key{Shelf: "s", Name: "a"}
	for _, size := range sizes {
		want := value(size)
		meta := backend.PutOptions{Meta: backend.Meta{"note": "kept"}}
		for name, put := range map[string]func() (backend.Info, error){
			"bytes": func() (backend.Info, error) { return backend.PutBytes(ctx, b, key, want, meta) },
			"stream": func() (backend.Info, error) {
				return backend.PutReader(ctx, b, key, io.MultiReader(bytes.NewReader(want)), meta)
			},
			"seekable": func() (backend.Info, error) { return backend.PutReader(ctx, b, key, bytes.NewReader(want), meta) },
		} {
			if _, err := put(); err != nil {
				t.Fatalf("%s, %d bytes: %v", name, size, err)
			}
			got, info, err := backend.GetVerified(ctx, b, key)
			if err != nil || !bytes.Equal(got, want) || info.Size != int64(size) || info.Digest != sha256.Sum256(want) || info.Meta["note"] != "kept" {
				t.Errorf("%s, %d bytes: GetVerified = %d bytes, %+v, %v", name, size, len(got), info, err)
			}
			if err := b.Delete(ctx, key); err != nil {
				t.Fatal(err)
			}
		}
	}
	failed := errors.New("failed")
	if _, err := backend.PutReader(ctx, b, key, iotest.ErrReader(failed), backend.PutOptions{}); !errors.Is(err, failed) {
		t.Errorf("PutReader of a stream that fails = %v", err)
	}
	if _, _, err := backend.GetVerified(ctx, b, key); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("GetVerified of nothing = %v, want ErrNotFound", err)
	}
}

// streaming delivers bodies that are not in memory.
type streaming struct{ backend.Backend }

func (b streaming) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	body, info, err := b.Backend.Get(ctx, key)
	return struct{ io.ReadCloser }{body}, info, err
}

func TestGetVerifiedFindsDamage(t *testing.T) {
	ctx, m := context.Background(), mem.New(nil)
	key := backend.Key{Shelf: "s", Name: "a"}
	for _, text := range []string{"", "damaged"} {
		if _, err := m.Put(ctx, key, strings.NewReader(text), backend.PutOptions{Size: int64(len(text)), Sum: 1}); err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string]backend.Backend{"in memory": m, "a stream": streaming{m}} {
			if _, _, err := backend.GetVerified(ctx, b, key); !errors.Is(err, backend.ErrCorrupt) {
				t.Errorf("%s: GetVerified of %q = %v, want ErrCorrupt", name, text, err)
			}
		}
	}
}
