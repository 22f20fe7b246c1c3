//go:build unix

package shelve

import "syscall"

const errQuota = syscall.EDQUOT
