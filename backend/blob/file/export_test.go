package file

import (
	"os"
	"time"

	"github.com/larder-store/larder/backend/blob"
	"github.com/larder-store/larder/internal/durable"
)

// OpenOn is Open on a disk that a test looks on or breaks.
func OpenOn(dir string, syncFile func(*os.File) error, syncDirectory func(string) error) (*blob.Backend, error) {
	if err := prepare(dir, false); err != nil {
		return nil, err
	}
	b := newBucket(dir, Options{Timeout: time.Minute})
	if syncFile != nil {
		b.disk.syncFile = syncFile
	}
	if syncDirectory != nil {
		b.disk.syncDir = syncDirectory
	}
	return blob.Open(b, blob.Options{Scheme: scheme, OneStream: true})
}

// WatchRoot tells f which directories are synced when a root is made, until it is undone.
func WatchRoot(f func(dir string)) (undo func()) {
	syncRoot = func(dir string) error {
		f(dir)
		return durable.SyncDir(dir)
	}
	return func() { syncRoot = durable.SyncDir }
}
