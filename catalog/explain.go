package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// An Explanation says how a component differs from what the store knows of its type: why a lookup of it missed.
type Explanation struct {
	ID   string // the component's key
	Type string
	// Nearest are the descriptions of the type that differ in the fewest fields, the nearest first, and of equally near ones
	// the one that was stored last. There are none where nothing of the type was stored.
	Nearest []Near
	Looked  int  // how many other descriptions of the type were looked at
	More    bool // there are more than Most allowed to look at
}

// A Near is a description near another one, and how it differs.
type Near struct {
	ID          string
	Description component.Description
	Stored      time.Time // when its description was stored
	Difference
}

// ExplainOptions say how far Explain goes. Nil is the default.
type ExplainOptions struct {
	Nearest int       // how many are returned; 0 is 1
	Most    int       // how many descriptions are read at most; 0 is all
	Before  time.Time // only what was stored until then; zero: until a Ref itself was stored, and for others whenever
}

// shortlist is how many descriptions are compared in their inputs too: those that differ in the fewest fields while each
// input that differs counts as one.
const shortlist = 32

// Explain finds the descriptions of c's type that are nearest to c, and says in what each differs. It changes nothing, and c need not
// be stored. A [component.Ref] is looked up; one that the store knows nothing of is an error that matches [larder.ErrNotFound].
//
// It reads the descriptions of c's type by the backend's index, or else all descriptions once, one at a time: on a bucket
// a request for each. Then it reads those of the inputs of the nearest.
func Explain(ctx context.Context, store *larder.Store, c larder.Component, opts *ExplainOptions) (Explanation, error) {
	o := ExplainOptions{}
	if opts != nil {
		o = *opts
	}
	o.Nearest = max(o.Nearest, 1)
	x := newExplainer(ctx, store)
	if err := x.explain(c); err != nil {
		return Explanation{}, err
	}
	if o.Before.IsZero() {
		o.Before = x.target.Stored
	}
	e := Explanation{ID: x.target.Key, Type: x.target.Type}
	var near []Near
	for d, err := range x.others(ctx, o.Most, &e.More) {
		if err != nil {
			return e, err
		}
		if d.Key == e.ID || !o.Before.IsZero() && d.Stored.After(o.Before) {
			continue
		}
		e.Looked++
		near = append(near, Near{ID: d.Key, Description: d, Stored: d.Stored, Difference: Difference{Distance: shallow(d, x.target)}})
		if len(near) >= 8*shortlist+o.Nearest {
			near = nearest(near, max(shortlist, o.Nearest))
		}
	}
	near = nearest(near, max(shortlist, o.Nearest))
	for i := range near {
		d, err := x.comparer().difference(near[i].Description, x.target)
		if err != nil {
			return e, err
		}
		near[i].Difference = d
	}
	e.Nearest = nearest(near, o.Nearest)
	return e, nil
}

// nearest returns the n nearest, in order.
func nearest(all []Near, n int) []Near {
	slices.SortFunc(all, func(a, b Near) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), b.Stored.Compare(a.Stored), cmp.Compare(a.ID, b.ID))
	})
	return all[:min(n, len(all))]
}

// shallow is the distance of two descriptions where each input that differs counts as one.
func shallow(before, after component.Description) int {
	n := apart(before.Parameters, after.Parameters)
	if before.Version != after.Version {
		n++
	}
	if !before.AsOf.Equal(after.AsOf) {
		n++
	}
	if slices.Equal(before.Inputs, after.Inputs) {
		return n
	}
	gone := len(before.Inputs)
	left := make(map[string]int, gone)
	for _, key := range before.Inputs {
		left[key]++
	}
	come := 0
	for _, key := range after.Inputs {
		if left[key] > 0 {
			left[key]--
			gone--
			continue
		}
		come++
	}
	return n + max(1, gone, come) // 1: the same ones in another order
}

// apart counts the fields in which parameters differ.
func apart(before, after any) int {
	x, wasMap := before.(map[any]any)
	y, isMap := after.(map[any]any)
	list, wasList := before.([]any)
	other, isList := after.([]any)
	n := 0
	switch {
	case wasMap && isMap:
		both := 0
		for name, v := range x {
			if w, ok := y[name]; ok {
				both++
				n += apart(v, w)
			}
		}
		return n + len(x) + len(y) - 2*both
	case wasMap && after == nil || isMap && before == nil:
		return max(1, len(x)+len(y))
	case wasList && isList && len(list) == len(other):
		for i := range list {
			n += apart(list[i], other[i])
		}
		return n
	case component.Same(before, after):
		return 0
	}
	return 1
}

// Differ says how the component of one key differs from that of another, earlier one. A key that the store knows nothing of
// is an error that matches [larder.ErrNotFound].
func Differ(ctx context.Context, store *larder.Store, before, after string) (Difference, error) {
	x := newExplainer(ctx, store)
	var of [2]component.Description
	for i, id := range []string{before, after} {
		d, known, err := x.description(id)
		if err != nil {
			return Difference{}, err
		}
		if !known {
			return Difference{}, undescribed(id)
		}
		of[i] = d
	}
	return x.comparer().difference(of[0], of[1])
}

// undescribed is a key whose description is not known, or corrupt.
type undescribed string

func (u undescribed) Error() string {
	return fmt.Sprintf("the store does not know what %s is", string(u))
}

// Is makes every unknown key an ErrNotFound.
func (u undescribed) Is(target error) bool { return target == larder.ErrNotFound }

// explainer knows the component that is explained, with all that it is computed from.
type explainer struct {
	ctx      context.Context
	store    *larder.Store
	target   component.Description
	known    map[string]component.Description // of the components at hand, as far as they were asked for
	at       map[string]larder.Component      // components at hand, which need not be stored, by key
	describe func(key string) (component.Description, bool, error)
}

func (x *explainer) comparer() *comparer {
	return &comparer{describe: x.description, within: map[[2]string]bool{}}
}

func (x *explainer) description(key string) (component.Description, bool, error) {
	if d, ok := x.known[key]; ok {
		return d, true, nil
	}
	if c, ok := x.at[key]; ok {
		d, err := x.learn(key, c)
		return d, err == nil, err
	}
	return x.describe(key)
}

// maxRemembered is how many descriptions of inputs are kept in memory: the nearest components share most of theirs.
const maxRemembered = 10_000

// describer returns a Describe that remembers.
func describer(ctx context.Context, store *larder.Store) func(key string) (component.Description, bool, error) {
	type answer struct {
		d     component.Description
		known bool
	}
	asked := map[string]answer{}
	return func(key string) (component.Description, bool, error) {
		if a, ok := asked[key]; ok {
			return a.d, a.known, nil
		}
		d, known, err := Describe(ctx, store, key)
		if err == nil && len(asked) < maxRemembered {
			asked[key] = answer{d, known}
		}
		return d, known, err
	}
}

func newExplainer(ctx context.Context, store *larder.Store) *explainer {
	return &explainer{ctx, store, component.Description{}, map[string]component.Description{}, map[string]larder.Component{}, describer(ctx, store)}
}

// explain makes c the target.
func (x *explainer) explain(c larder.Component) error {
	id, err := x.store.Key(x.ctx, c) // refuses what leads back to itself
	if err != nil {
		return err
	}
	if _, isRef := component.KnownKey(c); !isRef {
		x.at[id] = c
	}
	d, known, err := x.description(id)
	if err == nil && !known {
		err = undescribed(id)
	}
	x.target = d
	return err
}

// learn describes a component at hand; what it is computed from is described when that is asked for.
func (x *explainer) learn(id string, c larder.Component) (component.Description, error) {
	d := component.Description{Key: id, Type: c.Type(), Version: c.Version()}
	var err error
	if d.Parameters, err = keying.Reduce(c.Parameters()); err != nil {
		return d, err
	}
	if timed, ok := c.(component.Timed); ok {
		d.AsOf = timed.AsOf()
	}
	for _, in := range c.Inputs() {
		key, err := x.store.Key(x.ctx, in)
		if err != nil {
			return d, err
		}
		if _, isRef := component.KnownKey(in); !isRef {
			x.at[key] = in
		}
		d.Inputs = append(d.Inputs, key)
	}
	x.known[id] = d
	return d, nil
}

// others yields the descriptions of the target's type, most of them at most.
func (x *explainer) others(ctx context.Context, most int, more *bool) iter.Seq2[component.Description, error] {
	return func(yield func(component.Description, error) bool) {
		n := 0
		for d, err := range ofType(ctx, x.store.Backend(), x.target.Type) {
			if errors.Is(err, errOther) {
				d, err = component.Description{}, nil
			}
			if err != nil {
				yield(d, err)
				return
			}
			if n++; most > 0 && n > most {
				*more = true
				return
			}
			if d.Key != "" && !yield(d, nil) {
				return
			}
		}
	}
}

// errOther is what ofType yields in place of a description that it read and that is of another type, or corrupt.
var errOther = errors.New("of another type")

// ofType yields the descriptions of a type, by index where there is one.
func ofType(ctx context.Context, b larder.Backend, typ string) iter.Seq2[component.Description, error] {
	if f, ok := backend.As[backend.Finder](b); ok {
		return f.Find(ctx, component.Query{Where: component.Where(component.FieldType, component.Equal, typ)})
	}
	return func(yield func(component.Description, error) bool) {
		for e, err := range backend.Scan(ctx, b, backend.ShelfComponents, backend.ListOptions{}) {
			if err != nil {
				yield(component.Description{}, err)
				return
			}
			d, ok, err := decodeOf(e.Body, e.Info, typ)
			if err == nil && !ok {
				err = errOther
			}
			if !yield(d, err) {
				return
			}
		}
	}
}
