// Command bench compares Larder's S3 backend with the raw SDK and with gocloud's s3blob on the same
// server, versitygw, in one run. All cases of a group take turns, so that what else the
// machine does hits them alike; read the ratios, not the times.
//
//	go -C interop run ./bench [-rounds 5] [-mib 256] [-keys 20000]
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/larder-store/larder/interop/servers"
)

var (
	rounds = flag.Int("rounds", 5, "how often each case runs; the median counts")
	mib    = flag.Int("mib", 256, "size of the large value in MiB")
	keys   = flag.Int("keys", 20_000, "how many keys are listed")
	child  = flag.String("child", "", "run one case and print its peak memory (used by bench itself)")
	where  = flag.String("where", "", "server and bucket for -child")
)

func main() {
	flag.Parse()
	servers.Environment()
	err := run()
	servers.Stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// contender is one way to use the bucket.
type contender struct {
	name string
	put  func(ctx context.Context, name string, body io.ReadSeeker, size int64) error
	get  func(ctx context.Context, name string, w io.Writer) error
	list func(ctx context.Context) (int, error)
}

func run() error {
	if *child != "" {
		return runChild()
	}
	server, err := servers.StartVersityGW()
	if err != nil {
		return err
	}
	bucket, err := server.NewBucket()
	if err != nil {
		return err
	}
	all, err := contenders(server.URL, bucket)
	if err != nil {
		return err
	}
	ctx := context.Background()
	small := bytes.Repeat([]byte("x"), 1<<10)
	for _, c := range all {
		if err := c.put(ctx, c.name+"-small", bytes.NewReader(small), int64(len(small))); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	const n = 300
	groups := []struct {
		name string
		do   func(c contender) error
	}{
		{fmt.Sprintf("put 1 KiB, %d times", n), func(c contender) error {
			return repeat(n, func(i int) error {
				return c.put(ctx, fmt.Sprintf("%s-%d", c.name, i), bytes.NewReader(small), int64(len(small)))
			})
		}},
		{fmt.Sprintf("get 1 KiB, %d times", n), func(c contender) error {
			return repeat(n, func(int) error { return c.get(ctx, c.name+"-small", io.Discard) })
		}},
		{"get 1 KiB, 10,000 times by 64 goroutines", func(c contender) error {
			return parallel(64, 10_000, func() error { return c.get(ctx, c.name+"-small", io.Discard) })
		}},
		{fmt.Sprintf("put %d MiB", *mib), func(c contender) error { return putLarge(ctx, c) }},
		{fmt.Sprintf("get %d MiB", *mib), func(c contender) error { return c.get(ctx, c.name+"-large", io.Discard) }},
	}
	fmt.Println("| case | " + names(all) + " |\n|---|" + string(bytes.Repeat([]byte("---|"), len(all))))
	for _, g := range groups {
		times, err := compare(all, g.do)
		if err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		row(g.name, times)
	}
	if err := fill(ctx, all[0]); err != nil {
		return err
	}
	times, err := compare(all, func(c contender) error {
		if found, err := c.list(ctx); err != nil || found < *keys {
			return fmt.Errorf("%s lists %d of %d keys: %w", c.name, found, *keys, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	row(fmt.Sprintf("list of %d keys", *keys), times)
	return peaks(server.URL+" "+bucket, all)
}

func names(all []contender) string {
	text := all[0].name
	for _, c := range all[1:] {
		text += " | " + c.name
	}
	return text
}

// row prints the medians, each with its ratio to the second contender, the raw SDK.
func row(name string, times []time.Duration) {
	fmt.Printf("| %s |", name)
	for _, t := range times {
		fmt.Printf(" %v (%.2f) |", t.Round(time.Microsecond), float64(t)/float64(times[1]))
	}
	fmt.Println()
}

// compare runs each contender in turn, a warm-up first, and returns the medians.
func compare(all []contender, do func(contender) error) ([]time.Duration, error) {
	times := make([][]time.Duration, len(all))
	for r := range *rounds + 1 {
		for k := range all {
			i := (k + r) % len(all)
			start := time.Now()
			if err := do(all[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", all[i].name, err)
			}
			if r > 0 {
				times[i] = append(times[i], time.Since(start))
			}
		}
	}
	medians := make([]time.Duration, len(all))
	for i, t := range times {
		slices.Sort(t)
		medians[i] = t[len(t)/2]
	}
	return medians, nil
}

func repeat(n int, f func(i int) error) error {
	for i := range n {
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

func parallel(workers, n int, f func() error) error {
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			errs[w] = repeat(n/workers, func(int) error { return f() })
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// fill stores the keys that are listed, all by one contender.
func fill(ctx context.Context, c contender) error {
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for w := range errs {
		wg.Go(func() {
			for i := w; i < *keys && errs[w] == nil; i += len(errs) {
				errs[w] = c.put(ctx, fmt.Sprintf("list/%06d", i), bytes.NewReader(nil), 0)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
