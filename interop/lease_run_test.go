package interop_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRunAmongMachines starts larder run, as it is installed, many times on one store.
func TestRunAmongMachines(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "./cmd/larder", "./cmd/larder-cloud")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	for _, c := range []struct {
		name string
		ttl  time.Duration
		test func(t *testing.T, p pipeline)
	}{
		{"once", longTTL, runOnce},
		{"a holder dies", shortTTL, runAfterDeath},
		{"a holder sleeps", shortTTL, runWakesTooLate},
	} {
		t.Run(c.name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, url string) {
				c.test(t, pipeline{bin, url, c.ttl, filepath.Join(t.TempDir(), "count")})
			})
		})
	}
}

// pipeline is a stage that several machines want at once: each in a directory of its own.
type pipeline struct {
	bin   string // has the commands
	url   string
	ttl   time.Duration
	count string // the file to which each run adds a line
}

// withLease is the URL with the ttl.
func (p pipeline) withLease() string {
	separator := "?"
	if strings.Contains(p.url, "?") {
		separator = "&"
	}
	return p.url + separator + "lease=" + p.ttl.String()
}

// gate is the named pipe, in the directory of a machine, that the stage reads before it ends.
const gate = "gate"

// machine starts larder run in a fresh directory, which has out at the end.
func (p pipeline) machine(t *testing.T) *process {
	t.Helper()
	const stage = `echo $$ >> "$COUNT"; echo computing; read ticket < gate; echo "made by $PPID" > out`
	cmd := exec.Command(filepath.Join(p.bin, "larder"), "run", "--store", p.withLease(), "--name", "stage", "--version", "1", "-o", "out", "--",
		"sh", "-c", stage)
	cmd.Dir = t.TempDir()
	path := filepath.Join(cmd.Dir, gate)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the stage of a test that failed: what holds both ends of the pipe waits for nobody
		if f, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
			f.WriteString("ticket\n")
			f.Close()
		}
	})
	cmd.Env = append(os.Environ(), "COUNT="+p.count, "XDG_CACHE_HOME="+t.TempDir())
	return begin(t, cmd)
}

// finish lets the stage of p end.
func (p *process) finish(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(p.cmd.Dir, gate), os.O_WRONLY, 0) // when there is a reader
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("ticket\n"); err != nil {
		t.Fatal(err)
	}
}

// leaves wants p to end well, with the output that want says.
func (p *process) leaves(t *testing.T, want string) {
	t.Helper()
	p.end(t)
	out, err := os.ReadFile(filepath.Join(p.cmd.Dir, "out"))
	if got := strings.TrimSpace(string(out)); got != want || err != nil {
		t.Errorf("process %d leaves %q, %v; want %q", p.pid, got, err, want)
	}
}

// Of eight who start a stage one runs it, the others say for whom they wait, and all have its output.
func runOnce(t *testing.T, p pipeline) {
	machines := make([]*process, 8)
	for i := range machines {
		machines[i] = p.machine(t)
	}
	var holder *process
	var waiting []string
	for _, m := range machines {
		if line := m.until(t, "computing", "waiting for another"); line != "computing" {
			waiting = append(waiting, line)
		} else if holder == nil {
			holder = m
		} else {
			t.Fatal("two run it at once")
		}
	}
	for _, line := range waiting {
		names(t, line, holder.pid)
	}
	holder.finish(t)
	holder.until(t, "; kept ")
	for _, m := range machines {
		m.leaves(t, madeBy(holder.pid))
	}
	if got := lines(t, p.count); got != 1 {
		t.Errorf("the stage ran %d times, want once", got)
	}
}

// pair is one that runs the stage, and another that waits for it.
func (p pipeline) pair(t *testing.T) (holder, waiter *process) {
	t.Helper()
	holder = p.machine(t)
	holder.until(t, "computing")
	waiter = p.machine(t)
	names(t, waiter.until(t, "waiting for another"), holder.pid)
	return holder, waiter
}

// Whose machine dies is waited for no longer than a ttl.
func runAfterDeath(t *testing.T, p pipeline) {
	holder, waiter := p.pair(t)
	holder.kill(t)
	p.endStage(t)
	began := time.Now()
	waiter.until(t, "computing")
	t.Logf("taken over %v after the death, with a ttl of %v", time.Since(began), p.ttl)
	waiter.finish(t)
	waiter.leaves(t, madeBy(waiter.pid))
	if got := lines(t, p.count); got != 2 {
		t.Errorf("the stage ran %d times, want twice", got)
	}
	stored(t, p.url)
}

// endStage ends the stage of a larder that was killed, as the death of its machine would.
func (p pipeline) endStage(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(p.count)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// A process that was asleep while another took over ends well, keeps the output that it made, replaces nothing, and says so.
func runWakesTooLate(t *testing.T, p pipeline) {
	sleeper, other := p.pair(t)
	sleeper.signal(t, syscall.SIGSTOP)
	other.until(t, "computing")
	sleeper.finish(t) // the stage does not sleep
	other.finish(t)
	other.leaves(t, madeBy(other.pid))
	before := stored(t, p.url)

	sleeper.signal(t, syscall.SIGCONT)
	sleeper.until(t, "another process had kept its run")
	sleeper.leaves(t, madeBy(sleeper.pid))
	if after := stored(t, p.url); after.Version != before.Version {
		t.Errorf("the late one replaced version %q by %q", before.Version, after.Version)
	}
	if got := lines(t, p.count); got != 2 {
		t.Errorf("the stage ran %d times, want twice", got)
	}
	third := p.machine(t)
	third.leaves(t, madeBy(other.pid))
}
