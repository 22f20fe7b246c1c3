package reserve

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// processes returns the processes of the run that live, but for this one: those that have the record open
// under the number that they inherited, and those whose environment names the run.
func (r *record) processes() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && pid != os.Getpid() && r.isOf(pid) {
			found = append(found, pid)
		}
	}
	return found
}

func (r *record) isOf(pid int) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if r.FD > 0 {
		path, err := os.Readlink(filepath.Join(proc, "fd", strconv.Itoa(r.FD)))
		if err == nil && filepath.Base(path) == r.Nonce {
			return true
		}
	}
	environment, err := os.ReadFile(filepath.Join(proc, "environ"))
	if err != nil || !bytes.Contains(environment, []byte(mark+r.Nonce)) {
		return false
	}
	for _, v := range strings.Split(string(environment), "\x00") {
		if value, ok := strings.CutPrefix(v, Variable+"="); ok {
			return slices.ContainsFunc(strings.Fields(value), func(field string) bool {
				return strings.HasSuffix(field, mark+r.Nonce)
			})
		}
	}
	return false
}

// stat returns the fields of /proc/<pid>/stat that follow the name, from field 3 on; see proc_pid_stat(5).
func stat(pid int) []string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

// alive reports whether a process lives: not also if it ended and its parent has not noticed.
func alive(pid int) bool {
	fields := stat(pid)
	return len(fields) > 0 && fields[0] != "Z" && fields[0] != "X"
}

// space returns the name of the namespace in which this process has its number.
func space() string {
	name, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return name
}

// started returns when a process started, in the kernel's units.
func started(pid int) string {
	const startTime = 22 - 3
	if fields := stat(pid); len(fields) > startTime {
		return fields[startTime]
	}
	return ""
}

// command returns the name of a process's command, in parentheses.
func command(pid int) string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	if err != nil {
		return ""
	}
	return " (" + strings.TrimSpace(string(text)) + ")"
}

// adopt makes this process the parent of all that its descendants leave behind.
func adopt() { unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// children returns the children of this process.
func children() []int {
	var pids []int
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	for _, thread := range threads {
		text, err := os.ReadFile(filepath.Join("/proc/self/task", thread.Name(), "children"))
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// reap waits for the end of all children, also of those that come to be meanwhile. It does not ask /proc which there are:
// when a process ends whose threads were looked up there, the kernel walks what it remembers of that, which took whoever
// waited for larder 2 to 3 ms, a quarter of a small stage.
func reap() {
	for {
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(-1, &status, 0, nil); err != nil && err != syscall.EINTR {
			return // ECHILD: there are none
		}
	}
}
