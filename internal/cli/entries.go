package cli

import (
	"context"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/verify"
	"github.com/larder-store/larder/keying"
)

// entry is a value and what its component is.
type entry struct {
	id, attribute string
	info          larder.Info
	known         bool // desc tells what the component is
	desc          keying.Description
	command       []string // of a stage, where somebody asked for it
}

// filter chooses entries. The zero value takes all.
type filter struct {
	prefix string
	query  backend.Query
}

// entries yields what a filter lets through, in the order of keys. Values and descriptions
// are both listed in that order, so one pass over each is enough.
func entries(ctx context.Context, b larder.Backend, flt filter) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		opts := backend.ListOptions{Prefix: flt.prefix}
		next, stop := iter.Pull2(backend.Scan(ctx, b, backend.ShelfComponents, opts))
		defer stop()
		descs := descriptions{next: next}
		for info, err := range b.List(ctx, backend.ShelfCache, opts) {
			if err != nil {
				yield(entry{}, err)
				return
			}
			id, segment, _ := strings.Cut(info.Key.Name, "/")
			e := entry{id: id, info: info}
			if e.attribute, err = keying.Unescape(segment); err != nil {
				e.attribute = segment // stored by other means than a Store
			}
			if e.desc, e.known, err = descs.of(id); err != nil {
				yield(entry{}, err)
				return
			}
			if flt.lets(e) && !yield(e, nil) {
				return
			}
		}
	}
}

// newestLast returns what a filter lets through, in the order of time.
func newestLast(ctx context.Context, b larder.Backend, flt filter) ([]entry, error) {
	var all []entry
	for e, err := range entries(ctx, b, flt) {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(a, b entry) int { return a.info.ModTime.Compare(b.info.ModTime) })
	return all, nil
}

func (f filter) lets(e entry) bool {
	return f.query.Match(backend.Description{
		Type:       e.desc.Type,
		Version:    e.desc.Version,
		Parameters: e.desc.Parameters,
		Stored:     e.info.ModTime,
	})
}

// descriptions finds descriptions for keys that come in ascending order.
type descriptions struct {
	next  func() (backend.Entry, error, bool)
	name  string // of the present one
	desc  keying.Description
	sound bool
	ended bool
}

func (d *descriptions) of(id string) (keying.Description, bool, error) {
	for !d.ended && d.name < id {
		e, err, ok := d.next()
		if err != nil {
			return keying.Description{}, false, err
		}
		if d.ended = !ok; d.ended {
			break
		}
		d.name, d.sound = e.Key.Name, false
		if d.name != id {
			continue // of an input that was never stored itself
		}
		d.desc, d.sound = readDescription(e)
	}
	if d.ended || d.name != id || !d.sound {
		return keying.Description{}, false, nil
	}
	return d.desc, true, nil
}

// readDescription decodes a description; one that is corrupt is unknown.
func readDescription(e backend.Entry) (keying.Description, bool) {
	preimage, err := io.ReadAll(e.Body)
	if err != nil || verify.Bytes(preimage, e.Info) != nil {
		return keying.Description{}, false
	}
	d, err := keying.Decode(preimage)
	return d, err == nil
}
