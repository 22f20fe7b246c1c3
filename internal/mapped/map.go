//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package mapped

import (
	"errors"
	"math"
	"os"
	"syscall"
)

var errSize = errors.New("it does not fit the addresses of this machine")

// Map shows n bytes of f from off on as memory that can only be read. The file may be closed afterwards. The bytes
// are valid until release is called, once. Where the file becomes shorter meanwhile, touching what it lost is a fault.
func Map(f *os.File, off, n int64) (b []byte, release func() error, err error) {
	before := off % int64(os.Getpagesize())
	if n > math.MaxInt-before {
		return nil, nil, errSize
	}
	all, err := syscall.Mmap(int(f.Fd()), off-before, int(before+n), syscall.PROT_READ, syscall.MAP_SHARED|atOnce)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return all[before:], func() error { return os.NewSyscallError("munmap", syscall.Munmap(all)) }, nil
}
