package law

import (
	"context"
	"fmt"
	"strings"

	"github.com/larder-store/larder/backend"
)

// wideKeys are keys that an engine may keep elsewhere than short ones: long, deep, and on a long shelf.
func (e *Env) wideKeys() []backend.Key {
	shelf := "s" + strings.Repeat("h", backend.MaxShelf-1-len(e.mark))
	long := strings.Repeat(strings.Repeat("n", 149)+"/", 4)[:backend.MaxName-1]
	return []backend.Key{
		e.key("s", strings.Repeat("n", backend.MaxSegment)),
		e.key("s", long),
		e.key("s", long+"n"),
		e.key("s", strings.Repeat("d/", backend.MaxSegments-1)+"d"),
		e.key(shelf, "a"),
		e.key(shelf, long+"n"),
	}
}

func ifAbsentNames(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, key := range append(e.wideKeys(), e.key("s", "meta")) {
		opts := backend.PutOptions{IfAbsent: true, Meta: manyMeta()}
		before := p.putWith(key, "first", opts)
		p.about("Put with IfAbsent", before, key, "first")
		for _, text := range []string{"second", "third"} {
			p.refused(key, text, opts, backend.ErrExists)
			p.refused(key, text, onlyNew, backend.ErrExists)
		}
		p.unchanged(key, "first", before)
		p.remove(key)
		p.putWith(key, "fourth", opts)
	}
	return p.err
}

func ifMatchNames(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, key := range append(e.wideKeys(), e.key("s", "meta")) {
		opts := func(version string) backend.PutOptions {
			return backend.PutOptions{IfMatch: version, Meta: manyMeta()}
		}
		old := p.put(key, "first").Version
		if p.err == nil {
			p.refused(key, "none", opts("none"), backend.ErrChanged)
		}
		now := p.putWith(key, "second", opts(old))
		p.about("Put with IfMatch", now, key, "second")
		p.refused(key, "third", opts(old), backend.ErrChanged)
		p.refused(key, "third", matching(old), backend.ErrChanged)
		p.unchanged(key, "second", now)
		p.remove(key)
		p.refused(key, "fourth", opts(now.Version), backend.ErrChanged)
		p.absent(key)
	}
	return p.err
}

// boundInfos is about what goes another way than the bytes do where a value is sent in parts.
func boundInfos(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	var sizes []int
	for _, n := range e.bounds() {
		if sizes = append(sizes, n+1); 2*n <= 16<<20 && !e.tooLarge(2*n) { // two whole parts
			sizes = append(sizes, 2*n)
		}
	}
	for i, n := range sizes {
		key, text := e.key(fmt.Sprint("s-", n), "a"), noise(n, uint64(i))
		put := p.putWith(key, text, backend.PutOptions{Meta: manyMeta()})
		p.about("Put", put, key, text)
		p.sameMeta("Put", put.Meta, manyMeta())
		p.unchanged(key, text, put)
		for _, info := range p.list(key.Shelf, backend.ListOptions{}) {
			p.listed(info, put)
		}
		p.remove(key)
		if p.err != nil {
			return fmt.Errorf("a value of %d bytes with Meta: %w", n, p.err)
		}
	}
	return p.err
}

func allKept(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	const size = leastMaxValue
	first, large := e.key("first", "a"), e.keys("large", e.pick(8, 40, 1100))
	p.put(first, "first")
	for i, key := range large {
		p.put(key, noise(size, uint64(i)))
	}
	small := e.keys("small", e.pick(500, 5001, 70_000))
	p.fill(small)
	p.holds(first, "first")
	for i, key := range large {
		if i%4 == 0 {
			p.holds(key, noise(size, uint64(i)))
		}
	}
	p.lists(large[0].Shelf, backend.ListOptions{}, namesOf(large)...)
	p.lists(small[0].Shelf, backend.ListOptions{}, namesOf(small)...)
	for i := 0; i < len(small); i += 100 {
		p.holds(small[i], small[i].Name)
	}
	return p.err
}
