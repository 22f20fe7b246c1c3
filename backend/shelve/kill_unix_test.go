//go:build unix

package shelve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

func init() {
	roles["killed"] = beKilled
	roles["acknowledge"] = acknowledge
}

// The operations that processes are killed in, each on a store that holds before.
var killings = []struct {
	name   string
	before []byte
	do     func(b *shelve.Backend) error
	after  []byte // nil: nothing
}{
	{"first put", nil, func(b *shelve.Backend) error { return put(b, cache("k"), value("new", 100)) }, value("new", 100)},
	{"first put, large", nil, func(b *shelve.Backend) error { return put(b, cache("k"), value("new", large)) }, value("new", large)},
	{"small over small", value("old", 10), func(b *shelve.Backend) error { return put(b, cache("k"), value("new", 100)) }, value("new", 100)},
	{"large over large", value("old", large), func(b *shelve.Backend) error { return put(b, cache("k"), value("new", large)) }, value("new", large)},
	{"small over large", value("old", large), func(b *shelve.Backend) error { return put(b, cache("k"), value("new", 3)) }, value("new", 3)},
	{"delete large", value("old", large), func(b *shelve.Backend) error { return b.Delete(context.Background(), cache("k")) }, nil},
	{"batch", value("old", large), putThree, value("new", large)},
	{"staged", nil, putStaged, value("new", large)},
	{"staged over large", value("old", large), putStaged, value("new", large)},
	{"sweep", value("old", large), sweepLitter, value("old", large)},
	{"compact", value("old", large), compactAll, value("old", large)},
}

// putThree puts three values, of which the last is the one that is looked at.
func putThree(b *shelve.Backend) error {
	var items []backend.Item
	for _, key := range []backend.Key{cache("other"), {Shelf: "run", Name: "k"}, cache("k")} {
		v := value("new", large)
		items = append(items, backend.Item{Key: key, Body: bytes.NewReader(v), PutOptions: options(v)})
	}
	_, err := b.PutBatch(context.Background(), items)
	return err
}

// putStaged writes a value ahead of its Put.
func putStaged(b *shelve.Backend) error {
	d, err := b.Stage(context.Background())
	if err != nil {
		return err
	}
	defer d.Close()
	v := value("new", large)
	for _, part := range [][]byte{v[:large/2], v[large/2:]} {
		if _, err := d.Write(part); err != nil {
			return err
		}
	}
	_, err = b.Put(context.Background(), cache("k"), d, options(v))
	return err
}

// sweepLitter leaves data behind and sweeps it.
func sweepLitter(b *shelve.Backend) error {
	if err := litterIn(dirOf[b]); err != nil {
		return err
	}
	_, err := b.Sweep(context.Background(), backend.SweepOptions{})
	return err
}

// dirOf is where the backends of this process are.
var dirOf = map[*shelve.Backend]string{}

// compactAll fills the store, empties it and compacts.
func compactAll(b *shelve.Backend) error {
	ctx := context.Background()
	var items []backend.Item
	var keys []backend.Key
	for i := range 100 {
		v := value("filling", 60_000)
		key := cache(fmt.Sprint("filling-", i))
		keys = append(keys, key)
		items = append(items, backend.Item{Key: key, Body: bytes.NewReader(v), PutOptions: options(v)})
	}
	if _, err := b.PutBatch(ctx, items); err != nil {
		return err
	}
	if err := b.DeleteBatch(ctx, keys); err != nil {
		return err
	}
	_, err := b.Sweep(ctx, backend.SweepOptions{Compact: true})
	return err
}

// beKilled does the operation args[0] and kills itself at its step args[1]. It prints how
// many steps there were and that the operation was acknowledged.
func beKilled(dir string, args []string) error {
	which, _ := strconv.Atoi(args[0])
	at, _ := strconv.Atoi(args[1])
	steps := 0
	var mu sync.Mutex
	b, err := shelve.Open(dir, shelve.WithHook(shelve.Options{}, func(step, path string) error {
		mu.Lock()
		defer mu.Unlock()
		if steps++; steps == at {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}))
	if err != nil {
		return err
	}
	dirOf[b] = dir
	if err := killings[which].do(b); err != nil {
		return err
	}
	fmt.Println("acknowledged", steps)
	return b.Close()
}

// TestKillAtEveryStep kills a process at each step of each operation, in truth.
func TestKillAtEveryStep(t *testing.T) {
	for which, op := range killings {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			for at := 1; ; at++ {
				acknowledged := killAt(t, which, at)
				if t.Failed() {
					t.Fatalf("killed at step %d", at)
				}
				if acknowledged {
					if at < 3 {
						t.Errorf("the operation has %d steps: the hook is not where it should be", at)
					}
					return
				}
			}
		})
	}
}

func killAt(t *testing.T, which, at int) (acknowledged bool) {
	t.Helper()
	op, dir := killings[which], t.TempDir()
	b := open(t, dir, nil)
	if op.before != nil {
		mustPut(t, b, cache("k"), op.before)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := another(t, "killed", dir, which, at).Output()
	acknowledged = len(lines(out, "acknowledged")) == 1
	if acknowledged == (err != nil) {
		t.Fatalf("helper: %v, printed %q", err, out)
	}

	b = open(t, dir, nil)
	got, info, err := get(b, cache("k"))
	switch {
	case errors.Is(err, backend.ErrNotFound):
		if acknowledged && op.after != nil || op.before != nil && op.after != nil {
			t.Errorf("the value is gone")
		}
	case err != nil:
		t.Error(err)
	case acknowledged && !bytes.Equal(got, op.after):
		t.Errorf("acknowledged, and then it holds %.10q…", got)
	case !bytes.Equal(got, op.before) && !bytes.Equal(got, op.after):
		t.Errorf("it holds %.10q…, neither old nor new", got)
	}
	files := 0
	for shelf, err := range b.Shelves(context.Background(), backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		for info, err := range b.List(context.Background(), shelf, backend.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if info.Size > shelve.DefaultInline {
				files++
			}
			if _, _, err := get(b, info.Key); err != nil {
				t.Error(err)
			}
		}
	}
	_ = info
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	checkSwept(t, dir, files)
	return acknowledged
}

// acknowledge puts values and prints the name of each when it is stored, until it is
// killed.
func acknowledge(dir string, args []string) error {
	b, err := shelve.Open(dir, nil)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s-%d", args[0], i)
		if err := put(b, cache(name), value(name, 100+i%3*large)); err != nil {
			return err
		}
		fmt.Println("stored", name)
	}
}

// TestKillAtAnyTime kills processes wherever they are, also in the middle of bbolt's
// commits: what they acknowledged is there.
func TestKillAtAnyTime(t *testing.T) {
	dir := t.TempDir()
	var stored []string
	for round := range 8 {
		var out bytes.Buffer
		cmd := another(t, "acknowledge", dir, fmt.Sprint("round-", round))
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		stored = append(stored, lines(out.Bytes(), "stored")...)
	}
	if len(stored) == 0 {
		t.Fatal("nothing was stored")
	}
	b := open(t, dir, nil)
	files := 0
	for info, err := range b.List(context.Background(), backend.ShelfCache, backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if info.Size > shelve.DefaultInline {
			files++
		}
	}
	for _, name := range stored {
		v, _, err := get(b, cache(name))
		if err != nil || !strings.HasPrefix(string(v), name) {
			t.Errorf("%s was acknowledged, and then: %.20q, %v", name, v, err)
		}
	}
	b.Close()
	checkSwept(t, dir, files)
}
