package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder"
	_ "github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/component"
)

// workers are what a process of this command does if its first argument says so.
var workers = map[string]func(args []string) error{
	"-worker-larder": larderWorker, // dir seconds number: puts new keys, prints how many
	"-worker-bolt":   boltWorker,
	"-worker-in":     streamIn, // dir: stores a long stream
	"-worker-out":    streamOut,
}

// together is how many processes write to one store.
const together = 8

// window is for how long they do.
const window = 2 * time.Second

func manyProcesses(b *bench) (*group, error) {
	g := &group{title: fmt.Sprintf("puts of 1 KiB to one store for %v", window)}
	var slowest float64
	fleet := func(flag, dir string, n int, shares *float64) func(int) (measured, error) {
		return func(ops int) (measured, error) {
			counts, err := runFleet(b.ctx, flag, filepath.Join(b.dir, dir), n)
			if err != nil {
				return measured{}, err
			}
			total := 0
			for _, c := range counts {
				total += c
			}
			if shares != nil {
				*shares = float64(slices.Min(counts)) * float64(n) / float64(total)
				g.notes = []string{fmt.Sprintf("the slowest of %d processes made %.2f of its share in the last round; goal: at least 0.50", n, *shares)}
			}
			return measured{wall: window * time.Duration(ops) / time.Duration(max(total, 1))}, nil
		}
	}
	g.add("raw bbolt, 1 process, kept open", 1, fleet("-worker-bolt", "fleet.db", 1, nil))
	g.add("larder, 1 process", 1, fleet("-worker-larder", "fleet1", 1, nil))
	g.add("larder, 8 processes", 1, fleet("-worker-larder", "fleet8", together, &slowest))
	g.goals = []goal{{"larder, 8 processes", "raw bbolt, 1 process, kept open", 1 / 0.9}}
	return g, nil
}

// runFleet runs n processes at once and returns what each counted.
func runFleet(ctx context.Context, flag, dir string, n int) ([]int, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	begin := time.Now().Add(300 * time.Millisecond) // all have started by then
	var cmds []*exec.Cmd
	var outs []*bytes.Buffer
	for i := range n {
		cmd := exec.CommandContext(ctx, self, flag, dir, strconv.FormatInt(begin.UnixNano(), 10), strconv.Itoa(i))
		out := new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		cmds, outs = append(cmds, cmd), append(outs, out)
	}
	counts := make([]int, n)
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			return nil, err
		}
		if counts[i], err = strconv.Atoi(outs[i].String()); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// count calls put with new serial numbers from begin for the window, and prints how often.
func count(args []string, put func(serial string) error) error {
	nanos, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	begin := time.Unix(0, nanos)
	time.Sleep(time.Until(begin))
	n := 0
	for ; time.Since(begin) < window; n++ {
		if err := put(fmt.Sprint(args[2], ".", nanos, ".", n)); err != nil {
			return err
		}
	}
	fmt.Print(n)
	return nil
}

func larderWorker(args []string) error {
	ctx := context.Background()
	s, err := larder.Open(ctx, args[0], nil)
	if err != nil {
		return err
	}
	defer s.Close()
	value := random(1024)
	return count(args, func(serial string) error {
		_, err := s.Put(ctx, component.Ref(id(serial)), "x", value)
		return err
	})
}

func boltWorker(args []string) error {
	db, err := bbolt.Open(args[0], 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return err
	}
	defer db.Close()
	value := random(1024)
	return count(args, func(serial string) error {
		return db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucket)
			if err != nil {
				return err
			}
			return b.Put([]byte(serial), value)
		})
	})
}
