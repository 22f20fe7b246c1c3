package catalog

import (
	"fmt"
	"slices"

	"github.com/larder-store/larder/component"
)

// A slot is an input of one of two descriptions that are compared.
type slot struct {
	key, label string
	at         int // among the inputs
}

// inputs compares what two components are computed from.
func (d *comparer) inputs(all []Change, before, after component.Description) []Change {
	if slices.Equal(before.Inputs, after.Inputs) {
		return all
	}
	x, y := d.slots(before), d.slots(after)
	if labelled(x) && labelled(y) {
		return d.byLabel(all, x, y)
	}
	return d.byPlace(all, x, y)
}

// slots returns the inputs with their labels: of a stage, whose first input says them.
func (d *comparer) slots(of component.Description) []slot {
	all := make([]slot, len(of.Inputs))
	var labels []string
	if len(all) > 0 {
		first, known := d.of(of.Inputs[0])
		if known {
			labels = inputLabels(first, len(all))
		}
	}
	for i, key := range of.Inputs {
		all[i] = slot{key: key, at: i}
		if labels != nil {
			all[i].label = labels[i]
		}
	}
	return all
}

// commandLabel is the label of a stage's first input, which stands for its command line.
const commandLabel = "command line"

// labelled reports whether each input has a label of its own.
func labelled(all []slot) bool {
	seen := map[string]bool{}
	for _, s := range all {
		if seen[s.label] {
			return false
		}
		seen[s.label] = true
	}
	return len(all) > 0 && all[0].label == commandLabel
}

// of returns the description of an input, if it is known.
func (d *comparer) of(key string) (component.Description, bool) {
	if d.err != nil {
		return component.Description{}, false
	}
	desc, known, err := d.describe(key)
	d.err = err
	return desc, known && err == nil
}

// byLabel compares the inputs of stages: those of one label with each other, and the others by their contents.
func (d *comparer) byLabel(all []Change, x, y []slot) []Change {
	earlier := map[string]slot{}
	for _, s := range x {
		earlier[s.label] = s
	}
	var added []slot
	for _, s := range y {
		was, ok := earlier[s.label]
		delete(earlier, s.label)
		switch {
		case !ok:
			added = append(added, s)
		case s.label == commandLabel || was.key != s.key:
			all = d.input(all, was, s)
		}
	}
	gone := map[string][]slot{}
	for _, s := range x {
		if _, left := earlier[s.label]; left {
			gone[s.key] = append(gone[s.key], s)
		}
	}
	for _, s := range added {
		was := gone[s.key]
		if len(was) == 0 {
			all = d.tell(all, d.describeInput(Change{Path: pathOf(s), Kind: Added, After: s.key, Label: s.label}, s.key, ""))
			continue
		}
		gone[s.key] = was[1:]
		delete(earlier, was[0].label)
		all = d.tell(all, d.describeInput(Change{Path: pathOf(s), Kind: Relabeled, Before: was[0].label, After: s.label, Label: s.label}, s.key, s.key))
	}
	for _, s := range x {
		if _, left := earlier[s.label]; left {
			delete(earlier, s.label)
			all = d.tell(all, d.describeInput(Change{Path: pathOf(s), Kind: Removed, Before: s.key, Label: s.label}, s.key, s.key))
		}
	}
	return all
}

// byPlace compares inputs without labels: the same ones are sought first, and then those of one type, in order.
func (d *comparer) byPlace(all []Change, x, y []slot) []Change {
	for len(x) > 0 && len(y) > 0 && x[0].key == y[0].key {
		x, y = x[1:], y[1:]
	}
	for len(x) > 0 && len(y) > 0 && x[len(x)-1].key == y[len(y)-1].key {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	partner := make([]int, len(y)) // of each later input: one more than its earlier one's place in x
	taken := make([]bool, len(x))
	d.match(partner, taken, x, y, func(s slot) string { return s.key })
	moved := make([]bool, len(y))
	last := 0
	for j, i := range partner {
		moved[j] = i > 0 && i < last
		last = max(last, i)
	}
	same := append([]int(nil), partner...)
	d.match(partner, taken, x, y, func(s slot) string {
		desc, known := d.of(s.key)
		if !known {
			return ""
		}
		return desc.Type
	})
	if len(x) == len(y) { // what is left has changed at its place, whatever it was
		for j := range y {
			if partner[j] == 0 && !taken[j] {
				partner[j], taken[j] = j+1, true
			}
		}
	}
	for j, s := range y {
		switch {
		case moved[j]:
			all = d.tell(all, d.describeInput(Change{Path: pathOf(s), Kind: Moved, Before: s.key, After: s.key}, s.key, s.key))
		case same[j] > 0:
		case partner[j] > 0:
			all = d.input(all, x[partner[j]-1], s)
		default:
			all = d.tell(all, d.describeInput(Change{Path: pathOf(s), Kind: Added, After: s.key}, s.key, ""))
		}
	}
	for i, s := range x {
		if !taken[i] {
			all = d.tell(all, d.describeInput(Change{Path: pathOf(s), Kind: Removed, Before: s.key}, s.key, s.key))
		}
	}
	return all
}

// match pairs what has no partner yet and is called alike, in order.
func (d *comparer) match(partner []int, taken []bool, x, y []slot, name func(slot) string) {
	places := map[string][]int{}
	for i, s := range x {
		if !taken[i] {
			n := name(s)
			places[n] = append(places[n], i)
		}
	}
	for j, s := range y {
		if partner[j] > 0 {
			continue
		}
		n := name(s)
		if at := places[n]; len(at) > 0 {
			partner[j], taken[at[0]], places[n] = at[0]+1, true, at[1:]
		}
	}
}

func pathOf(s slot) string { return fmt.Sprintf("inputs[%d]", s.at) }

// describeInput adds to a change what is known of the input, and when the earlier one was stored.
func (d *comparer) describeInput(c Change, key, earlier string) Change {
	if d.told >= maxChanges {
		return c // it will not be told
	}
	if desc, known := d.of(key); known {
		c.Type = desc.Type
	}
	if earlier != "" {
		if desc, known := d.of(earlier); known {
			c.Stored = desc.Stored
		}
	}
	return c
}

// input compares an input with the one that took its place.
func (d *comparer) input(all []Change, x, y slot) []Change {
	if x.key == y.key {
		return all
	}
	c := d.describeInput(Change{Path: pathOf(y), Kind: Changed, Before: x.key, After: y.key, Label: y.label}, y.key, x.key)
	pair := [2]string{x.key, y.key}
	switch {
	case d.within[pair] || d.err != nil:
	case d.compared >= maxCompared || len(d.within) >= maxInputDeep:
		d.more = true
	default:
		d.compared++
		before, was := d.of(x.key)
		after, is := d.of(y.key)
		if was && is {
			d.within[pair] = true
			c.Within = d.descriptions(before, after)
			delete(d.within, pair)
		}
	}
	if y.label == commandLabel && len(c.Within) == 0 && c.Type == component.CommandType {
		return all // only its labels changed, which are told with the inputs
	}
	return d.tell(all, c)
}
