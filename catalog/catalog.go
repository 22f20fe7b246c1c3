// Package catalog says what a store holds: its values, each with the description of the component
// that it belongs to. It finds them by a query, resolves what people type as an address, and
// deletes what a query chooses.
//
//	fits := component.Query{Where: component.And(
//		component.Where(component.FieldType, component.Equal, "lab/fit"),
//		component.WhereParam("tau", component.Less, 0.05))}
//	for e, err := range catalog.Find(ctx, store, fits) {
//		…
//	}
//
// The answers are the same on every backend. One with an index of its own ([backend.Finder]) is asked for
// what fits; on others one pass over the values and one over the descriptions run side by side, each
// read once and in order, with one of either in memory. [PlanOf] says which it will be.
package catalog

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// An Entry is a stored value, and what its component is.
type Entry struct {
	ID        string // the component's key
	Attribute string
	// Info has Key, Size and ModTime; the rest only where a list costs no further request for it.
	Info larder.Info
	// Description says what the component is, if Known: a value may have been stored by other
	// means than a Store, or its description may be lost or corrupt.
	Description component.Description
	Known       bool
}

// Value returns what is known of the value without reading it.
func (e Entry) Value() *component.Value {
	v := &component.Value{Attribute: e.Attribute, Size: e.Info.Size, Cost: -1, Stored: e.Info.ModTime}
	if cost, ok := larder.Cost(e.Info); ok {
		v.Cost = cost
	}
	return v
}

// Find yields the values that fulfil q, in byte order of their components' keys; the Limit of q counts
// values. The loop body may call any method of the store. Where q asks for costs, which lists of some
// backends leave out, each value that fulfils the other conditions costs one Stat.
//
// Values in q may be of any Go type that parameters can have: 4.0 and uint8(4) are 4.
func Find(ctx context.Context, store *larder.Store, q component.Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		described := describes(q)
		q, err := prepare(ctx, store, q)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		n := 0
		for e, err := range candidates(ctx, store.Backend(), q, described) {
			ok := err == nil
			if ok {
				ok, err = fulfils(ctx, store, q, &e)
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !ok {
				continue
			}
			if n++; !yield(e, nil) || n == q.Limit {
				return
			}
		}
	}
}

// prepare returns q with values as descriptions have them, and without questions about distant inputs.
func prepare(ctx context.Context, store *larder.Store, q component.Query) (component.Query, error) {
	where, err := q.Where.Map(reduce)
	if err != nil {
		return q, err
	}
	if r, ok := backend.As[backend.Reacher](store.Backend()); ok {
		q.Where, err = where.Map(func(c component.Condition) (component.Condition, error) { return reached(ctx, r, c) })
		return q, err
	}
	q.Where, err = where.Reach(func(match func(string) bool) ([]string, error) {
		return reach(ctx, store.Backend(), match)
	})
	return q, err
}

// reached returns a comparison of distant inputs as one of keys, which the backend's index finds.
func reached(ctx context.Context, r backend.Reacher, c component.Condition) (component.Condition, error) {
	if c.Field != component.FieldFrom {
		return c, nil
	}
	where := c
	where.Field = component.FieldKey
	return c.Reach(func(func(string) bool) (keys []string, err error) {
		for key, err := range r.Reach(ctx, where) {
			if err != nil {
				return nil, err
			}
			keys = append(keys, key)
		}
		return keys, nil
	})
}

// reduce returns a comparison with its value as descriptions have it.
func reduce(c component.Condition) (component.Condition, error) {
	var err error
	c.Value, err = keying.Reduce(c.Value)
	return c, err
}

// fulfils reports whether e fulfils q, and completes its Info where q asks for what a list left out.
func fulfils(ctx context.Context, store *larder.Store, q component.Query, e *Entry) (bool, error) {
	if q.Where.Uses(component.FieldCost) && e.Info.Meta == nil {
		info, err := store.Backend().Stat(ctx, e.Info.Key)
		if errors.Is(err, larder.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		e.Info = info
	}
	d := e.Description
	d.Key = e.ID
	return q.Match(d, e.Value()), nil
}

// candidates yields the values among which those of q are. described says that all of them have descriptions.
func candidates(ctx context.Context, b larder.Backend, q component.Query, described bool) iter.Seq2[Entry, error] {
	if f, ok := backend.As[backend.Finder](b); ok && described {
		return indexed(ctx, b, f, q)
	}
	return scanned(ctx, b, q)
}

// indexed asks the backend's index for descriptions, and lists the values of each.
func indexed(ctx context.Context, b larder.Backend, f backend.Finder, q component.Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		values := valueLists{b: b, singly: firstSingly}
		for d, err := range f.Find(ctx, component.Query{Where: q.Where.OfDescriptions(), After: q.After}) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			infos, err := values.of(ctx, d.Key)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, info := range infos {
				e := entryOf(info)
				if e.Description, e.Known = d, true; !yield(e, nil) {
					return
				}
			}
		}
	}
}

// scanned lists values, and reads the descriptions beside them.
func scanned(ctx context.Context, b larder.Backend, q component.Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		opts := backend.ListOptions{Prefix: prefixOf(q)}
		if opts.Validate(backend.ShelfCache) != nil {
			return // no key begins like that
		}
		opts.After = q.After
		for opts.Validate(backend.ShelfCache) != nil { // no key is like that, but some may be greater
			opts.After = opts.After[:len(opts.After)-1]
		}
		fixed, _ := q.Where.Fixed(component.FieldType, component.Equal) // then others need not be decoded
		typ, _ := fixed.(string)
		descs := newDescriptions(ctx, b, typ, opts)
		defer descs.stop()
		for info, err := range b.List(ctx, backend.ShelfCache, opts) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			e := entryOf(info)
			if e.ID <= q.After {
				continue // a value of the component After itself, whose name is longer than its key
			}
			if e.Description, e.Known, err = descs.of(e.ID); err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// entryOf returns what the name of a value says.
func entryOf(info larder.Info) Entry {
	id, segment, _ := strings.Cut(info.Key.Name, "/")
	attribute, err := keying.Unescape(segment)
	if err != nil {
		attribute = segment // stored by other means than a Store
	}
	return Entry{ID: id, Attribute: attribute, Info: info}
}

// prefixOf returns what the keys of all components begin with that q can choose.
func prefixOf(q component.Query) string {
	for _, op := range []component.Op{component.Equal, component.HasPrefix} {
		if v, ok := q.Where.Fixed(component.FieldKey, op); ok {
			prefix, _ := v.(string)
			return prefix
		}
	}
	return ""
}

// ofDescriptions are the fields that an index of descriptions knows.
var ofDescriptions = []component.Field{
	component.FieldKey, component.FieldType, component.FieldVersion, component.FieldParam,
	component.FieldAsOf, component.FieldInput,
}

// describes reports whether q can hold only for values whose description is known: whether it asks for
// something that a description says, and not by denying it. What a component comes from is such a thing; once that is replaced by
// keys it no longer shows.
func describes(q component.Query) bool {
	var positive func(c component.Condition) bool
	positive = func(c component.Condition) bool {
		switch c.Op {
		case component.All:
			return slices.ContainsFunc(c.Of, positive)
		case component.Any:
			return len(c.Of) > 0 && !slices.ContainsFunc(c.Of, func(c component.Condition) bool { return !positive(c) })
		case component.Not:
			return false
		}
		return c.Field == component.FieldFrom || c.Field != component.FieldKey && slices.Contains(ofDescriptions, c.Field)
	}
	return positive(q.Where)
}

// A Plan says how a query will be answered, and so what it costs.
type Plan struct {
	Indexed bool   // by an index of the backend
	How     string // how the backend will find descriptions, in words, if it says so
	Prefix  string // without an index: only keys that begin with this are read
	Passes  int    // how many times the descriptions are read: twice, where a query asks what comes from where
	Stats   bool   // each value that fulfils the rest costs a request, since lists of buckets leave out what it cost
}

// PlanOf returns how Find will answer q.
func PlanOf(store *larder.Store, q component.Query) Plan {
	_, indexed := backend.As[backend.Finder](store.Backend())
	p := Plan{Indexed: indexed && describes(q), Passes: 1}
	p.Stats = q.Where.Uses(component.FieldCost) && backend.LimitsOf(store.Backend()).CostlyRequests
	if !p.Indexed {
		p.Prefix = prefixOf(q)
	}
	if planner, ok := backend.As[backend.Planner](store.Backend()); ok && p.Indexed {
		// Which keys come from somewhere is asked when they are wanted; here it counts that they are keys.
		where, _ := q.Where.Reach(func(func(string) bool) ([]string, error) { return nil, nil })
		p.How = planner.Plan(component.Query{Where: where.OfDescriptions(), After: q.After})
	}
	if _, ok := backend.As[backend.Reacher](store.Backend()); !ok && q.Where.Uses(component.FieldFrom) {
		p.Passes++
	}
	return p
}

// Newest returns the n newest values that fulfil q, the newest last; all, if n is 0. It holds
// no more than those in memory.
func Newest(ctx context.Context, store *larder.Store, q component.Query, n int) ([]Entry, error) {
	byTime := func(a, b Entry) int { return a.Info.ModTime.Compare(b.Info.ModTime) }
	var all []Entry
	for e, err := range Find(ctx, store, q) {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
		if n > 0 && len(all) >= 2*n+100 {
			slices.SortStableFunc(all, byTime)
			all = slices.Delete(all, 0, len(all)-n)
		}
	}
	slices.SortStableFunc(all, byTime)
	if n > 0 && len(all) > n {
		all = all[len(all)-n:]
	}
	return all, nil
}
