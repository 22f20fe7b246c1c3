//go:build unix

package stage

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signals are those that are passed on to a running command.
var Signals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// reachesByItself reports whether a signal was, by all appearances, sent by a terminal's
// keys to the whole group of processes that this one and its command are in.
func reachesByItself(sig os.Signal) bool {
	return (sig == os.Interrupt || sig == syscall.SIGQUIT) && inForeground()
}

// inForeground reports whether this process belongs to the group that the terminal's keys reach.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// bind ties the command to this process, and reports whether it has a group of its own, so that
// signals reach all that it starts. In the foreground of a terminal it stays in
// ours: the terminal's keys reach it there, and it may read from the terminal.
func bind(cmd *exec.Cmd) (group bool) {
	group = !inForeground()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: group}
	dieWithParent(cmd.SysProcAttr)
	return group
}

// signal sends a signal to the command, or to its group; an error means that it has ended.
func signal(p *os.Process, group bool, sig os.Signal) {
	if s, ok := sig.(syscall.Signal); ok && group {
		syscall.Kill(-p.Pid, s)
		return
	}
	p.Signal(sig)
}

// exitOf returns a command's exit code as a shell reports it.
func exitOf(state *os.ProcessState) (code int, signalled bool) {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), true
	}
	return state.ExitCode(), false
}
