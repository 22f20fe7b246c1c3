//go:build unix && !linux

package stage

import "syscall"

// dieWithParent does nothing: on this system no process learns of its parent's death.
func dieWithParent(*syscall.SysProcAttr) {}
