package codec

import (
	"fmt"
	"reflect"
	"strings"
)

// Element are the types that NPY has a dtype for.
type Element interface {
	~bool | ~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 |
		~float32 | ~float64 | ~complex64 | ~complex128
}

// A Matrix is a rectangle of numbers in one piece of memory, stored as NPY of shape
// (Rows, Cols). Element (i, j) is Data[i*Cols+j]. Without elements Data is nil.
type Matrix[T Element] struct {
	Rows, Cols int
	Data       []T // Rows*Cols elements, row by row
}

// NewMatrix makes a matrix of zeros. It panics if a size is negative.
func NewMatrix[T Element](rows, cols int) Matrix[T] {
	if rows < 0 || cols < 0 {
		panic(fmt.Sprintf("codec: NewMatrix(%d, %d): a size is negative", rows, cols))
	}
	m := Matrix[T]{Rows: rows, Cols: cols}
	if rows > 0 && cols > 0 {
		m.Data = make([]T, rows*cols)
	}
	return m
}

// At returns element (i, j).
func (m Matrix[T]) At(i, j int) T { return m.Row(i)[j] }

// Set changes element (i, j).
func (m Matrix[T]) Set(i, j int, v T) { m.Row(i)[j] = v }

// Row returns row i. It shares the memory of the matrix.
func (m Matrix[T]) Row(i int) []T {
	return m.Data[i*m.Cols : (i+1)*m.Cols : (i+1)*m.Cols]
}

// isMatrix reports whether t is Matrix of whatever element. A type that embeds one or is
// derived from one is a struct like any other.
func isMatrix(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.NumField() == 3 &&
		strings.HasPrefix(t.Name(), "Matrix[") && t.PkgPath() == reflect.TypeFor[Matrix[bool]]().PkgPath()
}

// matrixTypes are what a matrix becomes where the Go type is left open.
var matrixTypes = map[reflect.Kind]reflect.Type{
	reflect.Bool:       reflect.TypeFor[Matrix[bool]](),
	reflect.Int8:       reflect.TypeFor[Matrix[int8]](),
	reflect.Int16:      reflect.TypeFor[Matrix[int16]](),
	reflect.Int32:      reflect.TypeFor[Matrix[int32]](),
	reflect.Int64:      reflect.TypeFor[Matrix[int64]](),
	reflect.Uint8:      reflect.TypeFor[Matrix[uint8]](),
	reflect.Uint16:     reflect.TypeFor[Matrix[uint16]](),
	reflect.Uint32:     reflect.TypeFor[Matrix[uint32]](),
	reflect.Uint64:     reflect.TypeFor[Matrix[uint64]](),
	reflect.Float32:    reflect.TypeFor[Matrix[float32]](),
	reflect.Float64:    reflect.TypeFor[Matrix[float64]](),
	reflect.Complex64:  reflect.TypeFor[Matrix[complex64]](),
	reflect.Complex128: reflect.TypeFor[Matrix[complex128]](),
}

// encodeMatrix encodes a Matrix of whatever element.
func encodeMatrix(rv reflect.Value) (Encoded, error) {
	rows, cols, data := rv.Field(0).Int(), rv.Field(1).Int(), rv.Field(2)
	file, _, _ := layoutOf(data.Type().Elem())
	a := array{layout: file, shape: []int64{rows, cols}}
	if n, ok := a.elements(); rows < 0 || cols < 0 || !ok || n != int64(data.Len()) {
		return Encoded{}, fmt.Errorf("encode %v: %w: it has %d rows of %d columns, but its Data has %d elements",
			rv.Type(), ErrNotData, rows, cols, data.Len())
	}
	return encodeArray(a, data), nil
}

func (a array) decodeMatrix(src *source, rv reflect.Value) error {
	data := rv.Field(2)
	if err := a.fits(2, data.Type().Elem(), rv.Type()); err != nil {
		return err
	}
	rows, cols := a.shape[0], a.shape[1]
	if int64(int(rows)) != rows || int64(int(cols)) != cols {
		return malformed("shape %v is too large for this machine", a.shape)
	}
	rv.Field(0).SetInt(0)
	rv.Field(1).SetInt(0)
	data.SetLen(0)
	if err := a.flat(src, data); err != nil {
		return err
	}
	if data.Len() == 0 {
		data.SetZero()
	}
	rv.Field(0).SetInt(rows)
	rv.Field(1).SetInt(cols)
	return nil
}

// decodeRows makes [][]T whose rows lie in one piece of memory.
func (a array) decodeRows(src *source, rv reflect.Value) error {
	t := rv.Type()
	if err := a.fits(2, t.Elem().Elem(), t); err != nil {
		return err
	}
	rows, cols := int(a.shape[0]), int(a.shape[1])
	if cols == 0 && rows > 0 {
		// Each row would take memory that no byte of the value stands for.
		return fmt.Errorf("decode npy: %w: found shape %v, want rows that are not empty; a Matrix can hold it",
			ErrType, a.shape)
	}
	flat := reflect.New(t.Elem()).Elem()
	if err := a.flat(src, flat); err != nil {
		return err
	}
	table := reflect.MakeSlice(t, rows, rows)
	for i := range rows {
		table.Index(i).Set(flat.Slice3(i*cols, (i+1)*cols, (i+1)*cols))
	}
	rv.Set(table)
	return nil
}

// flat reads a matrix into a slice, row by row.
func (a array) flat(src *source, rv reflect.Value) error {
	n, _ := a.elements()
	rows, cols := int(a.shape[0]), int(a.shape[1])
	if !a.fortran || rows <= 1 || cols <= 1 {
		return src.slice(rv, n, a.layout)
	}
	columns := reflect.New(rv.Type()).Elem()
	if err := src.slice(columns, n, a.layout); err != nil {
		return err
	}
	if rv.Cap() < rows*cols {
		rv.Set(reflect.MakeSlice(rv.Type(), rows*cols, rows*cols))
	}
	rv.SetLen(rows * cols)
	size := int(rv.Type().Elem().Size())
	from, to := memoryOf(columns), memoryOf(rv)
	for j := range cols {
		for i := range rows {
			copy(to[(i*cols+j)*size:][:size], from[(j*rows+i)*size:])
		}
	}
	return nil
}
