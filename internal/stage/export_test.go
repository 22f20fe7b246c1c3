package stage

import (
	"io"
	"os"
)

// Join returns files as one body, each as long as is said.
func Join(paths []string, sizes []int64) io.ReadSeekCloser {
	b := &body{}
	for i, path := range paths {
		b.add(segment{size: sizes[i], open: func() (io.ReadCloser, error) { return os.Open(path) }})
	}
	return b
}

// ErrChanged is errChanged.
var ErrChanged = errChanged
