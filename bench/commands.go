package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// source is what the compilers' caches are asked for: its object file has some kilobytes,
// like the outputs of most stages.
const source = "#include <stdio.h>\nint main(void) { for (int i = 0; i < 10; i++) printf(\"%d\\n\", i); return 0; }\n"

// joblibHit is a Python program that does one hit.
const joblibHit = `
import joblib, sys
m = joblib.Memory(sys.argv[1], verbose=0)
def f(a, b, c):
    return a * b + c
print(m.cache(f)(1, 2.5, 3))
`

// build returns the path of the command larder, built as "make install" does.
func (b *bench) build() (string, error) {
	path := filepath.Join(b.dir, "larder")
	cmd := exec.Command("go", "build", "-o", path, "github.com/larder-store/larder/cmd/larder")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// processes is a contender that runs a command n times, one after the other.
func processes(dir string, env []string, name string, args ...string) func(int) (measured, error) {
	return func(n int) (measured, error) {
		var m measured
		for range n {
			cmd := exec.Command(name, args...)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
			start := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				return m, fmt.Errorf("%s: %w\n%s", name, err, out)
			}
			m.wall += time.Since(start)
			m.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
		return m, nil
	}
}

func wholeProcess(b *bench) (*group, error) {
	g := &group{title: "one hit as a whole process"}
	larder, err := b.build()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, "process")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "in.c"), []byte(source), 0o600); err != nil {
		return nil, err
	}
	for _, tool := range []string{"gcc", "ccache"} {
		if _, err := exec.LookPath(tool); err != nil {
			g.absent("larder run gcc -c", "not measured: no "+tool)
			return g, nil
		}
	}
	g.add("larder run gcc -c", 50, processes(dir, []string{"LARDER_STORE=" + filepath.Join(dir, "store")},
		larder, "run", "-q", "-i", "in.c", "-o", "a.o", "--", "gcc", "-c", "in.c", "-o", "a.o"))
	g.add("ccache gcc -c", 50, processes(dir, []string{"CCACHE_DIR=" + filepath.Join(dir, "ccache")},
		"ccache", "gcc", "-c", "in.c", "-o", "b.o"))
	g.add("gcc -c itself", 20, processes(dir, nil, "gcc", "-c", "in.c", "-o", "c.o"))
	if b.peers.started().bad != "" {
		g.absent("python, import joblib, one hit", b.peers.bad)
	} else {
		g.add("python, import joblib, one hit", 5, processes(dir, nil, b.peers.cmd.Path, "-c", joblibHit, filepath.Join(dir, "joblib")))
		g.goals = append(g.goals, goal{"larder run gcc -c", "python, import joblib, one hit", 1})
	}
	g.goals = append(g.goals, goal{"larder run gcc -c", "ccache gcc -c", 1.5})
	return g, nil
}

// How many stages a fleet of commands runs; fewer, down to the least, where there is no time for them.
const (
	stages      = 1000
	stagesFull  = 10_000
	leastStages = 200
)

// manyStages runs ever new stages by eight commands at a time, on the disk and, where there
// is one, on a file system in memory: what is left there is not the disk's.
func manyStages(b *bench) (*group, error) {
	n := b.size(stages, stagesFull)
	g := &group{title: "new stages by xargs -P 8", most: 5}
	larder, err := b.build()
	if err != nil {
		return nil, err
	}
	add := func(name string, do func(int) (measured, error)) {
		g.add(name, n, do)
		g.contenders[len(g.contenders)-1].least = leastStages
	}
	round := 0
	fleet := func(dir string) func(int) (measured, error) {
		return func(n int) (measured, error) {
			round++
			cmd := exec.Command("sh", "-c", fmt.Sprintf(
				"seq %d | xargs -P 8 -I{} %s run -q --version 1 -p stage={} -p round=%d -- true", n, larder, round))
			cmd.Dir, cmd.Env = b.dir, append(os.Environ(), "LARDER_STORE="+dir)
			start := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				return measured{}, fmt.Errorf("%w\n%.500s", err, out)
			}
			return measured{wall: time.Since(start), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
		}
	}
	add("larder run, store on the disk", fleet(filepath.Join(b.dir, "stages")))
	if dir, err := os.MkdirTemp("/dev/shm", "larder-bench-*"); err == nil {
		g.onClose(func() { os.RemoveAll(dir) })
		add("larder run, store in memory", fleet(filepath.Join(dir, "stages")))
	}
	add("true, by xargs and sh", func(n int) (measured, error) {
		start := time.Now()
		cmd := exec.Command("sh", "-c", strings.ReplaceAll("seq N | xargs -P 8 -I{} sh -c true {}", "N", fmt.Sprint(n)))
		err := cmd.Run()
		return measured{wall: time.Since(start), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, err
	})
	return g, nil
}
