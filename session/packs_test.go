package session

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/internal/packname"
	"github.com/larder-store/larder/internal/sums"
)

// counting counts the bodies that were not closed.
type counting struct {
	*mem.Backend
	open int
}

func (c *counting) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	body, info, err := c.Backend.Get(ctx, key)
	if err == nil {
		c.open++
		body = &countedBody{body, c}
	}
	return body, info, err
}

type countedBody struct {
	io.ReadCloser
	c *counting
}

func (b *countedBody) Close() error {
	b.c.open--
	return b.ReadCloser.Close()
}

// Whoever reads packs closes what it opened, and a size that is not true is an error, not memory.
func TestPackBodies(t *testing.T) {
	ctx := t.Context()
	c := &counting{Backend: mem.New(nil)}
	m := &Manager{backend: c}
	b := []byte("0123456789")
	digest, sum := sums.Of(b)
	key := backend.Key{Shelf: "s", Name: packname.Of(1, 1)}
	if _, err := c.Put(ctx, key, bytes.NewReader(b), backend.PutOptions{Size: int64(len(b)), Digest: digest, Sum: sum}); err != nil {
		t.Fatal(err)
	}
	ref := packRef{key.Name, 1, 1, int64(len(b))}
	if got, err := m.reader("s", ref, 1).fetch(ctx, 0, ref.size); err != nil || !bytes.Equal(got, b) {
		t.Errorf("the whole pack = %q, %v, want %q", got, err, b)
	}
	ref.size = 1 << 60
	if got, err := m.reader("s", ref, 1).fetch(ctx, 1, 1<<59); err == nil && !bytes.Equal(got, b[1:]) {
		t.Errorf("more than the pack has = %q, want an error or %q", got, b[1:])
	}
	if got, err := readUpTo(bytes.NewReader(bytes.Repeat(b, 1<<20)), 9<<20); err != nil || len(got) != 9<<20 || cap(got) > 32<<20 {
		t.Errorf("9 MiB of more = %d bytes of %d, %v", len(got), cap(got), err)
	}
	if c.open != 0 {
		t.Errorf("%d bodies are open", c.open)
	}
}
