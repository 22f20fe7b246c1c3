package component

import (
	"slices"
	"strings"
	"time"
)

// A Query chooses components, and values of theirs. It is plain data. The zero Query takes all.
type Query struct {
	Where Condition
	After string // only components with a greater key, in byte order
	Limit int    // at most so many components; 0 is no limit
}

// A Condition is a comparison of one field with a value, or several conditions joined. The zero
// Condition always holds.
//
// A comparison holds only where the field is there and its value is of the same kind: a number, a
// text, bytes, a truth value, a time, null, a list or a map. So neither x = 5 nor x != 5 holds where
// there is no x, or where x is the text "5"; Not is the way to say that. Numbers are compared
// exactly, whatever types held them.
type Condition struct {
	Op    Op
	Of    []Condition // for All, Any and Not
	Field Field
	Path  string // for Param: names joined by dots, and numbers of list items from 0; "" is all of it
	// Value is of the kinds that [Description.Parameters] has, numbers in the same form: keying.Reduce
	// makes them so. For In it is []any.
	Value any

	ascending []any // the list of In if it is one of texts that [Where] found in ascending order: it is searched by halves
}

// An Op says what a Condition asks for.
type Op string

// The operations.
const (
	All          Op = ""       // every one of Of holds
	Any          Op = "or"     // at least one of Of holds
	Not          Op = "not"    // none of Of holds
	Equal        Op = "="      // the same value
	NotEqual     Op = "!="     // another value of the same kind
	Less         Op = "<"      // of numbers, texts, bytes and times
	LessEqual    Op = "<="     //
	Greater      Op = ">"      //
	GreaterEqual Op = ">="     //
	Exists       Op = "exists" // the field is there, if only as null
	HasPrefix    Op = "prefix" // of texts
	In           Op = "in"     // equal to one of a list
)

// A Field is what a comparison looks at.
type Field string

// The fields. Those of values are of one stored attribute of the component, and are not there
// for a component of which nothing is stored.
const (
	FieldKey     Field = "key"     // text
	FieldType    Field = "type"    // text
	FieldVersion Field = "version" // text
	FieldParam   Field = "params"  // the parameter at Path
	FieldAsOf    Field = "asof"    // time
	FieldInput   Field = "input"   // text: the key of any direct input
	FieldFrom    Field = "from"    // text: the key of any input, direct or of another input; see Reach

	FieldAttribute Field = "attribute" // text, of a value
	FieldSize      Field = "size"      // number of bytes, of a value
	FieldCost      Field = "cost"      // number of seconds, of a value
	FieldStored    Field = "stored"    // time, of a value; else of the description
)

// And returns a condition that holds where all of the given ones do.
func And(of ...Condition) Condition {
	if len(of) == 1 {
		return of[0]
	}
	return Condition{Of: of}
}

// Where returns a comparison of a field other than a parameter. A long list of texts for In is best in ascending order.
func Where(f Field, op Op, value any) Condition {
	c := Condition{Op: op, Field: f, Value: value}
	if list, ok := value.([]any); ok && op == In && len(list) >= longList && ascend(list) {
		c.ascending = slices.Clone(list) // the caller may use the memory again, and it would ascend no longer
		c.Value = c.ascending
	}
	return c
}

// longList is from where on an ascending list is searched by halves.
const longList = 16

// ascend reports whether a list is one of texts, in ascending order.
func ascend(list []any) bool {
	before := ""
	for _, v := range list {
		text, ok := v.(string)
		if !ok || text < before {
			return false
		}
		before = text
	}
	return true
}

// WhereParam returns a comparison of the parameter at a path, such as "filter.order".
func WhereParam(path string, op Op, value any) Condition {
	return Condition{Op: op, Field: FieldParam, Path: path, Value: value}
}

// Match reports whether d and one of its values, nil for none, fulfil the conditions of q; After and
// Limit do not count here.
func (q Query) Match(d Description, v *Value) bool { return q.Where.Match(d, v) }

// Match reports whether c holds for d and one of its values, nil for none. A comparison of
// [FieldFrom] looks at direct inputs alone; see [Condition.Reach].
func (c Condition) Match(d Description, v *Value) bool {
	holds := func(c Condition) bool { return c.Match(d, v) }
	switch c.Op {
	case All:
		return !slices.ContainsFunc(c.Of, func(c Condition) bool { return !holds(c) })
	case Any:
		return slices.ContainsFunc(c.Of, holds)
	case Not:
		return !slices.ContainsFunc(c.Of, holds)
	}
	if c.Field == FieldInput || c.Field == FieldFrom {
		return slices.ContainsFunc(d.Inputs, func(key string) bool { return c.compare(key) })
	}
	got, ok := c.field(d, v)
	return ok && c.compare(got)
}

// field returns what the comparison looks at; false where it is not there.
func (c Condition) field(d Description, v *Value) (any, bool) {
	switch c.Field {
	case FieldKey:
		return d.Key, true
	case FieldType:
		return d.Type, d.Type != ""
	case FieldVersion:
		return d.Version, d.Type != ""
	case FieldParam:
		return Lookup(d.Parameters, c.Path)
	case FieldAsOf:
		return d.AsOf, !d.AsOf.IsZero()
	case FieldStored:
		if v != nil {
			return v.Stored, !v.Stored.IsZero()
		}
		return d.Stored, !d.Stored.IsZero()
	}
	if v == nil {
		return nil, false
	}
	switch c.Field {
	case FieldAttribute:
		return v.Attribute, true
	case FieldSize:
		return v.Size, true
	case FieldCost:
		return seconds(v.Cost), v.Cost >= 0
	}
	return nil, false
}

// seconds returns a duration in the form that numbers have in descriptions.
func seconds(d time.Duration) any {
	if d%time.Second == 0 {
		return int64(d / time.Second)
	}
	return d.Seconds()
}

// compare reports whether the comparison holds for a value that is there.
func (c Condition) compare(got any) bool {
	switch c.Op {
	case Exists:
		return true
	case In:
		list, _ := c.Value.([]any)
		if text, ok := got.(string); ok && c.inAscent(list) {
			_, found := slices.BinarySearchFunc(list, text, func(v any, text string) int { return strings.Compare(v.(string), text) })
			return found
		}
		return slices.ContainsFunc(list, func(want any) bool { return equal(got, want) })
	case HasPrefix:
		text, ok := got.(string)
		prefix, wanted := c.Value.(string)
		return ok && wanted && strings.HasPrefix(text, prefix)
	case Equal:
		return equal(got, c.Value)
	case NotEqual:
		return sameKind(got, c.Value) && !equal(got, c.Value)
	}
	order, ok := ordered(got, c.Value)
	if !ok {
		return false
	}
	switch c.Op {
	case Less:
		return order < 0
	case LessEqual:
		return order <= 0
	case Greater:
		return order > 0
	case GreaterEqual:
		return order >= 0
	}
	return false
}

// inAscent reports whether list is still the one that was found to ascend: Value may have been set since.
func (c Condition) inAscent(list []any) bool {
	return len(list) > 0 && len(list) == len(c.ascending) && &list[0] == &c.ascending[0]
}

// Uses reports whether a comparison of the field is anywhere in c.
func (c Condition) Uses(f Field) bool {
	if c.Op == All || c.Op == Any || c.Op == Not {
		return slices.ContainsFunc(c.Of, func(c Condition) bool { return c.Uses(f) })
	}
	return c.Field == f
}

// Map returns c with each comparison replaced by what f makes of it.
func (c Condition) Map(f func(Condition) (Condition, error)) (Condition, error) {
	if c.Op != All && c.Op != Any && c.Op != Not {
		return f(c)
	}
	of := make([]Condition, len(c.Of))
	for i, inner := range c.Of {
		var err error
		if of[i], err = inner.Map(f); err != nil {
			return c, err
		}
	}
	c.Of = of
	return c, nil
}

// OfDescriptions returns a condition on descriptions alone that holds wherever c holds for any value of
// theirs: what an index of descriptions can narrow down.
func (c Condition) OfDescriptions() Condition { return c.weaker(true) }

// weaker returns c with comparisons of values replaced by what always holds or, where that is denied,
// by what never does.
func (c Condition) weaker(asserted bool) Condition {
	switch c.Op {
	case All, Any, Not:
		of := make([]Condition, len(c.Of))
		for i, inner := range c.Of {
			of[i] = inner.weaker(asserted == (c.Op != Not))
		}
		c.Of = of
		return c
	}
	switch c.Field {
	case FieldAttribute, FieldSize, FieldCost, FieldStored:
		if asserted {
			return Condition{}
		}
		return Condition{Op: Any}
	}
	return c
}

// Reach returns c with comparisons of [FieldFrom] replaced by ones of [FieldKey]. reach returns
// the keys of all components that are computed, at any distance, from one whose key matches, in any order.
func (c Condition) Reach(reach func(match func(key string) bool) ([]string, error)) (Condition, error) {
	return c.Map(func(c Condition) (Condition, error) {
		if c.Field != FieldFrom {
			return c, nil
		}
		keys, err := reach(func(key string) bool { return c.compare(key) })
		if err != nil {
			return c, err
		}
		keys = slices.Sorted(slices.Values(keys)) // there may be many
		list := make([]any, len(keys))
		for i, key := range keys {
			list[i] = key
		}
		return Where(FieldKey, In, list), nil
	})
}

// Fixed returns the one value that a field must have for c to hold, if c says so: for an index, or
// a range of keys.
func (c Condition) Fixed(f Field, op Op) (any, bool) {
	switch {
	case c.Op == All:
		for _, inner := range c.Of {
			if v, ok := inner.Fixed(f, op); ok {
				return v, true
			}
		}
	case c.Op == op && c.Field == f:
		return c.Value, true
	}
	return nil, false
}
