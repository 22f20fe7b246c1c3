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

// stringBytes is the memory of s. Nobody may write to it.
func stringBytes(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

func decodeRaw(src *source, dst any) error {
	switch rv := reflect.ValueOf(dst).Elem(); rv.Kind() {
	case reflect.Slice:
		if rv.Type().Elem().Kind() == reflect.Uint8 {
			return decodeInto(src, rv, src.left, bytesLayout)
		}
	case reflect.String:
		b, err := readBytes(src)
		if err == nil {
			rv.SetString(unsafe.String(unsafe.SliceData(b), len(b)))
		}
		return err
	case reflect.Interface:
		if rv.NumMethod() > 0 {
			break
		}
		b, err := readBytes(src)
		if err == nil {
			rv.Set(reflect.ValueOf(b))
		}
		return err
	case reflect.Pointer:
		return throughPointer(rv, func(dst any) error { return decodeRaw(src, dst) })
	}
	if w, ok := dst.(io.Writer); ok {
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, src, src.scratch(keepLimit))
		return err
	}
	return fmt.Errorf("decode raw: %w: found %d bytes, want %v", ErrType, src.left, reflect.TypeOf(dst).Elem())
}

// readBytes reads all into memory of its own.
func readBytes(src *source) ([]byte, error) {
	b := []byte{}
	err := decodeInto(src, reflect.ValueOf(&b).Elem(), src.left, bytesLayout)
	return b, err
}

// decodeInto reads n elements into rv, a slice that can be set. It is empty
// until all is read without an error.
func decodeInto(src *source, rv reflect.Value, n int64, from layout) error {
	_, to, _ := layoutOf(rv.Type().Elem())
	got := reflect.New(rv.Type()).Elem()
	got.Set(rv)
	if !rv.IsNil() {
		rv.SetLen(0)
	}
	if err := src.elements(got, n, from, to); err != nil {
		return err
	}
	if err := src.finish(); err != nil {
		return err
	}
	rv.Set(got)
	return nil
}

// throughPointer decodes into a new value that rv, a pointer, then points to.
func throughPointer(rv reflect.Value, decode func(dst any) error) error {
	p := reflect.New(rv.Type().Elem())
	rv.SetZero()
	if err := decode(p.Interface()); err != nil {
		return err
	}
	rv.Set(p)
	return nil
}
