package backend_test

import (
	"errors"
	"hash/crc32"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
)

// A View is released once, after the last Use, by however many calls of Close.
func TestViewClose(t *testing.T) {
	var released atomic.Int32
	v := backend.NewView([]byte("bytes"), func() error {
		released.Add(1)
		return nil
	})
	using, closed := make(chan bool), make(chan bool)
	go func() {
		<-using
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := v.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
		wg.Wait()
		close(closed)
	}()
	err := v.Use(func(b []byte) error {
		close(using)
		<-closed // Close does not wait
		if released.Load() != 0 || string(b) != "bytes" {
			t.Errorf("released %d times while it is used: %q", released.Load(), b)
		}
		return nil
	})
	if err != nil || released.Load() != 1 {
		t.Errorf("after the last Use: released %d times, %v; want once", released.Load(), err)
	}
	if err := v.Close(); err != nil || released.Load() != 1 {
		t.Errorf("a further Close: released %d times, %v", released.Load(), err)
	}
	if v.Bytes() != nil {
		t.Error("Bytes after Close is not nil")
	}
	if err := v.Use(func([]byte) error { return nil }); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("Use after Close: %v, want ErrClosed", err)
	}
	if err := v.Verify(backend.Info{Size: 5}); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("Verify after Close: %v, want ErrClosed", err)
	}
}

// What is not closed is released once nothing refers to it.
func TestViewForgotten(t *testing.T) {
	released := make(chan bool)
	backend.NewView([]byte("bytes"), func() error {
		close(released)
		return nil
	})
	for deadline := time.After(5 * time.Minute); ; {
		runtime.GC()
		select {
		case <-released:
			return
		case <-deadline:
			t.Fatal("a View that was forgotten was not released")
		case <-time.After(time.Millisecond):
		}
	}
}

// The error of a release reaches whoever brought it about, and a panic in Use goes on.
func TestViewErrors(t *testing.T) {
	failed := errors.New("failed")
	v := backend.NewView([]byte("bytes"), func() error { return failed })
	func() {
		defer func() {
			if recover() != "mine" {
				t.Error("a panic within Use was lost")
			}
		}()
		v.Use(func([]byte) error { panic("mine") })
	}()
	if err := v.Close(); !errors.Is(err, failed) {
		t.Errorf("Close: %v, want the error of the release", err)
	}
}

func TestViewVerify(t *testing.T) {
	v := backend.NewView([]byte("bytes"), nil)
	sum := crc32.Checksum([]byte("bytes"), crc32.MakeTable(crc32.Castagnoli))
	for _, c := range []struct {
		info backend.Info
		want error
	}{
		{backend.Info{Size: 5, Sum: sum}, nil},
		{backend.Info{Size: 5, Sum: sum}, nil},
		{backend.Info{Size: 5, Sum: sum + 1}, backend.ErrCorrupt},
		{backend.Info{Size: 4, Sum: sum}, backend.ErrCorrupt},
	} {
		if err := v.Verify(c.info); !errors.Is(err, c.want) {
			t.Errorf("Verify of %d bytes with %08x: %v, want %v", c.info.Size, c.info.Sum, err, c.want)
		}
	}
}

// Without the ability a value is read, and held to its sum all the same.
func TestMapVerified(t *testing.T) {
	b := bare{mem.New(nil)}
	info := put(t, b, "a", "text")
	if _, _, err := backend.MapVerified(ctx, b, key("a")); !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("MapVerified of a value stored under a wrong sum: %v, want ErrCorrupt", err)
	}
	if _, err := backend.PutBytes(ctx, b, key("a"), []byte("text"), backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	v, got, err := backend.MapVerified(ctx, b, key("a"))
	if err != nil || string(v.Bytes()) != "text" || v.Mapped() || got.Size != info.Size {
		t.Errorf("MapVerified = %q, %+v, %v", v.Bytes(), got, err)
	}
	if _, _, err := backend.MapVerified(ctx, b, key("absent")); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("MapVerified of an absent key: %v", err)
	}
}

// Without the ability a draft is a temporary file, which Put copies.
func TestStage(t *testing.T) {
	b := bare{mem.New(nil)}
	d, err := backend.Stage(ctx, b, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, part := range []string{"some ", "text"} {
		if _, err := d.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
		var one [1]byte
		if _, err := d.ReadAt(one[:], 0); err != nil || one[0] != 's' {
			t.Fatalf("ReadAt: %q, %v", one, err)
		}
	}
	if _, err := b.Put(ctx, key("a"), d, backend.PutOptions{Size: 9}); err != nil {
		t.Fatal(err)
	}
	if text, _, err := backend.GetRange(ctx, b, key("a"), "", 5, 4); err != nil {
		t.Error(err)
	} else {
		defer text.Close()
		var got [4]byte
		if _, err := text.Read(got[:]); err != nil || string(got[:]) != "text" {
			t.Errorf("the value ends in %q, %v", got, err)
		}
	}
	if _, err := backend.Stage(ctx, b, "/nonexistent/dir"); err == nil {
		t.Error("a draft was made in a directory that is not there")
	}
}
