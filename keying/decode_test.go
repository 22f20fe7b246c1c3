package keying_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/big"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// broken is bytes that are no pre-image.
type broken struct {
	name string
	hex  string // the whole, or with a "~" in front the parameters of a component "t", "1"
}

const beforeParameters = "86726c61726465722f636f6d706f6e656e742f3161746131"

func (m broken) bytes() []byte {
	s := m.hex
	if params, ok := strings.CutPrefix(s, "~"); ok {
		s = beforeParameters + params + "80f6"
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(m.name)
	}
	return b
}

// malformed differ from a pre-image in one thing each.
var malformed = []broken{
	{"nothing", ""},
	{"null", "f6"},
	{"cut in the head", "86"},
	{"cut in the type", "86726c61726465722f636f6d706f6e656e742f316574"},
	{"cut before the inputs", beforeParameters + "f6"},
	{"cut before the moment", beforeParameters + "f680"},
	{"bytes after the end", beforeParameters + "f680f600"},
	{"list of 5", "85726c61726465722f636f6d706f6e656e742f3161746131f680"},
	{"list of 7", "87726c61726465722f636f6d706f6e656e742f3161746131f680f6f6"},
	{"list of indefinite length", "9f726c61726465722f636f6d706f6e656e742f3161746131f680f6ff"},
	{"another format", "86726c61726465722f636f6d706f6e656e742f3261746131f680f6"},
	{"format as bytes", "86526c61726465722f636f6d706f6e656e742f3161746131f680f6"},
	{"empty type", "86726c61726465722f636f6d706f6e656e742f31606131f680f6"},
	{"reserved type", "86726c61726465722f636f6d706f6e656e742f316a6c61726465722e52656661" + "31f680f6"},
	{"type as bytes", "86726c61726465722f636f6d706f6e656e742f3141746131f680f6"},
	{"version as a number", "86726c61726465722f636f6d706f6e656e742f31617401f680f6"},
	{"inputs as a map", beforeParameters + "f6a0f6"},
	{"inputs as null", beforeParameters + "f6f6f6"},
	{"input as bytes", beforeParameters + "f6814161f6"},
	{"input with a capital", beforeParameters + "f6816141f6"},
	{"input that is empty", beforeParameters + "f68160f6"},
	{"input with a dot at its end", beforeParameters + "f681622d2ef6"},
	{"input with two underscores", beforeParameters + "f681625f5ff6"},
	{"input of 201 bytes", beforeParameters + "f68178c9" + strings.Repeat("61", 201) + "f6"},
	{"moment as text", beforeParameters + "f68074323032362d31312d32315430313a30323a30335a"},
	{"moment as a number", beforeParameters + "f68001"},
	{"moment that is Go's zero time", beforeParameters + "f680c074303030312d30312d30315430303a30303a30305a"},

	{"integer 23 in 2 bytes", "~1817"},
	{"integer 255 in 3 bytes", "~1900ff"},
	{"integer 65535 in 5 bytes", "~1a0000ffff"},
	{"integer 2^32-1 in 9 bytes", "~1b00000000ffffffff"},
	{"integer -1 in 2 bytes", "~3800"},
	{"reserved head", "~1c"},
	{"break", "~ff"},
	{"undefined", "~f7"},
	{"simple value 0", "~e0"},
	{"simple value in 2 bytes", "~f8ff"},
	{"simple value true in 2 bytes", "~f815"},
	{"text of indefinite length", "~7f6161ff"},
	{"text longer than the rest", "~7a00010000"},
	{"text longer than memory", "~7bffffffffffffffff"},
	{"text that is not UTF-8", "~61ff"},
	{"text with a surrogate", "~63eda080"},
	{"text with a long head", "~780161"},
	{"bytes of indefinite length", "~5f4161ff"},
	{"list longer than the rest", "~9a00010000"},
	{"list longer than memory", "~9bffffffffffffffff"},
	{"map longer than the rest", "~bb7fffffffffffffff"},
	{"map of indefinite length", "~bf6161f6ff"},
	{"map with a key twice", "~a2616101616102"},
	{"map out of order", "~a2616201616102"},
	{"map ordered by bytes before length", "~a262616101616202"},
	{"map with null as key", "~a1f601"},
	{"map with bytes as key", "~a1416101"},
	{"map with a list as key", "~a18001"},
	{"map with a map as key", "~a1a001"},
	{"map with a time as key", "~a1c074323032362d31312d32315430313a30323a30335a01"},
	{"map with a bignum as key", "~a1c24901000000000000000001"},
	{"map with -2^63-1 as key", "~a13b800000000000000001"},
	{"map with -2^64 as key", "~a13bffffffffffffffff01"},
	{"map with a key alone", "~a16161"},
	{"float 1.0 in 16 bits", "~f93c00"},
	{"float -0 in 16 bits", "~f98000"},
	{"float 0.5 in 32 bits", "~fa3f000000"},
	{"float 0.5 in 64 bits", "~fb3fe0000000000000"},
	{"float 0.1f in 64 bits", "~fb3fb99999a0000000"},
	{"float 1e300", "~fb7e37e43c8800759c"},
	{"NaN with payload in 16 bits", "~f97e01"},
	{"NaN with sign", "~f9fe00"},
	{"NaN in 32 bits", "~fa7fc00000"},
	{"NaN in 64 bits", "~fb7ff8000000000000"},
	{"infinity in 32 bits", "~fa7f800000"},
	{"infinity in 64 bits", "~fbfff0000000000000"},
	{"bignum 1", "~c24101"},
	{"bignum 2^64-1", "~c248ffffffffffffffff"},
	{"bignum -2^64", "~c348ffffffffffffffff"},
	{"bignum of no bytes", "~c240"},
	{"bignum with a leading zero", "~c24a00010000000000000000"},
	{"bignum as text", "~c26961616161616161616161"},
	{"bignum of 4097 bits", "~c2590201" + "01" + strings.Repeat("00", 512)},
	{"bignum -2^4096", "~c3590200" + strings.Repeat("ff", 512)},
	{"time with a zone", "~c07819323032362d31312d32315430313a30323a30332b30313a3030"},
	{"time with a zero fraction", "~c07816323032362d31312d32315430313a30323a30332e305a"},
	{"time with a comma", "~c07816323032362d31312d32315430313a30323a30332c355a"},
	{"time with a zero after the fraction", "~c07817323032362d31312d32315430313a30323a30332e35305a"},
	{"time with ten digits", "~c0781f323032362d31312d32315430313a30323a30332e303030303030303030315a"},
	{"time in small letters", "~c074323032362d31312d32317430313a30323a30337a"},
	{"time with a leap second", "~c074323031362d31322d33315432333a35393a36305a"},
	{"time on February 30", "~c074323032362d30322d33305430313a30323a30335a"},
	{"time in year 0", "~c074303030302d30312d30315430303a30303a30305a"},
	{"time as a number", "~c001"},
	{"epoch time", "~c101"},
	{"unknown tag", "~d82a01"},
	{"tag in a long head", "~d80074323032362d31312d32315430313a30323a30335a"},
	{"lists 101 deep", "~" + strings.Repeat("81", 101) + "f6"},
	{"maps 101 deep", "~" + strings.Repeat("a16161", 101) + "f6"},
}

func TestDecodeMalformed(t *testing.T) {
	if _, err := keying.Decode((broken{hex: "~f6"}).bytes()); err != nil {
		t.Fatalf("Decode of what the malformed ones differ from = %v", err)
	}
	for _, m := range malformed {
		d, err := keying.Decode(m.bytes())
		if !errors.Is(err, keying.ErrMalformed) || !reflect.DeepEqual(d, component.Description{}) {
			t.Errorf("Decode of %s = %v, %v, want ErrMalformed alone", m.name, d, err)
		}
	}
	if _, err := keying.Decode(make([]byte, keying.MaxPreimage+1)); !errors.Is(err, keying.ErrMalformed) {
		t.Errorf("Decode of a byte too many = %v, want ErrMalformed", err)
	}
}

// Every prefix of a pre-image, and the pre-image with any byte changed, is refused
// or says something else.
func TestDecodeDamaged(t *testing.T) {
	_, preimage, err := keying.Hash{}.Preimage(t.Context(), component.New("t", "1", twenty(), component.Ref(inputA)))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := keying.Decode(preimage)
	if err != nil {
		t.Fatal(err)
	}
	for i := range preimage {
		if _, err := keying.Decode(preimage[:i]); !errors.Is(err, keying.ErrMalformed) {
			t.Fatalf("Decode of the first %d bytes = %v, want ErrMalformed", i, err)
		}
		for _, flip := range []byte{1, 0x20, 0x80, 0xff} {
			damaged := bytes.Clone(preimage)
			damaged[i] ^= flip
			if d, err := keying.Decode(damaged); err == nil && reflect.DeepEqual(d, whole) {
				t.Fatalf("Decode with byte %d changed by %#x says the same", i, flip)
			}
		}
	}
}

// Decoding gives the kinds that backend.Description promises.
func TestDecodeKinds(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 5, berlin)
	c := component.WithAsOf(component.New("t", "1", map[any]any{
		"nil": nil, "bool": true, "int": 1.0, "uint": uint64(1 << 63), "neg": -0x1p63, "big": 0x1p64, "float": 0.5,
		"text": "x", "bytes": []byte{1}, "time": noon, "list": []int{}, "map": map[int]string{1: "a"},
	}, component.Ref(inputB), component.Ref(inputA)), noon)
	_, preimage, err := keying.Hash{}.Preimage(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := keying.Decode(preimage)
	want := component.Description{
		Type: "t", Version: "1",
		Parameters: map[any]any{
			"nil": nil, "bool": true, "int": int64(1), "uint": uint64(1 << 63), "neg": int64(-1 << 63), "big": integer("18446744073709551616"), "float": 0.5,
			"text": "x", "bytes": []byte{1}, "time": noon.UTC(), "list": []any{}, "map": map[any]any{int64(1): "a"},
		},
		Inputs: []string{inputB, inputA},
		AsOf:   noon.UTC(),
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Decode = %v, %v, want %v", got, err, want)
	}
	if n := got.Parameters.(map[any]any)["big"].(*big.Int); n.BitLen() != 65 {
		t.Errorf("big = %v", n)
	}
}

// What is decoded does not share memory with the pre-image.
func TestDecodeCopies(t *testing.T) {
	_, preimage, err := keying.Hash{}.Preimage(t.Context(), component.New("t", "1", []byte("abc")))
	if err != nil {
		t.Fatal(err)
	}
	d, err := keying.Decode(preimage)
	if err != nil {
		t.Fatal(err)
	}
	clear(preimage)
	if got := d.Parameters.([]byte); d.Type != "t" || string(got) != "abc" {
		t.Errorf("after the pre-image was cleared: %v", d)
	}
}

// A length that lies must not cost memory.
func TestDecodeBoundsMemory(t *testing.T) {
	const claimed = 1 << 16 // items in each of the containers, of which only the innermost has any
	for name, level := range map[string][]byte{
		"lists": {0x9a, 0x00, 0x01, 0x00, 0x00},
		"maps":  {0xba, 0x00, 0x01, 0x00, 0x00, 0x00}, // with the key 0
	} {
		b := append((broken{hex: beforeParameters}).bytes(), bytes.Repeat(level, keying.MaxDepth)...)
		b = append(b, make([]byte, claimed)...)
		// Measured: 7 and 8 MB. If the lengths were believed: 100 times 1 MiB, and more.
		const limit uint64 = 16 << 20
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := keying.Decode(b)
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, keying.ErrMalformed) || allocated > limit {
			t.Errorf("Decode of %s = %v with %d bytes allocated, want ErrMalformed with at most %d", name, err, allocated, limit)
		}
	}
}
