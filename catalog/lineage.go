package catalog

import (
	"cmp"
	"context"
	"slices"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

// A lineage is what is computed from what, among all components that a store describes: some 80 bytes a component, and 8 an input. A file
// comes from the components that left it, as the notes and the digests of values say.
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
func lineageOf(ctx context.Context, store *larder.Store, id func(string) uint64) (*lineage, error) {
	left, err := readContents(ctx, store, nil)
	if err != nil {
		return nil, err
	}
	makers := make(map[uint64][]made, len(left.makers))
	for file, by := range left.makers {
		makers[id(file)] = by
	}
	l := &lineage{}
	// add adds a component with its inputs.
	add := func(key uint64, inputs []string) {
		n := ancestor{key: key, first: uint32(len(l.from))}
		for _, input := range inputs {
			l.from = append(l.from, id(input))
		}
		for _, m := range makers[key] {
			l.from = append(l.from, id(m.id))
		}
		n.last = uint32(len(l.from))
		l.nodes = append(l.nodes, n)
	}
	for e, err := range backend.Scan(ctx, store.Backend(), backend.ShelfComponents, backend.ListOptions{}) {
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
		add(id(e.Key.Name), d.Inputs)
	}
	l.sort()
	// What was put under a key that was made elsewhere has values, and no description.
	others := slices.Clone(l.from)
	slices.Sort(others)
	described := l.nodes
	for _, key := range slices.Compact(others) {
		if (&lineage{nodes: described}).find(key) < 0 {
			add(key, nil)
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
	for len(ready) > 0 { // those of a loop are never ready, nor what they come from
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
	l.inheritInLoops()
}

// inheritInLoops passes on what inherit could not: stages that change a file in its place make loops, and so do damaged descriptions. It goes
// on until nothing changes any more, which ends, since worth only grows, to what some value has.
func (l *lineage) inheritInLoops() {
	var changed []int32
	for i, n := range l.nodes {
		if n.waits > 0 {
			changed = append(changed, int32(i))
		}
	}
	for len(changed) > 0 {
		n := l.nodes[changed[len(changed)-1]]
		changed = changed[:len(changed)-1]
		for _, input := range l.from[n.first:n.last] {
			i := l.find(input)
			if i < 0 || l.nodes[i].waits == 0 {
				continue
			}
			in := &l.nodes[i]
			before := in.heirs
			in.heirs.join(n.own)
			in.heirs.join(n.heirs)
			if in.heirs != before {
				changed = append(changed, i)
			}
		}
	}
}
