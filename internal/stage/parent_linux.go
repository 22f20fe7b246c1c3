package stage

import "syscall"

// dieWithParent lets the kernel end the command when this process is killed.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }
