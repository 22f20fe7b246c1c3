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
	// ErrUnknownCodec is a codec that this build does not have.
	ErrUnknownCodec = errors.New("unknown codec")
	// ErrType is a stored value that is not of the wanted Go type, or would
	// change on its way into it.
	ErrType = errors.New("value is of another type")
	// ErrMalformed are bytes that the codec could not have written.
	ErrMalformed = errors.New("malformed value")
	// ErrNotData is a Go value that would not come back as it is.
	ErrNotData = errors.New("not data")
)

// Encoded is a value ready to be stored. It refers to the memory of the value that
// it was made from: that value must not change before the Encoded is done with.
//
// Body holds Size bytes and stands at offset 0. It can be read again after a Seek,
// and is an [io.WriterTo] and an [io.ReaderAt] as well. Several goroutines may call
// ReadAt at once, but nothing else.
type Encoded struct {
	Codec string
	Body  io.ReadSeeker
	Size  int64
}

// Encode turns a value into bytes, with the codec that its Go type asks for. A value
// that would not come back as it is fails with [ErrNotData] and the path to what is
// wrong; nothing is left out silently.
//
// An [io.Reader] is not read here: its bytes are stored as [Raw].
func Encode(v any) (Encoded, error) {
	rv := reflect.ValueOf(v)
	for n := 0; rv.Kind() == reflect.Pointer && !rv.IsNil() && n < maxNesting; n++ {
		rv = rv.Elem()
	}
	switch rv.Kind() {
	case reflect.String:
		return encodeRaw(stringBytes(rv.String())), nil
	case reflect.Complex64, reflect.Complex128:
		return encodeNumber(rv), nil
	case reflect.Slice:
		if e, ok := encodeSlice(rv); ok {
			return e, nil
		}
	case reflect.Struct:
		if isMatrix(rv.Type()) {
			return encodeMatrix(rv)
		}
	}
	return encodeCBOR(v)
}

// Decode reads a value that was stored with codec into what dst points to. r delivers
// exactly size bytes. It is always read to its end, and its error is returned
// as it is and before any other: so a reader that verifies a checksum has
// the last word. Reads take place in steps of at most 256 KiB.
//
// Memory that *dst has is used again if it suffices: the capacity of a []byte, of a
// numeric slice, or of the Data of a [Matrix]. Everything else is made
// afresh, and is the caller's own. After an error *dst holds no part of the value.
//
// A raw value can also be copied to a dst that is an [io.Writer]; what was written
// before an error cannot be taken back. An *any gets a []byte of a raw value, a number, slice or
// Matrix of an NPY file, and of CBOR what the package comment says.
//
// A value of another type is [ErrType], and names what was found and wanted; bytes
// that make no sense are [ErrMalformed].
func Decode(codec string, r io.Reader, size int64, dst any) error {
	src := newSource(r, size)
	defer src.release()
	err := decode(codec, src, dst)
	if last := src.finish(); last != nil {
		return last
	}
	return err
}

// decode gives nothing to *dst before src.finish was asked.
func decode(codec string, src *source, dst any) error {
	if err := checkTarget(codec, dst); err != nil {
		return err
	}
	switch codec {
	case Raw:
		return decodeRaw(src, dst)
	case NPY:
		return decodeNPY(src, dst)
	default:
		return src.whole(func(b []byte) error { return decodeCBOR(b, dst) })
	}
}

// DecodeBytes is [Decode] of bytes that are in memory and verified. It takes
// them over: a []byte or string without memory of its own refers to b afterwards.
func DecodeBytes(codec string, b []byte, dst any) error {
	if err := checkTarget(codec, dst); err != nil {
		return err
	}
	switch codec {
	case CBOR:
		return decodeCBOR(b, dst)
	case Raw:
		if takeRaw(b, dst) {
			return nil
		}
	}
	return Decode(codec, bytes.NewReader(b), int64(len(b)), dst)
}

func checkTarget(codec string, dst any) error {
	switch codec {
	case Raw, NPY, CBOR:
	default:
		return fmt.Errorf("decode: %w %q; known: %s, %s, %s (stored by a newer version?)",
			ErrUnknownCodec, codec, Raw, NPY, CBOR)
	}
	rv := reflect.ValueOf(dst)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return fmt.Errorf("decode %s into %T: %w: want a pointer that is not nil", codec, dst, ErrType)
	}
	return nil
}
