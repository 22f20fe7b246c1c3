package keying

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// field is a member of a struct's encoding.
type field struct {
	name  string
	key   []byte // the name, encoded
	index []int  // where it is: more than one step for a field of an embedded struct
	plan  *plan
	omit  func(v reflect.Value) (bool, error) // nil: never left out
}

// structure makes the plan of a struct: a map from the names of its fields.
func (b planner) structure(t reflect.Type) encodeFunc {
	fields, err := b.fields(t, nil, nil)
	if err == nil {
		err = arrangeFields(fields)
	}
	if err != nil {
		f := err.(*fault)
		return func(*encoder, reflect.Value) error { return &fault{f.path, f.err} }
	}
	return func(e *encoder, v reflect.Value) error {
		left, skip, err := leftOut(fields, v)
		if err != nil {
			return err
		}
		if err := e.open(majorMap, len(fields)-left); err != nil {
			return err
		}
		for i := range fields {
			if left > 0 && skip[i] {
				continue
			}
			f := &fields[i]
			if err := e.room(len(f.key)); err != nil {
				return err
			}
			e.buf = append(e.buf, f.key...)
			if err := f.plan.encode(e, v.FieldByIndex(f.index)); err != nil {
				return below(member(f.name), err)
			}
		}
		e.close()
		return nil
	}
}

// leftOut asks once which fields omitzero leaves out, and counts them; skip is nil if there
// are none.
func leftOut(fields []field, v reflect.Value) (n int, skip []bool, err error) {
	for i := range fields {
		f := &fields[i]
		if f.omit == nil {
			continue
		}
		out, err := f.omit(v.FieldByIndex(f.index))
		if err != nil {
			return 0, nil, below(member(f.name), &fault{err: err})
		}
		if !out {
			continue
		}
		if skip == nil {
			skip = make([]bool, len(fields))
		}
		skip[i] = true
		n++
	}
	return n, skip, nil
}

// fields appends the fields of t, and of the structs embedded in it, which lies at index in
// the struct that is being planned.
func (b planner) fields(t reflect.Type, index []int, fields []field) ([]field, error) {
	for i := range t.NumField() {
		sf := t.Field(i)
		if sf.Name == "_" { // holds nothing that a program can read
			continue
		}
		tag, err := parseTag(sf)
		if err != nil {
			return nil, below(member(sf.Name), &fault{err: err})
		}
		if tag.exclude {
			continue
		}
		at := append(slices.Clone(index), i)
		if sf.Anonymous && tag.name == "" && promotes(sf.Type) {
			if err := checkEmbedded(sf, tag); err != nil {
				return nil, below(member(sf.Name), &fault{err: err})
			}
			if fields, err = b.fields(sf.Type, at, fields); err != nil {
				return nil, err
			}
			continue
		}
		if !sf.IsExported() {
			return nil, below(member(sf.Name), faultf("unexported field of %s; export it, or leave it out with the tag `larder:\"-\"` if it does not change the result", t))
		}
		f, err := b.field(sf, tag, at)
		if err != nil {
			return nil, below(member(sf.Name), &fault{err: err})
		}
		fields = append(fields, f)
	}
	return fields, nil
}

func (b planner) field(sf reflect.StructField, tag tag, at []int) (field, error) {
	f := field{name: tag.name, index: at, plan: b.plan(sf.Type)}
	if f.name == "" {
		f.name = sf.Name
	}
	e := encoder{}
	if err := e.text(f.name); err != nil {
		return f, fmt.Errorf("its name: %w", err)
	}
	f.key = e.buf
	if !tag.omitzero {
		return f, nil
	}
	omit, err := omitter(sf.Type)
	f.omit = omit
	return f, err
}

// promotes reports whether an embedded field without a name stands for its fields.
func promotes(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && !implements(t, textType)
}

func checkEmbedded(sf reflect.StructField, tag tag) error {
	if sf.Type.Kind() == reflect.Pointer {
		return fmt.Errorf("embedded pointer, whose fields would be neither there nor zero if it is nil; embed the struct, or give it a name with a larder tag")
	}
	if tag.omitzero {
		return fmt.Errorf("omitzero on an embedded struct without a name; give it one, or put omitzero on its fields")
	}
	return nil
}

// arrangeFields sorts the fields by their encoded names and refuses equal ones.
func arrangeFields(fields []field) error {
	slices.SortStableFunc(fields, func(a, b field) int { return bytes.Compare(a.key, b.key) })
	for i := 1; i < len(fields); i++ {
		if fields[i].name == fields[i-1].name {
			return below(member(fields[i].name), faultf("two fields have this name; rename one with a larder tag"))
		}
	}
	return nil
}

// tag is what the tags of a struct field say.
type tag struct {
	name     string // empty: the field's own
	exclude  bool
	omitzero bool
}

// parseTag reads the tags larder and json. Of json only the name counts: what is left out
// of a message may well change the result.
func parseTag(sf reflect.StructField) (tag, error) {
	var t tag
	text := sf.Tag.Get("larder")
	if text == "-" {
		return tag{exclude: true}, nil
	}
	name, options, _ := strings.Cut(text, ",")
	for options != "" {
		var option string
		option, options, _ = strings.Cut(options, ",")
		if option != "omitzero" {
			return t, fmt.Errorf("unknown option %q in the larder tag; known: omitzero", option)
		}
		t.omitzero = true
	}
	t.name = name
	if json := sf.Tag.Get("json"); t.name == "" && json != "-" {
		t.name, _, _ = strings.Cut(json, ",")
	}
	return t, nil
}

var zeroerType = reflect.TypeFor[interface{ IsZero() bool }]()

// omitter says when omitzero leaves out a field of type t: a pointer when it is nil, another
// type with a method IsZero when that says so, else Go's zero value, of which -0 is one.
func omitter(t reflect.Type) (func(reflect.Value) (bool, error), error) {
	if embedded, ok := promoter(t, zeroerType); ok {
		return nil, fmt.Errorf("%s has IsZero from its embedded %s, which does not look at its other fields; give that field a name of its own", t, embedded)
	}
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer || !implements(t, zeroerType) {
		return func(v reflect.Value) (bool, error) { return v.IsZero(), nil }, nil
	}
	direct := t.Implements(zeroerType)
	return func(v reflect.Value) (out bool, err error) {
		if nilable(v.Kind()) && v.IsNil() {
			return true, nil
		}
		if !direct {
			v = addressable(v)
		}
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("IsZero of %s panicked: %s", t, panicText(r))
			}
		}()
		return v.Interface().(interface{ IsZero() bool }).IsZero(), nil
	}, nil
}
