package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// The window of a fleet is how long its processes work in a round; a shorter one, down to
// the least, is chosen where the time of the run would not do.
const (
	window      = 2 * time.Second
	leastWindow = 250 * time.Millisecond
)

// What the processes of a fleet do.
const (
	fleetPuts = "puts"
	fleetGets = "gets"
	fleetHalf = "puts and gets"
)

// fleets returns the groups of many processes on one store: each kind of work, on one shelf and on four.
func fleets() []entry {
	var all []entry
	add := func(more bool, work string, shelves int, sizes ...int) {
		name := fmt.Sprintf("processes: %s, %d shelf", work, shelves)
		if shelves > 1 {
			name = fmt.Sprintf("processes: %s, %d shelves", work, shelves)
		}
		all = append(all, entry{name: name, more: more, build: func(b *bench) (*group, error) {
			if b.full {
				sizes = []int{1, 2, 4, 8, 32}
			}
			return fleet(b, work, shelves, sizes)
		}})
	}
	add(false, fleetPuts, 1, 1, 8, 32)
	add(false, fleetHalf, 1, 1, 8)
	add(false, fleetGets, 1, 1, 8)
	add(false, fleetPuts, 4, 8)
	add(true, fleetHalf, 4, 8)
	add(true, fleetGets, 4, 8)
	return all
}

// fleet compares fleets of several sizes with one process that keeps a bbolt file open for each shelf.
func fleet(b *bench, work string, shelves int, sizes []int) (*group, error) {
	g := &group{title: fmt.Sprintf("%s of 1 KiB by processes that share a store, names spread over %d bbolt file(s)", work, shelves)}
	add := func(name, engine string, n int) {
		dir := filepath.Join(b.dir, fmt.Sprintf("fleet-%s%d-%s%d", work[:4], shelves, engine, n))
		g.onClose(func() { os.RemoveAll(dir) })
		filled := false
		g.add(name, int(window/time.Millisecond), func(ms int) (measured, error) {
			if !filled {
				if err := fillFleet(b.ctx, engine, dir, shelves); err != nil {
					return measured{}, err
				}
				filled = true
			}
			return runFleet(b.ctx, time.Duration(ms)*time.Millisecond, n, engine, dir, work, strconv.Itoa(shelves))
		})
		g.contenders[len(g.contenders)-1].least = int(leastWindow / time.Millisecond)
	}
	const raw = "raw bbolt, 1 process, kept open"
	add(raw, engineBolt, 1)
	for _, n := range sizes {
		name := fmt.Sprintf("larder, %d processes", n)
		if n == 1 {
			name = "larder, 1 process"
		}
		add(name, engineLarder, n)
		if n == 8 && work == fleetPuts {
			// What the machine itself does to the longest put of so many processes.
			add("raw bbolt, 8 processes, a file each", engineOwn, n)
			g.goals = append(g.goals, goal{name, raw, 1 / 1.5})
			g.fair = append(g.fair, fairness{name, 0.6, 20})
		}
	}
	return g, nil
}

// fairness bounds what the slowest process of a fleet makes of its share, from below, and its
// longest put in units of the mean put of the group's base, from above.
type fairness struct {
	us    string
	share float64
	worst float64
}

// lap is what one process of a fleet did in a window.
type lap struct {
	Ops  int           // that ended within it
	Puts int           // of all that were begun
	In   time.Duration // these
	Max  time.Duration // the longest of them
	CPU  time.Duration // user+sys
}

// measuredOf adds up the laps of a fleet.
func measuredOf(window time.Duration, laps []lap) measured {
	m := measured{wall: window}
	slowest := slices.MinFunc(laps, func(a, b lap) int { return cmp.Compare(a.Ops, b.Ops) }).Ops
	puts, in := 0, time.Duration(0)
	for _, l := range laps {
		m.ops += l.Ops
		m.cpu += l.CPU
		m.worst = max(m.worst, l.Max)
		puts += l.Puts
		in += l.In
	}
	m.share = float64(slowest) * float64(len(laps)) / float64(max(m.ops, 1))
	m.ops = max(m.ops, 1)
	if puts > 0 {
		m.put = in / time.Duration(puts)
	}
	return m
}

// runFleet has n processes work at once, which begin together when all have the store open.
func runFleet(ctx context.Context, window time.Duration, n int, args ...string) (measured, error) {
	self, err := os.Executable()
	if err != nil {
		return measured{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var crew []*member
	defer func() {
		cancel() // ends those that are left after an error
		for _, m := range crew {
			m.in.Close()
			m.cmd.Wait()
		}
	}()
	for i := range n {
		m, err := enlist(exec.CommandContext(ctx, self, append([]string{"-worker-fleet", strconv.Itoa(i)}, args...)...))
		if err != nil {
			return measured{}, err
		}
		crew = append(crew, m)
	}
	var ready string
	for _, m := range crew {
		if err := m.hear(&ready); err != nil {
			return measured{}, err
		}
	}
	begin := time.Now().Add(50 * time.Millisecond)
	for _, m := range crew {
		if _, err := fmt.Fprintln(m.in, begin.UnixNano(), int64(window)); err != nil {
			return measured{}, err
		}
	}
	laps := make([]lap, n)
	for i, m := range crew {
		if err := m.hear(&laps[i]); err != nil {
			return measured{}, err
		}
	}
	return measuredOf(window, laps), nil
}

// member is a process of a fleet.
type member struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func enlist(cmd *exec.Cmd) (*member, error) {
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &member{cmd, in, bufio.NewScanner(out)}, cmd.Start()
}

// hear reads the next line of the process, which is JSON.
func (m *member) hear(v any) error {
	if !m.out.Scan() {
		return fmt.Errorf("a process of the fleet ended: %v", m.out.Err())
	}
	return json.Unmarshal(m.out.Bytes(), v)
}
