package shelve_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"io"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

func opts(b []byte) backend.PutOptions {
	return backend.PutOptions{Size: int64(len(b)), Digest: sha256.Sum256(b), Sum: crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)), Meta: backend.Meta{"codec": "bytes"}}
}

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	b, err := shelve.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 1000, 64 << 10, 64<<10 + 1, 5 << 20} {
		for _, shelf := range []string{"cache", "run-1"} {
			v := bytes.Repeat([]byte{7}, n)
			k := backend.Key{shelf, "a/b"}
			if _, err := b.Put(ctx, k, bytes.NewReader(v), opts(v)); err != nil {
				t.Fatal(n, err)
			}
			r, info, err := b.Get(ctx, k)
			if err != nil {
				t.Fatal(n, err)
			}
			got, _ := io.ReadAll(r)
			r.Close()
			if !bytes.Equal(got, v) || info.Size != int64(n) || info.Meta["codec"] != "bytes" {
				t.Fatal(n, len(got), info)
			}
		}
	}
	for s, err := range b.Shelves(ctx) {
		t.Log(s, err)
	}
	rep, err := b.Sweep(ctx, backend.SweepOptions{Compact: true})
	t.Log(rep, err)
	time.Sleep(30 * time.Millisecond)
	v := []byte("x")
	o := opts(v)
	o.IfAbsent = true
	if _, err := b.Put(ctx, backend.Key{"cache", "a/b"}, bytes.NewReader(v), o); !errors.Is(err, backend.ErrExists) {
		t.Fatal(err)
	}
	l, err := b.Acquire(ctx, "x", time.Minute)
	t.Log(l, err)
	_, err = b.Acquire(ctx, "x", time.Minute)
	t.Log(err)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}
