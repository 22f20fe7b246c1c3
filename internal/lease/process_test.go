//go:build unix

package lease_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob/file"
	"github.com/larder-store/larder/internal/lease"
)

// A helper process is this test binary with the place of the lease in its environment.
const (
	placeVariable = "LARDER_TEST_LEASE_PLACE"
	processTTL    = time.Second
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(placeVariable); dir != "" {
		hold(dir)
		return
	}
	os.Exit(m.Run())
}

// hold waits for the lease, says so, and renews it until it is lost or the process ends.
func hold(dir string) {
	b, err := file.Open(dir, nil)
	if err != nil {
		fmt.Println("failed:", err)
		return
	}
	c, ctx := lease.New(b, processTTL), context.Background()
	for {
		l, err := c.Acquire(ctx, "work")
		if errors.Is(err, backend.ErrLocked) {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if err != nil {
			fmt.Println("failed:", err)
			return
		}
		fmt.Println("held", l.Epoch())
		for err == nil {
			time.Sleep(processTTL / 10)
			err = l.Renew(ctx)
		}
		fmt.Println("lost:", err)
		return
	}
}

type helper struct {
	cmd   *exec.Cmd
	lines chan string
}

func start(t *testing.T, dir string) *helper {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), placeVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &helper{cmd, make(chan string, 10)}
	go func() {
		defer close(h.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			h.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return h
}

// says waits for the next line, which begins with want.
func (h *helper) says(t *testing.T, want string) string {
	t.Helper()
	select {
	case line := <-h.lines:
		if !strings.HasPrefix(line, want) {
			t.Fatalf("a helper says %q, want %q", line, want)
		}
		return line
	case <-time.After(time.Minute):
		t.Fatalf("a helper says nothing, want %q", want)
	}
	return ""
}

func (h *helper) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := h.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func TestHolderIsKilled(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	first.says(t, "held 1")
	second := start(t, dir)
	select {
	case line := <-second.lines:
		t.Fatalf("beside a living holder a helper says %q", line)
	case <-time.After(2 * processTTL):
	}
	first.signal(t, syscall.SIGKILL)
	second.says(t, "held 2")
}

func TestHolderIsStopped(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	first.says(t, "held 1")
	second := start(t, dir)
	first.signal(t, syscall.SIGSTOP)
	second.says(t, "held 2")
	first.signal(t, syscall.SIGCONT)
	if line := first.says(t, "lost"); !strings.Contains(line, backend.ErrChanged.Error()) {
		t.Errorf("who slept too long is told %q, want %q", line, backend.ErrChanged)
	}
	select {
	case line := <-second.lines:
		t.Errorf("who took over says %q, want that it holds on", line)
	case <-time.After(processTTL):
	}
}
