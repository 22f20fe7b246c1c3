package blob

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
)

// List implements [backend.Backend]. Objects that are not Larder's are passed over.
func (b *Backend) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		fail := func(err error) {
			yield(backend.Info{}, backend.Wrap("list", b.scheme, backend.Key{Shelf: shelf}, err))
		}
		if err := opts.Validate(shelf); err != nil {
			fail(err)
			return
		}
		if !beginsName(opts.Prefix) {
			return
		}
		base := b.prefix + shelf + "/"
		query := driver.ListOptions{Prefix: base + opts.Prefix, Limit: opts.Limit}
		if opts.After != "" {
			query.After = base + opts.After + mark
		}
		n := 0
		for o, err := range b.objects(ctx, query) {
			if err != nil {
				fail(err)
				return
			}
			key, ours := b.key(o.Name)
			if !ours {
				continue
			}
			if !yield(listed(key, o), nil) {
				return
			}
			if n++; n == opts.Limit {
				return
			}
		}
	}
}

// beginsName reports whether a name can begin with prefix. Some servers refuse to look for what
// cannot be the name of a file: "/", "..".
func beginsName(prefix string) bool {
	i := strings.LastIndexByte(prefix, '/')
	if i >= 0 && (backend.Key{Shelf: "s", Name: prefix[:i]}).Validate() != nil {
		return false
	}
	return !strings.HasPrefix(prefix[i+1:], ".")
}

// listed makes the Info of an object in a list, as far as the bucket told.
func listed(key backend.Key, o driver.Object) backend.Info {
	if o.Meta != nil {
		if info, _, err := describe(key, o); err == nil {
			return info
		}
	}
	return backend.Info{Key: key, Size: o.Size, Version: o.Version, ModTime: o.ModTime}
}

// objects is the bucket's list, which must go forward: an object that was seen is lost
// to a caller that resumes after the one before it.
func (b *Backend) objects(ctx context.Context, query driver.ListOptions) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		// The call ends before each yield and a new one begins after it, so that the loop body may
		// close the backend without waiting for itself.
		c, err := b.begin(ctx)
		if err != nil {
			yield(driver.Object{}, err)
			return
		}
		live := true
		defer func() {
			if live {
				c.b.calls.End()
			}
			c.stop()
		}()
		last := query.After
		for o, err := range b.bucket.List(c.ctx, query) {
			if err == nil {
				err = c.ctx.Err()
			}
			if err == nil && o.Name <= last {
				err = fmt.Errorf("the service listed %q after %q: what lies between may be lost", o.Name, last)
			}
			if err != nil {
				yield(driver.Object{}, c.wrap("list", backend.Key{}, err))
				return
			}
			last = o.Name
			c.b.calls.End()
			live = false
			if !yield(o, nil) {
				return
			}
			if err := c.b.calls.Begin(context.Background()); err != nil {
				yield(driver.Object{}, err)
				return
			}
			live = true
		}
	}
}
