package tier

import (
	"bytes"
	"context"
	"io"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/temp"
)

// filling returns a body of a far value that lays a copy near: at once where the value is small, else
// when it was read to its end and closed.
func (b *Backend) filling(ctx context.Context, body io.ReadCloser, info backend.Info, seen sight) io.ReadCloser {
	if _, ok := b.copyOptions(info, seen.version); !ok || b.opts.ReadOnly {
		return body
	}
	if info.Size <= inMemory {
		return b.filled(ctx, body, info, seen)
	}
	f, err := temp.Create("", "larder-tier-*")
	if err != nil {
		b.failures.Add(1)
		return body
	}
	return &tee{b: b, ctx: ctx, body: body, info: info, seen: seen, file: f}
}

// filled reads a small value whole. What cannot be read goes on to whoever reads the body.
func (b *Backend) filled(ctx context.Context, body io.ReadCloser, info backend.Info, seen sight) io.ReadCloser {
	defer body.Close()
	text := make([]byte, 0, info.Size+1)
	buf := bytes.NewBuffer(text)
	_, err := io.Copy(buf, io.LimitReader(body, info.Size+1))
	text = buf.Bytes()
	if err != nil {
		return &broken{*bytes.NewReader(text), err}
	}
	if _, err := backend.Verify(backend.NewBody(bytes.Clone(text)), info); err == nil {
		b.fill(ctx, info, bytes.NewReader(text), seen)
	}
	return backend.NewBody(text)
}

// broken is a body that ends in an error.
type broken struct {
	bytes.Reader
	err error
}

func (r *broken) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		err = r.err
	}
	return n, err
}

func (r *broken) WriteTo(w io.Writer) (int64, error) {
	n, err := r.Reader.WriteTo(w)
	if err == nil {
		err = r.err
	}
	return n, err
}

func (r *broken) Close() error { return nil }

// tee keeps what is read in a file.
type tee struct {
	b    *Backend
	ctx  context.Context
	body io.ReadCloser
	info backend.Info
	seen sight
	file *temp.File // nil once it failed or was used
	n    int64
}

func (r *tee) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if r.file != nil && n > 0 {
		if _, werr := r.file.Write(p[:n]); werr != nil {
			r.drop()
		}
	}
	r.n += int64(n)
	return n, err
}

// drop gives the copy up.
func (r *tee) drop() {
	r.b.failures.Add(1)
	r.file.Close()
	r.file = nil
}

// Close lays the copy, if all was read and it is right.
func (r *tee) Close() error {
	err := r.body.Close()
	f := r.file
	if f == nil {
		return err
	}
	r.file = nil
	defer f.Close()
	if r.n != r.info.Size || r.b.calls.Begin(r.ctx) != nil {
		return err
	}
	defer r.b.calls.End()
	if _, serr := f.Seek(0, io.SeekStart); serr != nil {
		return err
	}
	v, verr := backend.Verify(io.NopCloser(f), r.info)
	if verr == nil {
		_, verr = io.Copy(io.Discard, v)
	}
	if verr == nil {
		r.b.fill(r.ctx, r.info, f, r.seen)
	}
	return err
}
