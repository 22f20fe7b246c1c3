package stage_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/internal/stage"
)

// meddling is a store during whose Put somebody meddles with the outputs: before it reads the body
// for the last time, after its first bytes, or before its end.
type meddling struct {
	backend.Backend
	when   string
	meddle func()
}

func (b *meddling) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if key.Shelf == "cache" {
		switch b.when {
		case "before":
			b.meddle()
		case "within":
			body = &cut{body, 600, b.meddle}
		case "late":
			body = &cut{body, opts.Size - 1, b.meddle}
		}
	}
	return b.Backend.Put(ctx, key, body, opts)
}

// cut calls then once after n bytes were read.
type cut struct {
	io.ReadSeeker
	n    int64
	then func()
}

func (c *cut) Read(p []byte) (int, error) {
	if c.n > 0 {
		n, err := c.ReadSeeker.Read(p[:min(int64(len(p)), c.n)])
		c.n -= int64(n)
		return n, err
	}
	if c.then != nil {
		c.then()
		c.then = nil
	}
	return c.ReadSeeker.Read(p)
}

// What is kept is what the run made: a change of an output after the command has ended, by whomever, is
// seen up to the last byte that is read.
func TestChangeWhilePacking(t *testing.T) {
	for what, change := range map[string]func(dir string) error{
		"same size": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "d/x"), bytes.Repeat([]byte("y"), 2000), 0o644)
		},
		"another file":   func(dir string) error { return os.WriteFile(filepath.Join(dir, "d/new"), nil, 0o644) },
		"a file is gone": func(dir string) error { return os.Remove(filepath.Join(dir, "d/z")) },
		"replaced": func(dir string) error {
			other := filepath.Join(dir, "other")
			if err := os.WriteFile(other, bytes.Repeat([]byte("x"), 2000), 0o644); err != nil {
				return err
			}
			return os.Rename(other, filepath.Join(dir, "d/x"))
		},
		"a mode": func(dir string) error { return os.Chmod(filepath.Join(dir, "d/x"), 0o600) },
	} {
		for _, when := range []string{"before", "within", "late"} {
			p := newPlace(t)
			b := &meddling{mem.New(nil), when, func() {
				if err := change(p.dir); err != nil {
					t.Error(err)
				}
			}}
			p.store = larder.New(b, silent)
			s := p.shell("mkdir d; head -c 2000 /dev/zero | tr '\\000' x >d/x; echo z >d/z", "d")
			got, err := p.try(s)
			if err != nil || !strings.Contains(got.NotKept, stage.ErrChanged.Error()) {
				t.Errorf("%s, %s: %+v, %v; want it not kept, since it changed", what, when, got.Outcome, err)
			}
			if o, err := s.Lookup(context.Background(), stage.Options{Store: p.store}); err != nil || o.Hit {
				t.Errorf("%s, %s: Lookup = %+v, %v; want a miss", what, when, o, err)
			}
		}
	}
}
