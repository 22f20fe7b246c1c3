package stage

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/temp"
)

// Stdin is what a command reads as its standard input, saved in a temporary file: it must be known
// before the command may run.
type Stdin struct {
	file    *temp.File
	content component.Component
}

// ReadStdin reads r to its end.
func ReadStdin(r io.Reader) (*Stdin, error) {
	f, err := temp.Create("", "larder-stdin-*")
	if err != nil {
		return nil, fmt.Errorf("standard input needs a temporary file (TMPDIR says where): %w", err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), r)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read standard input: %w", err), f.Close())
	}
	return &Stdin{f, component.Content([sha256.Size]byte(sum.Sum(nil)), n)}, nil
}

// Close removes what was saved.
func (in *Stdin) Close() error { return in.file.Close() }
