package file

import (
	"context"
	"path/filepath"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/ahead"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/durable"
)

// room is what a draft leaves free for its header, which is known last: above what 1,500 bytes of metadata take, unless nearly all of
// them are characters that JSON escapes, and a page, so that the value can be mapped as it lies.
const room = 4096

// draft is a [backend.Draft]: a temporary file like that of a Put, locked against sweeps for as long as it is open.
type draft struct {
	*ahead.File
	ctx    context.Context // of its making
	bucket *bucket
	temp   *tempFile
}

// Stage implements [driver.Stager].
func (b *bucket) Stage(ctx context.Context) (backend.Draft, error) {
	if err := durable.Present(b.root, b.made, filepath.Join(private, formatFile)); err != nil {
		return nil, err
	}
	t, err := newTemp(filepath.Join(b.root, private, tempDir))
	if err != nil {
		return nil, err
	}
	t.draft = &draft{ahead.New(t.f, room, true), ctx, b, t}
	return t.draft, nil
}

// Write implements [io.Writer].
func (d *draft) Write(p []byte) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	return d.File.Write(p)
}

// Close implements [io.Closer].
func (d *draft) Close() error {
	d.temp.remove()
	return nil
}

// takeDraft returns the file of a draft, complete and synced, if the body of a Put is one of this bucket that has no name yet;
// else nil.
func (b *bucket) takeDraft(h header, src *driver.Body) (*tempFile, error) {
	d, ok := src.Source().(*draft)
	if !ok || d.bucket != b || d.Sealed() || d.Size() != src.Size() {
		return nil, nil
	}
	front, err := h.encodePadded(room)
	if front == nil || err != nil {
		return nil, err
	}
	if err := d.WriteFront(front); err != nil {
		return nil, err
	}
	return d.temp, b.disk.syncFile(d.temp.f)
}
