package codec

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strconv"
)

// A layout says how one element lies in bytes, in NumPy's terms.
type layout struct {
	kind byte // b bool, i signed, u unsigned, f float, c complex
	size int  // bytes
	big  bool // most significant byte first; false where size is 1
}

// bytesLayout is that of raw bytes.
var bytesLayout = layout{kind: 'u', size: 1}

// hostBig says how this machine orders bytes. It folds to a constant.
var hostBig = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// layoutOf returns how elements of a Go type lie in a file, and in this
// machine's memory. The two differ on a big-endian machine, and for int and
// uint, which take 8 bytes in every file.
func layoutOf(t reflect.Type) (file, mem layout, ok bool) {
	size := int(t.Size())
	switch t.Kind() {
	case reflect.Bool:
		file = layout{kind: 'b', size: size}
	case reflect.Int:
		file = layout{kind: 'i', size: 8}
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		file = layout{kind: 'i', size: size}
	case reflect.Uint:
		file = layout{kind: 'u', size: 8}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		file = layout{kind: 'u', size: size}
	case reflect.Float32, reflect.Float64:
		file = layout{kind: 'f', size: size}
	case reflect.Complex64, reflect.Complex128:
		file = layout{kind: 'c', size: size}
	default:
		return layout{}, layout{}, false
	}
	return file, layout{kind: file.kind, size: size, big: hostBig && size > 1}, true
}

// goTypes are what an array becomes where the Go type is left open.
var goTypes = map[layout]reflect.Type{
	{kind: 'b', size: 1}:  reflect.TypeFor[bool](),
	{kind: 'i', size: 1}:  reflect.TypeFor[int8](),
	{kind: 'i', size: 2}:  reflect.TypeFor[int16](),
	{kind: 'i', size: 4}:  reflect.TypeFor[int32](),
	{kind: 'i', size: 8}:  reflect.TypeFor[int64](),
	{kind: 'u', size: 1}:  reflect.TypeFor[uint8](),
	{kind: 'u', size: 2}:  reflect.TypeFor[uint16](),
	{kind: 'u', size: 4}:  reflect.TypeFor[uint32](),
	{kind: 'u', size: 8}:  reflect.TypeFor[uint64](),
	{kind: 'f', size: 4}:  reflect.TypeFor[float32](),
	{kind: 'f', size: 8}:  reflect.TypeFor[float64](),
	{kind: 'c', size: 8}:  reflect.TypeFor[complex64](),
	{kind: 'c', size: 16}: reflect.TypeFor[complex128](),
}

// goType returns the Go type with this layout in some byte order.
func (l layout) goType() (reflect.Type, bool) {
	l.big = false
	t, ok := goTypes[l]
	return t, ok
}

// descr is the layout as NumPy spells it, such as <f8.
func (l layout) descr() string {
	order := "<"
	switch {
	case l.size == 1:
		order = "|"
	case l.big:
		order = ">"
	}
	return order + string(l.kind) + strconv.Itoa(l.size)
}

// String is the layout for people, such as float64 (<f8).
func (l layout) String() string {
	if t, ok := l.goType(); ok {
		return fmt.Sprintf("%v (%s)", t, l.descr())
	}
	return l.descr()
}

// widensTo reports whether elements of layout l become such of a Go type that is stored
// as file, without loss. Byte order does not matter. On machines of 32 bits an
// int is stored in 8 bytes; there each element is checked.
func (l layout) widensTo(file layout) bool {
	if l.kind == 'u' && file.kind == 'i' {
		return l.size < file.size
	}
	return l.kind == file.kind && l.size <= file.size
}

// convert writes the element at src to dst.
func convert(dst []byte, to layout, src []byte, from layout) error {
	if from.kind == to.kind && from.size == to.size {
		copyWords(dst, src[:from.size], from.word(), from.big != to.big)
		return nil
	}
	switch from.kind {
	case 'i', 'u':
		return convertInt(dst, to, src, from)
	case 'f':
		widenFloat(dst, to, src, from)
	case 'c':
		half, whole := layout{'f', 4, from.big}, layout{'f', 8, to.big}
		widenFloat(dst, whole, src, half)
		widenFloat(dst[8:], whole, src[4:], half)
	}
	return nil
}

func widenFloat(dst []byte, to layout, src []byte, from layout) {
	f := math.Float32frombits(uint32(from.get(src)))
	to.put(dst, math.Float64bits(float64(f)))
}

// word is the size of what byte order applies to: a complex number is two.
func (l layout) word() int {
	if l.kind == 'c' {
		return l.size / 2
	}
	return l.size
}

func copyWords(dst, src []byte, word int, swap bool) {
	if !swap {
		copy(dst, src)
		return
	}
	for start := 0; start < len(src); start += word {
		for i := range word {
			dst[start+i] = src[start+word-1-i]
		}
	}
}

func convertInt(dst []byte, to layout, src []byte, from layout) error {
	bits := from.get(src)
	if from.kind == 'i' { // extend the sign
		shift := 64 - 8*from.size
		bits = uint64(int64(bits<<shift) >> shift)
	}
	shift := 64 - 8*to.size
	switch {
	case to.kind == 'i' && int64(bits<<shift)>>shift != int64(bits):
		return fmt.Errorf("decode npy: %w: %d does not fit this machine's int of %d bits", ErrType, int64(bits), 8*to.size)
	case to.kind == 'u' && bits<<shift>>shift != bits:
		return fmt.Errorf("decode npy: %w: %d does not fit this machine's uint of %d bits", ErrType, bits, 8*to.size)
	}
	to.put(dst, bits)
	return nil
}

func (l layout) order() binary.ByteOrder {
	if l.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// get returns the bits of an element of at most 8 bytes.
func (l layout) get(b []byte) uint64 {
	switch l.size {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(l.order().Uint16(b))
	case 4:
		return uint64(l.order().Uint32(b))
	}
	return l.order().Uint64(b)
}

// put writes the low bits of an element of at most 8 bytes.
func (l layout) put(b []byte, bits uint64) {
	switch l.size {
	case 1:
		b[0] = byte(bits)
	case 2:
		l.order().PutUint16(b, uint16(bits))
	case 4:
		l.order().PutUint32(b, uint32(bits))
	default:
		l.order().PutUint64(b, bits)
	}
}
