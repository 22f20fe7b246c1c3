package keying

import (
	"encoding"
	"fmt"
	"math/big"
	"reflect"
	"sync"
	"time"

	"github.com/larder-store/larder/component"
)

// plan says how values of a type are encoded. What is wrong with a type is an error of
// encode, so that a type is only refused where a value of it occurs.
type plan struct {
	encode  encodeFunc
	textual bool // the encoding says by itself what the value is
	key     bool // values may be keys of a map
}

type encodeFunc func(e *encoder, v reflect.Value) error

var plans sync.Map // reflect.Type → *plan: complete ones only

// planOf returns the plan of a type, made at its first use.
func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	// A plan may refer to others that are being made (types may be recursive), so none
	// is published before all are complete. Two goroutines may make equal plans.
	b := planner{}
	p := b.plan(t)
	for t, p := range b {
		plans.Store(t, p)
	}
	return p
}

// planner holds the plans that are being made.
type planner map[reflect.Type]*plan

func (b planner) plan(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	if p, ok := b[t]; ok {
		return p
	}
	p := &plan{}
	b[t] = p
	b.compile(t, p)
	return p
}

var (
	timeType      = reflect.TypeFor[time.Time]()
	bigIntType    = reflect.TypeFor[big.Int]()
	bigFloatType  = reflect.TypeFor[big.Float]()
	bigRatType    = reflect.TypeFor[big.Rat]()
	textType      = reflect.TypeFor[encoding.TextMarshaler]()
	componentType = reflect.TypeFor[component.Component]()
)

// compile fills in the plan of t. The plans of other types that it refers to may be
// incomplete still: they are for calling, not for looking at. A textual plan refers to none.
func (b planner) compile(t reflect.Type, p *plan) {
	kind := t.Kind()
	switch {
	case t == timeType:
		p.encode, p.textual = encodeTime, true
	case t == bigIntType:
		p.encode, p.textual = encodeBigInt, true
	case t == bigFloatType:
		p.encode, p.textual = encodeBigFloat, true
	case t == bigRatType:
		p.encode, p.textual = encodeBigRat, true
	case isJSONNumber(t):
		p.encode, p.textual, p.key = encodeJSONNumber, true, true
	case kind != reflect.Pointer && kind != reflect.Interface && implements(t, textType):
		p.encode, p.textual, p.key = encodeText(t), true, true
	case kind == reflect.Pointer:
		elem := b.plan(t.Elem())
		p.encode, p.textual = pointerTo(elem), elem.textual
	default:
		p.encode = b.byKind(t)
		p.key = kind == reflect.Bool || kind == reflect.String || isNumber(kind)
	}
	if kind != reflect.Pointer && kind != reflect.Interface && implements(t, componentType) {
		p.encode = atTopOnly(p.encode)
	}
}

func isNumber(k reflect.Kind) bool {
	return k >= reflect.Int && k <= reflect.Float64 && k != reflect.Uintptr
}

// implements reports whether values of t, or pointers to them, have the methods of i.
// Whether a value can be addressed must make no difference to its key.
func implements(t, i reflect.Type) bool {
	return t.Implements(i) || t.Kind() != reflect.Interface && reflect.PointerTo(t).Implements(i)
}

// atTopOnly refuses a component among the parameters, where its type, version and
// inputs would be lost, and as the parameters of another one. A component may be its own parameters.
func atTopOnly(encode encodeFunc) encodeFunc {
	return func(e *encoder, v reflect.Value) error {
		if e.depth > 0 || !e.own {
			return faultf("%s is a component, whose type, version and inputs are no data; give it as an input", v.Type())
		}
		return encode(e, v)
	}
}

func (b planner) byKind(t reflect.Type) encodeFunc {
	switch t.Kind() {
	case reflect.Bool:
		return func(e *encoder, v reflect.Value) error { e.bool(v.Bool()); return nil }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(e *encoder, v reflect.Value) error { e.buf = appendInt(e.buf, v.Int()); return nil }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(e *encoder, v reflect.Value) error { e.buf = appendHead(e.buf, majorUint, v.Uint()); return nil }
	case reflect.Float32, reflect.Float64:
		return func(e *encoder, v reflect.Value) error { e.buf = appendFloat(e.buf, v.Float()); return nil }
	case reflect.String:
		return func(e *encoder, v reflect.Value) error { return e.text(v.String()) }
	case reflect.Slice:
		if isByte(t.Elem()) {
			return encodeByteSlice
		}
		return sliceOf(b.plan(t.Elem()))
	case reflect.Array:
		if isByte(t.Elem()) {
			return encodeByteArray
		}
		return arrayOf(b.plan(t.Elem()))
	case reflect.Map:
		return mapOf(b.plan(t.Key()), b.plan(t.Elem()))
	case reflect.Struct:
		return b.structure(t)
	case reflect.Interface:
		return encodeInterface
	case reflect.Complex64, reflect.Complex128:
		return refuse("%s is not data; give real and imaginary part", t.Kind())
	case reflect.Uintptr:
		return refuse("uintptr is an address, not data; give an integer of another type")
	}
	return refuse("%s is not data", t.Kind())
}

// refuse makes a plan that always fails.
func refuse(format string, args ...any) encodeFunc {
	err := fmt.Errorf(format, args...)
	return func(*encoder, reflect.Value) error { return &fault{err: err} }
}

// isByte reports whether slices and arrays of t are bytes rather than lists.
func isByte(t reflect.Type) bool {
	return t.Kind() == reflect.Uint8 && !implements(t, textType)
}

func encodeByteSlice(e *encoder, v reflect.Value) error {
	if v.IsNil() {
		e.buf = append(e.buf, headNull)
		return nil
	}
	return e.bytes(v.Bytes())
}

func encodeByteArray(e *encoder, v reflect.Value) error {
	n := v.Len()
	if err := e.room(n); err != nil {
		return err
	}
	e.buf = appendHead(e.buf, majorBytes, uint64(n))
	for i := range n {
		e.buf = append(e.buf, byte(v.Index(i).Uint()))
	}
	return nil
}

func sliceOf(elem *plan) encodeFunc {
	list := arrayOf(elem)
	return func(e *encoder, v reflect.Value) error {
		if v.IsNil() {
			e.buf = append(e.buf, headNull)
			return nil
		}
		if e.trail != nil {
			if err := e.trail.enter(v); err != nil {
				return err
			}
			defer e.trail.leave()
		}
		return list(e, v)
	}
}

func arrayOf(elem *plan) encodeFunc {
	return func(e *encoder, v reflect.Value) error {
		n := v.Len()
		if err := e.open(majorArray, n); err != nil {
			return err
		}
		for i := range n {
			if err := e.room(1); err != nil {
				return err
			}
			if err := elem.encode(e, v.Index(i)); err != nil {
				return below(index(i), err)
			}
		}
		e.close()
		return nil
	}
}

// maxHops bounds chains of pointers to pointers, which have no containers between them.
const maxHops = 2 * MaxDepth

func pointerTo(elem *plan) encodeFunc {
	return func(e *encoder, v reflect.Value) error {
		if v.IsNil() {
			e.buf = append(e.buf, headNull)
			return nil
		}
		if e.trail != nil {
			if err := e.trail.enter(v); err != nil {
				return err
			}
			defer e.trail.leave()
		}
		if e.hops++; e.hops > maxHops {
			return faultf("nested %w: more than %d pointers lead here", errTooDeep, maxHops)
		}
		err := elem.encode(e, v.Elem())
		e.hops--
		return err
	}
}

// encodeInterface appends what an interface holds. An interface with methods is there to
// hold several types that behave differently, and which one it is would not be in the
// encoding: two filters with the same numbers would be one.
func encodeInterface(e *encoder, v reflect.Value) error {
	if v.IsNil() {
		e.buf = append(e.buf, headNull)
		return nil
	}
	if v.NumMethod() > 0 {
		switch held := v.Elem().Type(); {
		case held.Implements(componentType):
			return faultf("%s is a component, whose type, version and inputs are no data; give it as an input", held)
		case !planOf(held).textual:
			return faultf("the interface %s holds a %s, and another type with the same fields would give the same key; "+
				"give that type a MarshalText, or put its name beside it", v.Type(), held)
		}
	}
	return e.value(v.Interface())
}

// reflected appends a value that value has no faster way for.
func (e *encoder) reflected(v reflect.Value) error { return planOf(v.Type()).encode(e, v) }
