package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// cost is what one run takes: by the clock, and of this process's CPU time.
type cost struct{ wall, cpu time.Duration }

// order is the same in every run of the program.
var order = rand.New(rand.NewPCG(1, 2))

// compare runs each contender's case in turn, in an order that changes from round to round, a warm-up
// first, and prints the medians. do returns nil for a contender without a part in the case; before, unless it
// is nil, is called before each run and is not measured.
func compare(name string, all []contender, do func(contender) func() error, before func(contender) error) error {
	costs := make([][]cost, len(all))
	for r := range *rounds + 1 {
		for _, i := range order.Perm(len(all)) {
			f := do(all[i])
			if f == nil {
				continue
			}
			if before != nil {
				if err := before(all[i]); err != nil {
					return fmt.Errorf("%s: %s: %w", name, all[i].name, err)
				}
			}
			c, err := measure(f)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", name, all[i].name, err)
			}
			if r > 0 {
				costs[i] = append(costs[i], c)
			}
		}
	}
	row(name, all, costs)
	return nil
}

func measure(f func() error) (cost, error) {
	runtime.GC()
	start, used := time.Now(), cpuTime()
	err := f()
	return cost{time.Since(start), cpuTime() - used}, err
}

// cpuTime is what this process has used so far, in user and system mode.
func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) // its only error is a wrong argument
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// row prints the medians, each with its ratio to the raw SDK, and Larder's to the best of the others.
func row(name string, all []contender, costs [][]cost) {
	walls := make([]float64, len(all))
	for i := range costs {
		walls[i] = float64(middle(costs[i], func(c cost) time.Duration { return c.wall }))
	}
	fmt.Printf("| %s |", name)
	for i, c := range costs {
		if len(c) == 0 {
			fmt.Print(" |")
			continue
		}
		cpu := middle(c, func(c cost) time.Duration { return c.cpu })
		fmt.Printf(" %.1f ms (%.2f), CPU %.0f ms |", walls[i]/1e6, walls[i]/walls[1], float64(cpu)/1e6)
	}
	fmt.Printf(" %.2f |\n", walls[0]/min(walls[1], walls[2]))
}

// middle is the median of one figure.
func middle[T any, N int64 | time.Duration](all []T, figure func(T) N) N {
	if len(all) == 0 {
		return 0
	}
	figures := make([]N, len(all))
	for i, x := range all {
		figures[i] = figure(x)
	}
	slices.Sort(figures)
	return figures[len(figures)/2]
}

func repeat(n int, f func(i int) error) error {
	for i := range n {
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

// parallel calls f for 0 to n-1, by so many workers, until one of them fails.
func parallel(workers, n int, f func(i int) error) error {
	var wg sync.WaitGroup
	var next atomic.Int64
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if errs[w] = f(i); errs[w] != nil {
					next.Store(int64(n))
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
