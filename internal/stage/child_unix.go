//go:build unix

package stage

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signals are those that are passed on to a running command.
var Signals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// reachesByItself reports whether a signal was, by all appearances, sent by a terminal's
// keys to the whole group of processes that this one and its command are in.
func reachesByItself(sig os.Signal) bool {
	if sig != os.Interrupt && sig != syscall.SIGQUIT {
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// exitOf returns a command's exit code as a shell tells it.
func exitOf(state *os.ProcessState) (code int, signalled bool) {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), true
	}
	return state.ExitCode(), false
}
