package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// WriteFile puts a small file at path that is never seen in part, and whose contents and name survive a power cut. A file that
// is there is replaced. What a crash leaves has the file's name with a dot and digits behind it.
func WriteFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // in vain once it was renamed
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}
