//go:build unix

package shelve_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

func init() {
	roles["holder"] = holdLease
	roles["contender"] = contend
}

// holdLease acquires a lease, prints its epoch, and holds it until it is killed.
func holdLease(dir string, args []string) error {
	b, err := shelve.Open(dir, nil)
	if err != nil {
		return err
	}
	l, err := b.Acquire(context.Background(), args[0], time.Hour)
	if err != nil {
		return err
	}
	fmt.Println(l.Epoch())
	select {}
}

// TestLeaseOfKilledHolder: the lease ends with its holder at once, the epoch grows, and the
// sweep removes the file that it left.
func TestLeaseOfKilledHolder(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	b := open(t, dir, nil)
	var last uint64
	for round := range 3 {
		cmd := another(t, "holder", dir, "job")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		epoch, _ := strconv.ParseUint(strings.TrimSpace(line), 10, 64)
		if epoch <= last {
			t.Errorf("epoch %d after %d", epoch, last)
		}
		_, err = b.Acquire(ctx, "job", time.Minute)
		if pid := fmt.Sprint("process ", cmd.Process.Pid); !errors.Is(err, backend.ErrLocked) || !strings.Contains(err.Error(), pid) {
			t.Errorf("acquire = %v, want %v by %s", err, backend.ErrLocked, pid)
		}
		if _, err := b.Sweep(ctx, backend.SweepOptions{}); err != nil {
			t.Error(err)
		}
		if _, err := b.Acquire(ctx, "job", time.Minute); !errors.Is(err, backend.ErrLocked) {
			t.Errorf("acquire after a sweep = %v, want %v", err, backend.ErrLocked)
		}
		cmd.Process.Kill()
		cmd.Wait()
		if round == 1 {
			if _, err := b.Sweep(ctx, backend.SweepOptions{}); err != nil {
				t.Error(err)
			}
			if files := leaseFiles(t, dir); len(files) != 0 {
				t.Errorf("the sweep left %v", files)
			}
		}
		l, err := b.Acquire(ctx, "job", time.Minute)
		if err != nil {
			t.Fatalf("acquire after the death of the holder: %v", err)
		}
		if l.Epoch() <= epoch {
			t.Errorf("epoch %d after %d", l.Epoch(), epoch)
		}
		last = l.Epoch()
		if err := l.Release(ctx); err != nil {
			t.Error(err)
		}
		if files := leaseFiles(t, dir); len(files) != 0 {
			t.Errorf("the release left %v", files)
		}
	}
}

func leaseFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "leases", "lease-*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// contend acquires a lease again and again, and sees by a file whether another has it too.
func contend(dir string, args []string) error {
	ctx := context.Background()
	b, err := shelve.Open(dir, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	mark := filepath.Join(dir, "leases", "mark")
	for won, end := 0, time.Now().Add(time.Second); time.Now().Before(end) || won == 0; {
		l, err := b.Acquire(ctx, "job", time.Minute)
		if errors.Is(err, backend.ErrLocked) {
			continue
		}
		if err != nil {
			return err
		}
		f, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("two have the lease: %w", err)
		}
		f.Close()
		os.Remove(mark)
		fmt.Println("epoch", l.Epoch())
		if err := l.Release(ctx); err != nil {
			return err
		}
		won++
	}
	return nil
}

// TestLeaseContention: of several processes one has the lease, also while sweeps remove
// files, and no epoch comes twice.
func TestLeaseContention(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, nil)
	type result struct {
		out []byte
		err error
	}
	results := make(chan result)
	for range 4 {
		go func() {
			out, err := another(t, "contender", dir).Output()
			results <- result{out, err}
		}()
	}
	seen := map[string]bool{}
	for left := 4; left > 0; {
		select {
		case r := <-results:
			left--
			var exit *exec.ExitError
			if errors.As(r.err, &exit) || r.err != nil {
				t.Errorf("contender: %v", r.err)
			}
			for _, epoch := range lines(r.out, "epoch") {
				if seen[epoch] {
					t.Errorf("epoch %s was given twice", epoch)
				}
				seen[epoch] = true
			}
		default:
			if _, err := b.Sweep(context.Background(), backend.SweepOptions{}); err != nil {
				t.Error(err)
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("%d turns are no contention", len(seen))
	}
}
