package codec

import (
	"fmt"
	"reflect"
)

// Element are the types that NPY has a dtype for.
type Element interface {
	~bool | ~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 |
		~float32 | ~float64 | ~complex64 | ~complex128
}

// A Matrix is a rectangle of numbers in one piece of memory, stored as NPY with
// shape (Rows, Cols). Element (i, j) is Data[i*Cols+j].
//
// A matrix without elements comes back with its Rows and Cols and nil Data.
type Matrix[T Element] struct {
	Rows, Cols int
	Data       []T // Rows*Cols elements, row by row
}

// NewMatrix makes a matrix of zeros.
func NewMatrix[T Element](rows, cols int) Matrix[T] {
	m := Matrix[T]{Rows: rows, Cols: cols}
	if rows*cols > 0 {
		m.Data = make([]T, rows*cols)
	}
	return m
}

// At returns element (i, j).
func (m Matrix[T]) At(i, j int) T { return m.Row(i)[j] }

// Set changes element (i, j).
func (m Matrix[T]) Set(i, j int, v T) { m.Row(i)[j] = v }

// Row returns row i, a view of Data.
func (m Matrix[T]) Row(i int) []T {
	return m.Data[i*m.Cols : (i+1)*m.Cols : (i+1)*m.Cols]
}

func (m Matrix[T]) parts() (rows, cols int, data any) { return m.Rows, m.Cols, m.Data }

func (m *Matrix[T]) targets() (rows, cols *int, data any) { return &m.Rows, &m.Cols, &m.Data }

// matrix and matrixTarget are Matrix of whatever element.
type (
	matrix interface {
		parts() (rows, cols int, data any)
	}
	matrixTarget interface {
		targets() (rows, cols *int, data any)
	}
)

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

func encodeMatrix(m matrix) (Encoded, error) {
	rows, cols, data := m.parts()
	rv := reflect.ValueOf(data)
	file, mem, _ := layoutOf(rv.Type().Elem())
	a := array{layout: file, shape: []int64{int64(rows), int64(cols)}}
	if rows < 0 || cols < 0 {
		return Encoded{}, fmt.Errorf("encode %T: %w: %d rows, %d columns", m, ErrNotData, rows, cols)
	}
	if n, ok := a.elements(); !ok || n != int64(rv.Len()) {
		return Encoded{}, fmt.Errorf("encode %T: %w: %d rows of %d columns in Data of length %d", m, ErrNotData, rows, cols, rv.Len())
	}
	return encodeNPY(a, stored(bytesOf(rv), file, mem)), nil
}

func (a array) decodeMatrix(src *source, m matrixTarget) error {
	rows, cols, data := m.targets()
	rv := reflect.ValueOf(data).Elem()
	*rows, *cols = 0, 0
	if err := a.fits(rv.Type().Elem(), 2, reflect.TypeOf(m).Elem()); err != nil {
		return err
	}
	if int64(int(a.shape[0])) != a.shape[0] || int64(int(a.shape[1])) != a.shape[1] {
		return a.mismatch(reflect.TypeOf(m).Elem())
	}
	if err := a.decodeFlat(src, rv); err != nil {
		return err
	}
	if rv.Len() == 0 && rv.Cap() == 0 {
		rv.SetZero()
	}
	*rows, *cols = int(a.shape[0]), int(a.shape[1])
	return nil
}

// decodeRows makes [][]T whose rows are views of one piece of memory.
func (a array) decodeRows(src *source, rv reflect.Value) error {
	t := rv.Type()
	rv.SetZero()
	if err := a.fits(t.Elem().Elem(), 2, t); err != nil {
		return err
	}
	rows, cols := a.shape[0], a.shape[1]
	if cols == 0 && rows > 0 {
		// Each row would take memory that no byte of the file stands for.
		return fmt.Errorf("decode npy: %w: found shape %s, want rows that are not empty; read it into a Matrix", ErrType, a.shapeText())
	}
	flat := reflect.New(t.Elem()).Elem()
	if err := a.decodeFlat(src, flat); err != nil {
		return err
	}
	table := reflect.MakeSlice(t, int(rows), int(rows))
	for i := range int(rows) {
		table.Index(i).Set(flat.Slice3(i*int(cols), (i+1)*int(cols), (i+1)*int(cols)))
	}
	rv.Set(table)
	return nil
}

// decodeFlat reads two dimensions into one slice, row by row.
func (a array) decodeFlat(src *source, rv reflect.Value) error {
	n, _ := a.elements()
	rows, cols := int(a.shape[0]), int(a.shape[1])
	if !a.fortran || rows <= 1 || cols <= 1 {
		return decodeInto(src, rv, n, a.layout)
	}
	columns := reflect.New(rv.Type()).Elem()
	if err := decodeInto(src, columns, n, a.layout); err != nil {
		return err
	}
	if rv.Cap() < int(n) {
		rv.Set(reflect.MakeSlice(rv.Type(), int(n), int(n)))
	}
	rv.SetLen(int(n))
	size := int(rv.Type().Elem().Size())
	from, to := bytesOf(columns), bytesOf(rv)
	for i := range rows {
		for j := range cols {
			copy(to[(i*cols+j)*size:][:size], from[(j*rows+i)*size:])
		}
	}
	return nil
}
