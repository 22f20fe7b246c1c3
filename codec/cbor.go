package codec

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// maxNesting is how many arrays, maps and tags may lie within one another. It is
// Python's limit of recursion too, and needs about 1 MB of stack.
const maxNesting = 1000

// null is CBOR's nil.
const null = 0xf6

var (
	encMode = must(encOptions().UserBufferEncMode())
	decMode = must(decOptions(cbor.BignumTagAllowed).DecMode())
	// decModeNoBig is for types that hold no big.Int: to say that a number of some
	// megabytes does not fit an int, the library would print it, which takes minutes.
	decModeNoBig = must(decOptions(cbor.BignumTagForbidden).DecMode())
)

// encOptions are RFC 8949's core deterministic encoding (section 4.2.1). In
// addition NaN keeps its payload, and a time is a tagged text with
// nanoseconds and offset.
func encOptions() cbor.EncOptions {
	o := cbor.CoreDetEncOptions()
	o.NaNConvert = cbor.NaNConvertQuiet
	o.Time = cbor.TimeRFC3339Nano
	o.TimeTag = cbor.EncTagRequired
	o.TextMarshaler = cbor.TextMarshalerTextString
	return o
}

func decOptions(bignum cbor.BignumTagMode) cbor.DecOptions {
	return cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		TextUnmarshaler:   cbor.TextUnmarshalerTextString,
		BignumTag:         bignum,
		MaxNestedLevels:   maxNesting,
		// Elements are bounded by the bytes there are: each takes one at least, and
		// that is checked before anything is made.
		MaxArrayElements: math.MaxInt32,
		MaxMapPairs:      math.MaxInt32,
		// A Go string may hold any bytes; they come back as they went.
		UTF8: cbor.UTF8DecodeInvalid,
		// What becomes of things in an any.
		DefaultMapType: reflect.TypeFor[map[string]any](),
		IntDec:         cbor.IntDecConvertSignedOrBigInt,
		BigIntDec:      cbor.BigIntDecodePointer,
	}
}

func must[T any](mode T, err error) T {
	if err != nil {
		panic("codec: " + err.Error())
	}
	return mode
}

func encodeCBOR(v any) (Encoded, error) {
	b, err := marshal(v)
	if err != nil {
		return Encoded{}, fmt.Errorf("encode %T: %w: %w", v, ErrNotData, err)
	}
	return Encoded{Codec: CBOR, Body: newBody(nil, b), Size: int64(len(b))}, nil
}

func marshal(v any) ([]byte, error) {
	if v == nil {
		return []byte{null}, nil
	}
	rv := reflect.ValueOf(v)
	p := profileOf(rv.Type())
	if p.err != nil {
		return nil, at(root(rv.Type()), p.err)
	}
	if p.walked() {
		if err := new(walker).value(rv); err != nil {
			return nil, at(root(rv.Type()), err)
		}
	}
	buf := buffers.Get().(*bytes.Buffer)
	defer recycle(buf)
	if err := encMode.MarshalToBuffer(v, buf); err != nil {
		return nil, err
	}
	b := bytes.Clone(buf.Bytes())
	if err := affordable(b, p.unit); err != nil {
		return nil, at(root(rv.Type()), err)
	}
	if p.open || p.opaque || p.recursive {
		// Only an attempt shows what becomes of an any, what methods do, and how deep it nests.
		return b, attempt(b, rv.Type())
	}
	return b, nil
}

// attempt reads again what was encoded.
func attempt(b []byte, t reflect.Type) error {
	err := decodeCBOR(b, reflect.New(t).Interface())
	if deep := (*cbor.MaxNestedLevelError)(nil); errors.As(err, &deep) {
		return at(root(t), refuse(tooDeep, maxNesting))
	}
	if err != nil {
		return fmt.Errorf("it could not be read again: %w", err)
	}
	return nil
}

// root is the first step of a refusal's path.
func root(t reflect.Type) string {
	for n := 0; t.Kind() == reflect.Pointer && n < maxNesting; n++ {
		t = t.Elem()
	}
	if t.Name() == "" {
		return "value"
	}
	return t.Name()
}

// decodeCBOR decodes b, which it does not keep.
func decodeCBOR(b []byte, dst any) error {
	if decodeScalar(b, dst) {
		return nil
	}
	rv := reflect.ValueOf(dst).Elem()
	rv.SetZero()
	if err := unmarshal(b, dst); err != nil {
		rv.SetZero()
		return err
	}
	return nil
}

func unmarshal(b []byte, dst any) error {
	t := reflect.TypeOf(dst).Elem()
	p := profileOf(t)
	if p.err != nil {
		return fmt.Errorf("decode cbor: %w: found %s, want %v: %w", ErrType, found(b), t, at(root(t), p.err))
	}
	mode := decModeNoBig
	if p.big || p.open || p.opaque {
		mode = decMode
	}
	if err := affordable(b, p.unit); err != nil {
		return fmt.Errorf("decode cbor: %w: want %v: %w", ErrMalformed, t, err)
	}
	if err := mode.Unmarshal(b, dst); err != nil {
		return describe(err, b, t)
	}
	return cameBack(b, dst)
}

// cameBack checks that what was decoded is what was encoded, by encoding it again. The
// library is lenient: it would round a float64 into a float32, cut an array, make
// null a 0, and take no notice of a field that the bytes do not have.
func cameBack(b []byte, dst any) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer recycle(buf)
	t := reflect.TypeOf(dst).Elem()
	if err := encMode.MarshalToBuffer(dst, buf); err != nil {
		return fmt.Errorf("decode cbor: %w: found %s, want %v: %w", ErrType, found(b), t, brief{err})
	}
	if !bytes.Equal(b, buf.Bytes()) {
		return fmt.Errorf("decode cbor: %w: found %s, want %v: %s",
			ErrType, found(b), t, difference(b, buf.Bytes()))
	}
	return nil
}

// buffers hold what is encoded until its length is known.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func recycle(buf *bytes.Buffer) {
	if buf.Reset(); buf.Cap() <= keepLimit {
		buffers.Put(buf)
	}
}

// describe makes one of our errors of one of the library's.
func describe(err error, b []byte, want reflect.Type) error {
	var (
		kind  *cbor.UnmarshalTypeError
		field *cbor.UnknownFieldError
	)
	if errors.As(err, &kind) || errors.As(err, &field) {
		return fmt.Errorf("decode cbor: %w: found %s, want %v: %w", ErrType, found(b), want, brief{err})
	}
	return fmt.Errorf("decode cbor: %w: want %v: %w", ErrMalformed, want, brief{err})
}

// found names what the bytes hold by their major type.
func found(b []byte) string {
	if len(b) == 0 {
		return "nothing"
	}
	switch b[0] {
	case 0xf4, 0xf5:
		return "a bool"
	case null:
		return "null"
	}
	return [...]string{
		"an integer", "an integer", "a byte string", "a text",
		"an array", "a map", "a tagged value", "a float",
	}[b[0]>>5]
}

// brief is an error that does not repeat much of a hostile value.
type brief struct{ err error }

func (b brief) Error() string { return shorten(b.err.Error(), 200) }
func (b brief) Unwrap() error { return b.err }
