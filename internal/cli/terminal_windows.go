package cli

import (
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// isTerminal reports whether a person can see what is written to f.
func isTerminal(f *os.File) bool {
	var mode uint32
	return windows.GetConsoleMode(windows.Handle(f.Fd()), &mode) == nil
}

func umask() fs.FileMode { return 0 }
