package catalog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// Describe returns what the component of a whole key is; false if the store does not know, since nothing
// was stored of it, or its description is corrupt.
func Describe(ctx context.Context, store *larder.Store, id string) (component.Description, bool, error) {
	return describe(ctx, store.Backend(), id)
}

func describe(ctx context.Context, b larder.Backend, id string) (component.Description, bool, error) {
	body, info, err := b.Get(ctx, backend.Key{Shelf: backend.ShelfComponents, Name: id})
	if errors.Is(err, larder.ErrNotFound) || errors.Is(err, larder.ErrCorrupt) || errors.Is(err, backend.ErrInvalidKey) {
		return component.Description{}, false, nil
	}
	if err != nil {
		return component.Description{}, false, err
	}
	defer body.Close()
	d, ok, err := decode(body, info)
	return d, ok, err
}

// decode reads a description; one that is corrupt, or longer than any, is unknown.
func decode(body io.Reader, info larder.Info) (component.Description, bool, error) {
	return decodeOf(body, info, "")
}

// decodeOf is decode for descriptions of one type, unless that is empty; others are unknown. It tells them apart by their bytes, in which
// the type stands as it is, at a tenth of the cost of decoding.
func decodeOf(body io.Reader, info larder.Info, typ string) (component.Description, bool, error) {
	preimage, ok, err := preimageOf(body, info)
	if err != nil || !ok || !bytes.Contains(preimage, []byte(typ)) {
		return component.Description{}, false, err
	}
	d, err := keying.Decode(preimage)
	d.Key, d.Stored = info.Key.Name, info.ModTime
	return d, err == nil && (typ == "" || d.Type == typ), nil
}

// preimageOf reads the bytes of a description; ones that are corrupt, or more than any has, are none. They may be body's own, and
// valid as long as it is.
func preimageOf(body io.Reader, info larder.Info) ([]byte, bool, error) {
	if info.Size > keying.MaxPreimage {
		return nil, false, nil
	}
	closer, ok := body.(io.ReadCloser)
	if !ok {
		closer = io.NopCloser(body)
	}
	verified, err := backend.Verify(closer, info)
	if whole, ok := verified.(*backend.Body); ok && err == nil {
		return whole.Take(), true, nil
	}
	var preimage []byte
	if err == nil {
		preimage, err = io.ReadAll(verified)
	}
	if errors.Is(err, larder.ErrCorrupt) {
		return nil, false, nil
	}
	return preimage, err == nil, err
}

// descriptions finds descriptions for keys, most of which come in ascending order.
type descriptions struct {
	typ   string // the only one that is wanted; "" wants all
	ctx   context.Context
	b     larder.Backend
	next  func() (backend.Entry, error, bool)
	stop  func()
	desc  component.Description // the present one; its Key is set whether or not it is sound
	sound bool
	ended bool
}

func newDescriptions(ctx context.Context, b larder.Backend, typ string, opts backend.ListOptions) *descriptions {
	next, stop := iter.Pull2(backend.Scan(ctx, b, backend.ShelfComponents, opts))
	return &descriptions{typ: typ, ctx: ctx, b: b, next: next, stop: stop}
}

func (d *descriptions) of(id string) (component.Description, bool, error) {
	if id < d.desc.Key { // names of values have a slash behind the key, which sorts before some keys' next letter
		return describe(d.ctx, d.b, id)
	}
	for !d.ended && d.desc.Key < id {
		e, err, ok := d.next()
		if err != nil {
			return component.Description{}, false, err
		}
		if d.ended = !ok; d.ended {
			break
		}
		d.desc, d.sound = component.Description{Key: e.Key.Name}, false
		if e.Key.Name < id {
			continue // of an input that was never stored itself
		}
		desc, sound, err := decodeOf(e.Body, e.Info, d.typ)
		if err != nil {
			return component.Description{}, false, err
		}
		desc.Key = e.Key.Name
		d.desc, d.sound = desc, sound
	}
	if d.ended || d.desc.Key != id || !d.sound {
		return component.Description{}, false, nil
	}
	return d.desc, true, nil
}

// reach returns the keys of all components that are computed, at any distance, from one whose key
// matches. It reads all descriptions once, and holds in memory what is computed from what: some
// 200 bytes an input.
func reach(ctx context.Context, b larder.Backend, match func(string) bool) ([]string, error) {
	from := map[string][]string{} // by key of an input, what is computed from it
	for e, err := range backend.Scan(ctx, b, backend.ShelfComponents, backend.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		d, ok, err := decode(e.Body, e.Info)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		for _, input := range d.Inputs {
			from[input] = append(from[input], e.Key.Name)
		}
	}
	var found, next []string
	for input := range from {
		if match(input) {
			next = append(next, input)
		}
	}
	seen := map[string]bool{}
	for len(next) > 0 {
		key := next[len(next)-1]
		next = next[:len(next)-1]
		for _, computed := range from[key] {
			if !seen[computed] {
				seen[computed] = true
				found = append(found, computed)
				next = append(next, computed)
			}
		}
	}
	return found, nil
}
