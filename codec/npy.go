package codec

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
)

// encodeSlice encodes numeric slices and rectangular slices of numeric slices.
// A nil slice is CBOR's null, or it would come back empty.
func encodeSlice(rv reflect.Value) (Encoded, bool) {
	elem := rv.Type().Elem()
	switch {
	case rv.IsNil():
		return Encoded{}, false
	case elem.Kind() == reflect.Uint8:
		return encodeRaw(bytesOf(rv)), true
	case elem.Kind() == reflect.Slice:
		return encodeRows(rv)
	}
	file, mem, ok := layoutOf(elem)
	if !ok {
		return Encoded{}, false
	}
	a := array{layout: file, shape: []int64{int64(rv.Len())}}
	return encodeNPY(a, stored(bytesOf(rv), file, mem)), true
}

// encodeRows encodes [][]T as a matrix if it is one: no row is nil, all are
// equally long, and not empty. [][]byte is a list of byte strings instead.
func encodeRows(rv reflect.Value) (Encoded, bool) {
	elem := rv.Type().Elem().Elem()
	file, mem, ok := layoutOf(elem)
	if !ok || elem.Kind() == reflect.Uint8 {
		return Encoded{}, false
	}
	a := array{layout: file, shape: []int64{int64(rv.Len()), 0}}
	if rv.Len() == 0 {
		return encodeNPY(a, nil), true
	}
	cols := rv.Index(0).Len()
	for i := range rv.Len() {
		if n := rv.Index(i).Len(); n == 0 || n != cols {
			return Encoded{}, false
		}
	}
	rows := make([][]byte, rv.Len())
	for i := range rows {
		rows[i] = stored(bytesOf(rv.Index(i)), file, mem)
	}
	a.shape[1] = int64(cols)
	b := &body{head: a.header(), rows: rows, width: len(rows[0])}
	return Encoded{Codec: NPY, Body: b, Size: b.size()}, true
}

// encodeScalar encodes one number as an array without dimensions.
func encodeScalar(rv reflect.Value) Encoded {
	one := reflect.MakeSlice(reflect.SliceOf(rv.Type()), 1, 1)
	one.Index(0).Set(rv)
	file, mem, _ := layoutOf(rv.Type())
	return encodeNPY(array{layout: file}, stored(bytesOf(one), file, mem))
}

func encodeNPY(a array, elements []byte) Encoded {
	b := newBody(a.header(), elements)
	return Encoded{Codec: NPY, Body: b, Size: b.size()}
}

// stored returns elements as they are stored: mem itself where that is how they
// lie in memory, which it is for all but int on machines of 32 bits and
// everything on big-endian ones.
func stored(mem []byte, file, in layout) []byte {
	if file == in {
		return mem
	}
	out := make([]byte, len(mem)/in.size*file.size)
	for i := range len(mem) / in.size {
		convert(out[i*file.size:], file, mem[i*in.size:], in) // never narrows
	}
	return out
}

func decodeNPY(src *source, dst any) error {
	a, err := readHeader(src)
	if err != nil {
		return err
	}
	return a.decode(src, dst)
}

// readHeader reads the head of a file and checks that it tells the truth about
// the size, so that nothing is allocated for elements that are not there.
func readHeader(src *source) (array, error) {
	var fixed [12]byte
	if err := headPart(src, fixed[:10]); err != nil {
		return array{}, err
	}
	if string(fixed[:6]) != magic {
		return array{}, fmt.Errorf("decode npy: %w: it begins with % x, not with \\x93NUMPY", ErrMalformed, fixed[:6])
	}
	length := int64(binary.LittleEndian.Uint16(fixed[8:]))
	switch major, minor := fixed[6], fixed[7]; {
	case major < 1 || major > 3 || minor != 0:
		return array{}, fmt.Errorf("decode npy: %w: format version %d.%d; known: 1.0, 2.0, 3.0", ErrMalformed, major, minor)
	case major > 1:
		if err := headPart(src, fixed[10:]); err != nil {
			return array{}, err
		}
		length = int64(binary.LittleEndian.Uint32(fixed[8:]))
	}
	if length > maxHeader {
		return array{}, fmt.Errorf("decode npy: %w: the header has %d bytes; the limit is %d", ErrMalformed, length, maxHeader)
	}
	text := make([]byte, min(length, src.left))
	if err := headPart(src, text); err != nil {
		return array{}, err
	}
	if int64(len(text)) < length || !strings.HasSuffix(string(text), "\n") {
		return array{}, fmt.Errorf("decode npy: %w: the header has no end", ErrMalformed)
	}
	a, err := parseHeader(string(text))
	if err != nil {
		return array{}, err
	}
	n, ok := a.elements()
	if !ok || n > src.left/int64(a.layout.size) || n*int64(a.layout.size) != src.left {
		return array{}, fmt.Errorf("decode npy: %w: shape %s of %v does not make %d bytes", ErrMalformed, a.shapeText(), a.layout, src.left)
	}
	return a, nil
}

func headPart(src *source, p []byte) error {
	if int64(len(p)) > src.left {
		return fmt.Errorf("decode npy: %w: too short for a header", ErrMalformed)
	}
	return src.fill(p)
}

func (a array) decode(src *source, dst any) error {
	if m, ok := dst.(matrixTarget); ok {
		return a.decodeMatrix(src, m)
	}
	rv := reflect.ValueOf(dst).Elem()
	switch t := rv.Type(); t.Kind() {
	case reflect.Pointer:
		return throughPointer(rv, func(dst any) error { return a.decode(src, dst) })
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return a.decodeAny(src, rv)
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Slice {
			return a.decodeRows(src, rv)
		}
		if err := a.fits(t.Elem(), 1, t); err != nil {
			return err
		}
		return decodeInto(src, rv, a.shape[0], a.layout)
	default:
		if err := a.fits(t, 0, t); err != nil {
			return err
		}
		one := reflect.New(reflect.SliceOf(t)).Elem()
		if err := decodeInto(src, one, 1, a.layout); err != nil {
			return err
		}
		rv.Set(one.Index(0))
		return nil
	}
	return a.mismatch(rv.Type())
}

// fits checks dimensions and dtype against what is wanted.
func (a array) fits(elem reflect.Type, dims int, want reflect.Type) error {
	file, _, ok := layoutOf(elem)
	if !ok || len(a.shape) != dims || !a.layout.widensTo(file) {
		return a.mismatch(want)
	}
	return nil
}

// mismatch names what was found and what was wanted, both as NumPy would too.
func (a array) mismatch(want reflect.Type) error {
	elem := want
	for elem.Kind() == reflect.Slice {
		elem = elem.Elem()
	}
	wanted := want.String()
	if file, _, ok := layoutOf(elem); ok {
		wanted += " (" + file.descr() + ")"
	}
	return fmt.Errorf("decode npy: %w: found %v of shape %s, want %s", ErrType, a.layout, a.shapeText(), wanted)
}

// decodeAny gives a number, a slice or a [Matrix] of the file's own type.
func (a array) decodeAny(src *source, rv reflect.Value) error {
	t, _ := a.layout.goType()
	var p reflect.Value
	switch len(a.shape) {
	case 0:
		p = reflect.New(t)
	case 1:
		p = reflect.New(reflect.SliceOf(t))
	case 2:
		p = reflect.New(matrixTypes[t.Kind()])
	default:
		return a.mismatch(rv.Type())
	}
	rv.SetZero()
	if err := a.decode(src, p.Interface()); err != nil {
		return err
	}
	rv.Set(p.Elem())
	return nil
}
