package codec

import (
	"reflect"
	"strconv"
	"time"
)

// maxVisits bounds the parts of a value that holds an any, a time, or more of its own
// kind. What several pointers share is followed each time, so a small value
// can be a tree almost without end. So many parts take about 7 s, and 1 GB as CBOR.
var maxVisits = 1 << 26 // a variable for the tests

// walker looks at the values that a type alone says too little about.
type walker struct {
	depth, visits int
}

// value finds what would not come back, and what leads back to itself, which
// would overflow the stack of the library.
func (w *walker) value(v reflect.Value) error {
	if w.visits++; w.visits > maxVisits {
		return refuse("has more than %d parts, perhaps because it points to the same over and over", maxVisits)
	}
	// Each level of nesting takes up to three steps: pointer, any, container.
	if w.depth++; w.depth > 3*maxNesting {
		return refuse(tooDeep, maxNesting)
	}
	defer func() { w.depth-- }()
	if !profileOf(v.Type()).walked() {
		return nil
	}
	switch v.Kind() {
	case reflect.Interface:
		return w.dynamic(v.Elem())
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return w.value(v.Elem())
	case reflect.Struct:
		return w.structure(v)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := w.value(v.Index(i)); err != nil {
				return at("["+strconv.Itoa(i)+"]", err)
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if err := w.value(it.Key()); err != nil {
				return at("[key]", err)
			}
			if err := w.value(it.Value()); err != nil {
				return at(keyStep(it.Key()), err)
			}
		}
	}
	return nil
}

// keyStep is the step of a path to what lies under a key.
func keyStep(key reflect.Value) string {
	if key.Kind() == reflect.Interface {
		key = key.Elem()
	}
	if key.Kind() == reflect.String {
		return "[" + shorten(key.String(), 40) + "]"
	}
	return "[]"
}

const tooDeep = "nests deeper than %d levels, or leads back to itself"

// dynamic looks at what an any holds.
func (w *walker) dynamic(v reflect.Value) error {
	if !v.IsValid() {
		return nil
	}
	if err := profileOf(v.Type()).err; err != nil {
		return err
	}
	return w.value(v)
}

func (w *walker) structure(v reflect.Value) error {
	if v.Type() == timeType {
		return checkTime(v.Interface().(time.Time))
	}
	for f, field := range v.Fields() {
		if f.Name == "_" || tagOf(f).excluded {
			continue
		}
		if err := w.value(field); err != nil {
			return at("."+f.Name, err)
		}
	}
	return nil
}

// checkTime refuses what RFC 3339 cannot say.
func checkTime(t time.Time) error {
	if _, offset := t.Zone(); offset%60 != 0 && !t.IsZero() {
		return refuse("is a time %d seconds off UTC, and RFC 3339 has whole minutes only; use t.UTC()", offset)
	}
	if y := t.Year(); y < 0 || y > 9999 {
		return refuse("is a time in the year %d; RFC 3339 has 0 to 9999", y)
	}
	return nil
}
