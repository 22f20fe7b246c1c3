package backend

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/larder-store/larder/internal/temp"
)

// A Stager takes the bytes of a value to the place where they will lie before their number and their sums are known, so
// that a long stream is written once and summed meanwhile.
type Stager interface {
	// Stage returns an empty Draft. Nothing is reserved by it and no reader sees it. What a process leaves that dies
	// before the Put is gone with it, or is removed by a [Sweeper]. A place where values cannot be written
	// ahead refuses with [errors.ErrUnsupported].
	Stage(ctx context.Context) (Draft, error)
}

// A Draft is filled by Write and then given, as it is, as the body of a Put or [PutBatch] of the backend that
// made it, which takes the bytes over without copying them. Writing to one that it took changes nothing that is stored, and may fail. To every other call it is a body like any other:
// it can be read from its start as often as needed, also after a Put took it or failed.
//
// Write appends, wherever Read and Seek stand. One goroutine uses a Draft at a time, but for ReadAt.
type Draft interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.Closer // what no Put took is gone; every Draft is closed, also after a Put
}

// Stage is [Stager] for any backend: without the ability the Draft is a temporary file in dir ("" is the system's
// directory for temporary files).
func Stage(ctx context.Context, b Backend, dir string) (Draft, error) {
	if s, ok := As[Stager](b); ok {
		d, err := s.Stage(ctx)
		if !errors.Is(err, errors.ErrUnsupported) {
			return d, err
		}
	}
	f, err := temp.Create(dir, "larder-spool-*")
	if err != nil {
		return nil, fmt.Errorf("a long stream needs a temporary file (Options.TempDir or TMPDIR say where): %w", err)
	}
	return &tempDraft{File: f}, nil
}

// tempDraft is a temporary file that is written at its end, wherever it is read.
type tempDraft struct {
	*temp.File
	size int64
}

// Write implements [io.Writer].
func (d *tempDraft) Write(p []byte) (int, error) {
	n, err := d.WriteAt(p, d.size)
	d.size += int64(n)
	return n, err
}
