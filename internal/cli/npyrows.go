package cli

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"reflect"

	"github.com/larder-store/larder/internal/temp"
	"github.com/larder-store/larder/session"
)

// npyRows writes one array of float64. How many rows there are stands at its beginning, so the rows wait in a
// temporary file.
type npyRows struct {
	w     io.Writer
	file  *temp.File
	buf   *bufio.Writer
	count int
	width int // numbers in a row; -1: none was seen, 0: rows are plain numbers
}

func newNPYRows(w io.Writer) (*npyRows, error) {
	f, err := temp.Create("", "larder-collate-*")
	if err != nil {
		return nil, err
	}
	return &npyRows{w: w, file: f, buf: bufio.NewWriter(f), width: -1}, nil
}

func (n *npyRows) close() { n.file.Close() }

func (n *npyRows) row(item session.Item[any]) error {
	if b, ok := item.Value.([]byte); ok {
		return notANumber(item, string(b))
	}
	v := reflect.ValueOf(item.Value)
	width := 0
	if v.Kind() == reflect.Slice {
		width = v.Len()
	}
	if n.width < 0 {
		n.width = width
	}
	if width != n.width || v.Kind() == reflect.Slice && width == 0 {
		return fmt.Errorf("session %q, key %q: --npy needs values of one shape: this one has %d numbers, those before it %d", item.Session, item.Key, max(width, 1), max(n.width, 1))
	}
	n.count++
	if v.Kind() != reflect.Slice {
		return n.number(item, item.Value)
	}
	for i := range width {
		if err := n.number(item, v.Index(i).Interface()); err != nil {
			return err
		}
	}
	return nil
}

func (n *npyRows) number(item session.Item[any], v any) error {
	rv, f := reflect.ValueOf(v), 0.0
	exact := true
	switch {
	case v == nil:
		exact = false
	case rv.CanInt():
		f = float64(rv.Int())
		exact = f < math.MaxInt64 && int64(f) == rv.Int()
	case rv.CanUint():
		f = float64(rv.Uint())
		exact = f < math.MaxUint64 && uint64(f) == rv.Uint()
	case rv.CanFloat():
		f = rv.Float()
	default:
		exact = false
	}
	if !exact {
		return notANumber(item, v)
	}
	_, err := n.buf.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)))
	return err
}

func notANumber(item session.Item[any], v any) error {
	return fmt.Errorf("session %q, key %q: --npy needs numbers that a float64 holds; this is %.40q (%T)", item.Session, item.Key, fmt.Sprint(v), v)
}

// end writes the header and what has waited.
func (n *npyRows) end() error {
	if err := n.buf.Flush(); err != nil {
		return err
	}
	if _, err := n.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	shape := fmt.Sprintf("(%d,)", n.count)
	if n.width > 0 {
		shape = fmt.Sprintf("(%d, %d)", n.count, n.width)
	}
	text := fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': %s, }", shape)
	const align = 64 // what NumPy aligns the data to
	room := align - (10+len(text)+1)%align
	text += string(bytes.Repeat([]byte{' '}, room%align)) + "\n"
	head := append([]byte("\x93NUMPY\x01\x00"), byte(len(text)), byte(len(text)>>8))
	if _, err := n.w.Write(append(head, text...)); err != nil {
		return err
	}
	_, err := io.Copy(n.w, n.file)
	return err
}
