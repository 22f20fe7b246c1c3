package catalog

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/larder-store/larder/component"
)

// A ChangeKind says how an earlier description and a later one differ at one place.
type ChangeKind string

// The kinds of changes.
const (
	Changed   ChangeKind = "changed"    // another value of the same kind
	OtherKind ChangeKind = "other kind" // such as the number 5 and the text "5"
	Added     ChangeKind = "added"      // only the later one has it
	Removed   ChangeKind = "removed"    // only the earlier one has it
	Moved     ChangeKind = "moved"      // the same input, at another place among the inputs
	Relabeled ChangeKind = "relabeled"  // the same input of a stage under another label; Before and After are the labels
)

// A Change is one difference between an earlier description and a later one.
type Change struct {
	// Path is "type", "version", "as of", such as "parameters.filter.order" or "parameters.list[2]", or such as
	// "inputs[1]", which counts the inputs of the later description, and of the earlier one what was Removed.
	Path string
	Kind ChangeKind
	// Before and After are the values, in the form of descriptions; of inputs their keys, of what is absent nil.
	Before, After any

	Label  string    // of an input, where a stage gave it one
	Type   string    // of an input, where it is known
	Within []Change  // of an input that Changed: in what, where both descriptions are known
	Stored time.Time // of an input: when the description of the earlier one was stored; zero where that is not known
}

// A Difference is all changes between an earlier description and a later one.
type Difference struct {
	Changes  []Change // none if the two are the same
	Distance int      // the number of fields that differ, those within inputs too
	More     bool     // there are more changes than are told: descriptions can be made to differ without end
}

const (
	maxChanges   = 1000 // that are told of one pair of descriptions
	maxCompared  = 5000 // pairs of inputs that are compared within one pair of descriptions
	maxInputDeep = 100  // inputs of inputs
)

// Where what is no field of parameters or inputs is told.
const (
	parametersPath = "parameters"
	momentPath     = "as of"
)

// comparer compares descriptions. Those of inputs come from describe, which may ask a store.
type comparer struct {
	describe func(key string) (component.Description, bool, error)
	compared int
	told     int
	more     bool
	within   map[[2]string]bool // pairs of inputs that are being compared: a corrupt store may lead back to them
	err      error
}

// difference compares two descriptions in all that makes their keys.
func (d *comparer) difference(before, after component.Description) (Difference, error) {
	changes := d.descriptions(before, after)
	return Difference{changes, distance(changes), d.more}, d.err
}

// distance counts the fields that differ. An input that changed differs in one at least.
func distance(changes []Change) int {
	n := 0
	for _, c := range changes {
		n += max(1, distance(c.Within))
	}
	return n
}

func (d *comparer) descriptions(before, after component.Description) []Change {
	var all []Change
	all = d.field(all, "type", before.Type, after.Type)
	all = d.field(all, "version", before.Version, after.Version)
	if !before.AsOf.Equal(after.AsOf) {
		all = d.value(all, momentPath, moment(before.AsOf), moment(after.AsOf))
	}
	parameters := d.value
	if before.Type == component.CommandType && after.Type == component.CommandType {
		parameters = d.command
	}
	all = parameters(all, parametersPath, before.Parameters, after.Parameters)
	return d.inputs(all, before, after)
}

// moment returns the time as a value, nil for none.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

func (d *comparer) field(all []Change, path, before, after string) []Change {
	if before == after {
		return all
	}
	return d.tell(all, Change{Path: path, Kind: Changed, Before: before, After: after})
}

// tell adds a change, unless there are too many.
func (d *comparer) tell(all []Change, c Change) []Change {
	if d.told >= maxChanges {
		d.more = true
		return all
	}
	d.told++
	return append(all, c)
}

// command compares the parameters of command lines. Their labels are told with the inputs that have them.
func (d *comparer) command(all []Change, path string, before, after any) []Change {
	x, ok1 := before.(map[any]any)
	y, ok2 := after.(map[any]any)
	if !ok1 || !ok2 {
		return d.value(all, path, before, after)
	}
	x, y = maps.Clone(x), maps.Clone(y)
	delete(x, "inputs")
	delete(y, "inputs")
	for _, params := range []map[any]any{x, y} {
		if _, ok := params["env"]; !ok { // so is a command without variables
			params["env"] = map[any]any{}
		}
	}
	return d.value(all, path, x, y)
}

// value compares two parameters, and what they hold.
func (d *comparer) value(all []Change, path string, before, after any) []Change {
	if component.Same(before, after) {
		return all
	}
	x, wasMap := before.(map[any]any)
	y, isMap := after.(map[any]any)
	none := path == parametersPath // where nil is how there are no parameters
	if wasMap && isMap || none && (wasMap && after == nil || isMap && before == nil) {
		return d.mapping(all, path, x, y)
	}
	list, isList := before.([]any)
	if y, ok := after.([]any); ok && isList {
		return d.list(all, path, list, y)
	}
	c := Change{Path: path, Kind: Changed, Before: before, After: after}
	switch {
	case before == nil && (none || path == momentPath):
		c.Kind = Added
	case after == nil && (none || path == momentPath):
		c.Kind = Removed
	case !component.SameKind(before, after):
		c.Kind = OtherKind
	}
	return d.tell(all, c)
}

func (d *comparer) mapping(all []Change, path string, before, after map[any]any) []Change {
	names := slices.Collect(maps.Keys(before))
	for name := range after {
		if _, both := before[name]; !both {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, component.Compare)
	for _, name := range names {
		inner := fmt.Sprintf("%s.%v", path, name)
		x, was := before[name]
		y, is := after[name]
		switch {
		case !was:
			all = d.tell(all, Change{Path: inner, Kind: Added, After: y})
		case !is:
			all = d.tell(all, Change{Path: inner, Kind: Removed, Before: x})
		default:
			all = d.value(all, inner, x, y)
		}
	}
	return all
}

// list compares two lists: item by item, if they are of one length, and else behind what they begin and before what
// they end with alike.
func (d *comparer) list(all []Change, path string, before, after []any) []Change {
	start, end := 0, 0
	shorter := min(len(before), len(after))
	for len(before) != len(after) && start < shorter && component.Same(before[start], after[start]) {
		start++
	}
	for len(before) != len(after) && start+end < shorter && component.Same(before[len(before)-1-end], after[len(after)-1-end]) {
		end++
	}
	x, y := before[start:len(before)-end], after[start:len(after)-end]
	both := min(len(x), len(y))
	for i := range both {
		all = d.value(all, fmt.Sprintf("%s[%d]", path, start+i), x[i], y[i])
	}
	for i := both; i < len(x) && !d.more; i++ {
		all = d.tell(all, Change{Path: fmt.Sprintf("%s[%d]", path, start+i), Kind: Removed, Before: x[i]})
	}
	for i := both; i < len(y) && !d.more; i++ {
		all = d.tell(all, Change{Path: fmt.Sprintf("%s[%d]", path, start+i), Kind: Added, After: y[i]})
	}
	return all
}
