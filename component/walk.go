package component

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// MaxComponents is how many components a graph may have for [Walk]. It bounds the walk over a
// graph whose shared parts cannot be recognised: with one kilobyte each, a million
// components are a gigabyte of keys and descriptions, and take about a second to visit.
const MaxComponents = 1 << 20

// ErrTooMany is the error of a walk that came to more than [MaxComponents] components.
var ErrTooMany = errors.New("too many components")

// Walk visits every component that root is computed from, each after its inputs, and
// root last. A component that is an input in several places is visited once: components are
// the same if they are equal as Go values (==).
//
// Components that cannot be compared (a struct with a map in it, not behind a pointer), those
// that are expensive to compare (a struct that holds many others by value) and those that
// Inputs makes afresh at each call are visited once for each path that leads to them. A graph
// of shared inputs may so grow beyond all bounds, and Walk gives up at [MaxComponents].
//
// visit is given the component and its place in the order of visits, counted from 0, of each of
// its inputs; the slice is only valid during the call. An error of visit ends the walk and
// is returned as it is. Walk does not recurse: a chain may be as long as the graph is large.
//
// A graph that leads back to a component that is being visited is a [*CycleError]. An
// input that is nil, or a nil pointer, is an error.
func Walk(ctx context.Context, root Component, visit func(c Component, inputs []int) error) error {
	return walk(ctx, root, MaxComponents, visit)
}

func walk(ctx context.Context, root Component, limit int, visit func(c Component, inputs []int) error) error {
	w := walker{
		stack:  make([]frame, 0, shallow),
		places: make([]int, 0, shallow),
		seen:   map[Component]int{},
		limit:  limit,
	}
	if isNil(root) {
		return errors.New("the component is nil")
	}
	if err := w.push(root); err != nil {
		return err
	}
	for step := 0; len(w.stack) > 0; step++ {
		if step%checkEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		top := &w.stack[len(w.stack)-1]
		if top.done < len(top.inputs) {
			if err := w.descend(top); err != nil {
				return err
			}
			continue
		}
		if err := visit(top.c, w.places[top.first:]); err != nil {
			return err
		}
		w.pop()
	}
	return nil
}

const (
	// checkEvery is how many steps pass between two looks at the context: a step takes
	// about 100 ns, a look 10.
	checkEvery = 64
	// shallow is the depth up to which a walk needs no larger stack: most pipelines have
	// fewer stages.
	shallow = 8
)

// walker is a depth-first walk with a stack of its own.
type walker struct {
	stack   []frame
	places  []int             // of the inputs that are done, of all frames, one after the other
	seen    map[Component]int // place in the order of visits, or visiting; identifiable components only
	visited int
	pushed  int
	limit   int // of pushed
}

// frame is a component on the way from the root to where the walk is.
type frame struct {
	c        Component
	identity bool // c is in walker.seen
	inputs   []Component
	done     int // inputs whose places are known
	first    int // where these begin in walker.places
}

const visiting = -1

// descend goes on with the next input of f, the top of the stack.
func (w *walker) descend(f *frame) error {
	input := f.inputs[f.done]
	if isNil(input) {
		return fmt.Errorf("input %d of component %q is nil", f.done, brief(f.c.Type()))
	}
	f.done++
	if !identifiable(input) {
		return w.push(input)
	}
	place, ok := w.seen[input]
	switch {
	case !ok:
		return w.push(input)
	case place == visiting:
		return w.cycle(input)
	}
	w.places = append(w.places, place)
	return nil
}

func (w *walker) push(c Component) error {
	if w.pushed++; w.pushed > w.limit {
		return fmt.Errorf("%w: %q has more than %d inputs behind it, or the same few over and over; "+
			"let Inputs return the same pointers at each call, so that shared inputs are recognised, or name inputs by their keys (component.Ref)",
			ErrTooMany, brief(w.stack[0].c.Type()), w.limit)
	}
	f := frame{c: c, identity: identifiable(c), inputs: c.Inputs(), first: len(w.places)}
	if f.identity {
		w.seen[c] = visiting
	}
	w.stack = append(w.stack, f)
	return nil
}

// pop leaves the top of the stack, which was visited, and puts its place where those of
// its inputs were: behind the earlier inputs of the component below.
func (w *walker) pop() {
	n := len(w.stack) - 1
	top := &w.stack[n]
	if top.identity {
		w.seen[top.c] = w.visited
	}
	w.places = append(w.places[:top.first], w.visited)
	w.visited++
	*top = frame{}
	w.stack = w.stack[:n]
}

// cycle names the loop that c closes: from where c is on the stack to the top.
func (w *walker) cycle(c Component) error {
	e := &CycleError{}
	for i := range w.stack {
		if f := &w.stack[i]; len(e.Loop) > 0 || f.identity && f.c == c {
			e.Loop = append(e.Loop, f.c)
		}
	}
	return e
}

// isNil reports whether c is nil or a nil pointer, whose methods would panic.
func isNil(c Component) bool {
	if c == nil {
		return true
	}
	v := reflect.ValueOf(c)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// CycleError says that a component is computed from itself.
type CycleError struct {
	Loop []Component // each is computed from the next, the last from the first
}

// Error reads like: components form a cycle: "a" ← "b" ← "a".
func (e *CycleError) Error() string {
	var b strings.Builder
	b.WriteString("components are computed from each other in a cycle: ")
	for i, c := range e.Loop {
		if skip := len(e.Loop) - 2*loopEnd; skip > 0 && i >= loopEnd && i < loopEnd+skip {
			if i == loopEnd {
				fmt.Fprintf(&b, "… %d more … ← ", skip)
			}
			continue
		}
		fmt.Fprintf(&b, "%q ← ", brief(c.Type()))
	}
	if len(e.Loop) > 0 {
		fmt.Fprintf(&b, "%q", brief(e.Loop[0].Type()))
	}
	return b.String()
}

// longestType is how much of a type is shown in an error.
const longestType = 60

func brief(typ string) string {
	if r := []rune(typ); len(r) > longestType {
		return string(r[:longestType]) + "…"
	}
	return typ
}

// loopEnd is how many types are shown from each end of a long loop.
const loopEnd = 10
