package codec

import (
	"encoding"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// A profile is what is known of a Go type before any value of it is seen: whether
// what the CBOR library writes of it can be read back, and what must still be
// looked at in each value. The library follows encoding/json, which leaves out
// silently what it cannot write; here that is an error.
type profile struct {
	err       error // the type is not data, and where
	opaque    bool  // has methods of its own that write and read it
	open      bool  // holds an any
	recursive bool  // may nest without end
	timed     bool  // holds a time.Time
	big       bool  // holds a big.Int
}

// walked tells whether values have to be looked at before they are encoded.
func (s profile) walked() bool { return s.open || s.recursive || s.timed }

var profiles sync.Map // reflect.Type to profile

func profileOf(t reflect.Type) profile {
	if s, ok := profiles.Load(t); ok {
		return s.(profile)
	}
	s := profiler{above: map[reflect.Type]bool{}, seen: map[reflect.Type]bool{}}
	s.err = s.visit(t)
	profiles.Store(t, s.profile)
	return s.profile
}

var (
	timeType   = reflect.TypeFor[time.Time]()
	bigIntType = reflect.TypeFor[big.Int]()
)

// profiler walks over the types that make up one.
type profiler struct {
	profile
	above map[reflect.Type]bool // on the way here
	seen  map[reflect.Type]bool
}

func (s *profiler) visit(t reflect.Type) error {
	if s.above[t] {
		s.recursive = true
	}
	if s.seen[t] {
		return nil
	}
	s.seen[t], s.above[t] = true, true
	defer delete(s.above, t)
	switch t {
	case timeType:
		s.timed = true
		return nil
	case bigIntType:
		s.big = true
		return nil
	}
	if t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface {
		if done, err := s.methods(t); done || err != nil {
			return err
		}
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return nil
	case reflect.Complex64, reflect.Complex128:
		return refuse("is a %v, which CBOR does not have; store it alone or in a slice of its own, or as two floats", t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return refuse("is the interface %v, and nobody could tell which type to read it into; use a concrete type", t)
		}
		s.open = true
		return nil
	case reflect.Pointer:
		return s.pointer(t)
	case reflect.Slice, reflect.Array:
		return at("[]", s.visit(t.Elem()))
	case reflect.Map:
		if t.Key().Kind() == reflect.Pointer {
			return refuse("has keys of type %v, which would not be the same pointers again", t.Key())
		}
		if err := at("[key]", s.visit(t.Key())); err != nil {
			return err
		}
		return at("[]", s.visit(t.Elem()))
	case reflect.Struct:
		return s.structure(t)
	}
	return refuse("is a %v", t)
}

// pointer follows pointers to what is no pointer. A type such as
// "type P *P" has no such end, and would hang the library.
func (s *profiler) pointer(t reflect.Type) error {
	end := t
	for range maxNesting {
		if end = end.Elem(); end.Kind() != reflect.Pointer {
			return s.visit(end)
		}
	}
	return refuse("is %v, a pointer to pointers without end", t)
}

// methods tells whether t writes and reads itself, in the library's order of
// preference.
func (s *profiler) methods(t reflect.Type) (done bool, err error) {
	for _, pair := range []struct{ out, in reflect.Type }{
		{reflect.TypeFor[cbor.Marshaler](), reflect.TypeFor[cbor.Unmarshaler]()},
		{reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler]()},
		{reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler]()},
	} {
		out, in := pair.out.Method(0).Name, pair.in.Method(0).Name
		if !reflect.PointerTo(t).Implements(pair.out) {
			continue
		}
		if !reflect.PointerTo(t).Implements(pair.in) {
			return true, refuse("is a %v, which has %s but no %s", t, out, in)
		}
		if name, ok := promoted(t, pair.out); ok {
			return true, refuse("is a %v, whose %s is that of the embedded %s and writes nothing else; give that field a name", t, out, name)
		}
		s.opaque = true
		return true, nil
	}
	return false, nil
}

// promoted finds a struct that has a method only because it embeds a type which
// does, beside other fields that the method does not know. A method of the struct's
// own that hides the embedded one is not told apart.
func promoted(t, method reflect.Type) (name string, ok bool) {
	if t.Kind() != reflect.Struct || t.NumField() < 2 {
		return "", false
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && (f.Type.Implements(method) || reflect.PointerTo(f.Type).Implements(method)) {
			return f.Name, true
		}
	}
	return "", false
}

func (s *profiler) structure(t reflect.Type) error {
	array := false
	if blank, ok := t.FieldByName("_"); ok {
		_, options, _ := strings.Cut(blank.Tag.Get("cbor"), ",")
		array = strings.Contains(options, "toarray")
	}
	return s.fields(t, array, map[string]string{}, map[reflect.Type]bool{})
}

// fields visits the fields of a struct and of those that it embeds. names are the
// names taken so far.
func (s *profiler) fields(t reflect.Type, array bool, names map[string]string, embedding map[reflect.Type]bool) error {
	if embedding[t] {
		return refuse("embeds itself")
	}
	embedding[t] = true
	defer delete(embedding, t)
	for i := range t.NumField() {
		f := t.Field(i)
		tag := tagOf(f)
		if f.Name == "_" || tag.excluded {
			continue
		}
		if err := at("."+f.Name, s.field(f, tag, array, names, embedding)); err != nil {
			return err
		}
	}
	return nil
}

func (s *profiler) field(f reflect.StructField, tag fieldTag, array bool, names map[string]string, embedding map[reflect.Type]bool) error {
	inner, embeds := embedded(f, tag)
	switch {
	case tag.unclear:
		return refuse(`has the tag json:"-"; say cbor:"-" if it shall not be stored, or give it a name with a cbor tag`)
	case !f.IsExported() && !embeds:
		return refuse(`is unexported and would not be stored; export it, or leave it out with the tag cbor:"-"`)
	case embeds && f.Type.Kind() == reflect.Pointer && !f.IsExported():
		return refuse("is an embedded pointer to an unexported struct, which nobody could set; embed the struct itself")
	case embeds && f.Type.Kind() == reflect.Pointer && array:
		return refuse("is an embedded pointer in a struct stored as an array, which would not come back nil; embed the struct itself")
	case embeds:
		return s.fields(inner, array, names, embedding)
	case names[tag.name] != "":
		return refuse("has the name %q, which %s has too", tag.name, names[tag.name])
	}
	names[tag.name] = f.Name
	return s.visit(f.Type)
}

// fieldTag is what the tags of a struct field say.
type fieldTag struct {
	name     string
	named    bool
	excluded bool // cbor:"-"
	unclear  bool // json:"-"
}

func tagOf(f reflect.StructField) fieldTag {
	tag := f.Tag.Get("cbor")
	if tag == "-" {
		return fieldTag{excluded: true}
	}
	if tag == "" {
		tag = f.Tag.Get("json")
	}
	name, _, _ := strings.Cut(tag, ",")
	switch {
	case tag == "-":
		return fieldTag{unclear: true}
	case name == "":
		return fieldTag{name: f.Name}
	}
	return fieldTag{name: name, named: true}
}

// embedded returns the struct whose fields count as the outer one's.
func embedded(f reflect.StructField, tag fieldTag) (reflect.Type, bool) {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t, f.Anonymous && !tag.named && t.Kind() == reflect.Struct
}

// A refusal says what is not data, and where.
type refusal struct{ path, reason string }

func (r *refusal) Error() string { return shorten(r.path, 200) + " " + r.reason }

func refuse(format string, args ...any) error {
	return &refusal{reason: fmt.Sprintf(format, args...)}
}

// at puts a step before the path of a refusal.
func at(step string, err error) error {
	if r, ok := err.(*refusal); ok {
		return &refusal{step + r.path, r.reason}
	}
	return err
}
