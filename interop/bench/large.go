package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
)

var mu sync.Mutex // guards what is remembered of bodies

// largeFile makes the large value once, as a file that is gone at the end.
var largeFile = sync.OnceValues(func() (*os.File, error) {
	f, err := os.CreateTemp("", "larder-bench-")
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name()) // it lives while it is open
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{}), int64(*mib)<<20)
	return f, err
})

func putLarge(ctx context.Context, c contender) error {
	f, err := largeFile()
	if err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return c.put(ctx, c.name+"-large", f, int64(*mib)<<20)
}

// peaks prints the most memory that a process takes to stream the large value once.
func peaks(where string, all []contender) error {
	for _, what := range []string{"put", "get"} {
		fmt.Printf("| peak memory, %s %d MiB |", what, *mib)
		for _, c := range all {
			out, err := exec.Command(os.Args[0], "-mib", fmt.Sprint(*mib), "-child", what+" "+c.name, "-where", where).Output()
			if err != nil {
				return fmt.Errorf("%s %s: %w", c.name, what, err)
			}
			fmt.Printf(" %s |", strings.TrimSpace(string(out)))
		}
		fmt.Println()
	}
	return nil
}

func runChild() error {
	what, name, _ := strings.Cut(*child, " ")
	endpoint, bucket, _ := strings.Cut(*where, " ")
	all, err := contenders(endpoint, bucket)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.name != name {
			continue
		}
		if what == "put" {
			err = putLarge(context.Background(), c)
		} else {
			err = c.get(context.Background(), c.name+"-large", io.Discard)
		}
		if err != nil {
			return err
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if peak, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Println(strings.TrimSpace(peak))
		}
	}
	return nil
}
