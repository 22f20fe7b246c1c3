//go:build unix

package cli

import "syscall"

// replaceProcess makes this process the program at path.
func replaceProcess(path string, argv, env []string) error {
	return syscall.Exec(path, argv, env)
}
