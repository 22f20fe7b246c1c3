//go:build !unix

package stage

import "os"

// Signals are those that are passed on to a running command.
var Signals = []os.Signal{os.Interrupt}

// reachesByItself: a console sends Ctrl-C to all its processes.
func reachesByItself(os.Signal) bool { return true }

// exitOf returns a command's exit code.
func exitOf(state *os.ProcessState) (code int, signalled bool) { return state.ExitCode(), false }
