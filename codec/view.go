package codec

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"unsafe"
)

// ErrCopy is a stored value that can be decoded to what is wanted, but is not laid out so in memory: of another width or byte
// order, column by column, or not aligned. Use [Decode].
var ErrCopy = errors.New("value has to be copied to be of this type")

// Slice returns the elements of a stored slice as they lie in b, the bytes that were stored with codec: an NPY file of one dimension,
// whose header is padded so that they are aligned, or raw bytes. It shares the memory of b. A value of another type is
// [ErrType], one that only Decode can make of it [ErrCopy].
func Slice[T Element](codec string, b []byte) ([]T, error) {
	t := reflect.TypeFor[[]T]()
	if codec == Raw && t.Elem().Kind() == reflect.Uint8 {
		return elementsOf[T](b), nil
	}
	a, rest, err := openNPY(codec, b, t)
	if err == nil {
		err = a.fits(1, t.Elem(), t)
	}
	if err == nil {
		err = a.lies(rest, t)
	}
	if err != nil {
		return nil, err
	}
	return elementsOf[T](rest), nil
}

// MatrixOf is [Slice] of a stored matrix.
func MatrixOf[T Element](codec string, b []byte) (Matrix[T], error) {
	t := reflect.TypeFor[Matrix[T]]()
	a, rest, err := openNPY(codec, b, t)
	if err == nil {
		err = a.fits(2, reflect.TypeFor[T](), t)
	}
	if err == nil && a.fortran && a.shape[0] > 1 && a.shape[1] > 1 {
		err = fmt.Errorf("decode npy: %w: found columns one after the other, want rows", ErrCopy)
	}
	if err == nil {
		err = a.lies(rest, reflect.TypeFor[[]T]())
	}
	if err == nil && (int64(int(a.shape[0])) != a.shape[0] || int64(int(a.shape[1])) != a.shape[1]) {
		err = malformed("shape %v is too large for this machine", a.shape)
	}
	if err != nil {
		return Matrix[T]{}, err
	}
	m := Matrix[T]{Rows: int(a.shape[0]), Cols: int(a.shape[1])}
	if len(rest) > 0 {
		m.Data = elementsOf[T](rest)
	}
	return m, nil
}

// openNPY reads the header of an NPY file, and returns what follows it.
func openNPY(codec string, b []byte, want reflect.Type) (array, []byte, error) {
	if codec != NPY {
		return array{}, nil, fmt.Errorf("decode %s: %w: want %v as it lies, which %s alone has", codec, ErrType, want, NPY)
	}
	src := newSource(bytes.NewReader(b), int64(len(b)))
	defer src.release()
	a, err := readHeader(src)
	if err != nil {
		return array{}, nil, err
	}
	return a, b[int64(len(b))-src.left:], nil
}

// lies reports whether b has the elements of a slice of type t as they are in memory.
func (a array) lies(b []byte, t reflect.Type) error {
	_, memory, _ := layoutOf(t.Elem())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	if a.layout != memory || start%uintptr(t.Elem().Align()) != 0 {
		return fmt.Errorf("decode npy: %w: found %v, want %v in the memory of this machine", ErrCopy, a.layout, memory)
	}
	if memory.kind != 'b' {
		return nil
	}
	for _, one := range b {
		if one > 1 {
			return fmt.Errorf("decode npy: %w: a bool is %d, want 0 or 1", ErrMalformed, one)
		}
	}
	return nil
}

// elementsOf returns memory as a slice of numbers.
func elementsOf[T Element](b []byte) []T {
	var one T
	n := len(b) / int(unsafe.Sizeof(one))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)[:n:n]
}
