package catalog

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// A Direction is which way a tree leads.
type Direction int

// The directions.
const (
	Up   Direction = iota // to what a component was computed from
	Down                  // to what was computed from a component
)

// A Tree is what components come from, or what was computed from them, as a graph. A component that several
// lead to is there once.
type Tree struct {
	Root  string
	Nodes map[string]*Node // by key
	Cut   bool             // there is more beyond the depth that was asked for
}

// A Node is a component in a tree.
type Node struct {
	ID          string
	Description component.Description
	Known       bool   // Description says what it is
	Links       []Link // to what it comes from or, downwards, to what comes from it
	Depth       int    // the least number of links from the root
}

// A Link leads from one component to another.
type Link struct {
	ID    string
	Label string // what a stage calls the file, often its path; "" where that is not known
	// Contents means that one component's stored value, or a file that a stage left, has just the contents of the other one,
	// which is a file: whoever wrote the file need not have told Larder.
	Contents bool
}

// TreeOf returns what a component comes from, or what was computed from it, through the contents of files too,
// over at most depth links; 0 is no limit. A cycle, which only a corrupt store has, ends where it is closed.
//
// Upwards it asks for one component after the other, or for many at once by the backend's index. Downwards, and wherever a file is
// reached, it reads all descriptions once and lists all values, unless an index knows; on backends whose requests are costly values are left out: only
// what larder run made is found by contents there. It holds in memory what the store says of keys: some 600 bytes a component.
func TreeOf(ctx context.Context, store *larder.Store, id string, way Direction, depth int) (*Tree, error) {
	l := &Tree{Root: id, Nodes: map[string]*Node{id: {ID: id}}}
	source := &treeSource{store: store, way: way}
	level := []*Node{l.Nodes[id]}
	for d := 0; len(level) > 0; d++ {
		if err := source.describe(ctx, level); err != nil {
			return nil, err
		}
		if err := source.link(ctx, level); err != nil {
			return nil, err
		}
		var next []*Node
		for _, n := range level {
			if depth > 0 && d == depth {
				l.Cut = l.Cut || len(n.Links) > 0
				n.Links = nil
				continue
			}
			for _, link := range n.Links {
				if l.Nodes[link.ID] == nil {
					l.Nodes[link.ID] = &Node{ID: link.ID, Depth: d + 1}
					next = append(next, l.Nodes[link.ID])
				}
			}
		}
		level = next
	}
	if !l.Nodes[id].Known && len(l.Nodes) == 1 {
		return nil, undescribed(id)
	}
	return l, nil
}

const (
	// askSingly is for how many components a plain store is asked one by one, before all descriptions are read in a pass:
	// a request costs some 20 times as much as a step of a pass.
	askSingly = 2000
	askAtOnce = 1000 // components that an index is asked for at once
	askLevels = 100  // levels for which an index is asked, before all descriptions are read
)

// treeSource answers what leads where in one store.
type treeSource struct {
	store *larder.Store
	way   Direction

	asked    int // components that were asked for one by one
	levels   int
	all      map[string]preimage // once all were read
	users    map[string][]string // once all were read: by key of an input, what is computed from it
	files    files               // once all were read
	contents *contents           // once a file was reached
}

// A preimage is a description as it is stored: a tenth of the memory that it takes decoded.
type preimage struct {
	bytes  []byte
	stored time.Time
}

// of returns a description, once all were read.
func (s *treeSource) of(key string) (component.Description, bool) {
	p, ok := s.all[key]
	if !ok {
		return component.Description{}, false
	}
	d, err := keying.Decode(p.bytes)
	d.Key, d.Stored = key, p.stored
	return d, err == nil
}

// describe completes the descriptions of nodes.
func (s *treeSource) describe(ctx context.Context, nodes []*Node) error {
	finder, indexed := backend.As[backend.Finder](s.store.Backend())
	s.levels++
	switch {
	case s.all != nil:
	case indexed && s.levels <= askLevels:
		return s.find(ctx, finder, nodes)
	case s.asked+len(nodes) > askSingly && !backend.LimitsOf(s.store.Backend()).CostlyRequests:
		if err := s.readAll(ctx); err != nil {
			return err
		}
	}
	for _, n := range nodes {
		if s.all != nil {
			n.Description, n.Known = s.of(n.ID)
			continue
		}
		s.asked++
		var err error
		if n.Description, n.Known, err = Describe(ctx, s.store, n.ID); err != nil {
			return err
		}
	}
	return nil
}

// find is describe by an index.
func (s *treeSource) find(ctx context.Context, f backend.Finder, nodes []*Node) error {
	for some := range slices.Chunk(nodes, askAtOnce) {
		byKey := make(map[string]*Node, len(some))
		keys := make([]any, len(some))
		for i, n := range some {
			byKey[n.ID], keys[i] = n, n.ID
		}
		for d, err := range f.Find(ctx, component.Query{Where: component.Where(component.FieldKey, component.In, keys)}) {
			if err != nil {
				return err
			}
			if n := byKey[d.Key]; n != nil {
				n.Description, n.Known = d, true
			}
		}
	}
	return nil
}

// readAll reads all descriptions.
func (s *treeSource) readAll(ctx context.Context) error {
	s.all, s.users, s.files = map[string]preimage{}, map[string][]string{}, files{}
	for e, err := range backend.Scan(ctx, s.store.Backend(), backend.ShelfComponents, backend.ListOptions{}) {
		if err != nil {
			return err
		}
		text, ok, err := preimageOf(e.Body, e.Info)
		if err != nil {
			return err
		}
		d, err := keying.Decode(text)
		if !ok || err != nil {
			continue
		}
		d.Key = e.Key.Name
		s.all[d.Key] = preimage{bytes.Clone(text), e.ModTime} // without what reading left room for
		s.files.add(d)
		for i, in := range d.Inputs {
			if !slices.Contains(d.Inputs[:i], in) {
				s.users[in] = append(s.users[in], d.Key)
			}
		}
	}
	return nil
}

// link completes the links of nodes that are described.
func (s *treeSource) link(ctx context.Context, nodes []*Node) error {
	if s.way == Down {
		return s.linkDown(ctx, nodes)
	}
	for _, n := range nodes {
		labels := s.labels(ctx, n)
		for i, key := range n.Description.Inputs {
			link := Link{ID: key}
			if i < len(labels) {
				link.Label = labels[i]
			}
			n.Links = append(n.Links, link)
		}
		if n.Known && n.Description.Type != component.FileType {
			continue
		}
		if err := s.readContents(ctx); err != nil {
			return err
		}
		for _, m := range s.contents.makers[n.ID] {
			n.Links = append(n.Links, Link{ID: m.id, Label: m.label, Contents: true})
		}
	}
	return nil
}

// labels returns what a stage calls its inputs; nil for others, and where that is not known.
func (s *treeSource) labels(ctx context.Context, n *Node) []string {
	if len(n.Description.Inputs) == 0 {
		return nil
	}
	first, known := s.of(n.Description.Inputs[0])
	if s.all == nil {
		if s.asked++; s.asked > askSingly {
			return nil
		}
		first, known, _ = Describe(ctx, s.store, n.Description.Inputs[0]) // labels are no reason to fail
	}
	if !known {
		return nil
	}
	labels := inputLabels(first, len(n.Description.Inputs))
	if labels != nil {
		labels[0] = "" // its type says it
	}
	return labels
}

func (s *treeSource) readContents(ctx context.Context) error {
	if s.contents != nil {
		return nil
	}
	var err error
	s.contents, err = readContents(ctx, s.store, s.files)
	return err
}

func (s *treeSource) linkDown(ctx context.Context, nodes []*Node) error {
	users, err := s.usersOf(ctx, nodes)
	if err != nil {
		return err
	}
	if err := s.readContents(ctx); err != nil {
		return err
	}
	for _, n := range nodes {
		for _, m := range s.contents.made[n.ID] {
			n.Links = append(n.Links, Link{ID: m.id, Label: m.label, Contents: true})
		}
		for _, key := range users[n.ID] {
			n.Links = append(n.Links, Link{ID: key})
		}
	}
	return nil
}

// usersOf returns by key what is computed from nodes.
func (s *treeSource) usersOf(ctx context.Context, nodes []*Node) (map[string][]string, error) {
	finder, indexed := backend.As[backend.Finder](s.store.Backend())
	if s.all == nil && (!indexed || s.levels > askLevels) {
		if err := s.readAll(ctx); err != nil {
			return nil, err
		}
	}
	if s.all != nil {
		return s.users, nil
	}
	users := map[string][]string{}
	for some := range slices.Chunk(nodes, askAtOnce) {
		keys := make([]any, len(some))
		wanted := map[string]bool{}
		for i, n := range some {
			keys[i], wanted[n.ID] = n.ID, true
		}
		for d, err := range finder.Find(ctx, component.Query{Where: component.Where(component.FieldInput, component.In, keys)}) {
			if err != nil {
				return nil, err
			}
			for i, in := range d.Inputs {
				if wanted[in] && !slices.Contains(d.Inputs[:i], in) {
					users[in] = append(users[in], d.Key)
				}
			}
		}
	}
	return users, nil
}
