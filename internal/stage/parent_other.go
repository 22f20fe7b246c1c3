//go:build unix && !linux

package stage

import "syscall"

// dieWithParent does nothing: this system tells no process of its parent's death.
func dieWithParent(*syscall.SysProcAttr) {}
