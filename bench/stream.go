package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/component"
)

// long is the length of the streams.
const long = 256 << 20

func stream(b *bench) (*group, error) {
	g := &group{title: "256 MiB streamed through a process of its own"}
	dir := filepath.Join(b.dir, "stream")
	file := filepath.Join(b.dir, "stream.raw")
	g.add("plain file, write + fsync", 1, timed(func(int) error {
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := io.CopyN(f, endless{}, long); err != nil {
			return err
		}
		return f.Sync()
	}))
	g.add("larder, in", 1, child("-worker-in", dir, g))
	g.add("larder, in, on file:", 1, child("-worker-in", "file://"+filepath.Join(b.dir, "stream-files"), g))
	g.add("larder, out, verified", 1, child("-worker-out", dir, g))
	g.goals = []goal{
		{"larder, in", "plain file, write + fsync", 1.15},
		{"larder, in, on file:", "plain file, write + fsync", 1.15},
	}
	return g, nil
}

// child measures a worker process from outside, and notes the peak memory that it prints.
func child(flag, dir string, g *group) func(int) (measured, error) {
	return func(int) (measured, error) {
		self, err := os.Executable()
		if err != nil {
			return measured{}, err
		}
		cmd := exec.Command(self, flag, dir)
		cmd.Stderr = os.Stderr
		start := time.Now()
		peak, err := cmd.Output()
		if err != nil {
			return measured{}, err
		}
		m := measured{wall: time.Since(start), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
		if note := flag + ": peak memory of the process " + string(peak); !slices.Contains(g.notes, note) {
			g.notes = append(g.notes, note)
		}
		return m, nil
	}
}

// printPeak prints the largest resident size of this process. What wait4 tells a parent would
// count the parent's own memory at the time of the fork.
func printPeak() error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fmt.Print("unknown here")
		return nil
	}
	for line := range strings.Lines(string(status)) {
		if peak, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(peak), " kB"))
			fmt.Printf("%d MiB", kib>>10)
			return err
		}
	}
	return nil
}

// endless delivers bytes that do not compress to nothing.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i * i >> 3)
	}
	return len(p), nil
}

var streamed = component.New("bench.stream", "v1", nil)

func streamIn(args []string) error {
	ctx := context.Background()
	s, err := larder.Open(ctx, args[0], nil)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err = s.Put(ctx, streamed, "x", io.LimitReader(endless{}, long)); err != nil {
		return err
	}
	return printPeak()
}

func streamOut(args []string) error {
	ctx := context.Background()
	s, err := larder.Open(ctx, args[0], nil)
	if err != nil {
		return err
	}
	defer s.Close()
	body, _, err := s.Reader(ctx, streamed, "x")
	if err != nil {
		return err
	}
	defer body.Close()
	n, err := io.Copy(io.Discard, body)
	if err != nil || n != long {
		return fmt.Errorf("streamed out %d bytes, %w", n, err)
	}
	return printPeak()
}
