package keying

import (
	"errors"
	"reflect"
	"sync"
	"unicode/utf8"
)

const (
	// MaxDepth is how many maps, structs, slices and arrays may lie within each other in
	// the parameters. It is far beyond what people write, and within what recursion
	// can do in every language.
	MaxDepth = 100
	// MaxPreimage is the largest canonical encoding of a component, in bytes. A
	// million numbers fit. What is larger is an input, not a parameter.
	MaxPreimage = 16 << 20
)

// encoder appends canonical encodings to buf. The zero value is ready.
type encoder struct {
	buf   []byte
	depth int    // containers around the present value
	hops  int    // pointers followed on the way to it
	pairs []pair // of the maps around it that are being sorted and written
	trail *trail // what lies around it; nil until something is too deep
	own   bool   // the parameters may be a component: see component.OwnParameters
}

var encoders = sync.Pool{New: func() any { return &encoder{buf: make([]byte, 0, 1024)} }}

// What goes back to the pool at most, in bytes and entries of maps: most encodings take
// less than 1 KiB and 50.
const (
	keepBuffer = 64 << 10
	keepPairs  = 4096
)

func newEncoder() *encoder { return encoders.Get().(*encoder) }

func (e *encoder) free() {
	if cap(e.buf) > keepBuffer || cap(e.pairs) > keepPairs {
		return
	}
	e.reset()
	encoders.Put(e)
}

// reset keeps the memory of e for the next encoding, but nothing of the last one.
func (e *encoder) reset() {
	if len(e.pairs) > 0 { // an error left them
		clear(e.pairs[:cap(e.pairs)])
	}
	*e = encoder{buf: e.buf[:0], pairs: e.pairs[:0]}
}

// parameters appends a component's parameters. A cycle in them shows as too much depth; then a
// second look finds where it closes.
func (e *encoder) parameters(v any) error {
	start := len(e.buf)
	err := e.value(v)
	if errors.Is(err, errTooDeep) {
		e.buf, e.pairs, e.depth, e.hops = e.buf[:start], nil, 0, 0
		e.trail = &trail{}
		err = e.value(v)
	}
	return err
}

// value appends what an interface holds. The common types need no reflection.
func (e *encoder) value(v any) error {
	switch v := v.(type) {
	case nil:
		e.buf = append(e.buf, headNull)
	case bool:
		e.bool(v)
	case int:
		e.buf = appendInt(e.buf, int64(v))
	case int64:
		e.buf = appendInt(e.buf, v)
	case float64:
		e.buf = appendFloat(e.buf, v)
	case string:
		return e.text(v)
	case map[string]any:
		return e.mapping(v)
	case []any:
		return e.list(v)
	default:
		return e.reflected(reflect.ValueOf(v))
	}
	return nil
}

func (e *encoder) bool(v bool) {
	if v {
		e.buf = append(e.buf, headTrue)
		return
	}
	e.buf = append(e.buf, headFalse)
}

func (e *encoder) text(s string) error {
	if !utf8.ValidString(s) {
		return faultf("%.40q is not valid UTF-8; give bytes as []byte", s)
	}
	if err := e.room(len(s)); err != nil {
		return err
	}
	e.buf = append(appendHead(e.buf, majorText, uint64(len(s))), s...)
	return nil
}

func (e *encoder) bytes(b []byte) error {
	if err := e.room(len(b)); err != nil {
		return err
	}
	e.buf = append(appendHead(e.buf, majorBytes, uint64(len(b))), b...)
	return nil
}

// room refuses what would make the encoding too large by n more bytes. Items of a
// container take a byte each at least, so it also refuses hopeless lengths at once.
func (e *encoder) room(n int) error {
	if n > MaxPreimage-len(e.buf) {
		return faultf("the encoding grows beyond %d bytes; parameters this large are an input (component.File, or a component of their own)", MaxPreimage)
	}
	return nil
}

var errTooDeep = errors.New("too deep")

// open appends the head of a container of n items and goes down into it; close
// comes up again.
func (e *encoder) open(major byte, n int) error {
	if e.depth++; e.depth > MaxDepth {
		return faultf("nested %w: %d levels are allowed", errTooDeep, MaxDepth)
	}
	if err := e.room(n); err != nil {
		return err
	}
	e.buf = appendHead(e.buf, major, uint64(n))
	return nil
}

func (e *encoder) close() { e.depth-- }

func (e *encoder) list(v []any) error {
	if v == nil {
		e.buf = append(e.buf, headNull)
		return nil
	}
	if e.trail != nil {
		if err := e.trail.enter(reflect.ValueOf(v)); err != nil {
			return err
		}
		defer e.trail.leave()
	}
	if err := e.open(majorArray, len(v)); err != nil {
		return err
	}
	for i, x := range v {
		if err := e.nested(x); err != nil {
			return below(index(i), err)
		}
	}
	e.close()
	return nil
}

// nested is value for what lies within other values.
func (e *encoder) nested(v any) error {
	if err := e.room(1); err != nil {
		return err
	}
	return e.value(v)
}
