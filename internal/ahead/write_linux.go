package ahead

import (
	"os"

	"golang.org/x/sys/unix"
)

// startWriting tells the disk to write a part of a file now. That it does not, or fails, shows at the fsync.
func startWriting(f *os.File, off, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}
