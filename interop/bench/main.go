// Command bench compares Larder's S3 backend with the raw SDK (with its transfer manager for what is
// large) and with gocloud's s3blob on the same server, versitygw, in one run. All take turns, so that what
// else the machine does hits them alike; read the ratios, not the times. The Store, which sums what it
// is given first, stands beside them for the large value.
//
//	go -C interop run ./bench [-rounds 5] [-mib 256] [-keys 100000] [-only sweeps]
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/larder-store/larder/interop/servers"
)

var (
	rounds = flag.Int("rounds", 5, "how often each case runs; the median counts")
	mib    = flag.Int("mib", 256, "size of the large value in MiB")
	keys   = flag.Int("keys", 100_000, "how many keys are listed, a multiple of 1000")
	only   = flag.String("only", "", "\"sweeps\" runs nothing but the sessions of sweeps")
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

// contender is one way to use the bucket. A function that is nil is none of its cases.
type contender struct {
	name  string
	small func(ctx context.Context, name string, body io.ReadSeeker, size int64) error
	large func(ctx context.Context, name string, body *os.File, size int64) error
	get   func(ctx context.Context, name string, w io.Writer) error
	list  func(ctx context.Context) (int, error)
}

func (c contender) smallName() string { return c.name + "-small" }
func (c contender) largeName() string { return c.name + "-large" }

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
	fmt.Print("| case |")
	for _, c := range all {
		fmt.Printf(" %s |", c.name)
	}
	fmt.Println(" larder / best other |\n|---|" + string(bytes.Repeat([]byte("---|"), len(all)+1)))
	ctx := context.Background()
	if *only == "sweeps" {
		return sweeps(ctx, "s3://"+bucket+"/sweeps?endpoint="+server.URL)
	}
	for _, step := range []func() error{
		func() error { return smallOnes(ctx, all) },
		func() error { return largeOnes(ctx, all) },
		func() error { return lists(ctx, all) },
		func() error { return peaks(server.URL+" "+bucket, all) },
		func() error { return sweeps(ctx, "s3://"+bucket+"/sweeps?endpoint="+server.URL) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func smallOnes(ctx context.Context, all []contender) error {
	const n = 300
	text := bytes.Repeat([]byte("x"), 1<<10)
	put := func(c contender, name string) error {
		return c.small(ctx, name, bytes.NewReader(text), int64(len(text)))
	}
	one := func(c contender) error { return c.get(ctx, c.smallName(), io.Discard) }
	for _, g := range []struct {
		name string
		do   func(c contender) error
	}{
		{fmt.Sprintf("put 1 KiB, %d times", n), func(c contender) error {
			return repeat(n, func(i int) error { return put(c, fmt.Sprintf("%s-%d", c.name, i)) })
		}},
		{fmt.Sprintf("get 1 KiB, %d times", n), func(c contender) error {
			return repeat(n, func(int) error { return one(c) })
		}},
		{"get 1 KiB, 10,000 times by 64 goroutines", func(c contender) error {
			return parallel(64, 10_000, func(int) error { return one(c) })
		}},
	} {
		err := compare(g.name, all, func(c contender) func() error {
			if c.small == nil {
				return nil
			}
			return func() error { return g.do(c) }
		}, func(c contender) error {
			syscall.Sync() // what others left to be written to the disk is not ours
			return put(c, c.smallName())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func largeOnes(ctx context.Context, all []contender) error {
	err := compare(fmt.Sprintf("put %d MiB", *mib), all, func(c contender) func() error {
		return func() error { return putLarge(ctx, c) }
	}, func(contender) error {
		syscall.Sync()
		return nil
	})
	if err != nil {
		return err
	}
	return compare(fmt.Sprintf("get %d MiB", *mib), all, func(c contender) func() error {
		return func() error { return c.get(ctx, c.largeName(), io.Discard) }
	}, nil)
}

// perFolder is how many keys share what servers over file systems keep as a directory.
const perFolder = 1000

func lists(ctx context.Context, all []contender) error {
	err := parallel(64, *keys, func(i int) error {
		name := fmt.Sprintf("list/%04d/%03d", i/perFolder, i%perFolder)
		return all[0].small(ctx, name, bytes.NewReader(nil), 0)
	})
	if err != nil {
		return err
	}
	return compare(fmt.Sprintf("list of %d keys", *keys), all, func(c contender) func() error {
		if c.list == nil {
			return nil
		}
		return func() error {
			if found, err := c.list(ctx); err != nil || found != *keys {
				return fmt.Errorf("%d of %d keys: %w", found, *keys, err)
			}
			return nil
		}
	}, nil)
}
