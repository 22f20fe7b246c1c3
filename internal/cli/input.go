package cli

import (
	"context"
	"io"
	"os"
)

// waiting is an input whose reading ends with its context: a terminal, a pipe or a FIFO may never deliver
// anything, and the system has no way to call back a read. What a read that was given up
// delivers later is lost; the command is over by then.
type waiting struct {
	ctx context.Context
	r   io.Reader
	got chan piece // of the read that is under way
	buf []byte     // it reads into this: p is the caller's again once Read has returned
}

type piece struct {
	n   int
	err error
}

// input returns r, to be read until ctx ends.
func input(ctx context.Context, r io.Reader) io.Reader {
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return r // which never waits
		}
	}
	return &waiting{ctx: ctx, r: r, got: make(chan piece, 1), buf: make([]byte, 64<<10)}
}

// Read implements [io.Reader].
func (w *waiting) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, context.Cause(w.ctx)
	}
	buf := w.buf[:min(len(p), len(w.buf))]
	go func() {
		n, err := w.r.Read(buf)
		w.got <- piece{n, err}
	}()
	select {
	case <-w.ctx.Done():
		return 0, context.Cause(w.ctx)
	case got := <-w.got:
		return copy(p, buf[:got.n]), got.err
	}
}

// openInput opens a file, and gives up when ctx ends: a FIFO waits for its writer.
func openInput(ctx context.Context, path string) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.Open(path)
		done <- opened{f, err}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case o := <-done:
		return o.f, o.err
	}
}
