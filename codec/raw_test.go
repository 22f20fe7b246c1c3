package codec_test

import (
	"reflect"
	"testing"

	"github.com/larder-store/larder/codec"
)

// No bytes are an empty slice, from a reader as from memory that is nil.
func TestRawOfNothing(t *testing.T) {
	for how, read := range map[string]func(string, []byte, any) error{"Decode": decode, "DecodeBytes": codec.DecodeBytes} {
		for _, stored := range [][]byte{nil, {}} {
			var v any
			if err := read(codec.Raw, stored, &v); err != nil || !reflect.DeepEqual(v, []byte{}) {
				t.Errorf("%s of %#v into an any = %#v, %v; want an empty slice", how, stored, v, err)
			}
			var b []byte
			if err := read(codec.Raw, stored, &b); err != nil || b == nil {
				t.Errorf("%s of %#v into a slice = %#v, %v; want an empty one", how, stored, b, err)
			}
		}
	}
}
