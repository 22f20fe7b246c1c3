package mapped

import (
	"syscall"
	"unsafe"
)

// hugePage is the size of a large page on the common machines; a wrong guess advises a little more or less.
const hugePage = 2 << 20

// Huge asks for large pages below memory that is about to be filled for the first time: one fault in place of 512. It is
// a hint, without effect on the bytes.
func Huge(b []byte) {
	before := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % hugePage
	if before >= uintptr(len(b)) {
		return
	}
	if whole := b[before:]; len(whole) >= hugePage {
		_ = syscall.Madvise(whole[:len(whole)/hugePage*hugePage], syscall.MADV_HUGEPAGE)
	}
}
