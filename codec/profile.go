package codec

import (
	"encoding"
	"fmt"
	"math/big"
	"reflect"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// A profile is what a Go type says before any value of it is seen: whether what the
// CBOR library writes of it can be read back, and what has to be looked at in each
// value. The library, like encoding/json, leaves out silently what it cannot write;
// here that is an error.
type profile struct {
	err       error // why the type is not data, and where
	opaque    bool  // has methods of its own that write and read it
	open      bool  // holds an any
	recursive bool  // may nest without end
	timed     bool  // holds a time.Time
	big       bool  // holds a big.Int
	unit      int64 // the size of its largest part, in bytes
}

// walked reports whether each value has to be looked at.
func (p profile) walked() bool { return p.open || p.recursive || p.timed }

var profiles sync.Map // reflect.Type to profile

func profileOf(t reflect.Type) profile {
	if p, ok := profiles.Load(t); ok {
		return p.(profile)
	}
	p := profiler{above: map[reflect.Type]bool{}, seen: map[reflect.Type]bool{}}
	p.err = p.visit(t)
	profiles.Store(t, p.profile)
	return p.profile
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

func (p *profiler) visit(t reflect.Type) error {
	if p.above[t] {
		p.recursive = true
	}
	if p.seen[t] {
		return nil
	}
	p.seen[t], p.above[t] = true, true
	p.unit = max(p.unit, int64(t.Size()))
	defer delete(p.above, t)
	switch t {
	case timeType:
		p.timed = true
		return nil
	case bigIntType:
		p.big = true
		return nil
	}
	if done, err := p.methods(t); done || err != nil {
		return err
	}
	return p.kind(t)
}

func (p *profiler) kind(t reflect.Type) error {
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return nil
	case reflect.Complex64, reflect.Complex128:
		return refuse("is a %v, which CBOR does not have; "+
			"store it alone, in a slice of its own, or as two floats", t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return refuse("is the interface %v, which does not say what type to read it into; "+
				"use a concrete type", t)
		}
		p.open = true
		return nil
	case reflect.Pointer:
		return p.pointer(t)
	case reflect.Slice, reflect.Array:
		return at("[]", p.visit(t.Elem()))
	case reflect.Map:
		if t.Key().Kind() == reflect.Pointer {
			return refuse("has keys of type %v, which would not be the same pointers again", t.Key())
		}
		if err := at("[key]", p.visit(t.Key())); err != nil {
			return err
		}
		return at("[]", p.visit(t.Elem()))
	case reflect.Struct:
		return p.structure(t)
	}
	return refuse("is a %v", t)
}

// pointer follows pointers to what is no pointer. A type such as
// "type P *P" has no such end, and would hang the library.
func (p *profiler) pointer(t reflect.Type) error {
	end := t
	for range maxNesting {
		if end = end.Elem(); end.Kind() != reflect.Pointer {
			return p.visit(end)
		}
	}
	return refuse("is %v, a pointer to pointers without end", t)
}

// methods reports whether t writes and reads itself, in the order that the library
// prefers.
func (p *profiler) methods(t reflect.Type) (done bool, err error) {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return false, nil
	}
	for _, pair := range []struct{ out, in reflect.Type }{
		{reflect.TypeFor[cbor.Marshaler](), reflect.TypeFor[cbor.Unmarshaler]()},
		{reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler]()},
		{reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler]()},
	} {
		if !reflect.PointerTo(t).Implements(pair.out) {
			continue
		}
		out, in := pair.out.Method(0).Name, pair.in.Method(0).Name
		if !reflect.PointerTo(t).Implements(pair.in) {
			return true, refuse("is a %v, which has %s but no %s", t, out, in)
		}
		if name, ok := promoted(t, pair.out); ok {
			return true, refuse("is a %v, whose %s is that of the embedded %s and writes nothing else; "+
				"give that field a name", t, out, name)
		}
		p.opaque = true
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
	for f := range t.Fields() {
		if f.Anonymous && (f.Type.Implements(method) || reflect.PointerTo(f.Type).Implements(method)) {
			return f.Name, true
		}
	}
	return "", false
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
