package codec

import (
	"fmt"
	"io"
	"reflect"
	"unsafe"
)

func encodeRaw(b []byte) Encoded {
	return Encoded{Codec: Raw, Body: newBody(nil, b), Size: int64(len(b))}
}

// stringBytes is the memory of s. It must not be written to.
func stringBytes(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

func decodeRaw(src *source, dst any) error {
	rv := reflect.ValueOf(dst).Elem()
	switch t := rv.Type(); {
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return src.slice(rv, src.left, bytesLayout)
	case t.Kind() == reflect.Pointer:
		return throughPointer(rv, func(dst any) error { return decodeRaw(src, dst) })
	case t.Kind() == reflect.String || isAny(t):
		b := []byte{}
		if err := src.slice(reflect.ValueOf(&b).Elem(), src.left, bytesLayout); err != nil {
			return err
		}
		takeRaw(b, dst)
		return nil
	}
	if w, ok := dst.(io.Writer); ok {
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, src, src.scratch(keepLimit))
		return err
	}
	return fmt.Errorf("decode raw: %w: found %d bytes, want %v", ErrType, src.left, rv.Type())
}

// takeRaw makes *dst refer to b, unless it has memory of its own for it.
func takeRaw(b []byte, dst any) bool {
	rv := reflect.ValueOf(dst).Elem()
	switch t := rv.Type(); {
	case t.Kind() == reflect.String:
		rv.SetString(unsafe.String(unsafe.SliceData(b), len(b)))
	case isAny(t):
		if b == nil { // as Decode has it
			b = []byte{}
		}
		rv.Set(reflect.ValueOf(b))
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && rv.Cap() < len(b):
		rv.SetBytes(b[:len(b):len(b)])
	default:
		return false
	}
	return true
}

func isAny(t reflect.Type) bool {
	return t.Kind() == reflect.Interface && t.NumMethod() == 0
}

// throughPointer decodes into a new value, to which rv then points.
func throughPointer(rv reflect.Value, decode func(dst any) error) error {
	p := reflect.New(rv.Type().Elem())
	if err := decode(p.Interface()); err != nil {
		return err
	}
	rv.Set(p)
	return nil
}
