package cli

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	stormKills   = 500
	stormWorkers = 8
	stormStages  = 48
	stormMark    = "LARDER_TEST_STORM"
)

// stormScript writes, in steps and by several processes, what only one run of it can have written: each
// line ends in what tells this run from every other one. The last line comes from a process that
// the script leaves behind.
const stormScript = `t=$1-$$-$(cat /proc/sys/kernel/random/uuid)
mkdir -p "$(dirname "$2")"
echo "begin $t" >"$2"
for step in 1 2 3; do
	sleep 0.01
	echo "$step $t" >>"$2"
done
echo "end $t" >>"$2"
(sleep 0.02; echo "late $t" >>"$2") >/dev/null 2>&1 &
`

// TestStorm runs stages eight at a time, some with an output of their own and some with one that
// they share, while processes of the trees, larder's own among them, are killed at random. Then all
// are run once more: whatever is given back must be one run's, and whole.
func TestStorm(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "storm.sh"), []byte(stormScript), 0o644); err != nil {
		t.Fatal(err)
	}
	mark := stormMark + "=" + strconv.Itoa(os.Getpid())
	env := append(os.Environ(), mark, "LARDER_STORE="+filepath.Join(dir, "store"), "LARDER_RUNS="+filepath.Join(dir, "runs"),
		"XDG_CACHE_HOME="+filepath.Join(dir, "cache"))
	stage := func(n int) (*exec.Cmd, string) {
		output := fmt.Sprintf("own-%d/out", n)
		if n%3 == 0 {
			output = "shared"
		}
		declared := strings.Split(output, "/")[0] // a file, or a directory with one in it
		cmd := exec.Command("larder", "run", "-q", "-i", "storm.sh", "-o", declared, "--", "sh", "storm.sh", strconv.Itoa(n), output)
		cmd.Dir, cmd.Env = dir, env
		return cmd, filepath.Join(dir, output)
	}

	var over atomic.Bool
	var workers sync.WaitGroup
	for range stormWorkers {
		workers.Go(func() {
			for !over.Load() {
				cmd, _ := stage(rand.N(stormStages))
				if rand.N(2) == 0 { // or all would be kept soon
					cmd.Args = slices.Insert(cmd.Args, 2, "--refresh")
				}
				cmd.Run() // it may have been killed
			}
		})
	}
	for kills := 0; kills < stormKills; {
		victims := marked(mark)
		if len(victims) == 0 {
			time.Sleep(time.Millisecond)
			continue
		}
		sig := syscall.SIGKILL
		if rand.N(3) == 0 {
			sig = syscall.SIGTERM
		}
		if syscall.Kill(victims[rand.N(len(victims))], sig) == nil {
			kills++
		}
		time.Sleep(rand.N(20 * time.Millisecond))
	}
	over.Store(true)
	workers.Wait()

	hits := 0
	for n := range stormStages {
		cmd, output := stage(n)
		cmd.Args = slices.DeleteFunc(cmd.Args, func(arg string) bool { return arg == "-q" })
		var words bytes.Buffer
		cmd.Stderr = &words
		if err := cmd.Run(); err != nil {
			t.Errorf("stage %d, once all is quiet: %v: %s", n, err, words.String())
			continue
		}
		if strings.Contains(words.String(), "given back") {
			hits++
		}
		text, err := os.ReadFile(output)
		if err != nil {
			t.Error(err)
		}
		if wrong := mixed(string(text), n); wrong != "" {
			t.Errorf("stage %d: %s\n%s%s", n, wrong, words.String(), text)
		}
	}
	t.Logf("%d of %d stages were given back", hits, stormStages)
	if hits == 0 {
		t.Error("nothing was kept during the storm: it tested nothing")
	}

	sweep := exec.Command("larder", "gc")
	sweep.Dir, sweep.Env = dir, env
	if out, err := sweep.CombinedOutput(); err != nil {
		t.Errorf("larder gc: %v: %s", err, out)
	}
	for _, pattern := range []string{".larder-*", "*/.larder-*", "runs/????????????????"} {
		if left, _ := filepath.Glob(filepath.Join(dir, pattern)); len(left) > 0 {
			t.Errorf("the storm left %q", left)
		}
	}
	if left := marked(mark); len(left) > 0 {
		t.Errorf("the storm left processes %v", left)
	}
}

// mixed says what is wrong with an output of stage n, if anything is.
func mixed(text string, n int) string {
	steps, token := []string{}, ""
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		step, of, _ := strings.Cut(line, " ")
		if token == "" {
			token = of
		}
		if of != token {
			return "it is of two runs"
		}
		steps = append(steps, step)
	}
	if !strings.HasPrefix(token, strconv.Itoa(n)+"-") {
		return "it is of another stage"
	}
	// The process that writes the last line may have been killed in a run that was kept.
	if got := strings.TrimSuffix(strings.Join(steps, " "), " late"); got != "begin 1 2 3 end" {
		return "it is not whole"
	}
	return ""
}

// marked returns the processes that have the mark in their environment, but for this one.
func marked(mark string) []int {
	var pids []int
	procs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range procs {
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		text, err := os.ReadFile(path)
		if err == nil && pid != os.Getpid() && bytes.Contains(text, []byte(mark+"\x00")) {
			pids = append(pids, pid)
		}
	}
	return pids
}
