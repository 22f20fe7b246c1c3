package shelve

import (
	"bufio"
	"strings"
)

// NetworkOf is the real one.
func NetworkOf(dir string) (string, error) { return networkOf(dir) }

// FUSENetwork looks a device up in the text of mountinfo.
func FUSENetwork(mountinfo, dev string) string {
	return fuseNetwork(bufio.NewScanner(strings.NewReader(mountinfo)), dev)
}

// HideOpenFiles makes the kernel's list of open files seem absent until restored.
func HideOpenFiles() (restore func()) {
	was := openFiles
	openFiles = "/nonexistent"
	return func() { openFiles = was }
}
