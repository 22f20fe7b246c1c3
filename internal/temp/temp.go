// Package temp makes temporary files that a killed process does not leave behind.
package temp

import (
	"os"
	"runtime"
)

// A File is open for reading and writing, and gone once it is closed, or the process has
// ended. Where the system allows it has no name from the start; Windows
// removes no open file, so there a killed process does leave it.
type File struct{ *os.File }

// Create makes a file in dir; "" is the system's directory for temporary files. The name
// is that of [os.CreateTemp], for messages.
func Create(dir, pattern string) (*File, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" {
		if err := os.Remove(f.Name()); err != nil {
			f.Close()
			return nil, err
		}
	}
	return &File{f}, nil
}

// Close closes the file, and so frees its space.
func (f *File) Close() error {
	err := f.File.Close()
	if runtime.GOOS == "windows" {
		os.Remove(f.Name())
	}
	return err
}
