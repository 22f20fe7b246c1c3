package keying_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/keying"
)

// TestDifferential compares this package with keys.py on components and bytes that nobody thought of:
// random graphs must have the same keys in both, and random changes of pre-images must be accepted by both or
// by neither. The seed is in the name of each vector.
func TestDifferential(t *testing.T) {
	python := python(t)
	const graphs, changes = 1500, 8
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 2))
	g := golden{Segments: []goldenSegment{}, NoSegments: []string{}, Refused: []goldenRefusal{}, Malformed: []goldenMalformed{}}
	var accepted []goldenMalformed
	for i := range graphs {
		note := randomGraph(rng)
		name := fmt.Sprintf("seed %d, graph %d", seed, i)
		c := fromNotation(t, note)
		hash, preimage, err := keying.Hash{}.Preimage(t.Context(), c)
		if err != nil {
			e, ok := err.(*keying.Error)
			if !ok {
				t.Fatalf("%s: %v of %s", name, err, note)
			}
			g.Refused = append(g.Refused, goldenRefusal{name, note, e.Path})
			continue
		}
		readable, err := keying.Readable{}.Key(t.Context(), c)
		if err != nil {
			t.Fatalf("%s: %v of %s", name, err, note)
		}
		g.Keys = append(g.Keys, goldenKey{name, note, hex.EncodeToString(preimage), hash, readable})
		for j := range changes {
			changed := change(rng, preimage)
			row := goldenMalformed{fmt.Sprintf("%s, change %d", name, j), hex.EncodeToString(changed)}
			d, err := keying.Decode(changed)
			if err != nil {
				g.Malformed = append(g.Malformed, row)
				continue
			}
			if again, err := keying.Encode(d); err != nil || !bytes.Equal(again, changed) {
				t.Errorf("%s: %x decodes, and encodes to %x, %v", row.Name, changed, again, err)
			}
			accepted = append(accepted, row)
		}
	}
	if len(g.Keys) < graphs/2 || len(g.Malformed) < graphs || len(accepted) < graphs/2 {
		t.Errorf("%d keys, %d malformed and %d accepted: this compares little", len(g.Keys), len(g.Malformed), len(accepted))
	}
	text, err := json.Marshal(struct {
		golden
		Preimages []goldenMalformed `json:"preimages"`
	}{g, accepted})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "random.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), python, "-I", "testdata/keys.py", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 0 wrong") {
		t.Errorf("keys.py: %v\n%.4000s", err, out)
	}
}

// python returns the interpreter that keys.py runs on.
func python(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("python3 is missing, and CI must not go without this test")
		}
		t.Skip("SKIPPED: python3 is missing; install it to compare the keys with another implementation of docs/keys.md")
	}
	return path
}

// change returns a pre-image with some bytes changed, added or taken away.
func change(rng *rand.Rand, preimage []byte) []byte {
	b := bytes.Clone(preimage)
	for range 1 + rng.IntN(2) {
		at := rng.IntN(len(b))
		switch rng.IntN(6) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			b[at] = byte(rng.Uint32())
		case 2:
			b = append(b[:at], append([]byte{byte(rng.Uint32())}, b[at:]...)...)
		case 3:
			if len(b) > 1 {
				b = append(b[:at], b[at+1:]...)
			}
		default: // a letter or digit of a text, which often stays well-formed
			if c := b[at]; 'a' <= c && c < 'z' || '0' <= c && c < '9' {
				b[at]++
			}
		}
	}
	return b
}

// randomGraph returns a graph of components in the notation of golden.json.
func randomGraph(rng *rand.Rand) json.RawMessage {
	var nodes []any
	for i := range 1 + rng.IntN(4) {
		node := map[string]any{"type": randomText(rng, "t/"), "version": randomText(rng, ""), "parameters": randomValue(rng, 3)}
		var inputs []any
		for range rng.IntN(3) {
			if i > 0 {
				inputs = append(inputs, rng.IntN(i))
			}
		}
		if inputs != nil {
			node["inputs"] = inputs
		}
		if rng.IntN(4) == 0 {
			node["asOf"] = randomTime(rng)
		}
		nodes = append(nodes, node)
	}
	// What is refused goes into the last one: the others need not be inputs of anything, and keys.py reads them all.
	last := nodes[len(nodes)-1].(map[string]any)
	switch rng.IntN(30) {
	case 0:
		last["version"] = map[string]any{"utf8": "61c3"}
	case 1:
		last["parameters"] = map[string]any{"int": new(big.Int).Lsh(big.NewInt(1), 4096).String()}
	}
	text, err := json.Marshal(nodes)
	if err != nil {
		panic(err)
	}
	return text
}

func randomText(rng *rand.Rand, prefix string) string {
	alphabet := []string{"a", "Z", "0", "_", ".", "-", "=", " ", "/", "µ", "神", "𝛼", "\x00", "é", "e\u0301", "\u2028"}
	var b strings.Builder
	b.WriteString(prefix)
	for range rng.IntN(6) {
		b.WriteString(alphabet[rng.IntN(len(alphabet))])
	}
	return b.String()
}

func randomTime(rng *rand.Rand) string {
	years := []int{1, 2, 1969, 1970, 2026, 9999}
	t := time.Date(years[rng.IntN(len(years))], time.Month(1+rng.IntN(12)), 1+rng.IntN(28), rng.IntN(24), rng.IntN(60), rng.IntN(60), 0, time.UTC)
	switch rng.IntN(4) {
	case 0:
		t = time.Time{}
	case 1:
		t = t.Add(time.Duration(rng.IntN(1e9)))
	}
	if rng.IntN(3) == 0 && t.Year() > 1 && t.Year() < 9999 {
		t = t.In(time.FixedZone("", 60*(rng.IntN(1600)-800)))
	}
	return t.Format(time.RFC3339Nano)
}

func randomNumber(rng *rand.Rand) any {
	bits := func(f float64) any { return map[string]any{"float64": fmt.Sprintf("%016x", math.Float64bits(f))} }
	switch rng.IntN(7) {
	case 0:
		return map[string]any{"int": fmt.Sprint(rng.Int64() >> rng.IntN(64))}
	case 1:
		return map[string]any{"int": fmt.Sprint(-rng.Int64() >> rng.IntN(64))}
	case 2:
		n := new(big.Int).Lsh(big.NewInt(1+rng.Int64N(1000)), uint(rng.IntN(4087))) // of 4,096 bits at most
		if rng.IntN(2) == 0 {
			n.Neg(n)
		}
		return map[string]any{"int": n.String()}
	case 3:
		return bits(math.Float64frombits(rng.Uint64()))
	case 4:
		special := []float64{0, math.Copysign(0, -1), 1.5, 0x1p-24, 0x1p-25, 65504, 65520, 1e16, 1e22, math.Inf(1), math.Inf(-1), math.NaN(), 0x1p63, 0x1p64, math.MaxFloat32}
		return bits(special[rng.IntN(len(special))])
	case 5:
		return bits(float64(rng.IntN(1<<20)) / float64(uint(1)<<rng.IntN(30)))
	}
	return map[string]any{"float32": fmt.Sprintf("%08x", rng.Uint32())}
}

func randomValue(rng *rand.Rand, depth int) any {
	kinds := 6
	if depth > 0 {
		kinds = 9
	}
	switch rng.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return rng.IntN(2) == 0
	case 2:
		return randomText(rng, "")
	case 3:
		return map[string]any{"bytes": hex.EncodeToString([]byte(fmt.Sprint(rng.IntN(1000))))}
	case 4:
		return map[string]any{"time": randomTime(rng)}
	case 5:
		return randomNumber(rng)
	case 6:
		list := []any{}
		for range rng.IntN(5) {
			list = append(list, randomValue(rng, depth-1))
		}
		return map[string]any{"list": list}
	}
	pairs := []any{}
	seen := map[string]bool{}
	for range rng.IntN(5) {
		var key any
		switch rng.IntN(4) {
		case 0:
			key = rng.IntN(2) == 0
		case 1:
			key = map[string]any{"int": fmt.Sprint(rng.IntN(50) - 25)}
		case 2:
			key = map[string]any{"float64": fmt.Sprintf("%016x", math.Float64bits(float64(rng.IntN(50))+0.25))}
		default:
			key = fmt.Sprint("k", rng.IntN(9))
		}
		if name := fmt.Sprint(key); !seen[name] {
			seen[name] = true
			pairs = append(pairs, []any{key, randomValue(rng, depth-1)})
		}
	}
	return map[string]any{"map": pairs}
}
