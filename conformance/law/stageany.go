package law

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/larder-store/larder/backend"
)

// written is a draft and what should be in it.
type written struct {
	backend.Draft
	name  string
	text  []byte
	pos   int
	taken bool // by a Put
	small bool
}

func stageAny(ctx context.Context, e *Env) error {
	for range e.pick(5, 20, 500) {
		if err := e.drafts(ctx, e.pick(80, 150, 150)); err != nil {
			return err
		}
	}
	return nil
}

// drafts does n steps with a few drafts of several handles, each of which may put each.
func (e *Env) drafts(ctx context.Context, n int) error {
	w, err := e.newWorld(ctx, 2)
	if err != nil {
		return err
	}
	if err := w.emptied(); err != nil {
		return err
	}
	var open []*written
	defer func() {
		for _, d := range open {
			d.Close()
		}
	}()
	keys := w.drawKeys(4)
	for range n {
		p, key := w.handles[w.rnd.IntN(len(w.handles))], keys[w.rnd.IntN(len(keys))]
		if len(open) < 3 && w.rnd.IntN(4) == 0 || len(open) == 0 {
			if d := p.stage(""); d != nil {
				step := w.does(p, "Stage")
				open = append(open, &written{Draft: d, name: fmt.Sprint("the draft of step ", step), small: w.rnd.IntN(2) > 0})
			}
			if err := w.err(); err != nil {
				return err
			}
			continue
		}
		i := w.rnd.IntN(len(open))
		d := open[i]
		switch k := w.rnd.IntN(20); {
		case k < 6 && !d.taken:
			more := 1 + w.rnd.IntN(100_000)
			if d.small {
				more = w.rnd.IntN(3000)
			}
			piece := []byte(w.text(more))
			w.does(p, "write %d bytes to %s", len(piece), d.name)
			if n, err := d.Write(piece); n != len(piece) || err != nil {
				p.failf("writing %d bytes to a draft = %d, %v", len(piece), n, err)
			}
			d.text = append(d.text, piece...)
			clear(piece) // it is the caller's
		case k < 9:
			w.does(p, "read of %s", d.name)
			buf := make([]byte, min(w.rnd.IntN(50_000), len(d.text)-d.pos))
			if _, err := io.ReadFull(d, buf); err != nil {
				p.failf("reading %d bytes of %s at %d of %d: %w", len(buf), d.name, d.pos, len(d.text), err)
			}
			p.same(d.name, string(buf), string(d.text[d.pos:d.pos+len(buf)]))
			if d.pos += len(buf); d.pos == len(d.text) && p.err == nil {
				if n, err := d.Read(make([]byte, 1)); n != 0 || err != io.EOF {
					p.failf("reading %s at its end = %d, %v, want 0, EOF", d.name, n, err)
				}
			}
		case k < 12:
			to := w.rnd.IntN(len(d.text) + 1)
			whence := w.rnd.IntN(3)
			w.does(p, "seek %s to %d, from place %d of 0, %d and %d", d.name, to, whence, d.pos, len(d.text))
			at, err := d.Seek(int64(to-[]int{0, d.pos, len(d.text)}[whence]), whence)
			if err != nil || at != int64(to) {
				p.failf("seeking %s to %d of %d = %d, %v", d.name, to, len(d.text), at, err)
			}
			d.pos = to
		case k < 14:
			off := w.rnd.IntN(len(d.text) + 1)
			buf := make([]byte, w.rnd.IntN(5000)+1)
			w.does(p, "ReadAt(%d bytes, %d) of %s", len(buf), off, d.name)
			n, err := d.ReadAt(buf, int64(off))
			want := d.text[off:min(len(d.text), off+len(buf))]
			if !bytes.Equal(buf[:n], want) || n < len(buf) && err != io.EOF || n == len(buf) && err != nil && err != io.EOF {
				p.failf("ReadAt of %d bytes from %d of %d of %s = %d, %v, or other bytes", len(buf), off, len(d.text), d.name, n, err)
			}
		case k < 17:
			text := string(d.text)
			w.does(p, "%s becomes %s, %d bytes", d.name, brief(key), len(text))
			var info backend.Info
			if w.rnd.IntN(2) == 0 {
				info = w.put(p, key, d.Draft, text, backend.PutOptions{})
			} else {
				info = w.batch(p, key, d.Draft, text, backend.PutOptions{}, w.rnd.IntN(2) == 0)
			}
			delete(w.past, key) // the same bytes may have the same Version again
			w.stored(p, key, text, nil, info)
			if d.taken = true; p.err == nil {
				d.pos = 0 // where it stands is its own affair
				if _, err := d.Seek(0, io.SeekStart); err != nil {
					p.failf("rewinding %s, which was put: %w", d.name, err)
				}
			}
		case k < 18:
			w.does(p, "%s is refused", d.name)
			opts := filled(string(d.text)+"more", backend.PutOptions{})
			_, err := p.b.Put(ctx, key, d.Draft, opts)
			p.fails("Put of a draft as longer than it is", err, io.ErrUnexpectedEOF)
			d.pos = 0
			if _, err := d.Seek(0, io.SeekStart); err != nil {
				p.failf("rewinding %s, which was refused: %w", d.name, err)
			}
		case k < 19:
			w.does(p, "close %s", d.name)
			if err := d.Close(); err != nil {
				p.failf("closing %s: %w", d.name, err)
			}
			open = append(open[:i], open[i+1:]...)
		default:
			for _, key := range keys {
				w.look(p, looks[0], key)
			}
			w.look(p, looks[2], key)
			w.look(p, looks[4], key)
		}
		if err := w.err(); err != nil {
			return err
		}
	}
	return w.err()
}
