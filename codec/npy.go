package codec

import (
	"encoding/binary"
	"fmt"
	"reflect"
)

// encodeSlice encodes slices of bytes and numbers, and rectangles of numbers. ok is
// false for all others, and for nil, which would come back empty.
func encodeSlice(rv reflect.Value) (e Encoded, ok bool) {
	elem := rv.Type().Elem()
	switch {
	case rv.IsNil():
		return Encoded{}, false
	case elem.Kind() == reflect.Uint8:
		return encodeRaw(memoryOf(rv)), true
	case elem.Kind() == reflect.Slice:
		return encodeRows(rv)
	}
	file, _, ok := layoutOf(elem)
	if !ok {
		return Encoded{}, false
	}
	return encodeArray(array{layout: file, shape: []int64{int64(rv.Len())}}, rv), true
}

// encodeRows encodes [][]T if it is a rectangle: its rows are equally long and not
// empty. [][]byte is a list of byte strings instead.
func encodeRows(rv reflect.Value) (e Encoded, ok bool) {
	elem := rv.Type().Elem().Elem()
	file, _, ok := layoutOf(elem)
	if !ok || elem.Kind() == reflect.Uint8 {
		return Encoded{}, false
	}
	a := array{layout: file, shape: []int64{int64(rv.Len()), 0}}
	rows := make([][]byte, rv.Len())
	for i := range rows {
		row := rv.Index(i)
		if row.Len() == 0 || row.Len() != rv.Index(0).Len() {
			return Encoded{}, false
		}
		rows[i] = stored(row)
		a.shape[1] = int64(row.Len())
	}
	b := newBody(a.header(), rows...)
	return Encoded{Codec: NPY, Body: b, Size: b.size()}, true
}

// encodeNumber encodes a number as an array without dimensions.
func encodeNumber(rv reflect.Value) Encoded {
	one := reflect.MakeSlice(reflect.SliceOf(rv.Type()), 1, 1)
	one.Index(0).Set(rv)
	file, _, _ := layoutOf(rv.Type())
	return encodeArray(array{layout: file}, one)
}

func encodeArray(a array, elements reflect.Value) Encoded {
	b := newBody(a.header(), stored(elements))
	return Encoded{Codec: NPY, Body: b, Size: b.size()}
}

// stored returns the elements of a slice as they are stored. That is their own
// memory, but for int on machines of 32 bits and everything on big-endian ones.
func stored(slice reflect.Value) []byte {
	mem := memoryOf(slice)
	file, in, _ := layoutOf(slice.Type().Elem())
	if file == in {
		return mem
	}
	out := make([]byte, slice.Len()*file.size)
	for i := range slice.Len() {
		convert(out[i*file.size:], file, mem[i*in.size:], in) // cannot fail: it never narrows
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

// readHeader reads what comes before the elements, and checks that it agrees with the
// size of the value, so that nothing is allocated for elements that are not there.
func readHeader(src *source) (array, error) {
	fixed, err := src.head(10)
	if err != nil {
		return array{}, err
	}
	if string(fixed[:6]) != magic {
		return array{}, malformed("it begins with %q, not with %q", fixed[:6], magic)
	}
	major, minor := fixed[6], fixed[7]
	length := uint32(binary.LittleEndian.Uint16(fixed[8:]))
	if major < 1 || major > 3 || minor != 0 {
		return array{}, malformed("its format version is %d.%d; known are 1.0, 2.0 and 3.0", major, minor)
	}
	if major > 1 { // the length has 4 bytes, of which 2 are read
		high, err := src.head(2)
		if err != nil {
			return array{}, err
		}
		length |= uint32(binary.LittleEndian.Uint16(high)) << 16
	}
	if length > maxHeader {
		return array{}, malformed("its header has %d bytes; the limit is %d", length, maxHeader)
	}
	text, err := src.head(int(length))
	if err != nil {
		return array{}, err
	}
	a, err := parseHeader(string(text))
	if err != nil {
		return array{}, err
	}
	n, ok := a.elements()
	if size := int64(a.layout.size); !ok || n > src.left/size || n*size != src.left {
		return array{}, malformed("%v of shape %v does not take the %d bytes there are",
			a.layout, a.shape, src.left)
	}
	return a, nil
}

// head reads n bytes of a header. They are valid until the next call.
func (s *source) head(n int) ([]byte, error) {
	if int64(n) > s.left {
		return nil, malformed("it ends within its header")
	}
	p := s.scratch(n)
	return p, s.fill(p)
}

// malformed says what is wrong with an NPY file.
func malformed(format string, args ...any) error {
	return fmt.Errorf("decode npy: %w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

func (a array) decode(src *source, dst any) error {
	rv := reflect.ValueOf(dst).Elem()
	switch t := rv.Type(); {
	case isMatrix(t):
		return a.decodeMatrix(src, rv)
	case t.Kind() == reflect.Pointer:
		return throughPointer(rv, func(dst any) error { return a.decode(src, dst) })
	case isAny(t):
		return a.decodeAny(src, rv)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Slice:
		return a.decodeRows(src, rv)
	case t.Kind() == reflect.Slice:
		if err := a.fits(1, t.Elem(), t); err != nil {
			return err
		}
		return src.slice(rv, a.shape[0], a.layout)
	default:
		return a.decodeNumber(src, rv)
	}
}

func (a array) decodeNumber(src *source, rv reflect.Value) error {
	if err := a.fits(0, rv.Type(), rv.Type()); err != nil {
		return err
	}
	one := reflect.New(reflect.SliceOf(rv.Type())).Elem()
	if err := src.slice(one, 1, a.layout); err != nil {
		return err
	}
	rv.Set(one.Index(0))
	return nil
}

// decodeAny makes a number, a slice or a [Matrix] of the file's own type.
func (a array) decodeAny(src *source, rv reflect.Value) error {
	t, _ := a.layout.goType()
	switch len(a.shape) {
	case 0:
	case 1:
		t = reflect.SliceOf(t)
	case 2:
		t = matrixTypes[t.Kind()]
	default:
		return a.mismatch(rv.Type(), nil)
	}
	p := reflect.New(t)
	if err := a.decode(src, p.Interface()); err != nil {
		return err
	}
	rv.Set(p.Elem())
	return nil
}

// fits checks the number of dimensions and the dtype against a wanted type that
// is made of elem.
func (a array) fits(dims int, elem, want reflect.Type) error {
	file, _, ok := layoutOf(elem)
	if !ok {
		return a.mismatch(want, nil)
	}
	if len(a.shape) != dims || !a.layout.widensTo(file) {
		return a.mismatch(want, &file)
	}
	return nil
}

// mismatch names what was found and wanted, by their dtypes too.
func (a array) mismatch(want reflect.Type, dtype *layout) error {
	wanted := want.String()
	if dtype != nil {
		wanted += ", dtype " + dtype.descr()
	}
	return fmt.Errorf("decode npy: %w: found %v of shape %v, want %s", ErrType, a.layout, a.shape, wanted)
}
