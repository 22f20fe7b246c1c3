//go:build unix

package durable

import "os"

// SyncDir makes the names in a directory survive a power cut.
func SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
