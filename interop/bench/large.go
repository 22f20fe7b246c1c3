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
	return c.large(ctx, c.largeName(), f, int64(*mib)<<20)
}

// peakRuns: the garbage collector's timing moves a peak by a megabyte or two.
const peakRuns = 3

// peaks prints the most memory that a process takes to stream the large value once: the
// median of a few processes for each.
func peaks(where string, all []contender) error {
	for _, what := range []string{"put", "get"} {
		fmt.Printf("| peak memory, %s %d MiB |", what, *mib)
		medians := make([]int64, len(all))
		for i, c := range all {
			var found []int64
			for range peakRuns {
				kib, err := peak(what, where, c)
				if err != nil {
					return fmt.Errorf("%s %s: %w", c.name, what, err)
				}
				found = append(found, kib)
			}
			medians[i] = middle(found, func(kib int64) int64 { return kib })
			fmt.Printf(" %.1f MB |", float64(medians[i])*1024/1e6)
		}
		fmt.Printf(" %.2f |\n", float64(medians[0])/float64(min(medians[1], medians[2])))
	}
	return nil
}

// peak runs one case in a process of its own.
func peak(what, where string, c contender) (kib int64, err error) {
	out, err := exec.Command(os.Args[0], "-mib", fmt.Sprint(*mib), "-child", what+" "+c.name, "-where", where).Output()
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscanf(string(out), "%d kB", &kib)
	return kib, err
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
			err = c.get(context.Background(), c.largeName(), io.Discard)
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
