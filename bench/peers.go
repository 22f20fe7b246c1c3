package main

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed peers.py
var peersPy string

//go:embed brian.py
var brianPy string

// peers is a Python process that times hits of the peers on demand, so that they run
// in the same rounds as we do. It starts when it is first needed.
type peers struct {
	start func() *peers // nil once it has
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Scanner
	bad   string
}

// newPeers will take the first Python that can import all peers. Where none can, bad says so.
func newPeers(dir string) *peers {
	return &peers{start: func() *peers { return startPython(peersPy, filepath.Join(dir, "peers"), "joblib, diskcache, numpy") }}
}

// started starts the process if that was not tried yet.
func (p *peers) started() *peers {
	if p.start != nil {
		*p = *p.start()
	}
	return p
}

// startPython starts a script with a directory of its own, by the first Python that has what it needs.
func startPython(script, dir, needs string) *peers {
	for _, python := range []string{"python3", "/usr/bin/python3"} { // a version manager's may hide Debian's
		if exec.Command(python, "-c", "import "+needs).Run() != nil {
			continue
		}
		p := &peers{cmd: exec.Command(python, "-c", script, dir)}
		in, err1 := p.cmd.StdinPipe()
		out, err2 := p.cmd.StdoutPipe()
		if err1 != nil || err2 != nil || p.cmd.Start() != nil {
			continue
		}
		p.in, p.out = in, bufio.NewScanner(out)
		if p.out.Scan() && p.out.Text() == "ready" {
			return p
		}
		p.stop()
	}
	return &peers{bad: "not measured: no python3 with " + needs}
}

func (p *peers) stop() {
	if p.cmd != nil {
		p.in.Close()
		p.cmd.Wait()
	}
}

// add adds a peer's contender to a group.
func (p *peers) add(g *group, name, what string, n int) {
	if p.started().bad != "" {
		g.absent(name, p.bad)
		return
	}
	g.add(name, n, func(n int) (measured, error) { return p.ask(what, n) })
}

// ask has the process do what a line says, and returns what it took.
func (p *peers) ask(line ...any) (measured, error) {
	fmt.Fprintln(p.in, line...)
	if !p.out.Scan() {
		return measured{}, fmt.Errorf("the peers' process ended: %v", p.out.Err())
	}
	var wall, cpu float64
	if _, err := fmt.Sscan(p.out.Text(), &wall, &cpu); err != nil {
		return measured{}, fmt.Errorf("%v: %s", line, p.out.Text())
	}
	return measured{wall: time.Duration(wall * 1e9), cpu: time.Duration(cpu * 1e9)}, nil
}
