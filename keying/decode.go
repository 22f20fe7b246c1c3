package keying

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"
	"unicode/utf8"
)

// decoder reads canonical encodings.
type decoder struct {
	rest  []byte
	size  int // bytes in all
	at    int // where the present item begins
	depth int
}

// head reads the head of an item: its major type with the low five bits, and its
// argument, which must be in the shortest form.
func (d *decoder) head() (head byte, arg uint64, err error) {
	d.at = d.size - len(d.rest)
	if len(d.rest) == 0 {
		return 0, 0, fmt.Errorf("it ends too soon")
	}
	head = d.rest[0]
	low, width := head&0x1f, 0
	switch {
	case low < 24:
		d.rest = d.rest[1:]
		return head, uint64(low), nil
	case low > 27:
		return head, 0, fmt.Errorf("head %#02x is not used", head)
	}
	width = 1 << (low - 24)
	if len(d.rest) < 1+width {
		return head, 0, fmt.Errorf("it ends too soon")
	}
	var buf [8]byte
	copy(buf[8-width:], d.rest[1:1+width])
	arg = binary.BigEndian.Uint64(buf[:])
	d.rest = d.rest[1+width:]
	shortest := [...]uint64{24, 1 << 8, 1 << 16, 1 << 32}[low-24]
	if head&0xe0 != majorOther && arg < shortest {
		return head, 0, fmt.Errorf("an argument that has a shorter form")
	}
	return head, arg, nil
}

// trusted is for how many items room is made before they are seen. Lengths can lie on each
// of MaxDepth levels.
const trusted = 1024

// length reads the head of an item of a major type that has a length. Each item or byte
// in it takes a byte at least, so no length beyond the rest is believed.
func (d *decoder) length(major byte) (int, error) {
	head, n, err := d.head()
	if err != nil {
		return 0, err
	}
	if head&0xe0 != major {
		return 0, fmt.Errorf("head %#02x where major type %d belongs", head, major>>5)
	}
	return d.fits(n)
}

func (d *decoder) fits(n uint64) (int, error) {
	if n > uint64(len(d.rest)) {
		return 0, fmt.Errorf("it ends too soon")
	}
	return int(n), nil
}

func (d *decoder) text() (string, error) {
	n, err := d.length(majorText)
	if err != nil {
		return "", err
	}
	return d.textOf(n)
}

func (d *decoder) textOf(n int) (string, error) {
	b := d.take(n)
	if !utf8.Valid(b) {
		return "", fmt.Errorf("text that is not valid UTF-8")
	}
	return string(b), nil
}

func (d *decoder) take(n int) []byte {
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// value reads any item of the parameters.
func (d *decoder) value() (any, error) {
	head, arg, err := d.head()
	if err != nil {
		return nil, err
	}
	switch head & 0xe0 {
	case majorUint:
		if arg > math.MaxInt64 {
			return arg, nil
		}
		return int64(arg), nil
	case majorNeg:
		if arg > math.MaxInt64 {
			n := new(big.Int).SetUint64(arg)
			return n.Not(n), nil
		}
		return ^int64(arg), nil
	case majorTag:
		return d.tagged(arg)
	case majorOther:
		return simple(head, arg)
	}
	n, err := d.fits(arg)
	if err != nil {
		return nil, err
	}
	switch head & 0xe0 {
	case majorBytes:
		return slices.Clone(d.take(n)), nil
	case majorText:
		return d.textOf(n)
	}
	if d.depth++; d.depth > MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", MaxDepth)
	}
	defer func() { d.depth-- }()
	if head&0xe0 == majorArray {
		return d.list(n)
	}
	return d.mapping(n)
}

func simple(head byte, arg uint64) (any, error) {
	var f float64
	switch head {
	case headNull:
		return nil, nil
	case headFalse, headTrue:
		return head == headTrue, nil
	case headFloat16:
		f = fromFloat16(uint16(arg))
	case headFloat32:
		f = float64(math.Float32frombits(uint32(arg)))
	case headFloat64:
		f = math.Float64frombits(arg)
	default:
		return nil, fmt.Errorf("head %#02x is not used", head)
	}
	var given, canonical [9]byte
	if !bytes.Equal(appendHeadBits(given[:0], head, arg), appendFloat(canonical[:0], f)) {
		return nil, fmt.Errorf("a float that has another form: an integer, a shorter float, or the one NaN")
	}
	return f, nil
}

// appendHeadBits appends a float as it was read.
func appendHeadBits(b []byte, head byte, arg uint64) []byte {
	b = append(b, head)
	switch head {
	case headFloat16:
		return binary.BigEndian.AppendUint16(b, uint16(arg))
	case headFloat32:
		return binary.BigEndian.AppendUint32(b, uint32(arg))
	}
	return binary.BigEndian.AppendUint64(b, arg)
}

func (d *decoder) tagged(tag uint64) (any, error) {
	switch tag {
	case tagTime:
		return d.time()
	case tagBignum, tagNegBignum:
		return d.bignum(tag)
	}
	return nil, fmt.Errorf("tag %d is not used", tag)
}

func (d *decoder) time() (any, error) {
	s, err := d.text()
	if err != nil {
		return nil, err
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1 || t.UTC().Format(time.RFC3339Nano) != s {
		return nil, fmt.Errorf("%.40q is not a time in UTC in its shortest form", s)
	}
	return t.UTC(), nil
}

func (d *decoder) bignum(tag uint64) (any, error) {
	n, err := d.length(majorBytes)
	if err != nil {
		return nil, err
	}
	b := d.take(n)
	if n < 9 || b[0] == 0 {
		return nil, fmt.Errorf("a bignum that has a shorter form")
	}
	i := new(big.Int).SetBytes(b)
	if tag == tagNegBignum {
		i.Not(i)
	}
	if i.BitLen() > maxIntegerBits {
		return nil, fmt.Errorf("an integer of %d bits; %d are allowed", i.BitLen(), maxIntegerBits)
	}
	return i, nil
}

func (d *decoder) list(n int) (any, error) {
	items := make([]any, 0, min(n, trusted))
	for range n {
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	return items, nil
}

func (d *decoder) mapping(n int) (any, error) {
	m := make(map[any]any, min(n, trusted))
	var last []byte
	for range n {
		begin := d.rest
		k, err := d.value()
		if err != nil {
			return nil, err
		}
		key := begin[:len(begin)-len(d.rest)]
		if !validKey(key) {
			return nil, fmt.Errorf("neither text, bool nor a number within 64 bits as the key of a map")
		}
		if bytes.Compare(last, key) >= 0 {
			return nil, fmt.Errorf("keys of a map out of order, or one twice")
		}
		last = key
		if m[k], err = d.value(); err != nil {
			return nil, err
		}
	}
	return m, nil
}
