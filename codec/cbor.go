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

// maxNesting is how many arrays, maps and tags may lie within one another. Python's
// limit of recursion is the same, and 1,000 levels need about 1 MB of stack.
const maxNesting = 1000

var (
	encoding = must(encOptions().UserBufferEncMode())
	decoding = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		TimeTag:           cbor.DecTagRequired,
		TextUnmarshaler:   cbor.TextUnmarshalerTextString,
		MaxNestedLevels:   maxNesting,
		// The number of elements is bounded by the bytes there are: each takes
		// one at least, and that is checked before anything is decoded.
		MaxArrayElements: math.MaxInt32,
		MaxMapPairs:      math.MaxInt32,
		// A Go string may hold any bytes; they come back as they went.
		UTF8: cbor.UTF8DecodeInvalid,
		// What becomes of things in an any.
		DefaultMapType: reflect.TypeFor[map[string]any](),
		IntDec:         cbor.IntDecConvertSignedOrBigInt,
		BigIntDec:      cbor.BigIntDecodePointer,
	}.DecMode())
)

// encOptions are RFC 8949's core deterministic encoding (section 4.2.1), with
// two additions: NaN keeps its payload, and a time is a tagged RFC 3339 text
// with nanoseconds and offset.
func encOptions() cbor.EncOptions {
	o := cbor.CoreDetEncOptions()
	o.NaNConvert = cbor.NaNConvertQuiet
	o.Time = cbor.TimeRFC3339Nano
	o.TimeTag = cbor.EncTagRequired
	o.TextMarshaler = cbor.TextMarshalerTextString
	return o
}

func must[T any](mode T, err error) T {
	if err != nil {
		panic("codec: " + err.Error())
	}
	return mode
}

func encodeCBOR(v any) (Encoded, error) {
	var buf bytes.Buffer
	if err := encoding.MarshalToBuffer(v, &buf); err != nil {
		return Encoded{}, fmt.Errorf("encode %T as cbor: %w: %v", v, ErrNotData, err)
	}
	return Encoded{Codec: CBOR, Body: newBody(nil, buf.Bytes()), Size: int64(buf.Len())}, nil
}

// decodeCBOR decodes b, which it does not keep.
func decodeCBOR(b []byte, dst any) error {
	rv := reflect.ValueOf(dst).Elem()
	rv.SetZero()
	if err := decoding.Unmarshal(b, dst); err != nil {
		rv.SetZero()
		return describe(err, b, rv.Type())
	}
	if err := cameBack(b, dst); err != nil {
		rv.SetZero()
		return err
	}
	return nil
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// cameBack checks that the decoded value is the one that was encoded, by
// encoding it again. The library is lenient: it would round a float64 into a float32,
// cut an array, or leave a field that the bytes do not have at zero.
func cameBack(b []byte, dst any) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Reset(); buf.Cap() <= keepLimit {
			buffers.Put(buf)
		}
	}()
	if err := encoding.MarshalToBuffer(dst, buf); err != nil {
		return fmt.Errorf("decode cbor into %T: %w", dst, err)
	}
	if !bytes.Equal(b, buf.Bytes()) {
		return fmt.Errorf("decode cbor: %w: found %s, which does not fit %v exactly", ErrType, found(b), reflect.TypeOf(dst).Elem())
	}
	return nil
}

// describe turns an error of the library into one of ours.
func describe(err error, b []byte, want reflect.Type) error {
	var (
		kind  *cbor.UnmarshalTypeError
		field *cbor.UnknownFieldError
	)
	if errors.As(err, &kind) || errors.As(err, &field) {
		return fmt.Errorf("decode cbor: %w: found %s, want %v: %v", ErrType, found(b), want, err)
	}
	return fmt.Errorf("decode cbor into %v: %w: %v", want, ErrMalformed, err)
}

// found names what the bytes hold.
func found(b []byte) string {
	if len(b) == 0 {
		return "nothing"
	}
	names := []string{"an integer", "a negative integer", "a byte string", "a text", "an array", "a map", "a tagged value", "a number"}
	switch b[0] {
	case 0xf4, 0xf5:
		return "a bool"
	case 0xf6:
		return "null"
	}
	return names[b[0]>>5]
}
