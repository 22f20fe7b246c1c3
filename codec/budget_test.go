package codec_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/larder-store/larder/codec"
)

// cborArray is an array of n times the same item.
func cborArray(n int, item byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0x9a}, uint32(n))
	return append(b, bytes.Repeat([]byte{item}, n)...)
}

// A value takes no more memory than its bytes justify, whatever they claim.
func TestMemoryOfCBOR(t *testing.T) {
	type wide struct {
		A [100]string `cbor:",omitempty"`
		B map[string]int
	}
	const n = 4_000_000
	for name, c := range map[string]struct {
		b   []byte
		dst any
	}{
		"empty maps in an any":     {cborArray(n, 0xa0), new(any)},
		"empty arrays in an any":   {cborArray(n, 0x80), new(any)},
		"empty maps in maps":       {cborArray(n, 0xa0), new([]map[string]int)},
		"wide structs of one byte": {cborArray(n, 0xa0), new([]wide)},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := codec.DecodeBytes(codec.CBOR, c.b, c.dst)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, codec.ErrMalformed) || !strings.Contains(err.Error(), "items could take") {
			t.Errorf("%s: %v, want it refused for its memory", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%s: %d bytes were allocated before it was refused", name, took)
		}
	}
}

// What people store is well within the budget, and what is not is refused before it is stored.
func TestBudgetIsAmple(t *testing.T) {
	type point struct{ X, Y float64 }
	rows := make([]map[string]any, 20_000)
	for i := range rows {
		rows[i] = map[string]any{"id": i, "name": "n", "on": true}
	}
	for name, v := range map[string]any{
		"rows": rows, "points": make([]point, 30_000), "words": strings.Fields(strings.Repeat("a bc def ", 30_000)), "nested": [][]any{{1, "x", nil}, {rows[0]}},
	} {
		e, err := codec.Encode(v)
		if err != nil {
			t.Errorf("%s: %v, want it stored", name, err)
			continue
		}
		var back any
		if err := codec.Decode(e.Codec, e.Body, e.Size, &back); err != nil {
			t.Errorf("%s: %v, want it read", name, err)
		}
	}
	if _, err := codec.Encode(make([]struct{}, 4_000_000)); err == nil || !strings.Contains(err.Error(), "items could take") {
		t.Errorf("four million empty structs: %v, want them refused", err)
	}
}
