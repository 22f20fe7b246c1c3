package durable

import "os"

// Open opens a regular file for reading; anything else is [ErrIrregular].
func Open(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return regular(f)
}
