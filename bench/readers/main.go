// Readers measures package readers beside numpy.loadtxt and bufio.Scanner with
// strconv.ParseFloat on one synthetic ATF file, in one run, in interleaved rounds.
//
//	go run ./bench/readers [-size 200] [-rounds 5] [-python /usr/bin/python3] [-dir DIR]
//
// Whole file and streaming are held against what the project promises: three and four
// times the speed of numpy.loadtxt. The exit status does not depend on it.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/larder-store/larder/readers"
)

// A measure is one reading: wall-clock time, and user and system time of the process.
type measure struct{ wall, cpu time.Duration }

type contender struct {
	name string
	read func(string) (result, error)
	runs []measure
}

func main() {
	size := flag.Int64("size", 200, "megabytes of the file")
	rounds := flag.Int("rounds", 5, "rounds; the medians are shown")
	python := flag.String("python", "/usr/bin/python3", "a Python with numpy")
	dir := flag.String("dir", "", "where the file is made (default: a temporary directory)")
	flag.Parse()
	if err := run(*size<<20, *rounds, *python, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "readers:", err)
		os.Exit(1)
	}
}

func run(size int64, rounds int, python, dir string) error {
	tmp, err := os.MkdirTemp(dir, "readers-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	name := filepath.Join(tmp, "synthetic.atf")
	numbers, err := generate(name, size)
	if err != nil {
		return err
	}
	fmt.Printf("%d MB, %.1f million numbers, %d processors, %s\n", size>>20, float64(numbers)/1e6, runtime.NumCPU(), runtime.Version())

	contenders := []*contender{
		{name: "readers.ReadATF", read: whole(readers.Options{})},
		{name: "readers.ReadATF, 1 worker", read: whole(readers.Options{Workers: 1})},
		{name: "readers Blocks", read: blocks(readers.Options{})},
		{name: "readers Blocks, 1 worker", read: blocks(readers.Options{Workers: 1})},
		{name: "readers Rows, 1 worker", read: rows(readers.Options{Workers: 1})},
		{name: "Scanner + ParseFloat", read: scanner},
	}
	numpy := &contender{}
	for range rounds {
		m, want, version, err := loadtxt(python, name, 4)
		if err != nil {
			return err
		}
		numpy.name = "numpy.loadtxt " + version
		numpy.runs = append(numpy.runs, m)
		for _, c := range contenders {
			m, err := timed(c, name, want)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			c.runs = append(c.runs, m)
		}
	}
	report(append(contenders, numpy), numpy.median(), size)
	return nil
}

// timed measures one reading and checks that it read everything.
func timed(c *contender, name string, want result) (measure, error) {
	runtime.GC()
	cpu, start := cpuTime(), time.Now()
	got, err := c.read(name)
	m := measure{time.Since(start), cpuTime() - cpu}
	if err != nil {
		return m, err
	}
	return m, same(got, want)
}

// median is the median of each time for itself.
func (c *contender) median() measure {
	pick := func(of func(measure) time.Duration) time.Duration {
		var all []time.Duration
		for _, m := range c.runs {
			all = append(all, of(m))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return measure{pick(func(m measure) time.Duration { return m.wall }), pick(func(m measure) time.Duration { return m.cpu })}
}

func report(all []*contender, base measure, size int64) {
	fmt.Printf("%-28s %9s %9s %8s %14s %14s\n", "", "wall", "user+sys", "MB/s", "x loadtxt wall", "x loadtxt cpu")
	for _, c := range all {
		m := c.median()
		fmt.Printf("%-28s %8.0fms %8.0fms %8.0f %14.2f %14.2f\n", c.name, m.wall.Seconds()*1e3, m.cpu.Seconds()*1e3,
			float64(size)/1e6/m.wall.Seconds(), base.wall.Seconds()/m.wall.Seconds(), base.cpu.Seconds()/m.cpu.Seconds())
	}
}
