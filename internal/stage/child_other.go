//go:build !unix

package stage

import (
	"os"
	"os/exec"
)

// Signals are those that are passed on to a running command.
var Signals = []os.Signal{os.Interrupt}

// reachesByItself: a console sends Ctrl-C to all its processes.
func reachesByItself(os.Signal) bool { return true }

// bind does nothing here.
func bind(*exec.Cmd) (group bool) { return false }

// signal sends a signal to the command; an error means that it has ended.
func signal(p *os.Process, _ bool, sig os.Signal) { p.Signal(sig) }

// exitOf returns a command's exit code.
func exitOf(state *os.ProcessState) (code int, signalled bool) { return state.ExitCode(), false }
