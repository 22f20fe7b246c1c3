package keying_test

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/keying"
)

// FuzzDecode: what is accepted is canonical, so that it encodes to itself; all else is
// ErrMalformed.
func FuzzDecode(f *testing.F) {
	for _, m := range malformed {
		f.Add(m.bytes())
	}
	for _, p := range preimagesOf(f) {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, preimage []byte) {
		if _, err := keying.Decode(preimage); err != nil {
			if !errors.Is(err, keying.ErrMalformed) {
				t.Fatalf("Decode(%x) = %v", preimage, err)
			}
			return
		}
		checkFixpoint(t, preimage)
	})
}

// FuzzParameters puts any bytes where the parameters are.
func FuzzParameters(f *testing.F) {
	f.Add([]byte{0xf6})
	f.Add([]byte{0xa1, 0x61, 0x61, 0xf9, 0x38, 0x00})
	for _, p := range preimagesOf(f) {
		if len(p) > 26 {
			f.Add(p[24 : len(p)-2])
		}
	}
	f.Fuzz(func(t *testing.T, params []byte) {
		preimage := append((broken{hex: beforeParameters}).bytes(), params...)
		preimage = append(preimage, 0x80, 0xf6)
		if _, err := keying.Decode(preimage); err != nil {
			return
		}
		checkFixpoint(t, preimage)
		d, err := keying.Decode(preimage)
		if err != nil {
			t.Fatal(err)
		}
		d.Inputs = nil // they may be keys of no generator
		key, err := keying.Readable{}.Key(bare, d.Component())
		if err := (backend.Key{Shelf: "s", Name: key}).Validate(); err != nil {
			t.Fatalf("Readable of %x = %q: %v", preimage, key, err)
		}
		if err != nil {
			t.Fatalf("Readable of %x = %v", preimage, err)
		}
	})
}

// preimagesOf returns the golden ones, as seeds.
func preimagesOf(f *testing.F) [][]byte {
	f.Helper()
	var all [][]byte
	for _, v := range readGolden(f).Keys {
		b, err := hex.DecodeString(v.Preimage)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}
