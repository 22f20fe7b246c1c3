package file_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob/file"
)

// A draft becomes the file itself, whose value begins at a page; where the header is too long for that it is copied. Nothing
// temporary is left either way.
func TestStage(t *testing.T) {
	ctx, root := context.Background(), filepath.Join(t.TempDir(), "store")
	b, err := file.Open(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	v := bytes.Repeat([]byte("value "), 50_000)
	opts := backend.PutOptions{Size: int64(len(v)), Digest: sha256.Sum256(v), Sum: crc32.Checksum(v, crc32.MakeTable(crc32.Castagnoli))}
	for _, c := range []struct {
		name     string
		meta     string
		ifAbsent bool
		page     bool // the value begins at one
	}{
		{"replacing", "raw", false, true},
		{"creating", "raw", true, true},
		{"long", strings.Repeat("<", 1000), true, false}, // six bytes each in JSON
	} {
		d, err := b.Stage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write(v); err != nil {
			t.Fatal(err)
		}
		o, key := opts, backend.Key{Shelf: "s", Name: c.name}
		o.IfAbsent, o.Meta = c.ifAbsent, backend.Meta{"codec": c.meta}
		if _, err := b.Put(ctx, key, d, o); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		got, info, err := backend.GetVerified(ctx, b, key)
		if err != nil || !bytes.Equal(got, v) || info.Meta["codec"] != c.meta {
			t.Errorf("%s: %d bytes, %v, %v", c.name, len(got), info.Meta, err)
		}
		text, err := os.ReadFile(filepath.Join(root, "s", c.name+"!"))
		if err != nil {
			t.Fatal(err)
		}
		if start := len(text) - len(v); (start == 4096) != c.page || start%64 != 0 {
			t.Errorf("%s: the value begins at byte %d", c.name, start)
		}
	}
	d, err := b.Stage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(root, ".larder", "temp", "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	ended, cancel := context.WithCancel(ctx)
	if d, err = b.Stage(ended); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	cancel()
	if _, err := d.Write(v); !errors.Is(err, context.Canceled) {
		t.Errorf("writing to a draft that nobody waits for: %v", err)
	}
}

// The files of a process that died while it wrote drafts are swept; those of one that lives are not.
func TestSweepOfDrafts(t *testing.T) {
	ctx, root := context.Background(), filepath.Join(t.TempDir(), "store")
	b, err := file.Open(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	d, err := b.Stage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	dead := filepath.Join(root, ".larder", "temp", "temp-dead") // nobody holds its lock
	if err := os.WriteFile(dead, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := b.Sweep(ctx, backend.SweepOptions{Grace: 1})
	if err != nil || report.Orphans != 1 || report.Kept != 1 {
		t.Errorf("the sweep: %+v, %v; want one orphan, and one kept", report, err)
	}
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Errorf("the dead draft: %v", err)
	}
}
