// Package codec turns values into bytes and back.
package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// The names of the codecs, as kept in a value's metadata under [MetaKey].
const (
	Raw  = "raw"  // []byte, string and io.Reader: the bytes as they are
	NPY  = "npy"  // numeric slices and matrices: NumPy's format
	CBOR = "cbor" // everything else
)

// MetaKey is the metadata key that names the codec of a value.
const MetaKey = "codec"

var (
	// ErrUnknownCodec is a codec that this build does not have, perhaps of a newer one.
	ErrUnknownCodec = errors.New("unknown codec")
	// ErrType is a stored value that is not of the wanted Go type, or would
	// change on its way into it.
	ErrType = errors.New("value is of another type")
	// ErrMalformed are bytes that the codec could not have written.
	ErrMalformed = errors.New("malformed value")
	// ErrNotData is a Go value that would not come back as it is.
	ErrNotData = errors.New("not data")
)

// Encoded is a value ready to be stored. It refers to the memory of the value
// that it was made from: do not change that value before the Encoded is done with.
//
// Body stands at offset 0, can be read again after a Seek, and is an [io.WriterTo]
// and an [io.ReaderAt] as well. ReadAt may be called by several goroutines at
// once, the rest may not.
type Encoded struct {
	Codec string
	Body  io.ReadSeeker
	Size  int64
}

// Encode turns a value into bytes. Which codec it takes follows from the value's
// Go type, as the package comment says. An [io.Reader] is not read here.
//
// What would not come back as it is, such as a func or an unexported field, is
// [ErrNotData] with the path to it. Encode never leaves anything out silently.
func Encode(v any) (Encoded, error) {
	rv := reflect.ValueOf(v)
	for rv.Kind() == reflect.Pointer && !rv.IsNil() {
		rv = rv.Elem()
	}
	switch rv.Kind() {
	case reflect.String:
		return encodeRaw(stringBytes(rv.String())), nil
	case reflect.Complex64, reflect.Complex128:
		return encodeScalar(rv), nil
	case reflect.Slice:
		if e, ok := encodeSlice(rv); ok {
			return e, nil
		}
	case reflect.Struct:
		if m, ok := rv.Interface().(matrix); ok {
			return encodeMatrix(m)
		}
	}
	return encodeCBOR(v)
}

// Decode reads a value that was stored with codec into *dst, a pointer that is
// not nil. r delivers exactly size bytes; it is always read to its end, in steps of at
// most 256 KiB, and its error is returned as it is, before any other: so a reader
// that verifies a checksum has the last word.
//
// Memory that *dst already has is used again where it suffices: the capacity of
// a []byte, of a numeric slice or of a matrix's Data. All else is allocated
// afresh. After an error *dst holds no part of the value.
func Decode(codec string, r io.Reader, size int64, dst any) error {
	src := newSource(r, size)
	defer src.release()
	err := decode(codec, src, dst)
	if last := src.finish(); last != nil {
		return last
	}
	return err
}

// decode calls src.finish before it gives anything to *dst.
func decode(codec string, src *source, dst any) error {
	if err := checkTarget(dst); err != nil {
		return err
	}
	switch codec {
	case Raw:
		return decodeRaw(src, dst)
	case NPY:
		return decodeNPY(src, dst)
	case CBOR:
		return src.whole(func(b []byte) error { return decodeCBOR(b, dst) })
	}
	return fmt.Errorf("decode: %w %q; known: %s, %s, %s (written by a newer version?)", ErrUnknownCodec, codec, Raw, NPY, CBOR)
}

// DecodeBytes is Decode for bytes in memory that need no more verification.
// *dst never refers to b afterwards.
func DecodeBytes(codec string, b []byte, dst any) error {
	if codec != CBOR {
		return Decode(codec, bytes.NewReader(b), int64(len(b)), dst)
	}
	if err := checkTarget(dst); err != nil {
		return err
	}
	return decodeCBOR(b, dst)
}

func checkTarget(dst any) error {
	switch rv := reflect.ValueOf(dst); {
	case dst == nil:
		return fmt.Errorf("decode into nil: %w: want a pointer", ErrType)
	case rv.Kind() != reflect.Pointer:
		return fmt.Errorf("decode into %T: %w: want a pointer", dst, ErrType)
	case rv.IsNil():
		return fmt.Errorf("decode into a nil %T: %w: want a pointer to a value", dst, ErrType)
	}
	return nil
}
