package catalog

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
)

// pageSize is how many entries of a shelf are compared with the destination at once: as many as a request lists.
const pageSize = 1000

// page is a part of a shelf, in order.
type page struct {
	c     *copier
	shelf string
	infos []backend.Info

	batch []job // what will be sent to the workers next
	bytes int64
}

func (c *copier) newPage(shelf string) *page { return &page{c: c, shelf: shelf} }

func (p *page) add(ctx context.Context, info backend.Info) error {
	p.infos = append(p.infos, info)
	if len(p.infos) < pageSize {
		return nil
	}
	return p.compare(ctx)
}

func (p *page) flush(ctx context.Context) error {
	if err := p.compare(ctx); err != nil {
		return err
	}
	return p.sendBatch(ctx)
}

// compare holds the page against what the destination lists, and sends on what is not there or not sure.
func (p *page) compare(ctx context.Context) error {
	if len(p.infos) == 0 {
		return nil
	}
	p.sort()
	ours, upTo, err := p.ours(ctx)
	if err != nil {
		return err
	}
	for _, theirs := range p.infos {
		j := job{theirs: theirs}
		j.ours, j.there = ours[theirs.Key.Name]
		j.unsure = !j.there && theirs.Key.Name > upTo
		if j.there && same(theirs, j.ours) {
			p.c.count(func(r *CopyReport) { r.Present++ })
			continue
		}
		if err := p.sendJob(ctx, j); err != nil {
			return err
		}
	}
	p.infos = p.infos[:0]
	return nil
}

// sort puts what an index found in the order of names.
func (p *page) sort() {
	slices.SortFunc(p.infos, func(a, b backend.Info) int { return cmp.Compare(a.Key.Name, b.Key.Name) })
}

// ours returns what the destination lists of the names of the page. It lists from the first of them to the last, and gives up
// behind upTo where far more lies between them, of which single requests cost less.
func (p *page) ours(ctx context.Context) (ours map[string]backend.Info, upTo string, err error) {
	first, last := p.infos[0].Key.Name, p.infos[len(p.infos)-1].Key.Name
	ours = make(map[string]backend.Info, len(p.infos))
	opts := backend.ListOptions{After: first[:len(first)-1], Limit: 4*len(p.infos) + pageSize}
	n := 0
	for info, err := range p.c.to.List(ctx, p.shelf, opts) {
		if err != nil {
			return nil, "", err
		}
		if n++; info.Key.Name > last {
			return ours, last, nil
		}
		if info.Key.Name >= first {
			ours[info.Key.Name] = info
		}
		upTo = info.Key.Name
	}
	if n < opts.Limit {
		upTo = last
	}
	return ours, upTo, nil
}

func (p *page) sendJob(ctx context.Context, j job) error {
	if len(p.batch) > 0 && (len(p.batch) >= p.c.most || p.bytes+j.theirs.Size > batchBytes) {
		if err := p.sendBatch(ctx); err != nil {
			return err
		}
	}
	p.batch = append(p.batch, j)
	p.bytes += j.theirs.Size
	return nil
}

func (p *page) sendBatch(ctx context.Context) error {
	if len(p.batch) == 0 {
		return nil
	}
	batch := p.batch
	p.batch, p.bytes = nil, 0
	return p.c.send(ctx, batch)
}

// known reports whether an Info says what is needed to compare: lists of some backends leave the digest out.
func known(info backend.Info) bool { return info.Digest != [32]byte{} }

// same reports whether two entries hold the same value, as far as that is known without a request.
func same(a, b backend.Info) bool {
	if !known(a) || !known(b) || a.Size != b.Size || a.Digest != b.Digest {
		return false
	}
	return a.Meta == nil || b.Meta == nil || a.Meta[codec.MetaKey] == b.Meta[codec.MetaKey] // the same bytes may mean two values
}

// differ reports whether two entries are known to hold different values.
func differ(a, b backend.Info) bool {
	return a.Size != b.Size || known(a) && known(b) && !same(a, b)
}

// endsIn reports whether a name is another one, or ends in it as in a path.
func endsIn(name, end string) bool { return name == end || strings.HasSuffix(name, "/"+end) }
