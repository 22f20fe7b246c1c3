package readers

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// How NEURON's Vector.vwrite stores the elements of a vector (ivocvect.cpp, v_vwrite).
const (
	vwriteInt8    = 1 // scaled to 255 steps: scale and minimum first
	vwriteUint16  = 2 // scaled to 65535 steps: scale and minimum first
	vwriteFloat32 = 3
	vwriteFloat64 = 4
	vwriteInt32   = 5
)

// vwriteSize is the bytes of an element by type.
var vwriteSize = [...]int{vwriteInt8: 1, vwriteUint16: 2, vwriteFloat32: 4, vwriteFloat64: 8, vwriteInt32: 4}

// ReadVWrite reads the vectors that NEURON's Vector.vwrite wrote to a file, one after the
// other, in the byte order of the machine that wrote it. It returns what it read together with
// an error.
func ReadVWrite(r io.Reader, opts *Options) ([][]float64, error) {
	v := &vwriteReader{r: r, o: opts.with(r)}
	var vectors [][]float64
	for {
		values, err := v.vector()
		if values != nil {
			vectors = append(vectors, values)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return vectors, err
		}
	}
	if len(vectors) == 0 {
		return nil, v.fail(ErrFormat, emptyHint)
	}
	return vectors, nil
}

// readVWriteTable makes a column of each vector.
func readVWriteTable(r io.Reader, o Options) (*Table, error) {
	vectors, err := ReadVWrite(r, &o)
	t := &Table{Format: NeuronWrite, DeclaredRows: -1, DeclaredColumns: -1, FinalNewline: true}
	for i, v := range vectors {
		if i > 0 && len(v) != t.rows {
			if err == nil {
				err = &ParseError{Format: NeuronWrite, Name: o.Name, Err: ErrColumnCount,
					Hint: fmt.Sprintf("vector %d has %d elements, the first %d: read the file with ReadVWrite", i, len(v), t.rows)}
			}
			break
		}
		t.rows = len(v)
		t.Columns = append(t.Columns, Column{})
		t.Float = append(t.Float, v)
		t.Text = append(t.Text, nil)
	}
	return t, err
}

type vwriteReader struct {
	r     io.Reader
	o     Options
	order binary.ByteOrder // nil before the first vector
	off   int64
}

func (v *vwriteReader) fail(err error, hint string, args ...any) error {
	return &ParseError{Format: NeuronWrite, Name: v.o.Name, Offset: v.off, Err: err, Hint: fmt.Sprintf(hint, args...)}
}

// read fills p. It returns io.EOF only if nothing at all was left.
func (v *vwriteReader) read(p []byte) (int, error) {
	n, err := io.ReadFull(v.r, p)
	v.off += int64(n)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return n, v.fail(err, "")
	}
	return n, err
}

// vector reads the next vector. A vector that is cut is returned as far as it goes.
func (v *vwriteReader) vector() ([]float64, error) {
	var head [8]byte
	n, err := v.read(head[:])
	switch {
	case err == io.EOF:
		return nil, io.EOF
	case err == io.ErrUnexpectedEOF:
		return nil, v.fail(ErrTruncated, "%d bytes where a count and a type should be", n)
	case err != nil:
		return nil, err
	}
	count, kind, err := v.header(head[:])
	if err != nil {
		return nil, err
	}
	scale, low := 1.0, 0.0
	if kind == vwriteInt8 || kind == vwriteUint16 {
		var b [16]byte
		if _, err := v.read(b[:]); err != nil {
			return nil, v.cut(err, count, 0)
		}
		scale, low = v.float(b[:8]), v.float(b[8:])
	}
	return v.elements(count, kind, scale, low)
}

// header reads count and type. The byte order shows in the type of the first vector.
func (v *vwriteReader) header(b []byte) (count int, kind uint32, err error) {
	if v.order == nil {
		v.order = binary.LittleEndian
		if t := v.order.Uint32(b[4:]); t < 1 || t > 5 {
			v.order = binary.BigEndian
		}
	}
	n, kind := v.order.Uint32(b), v.order.Uint32(b[4:])
	if kind < 1 || kind > 5 || n > math.MaxInt32 {
		v.off -= int64(len(b))
		return 0, 0, v.fail(ErrFormat, "a count and a type from 1 to 5 are expected; text mode may have ruined the file")
	}
	return int(n), kind, nil
}

// elements reads the elements in steps, so that a count from a damaged file allocates no
// more than the file holds.
func (v *vwriteReader) elements(count int, kind uint32, scale, low float64) ([]float64, error) {
	size := vwriteSize[kind]
	const step = 8192 // elements; the whole size may be more than an int holds
	buf := make([]byte, min(count, step)*size)
	values := make([]float64, 0, len(buf)/size)
	for len(values) < count {
		buf = buf[:min(count-len(values), step)*size]
		n, err := v.read(buf)
		for i := 0; i+size <= n; i += size {
			values = append(values, v.element(buf[i:i+size], kind, scale, low))
		}
		if err != nil {
			return values, v.cut(err, count, len(values))
		}
	}
	return values, nil
}

// cut distinguishes a file that ends early from an io.Reader that fails.
func (v *vwriteReader) cut(err error, count, got int) error {
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	return v.fail(ErrTruncated, "%d elements are declared, %d are there", count, got)
}

func (v *vwriteReader) float(b []byte) float64 { return math.Float64frombits(v.order.Uint64(b)) }

// element converts as v_vread does.
func (v *vwriteReader) element(b []byte, kind uint32, scale, low float64) float64 {
	switch kind {
	case vwriteInt8:
		return (float64(int8(b[0]))+128)/scale + low
	case vwriteUint16:
		return float64(v.order.Uint16(b))/scale + low
	case vwriteFloat32:
		return float64(math.Float32frombits(v.order.Uint32(b)))
	case vwriteInt32:
		return float64(int32(v.order.Uint32(b)))
	}
	return v.float(b)
}
