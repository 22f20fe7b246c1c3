package catalog

import (
	"cmp"
	"context"
	"slices"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

// A lineage is what is computed from what, among all components that a store describes: some 80 bytes a component, and 8 an input.
type lineage struct {
	nodes []ancestor // in order of key
	from  []uint64   // the inputs of all, one after the other
}

// ancestor is a component, and what is known of all that is computed from it.
type ancestor struct {
	key         uint64
	first, last uint32 // of its inputs, in from
	waits       uint32 // for so many that are computed from it
	depth       uint32 // how many steps away the farthest is that is computed from it
	own         worth  // the most of all its values
	heirs       worth  // the most of all values that are computed from it
}

// worth is why a value stays.
type worth struct {
	used  int64
	price uint64
	kept  bool
}

func (w *worth) join(v worth) {
	w.used, w.price, w.kept = max(w.used, v.used), max(w.price, v.price), w.kept || v.kept
}

// lineageOf reads all descriptions. id turns keys into numbers.
func lineageOf(ctx context.Context, b larder.Backend, id func(string) uint64) (*lineage, error) {
	l := &lineage{}
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
		n := ancestor{key: id(e.Key.Name), first: uint32(len(l.from))}
		for _, input := range d.Inputs {
			l.from = append(l.from, id(input))
		}
		n.last = uint32(len(l.from))
		l.nodes = append(l.nodes, n)
	}
	l.sort()
	// What was put under a key that was made elsewhere has values, and no description.
	others := slices.Clone(l.from)
	slices.Sort(others)
	described := l.nodes
	for _, key := range slices.Compact(others) {
		if (&lineage{nodes: described}).find(key) < 0 {
			l.nodes = append(l.nodes, ancestor{key: key})
		}
	}
	l.sort()
	return l, nil
}

func (l *lineage) sort() {
	slices.SortFunc(l.nodes, func(a, b ancestor) int { return cmp.Compare(a.key, b.key) })
}

// find returns the number of a component; -1 if it is neither described nor an input of one that is.
func (l *lineage) find(key uint64) int32 {
	if l == nil {
		return -1
	}
	i, ok := slices.BinarySearchFunc(l.nodes, key, func(n ancestor, key uint64) int { return cmp.Compare(n.key, key) })
	if !ok {
		return -1
	}
	return int32(i)
}

// inherit finds what the heirs of each component are worth.
func (l *lineage) inherit() {
	for _, n := range l.nodes {
		for _, input := range l.from[n.first:n.last] {
			if i := l.find(input); i >= 0 {
				l.nodes[i].waits++
			}
		}
	}
	var ready []int32
	for i, n := range l.nodes {
		if n.waits == 0 {
			ready = append(ready, int32(i))
		}
	}
	for len(ready) > 0 { // those of a loop, which a damaged description may make, are never ready
		n := l.nodes[ready[len(ready)-1]]
		ready = ready[:len(ready)-1]
		for _, input := range l.from[n.first:n.last] {
			i := l.find(input)
			if i < 0 {
				continue
			}
			in := &l.nodes[i]
			in.heirs.join(n.own)
			in.heirs.join(n.heirs)
			in.depth = max(in.depth, n.depth+1)
			if in.waits--; in.waits == 0 {
				ready = append(ready, i)
			}
		}
	}
}
