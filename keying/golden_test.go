package keying_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

var update = flag.Bool("update", false, "add vectors that golden.json lacks; those in it never change")

const goldenFile = "testdata/golden.json"

// golden is golden.json.
type golden struct {
	About      []string          `json:"about"`
	Keys       []goldenKey       `json:"keys"`
	Refused    []goldenRefusal   `json:"refused"`
	Malformed  []goldenMalformed `json:"malformed"`
	Segments   []goldenSegment   `json:"segments"`
	NoSegments []string          `json:"no segments"`
}

type goldenKey struct {
	Name     string          `json:"name"`
	Graph    json.RawMessage `json:"graph"`
	Preimage string          `json:"preimage"`
	Hash     string          `json:"hash"`
	Readable string          `json:"readable,omitempty"`
}

type goldenRefusal struct {
	Name  string          `json:"name"`
	Graph json.RawMessage `json:"graph,omitempty"`
	Path  string          `json:"path"`
}

type goldenMalformed struct {
	Name  string `json:"name"`
	Bytes string `json:"bytes"`
}

type goldenSegment struct {
	Name    string `json:"name"` // in hexadecimal
	Segment string `json:"segment"`
}

func readGolden(t testing.TB) golden {
	t.Helper()
	b, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&g); err != nil {
		t.Fatal(err)
	}
	return g
}

// goldenNow is golden.json as the present code would write it.
func goldenNow(t *testing.T) golden {
	t.Helper()
	g := golden{About: about}
	rows := graphs(t)
	for _, v := range vectors {
		rows = append(rows, graph{v.name, component.New("t", "1", v.value), `[{"type":"t","version":"1","parameters":` + v.note + `}]`})
	}
	for _, r := range rows {
		hash, preimage, err := keying.Hash{}.Preimage(t.Context(), r.c)
		if err != nil {
			t.Errorf("%s: %v", r.name, err)
			continue
		}
		k := goldenKey{Name: r.name, Graph: json.RawMessage(r.note), Preimage: hex.EncodeToString(preimage), Hash: hash}
		if !strings.Contains(r.note, keyNote) { // which is no key of Readable
			if k.Readable, err = (keying.Readable{}).Key(t.Context(), r.c); err != nil {
				t.Errorf("%s: %v", r.name, err)
			}
		}
		g.Keys = append(g.Keys, k)
	}
	for _, r := range refusals() {
		_, err := keying.Hash{}.Key(t.Context(), r.c)
		e, ok := err.(*keying.Error)
		if !ok {
			t.Errorf("%s: %v, want a *keying.Error", r.name, err)
			continue
		}
		if strings.HasSuffix(r.path, ".") { // it goes on inside a type of Go's library
			continue
		}
		g.Refused = append(g.Refused, goldenRefusal{r.name, json.RawMessage(r.graph), e.Path})
	}
	for _, m := range malformed {
		g.Malformed = append(g.Malformed, goldenMalformed{m.name, hex.EncodeToString(m.bytes())})
	}
	for _, name := range names {
		s, err := keying.Escape(name)
		if err != nil {
			t.Errorf("Escape(%q) = %v", name, err)
		}
		g.Segments = append(g.Segments, goldenSegment{hex.EncodeToString([]byte(name)), s})
	}
	g.NoSegments = noSegments
	return g
}

// TestGolden compares all keys with those that were written down when the format was made. If it
// fails, every result that anybody ever stored would be lost: do not change the
// vectors, but the code; or give the format a new number.
func TestGolden(t *testing.T) {
	now := goldenNow(t)
	if _, err := os.Stat(goldenFile); *update && os.IsNotExist(err) {
		writeGolden(t, now)
	}
	old := readGolden(t)
	if len(old.Keys) < 60 || len(old.Refused) < 20 {
		t.Errorf("%s has %d keys and %d refusals, want at least 60 and 20", goldenFile, len(old.Keys), len(old.Refused))
	}
	ok := compare(t, "keys", old.Keys, now.Keys, func(k goldenKey) string { return k.Name })
	ok = compare(t, "refused", old.Refused, now.Refused, func(r goldenRefusal) string { return r.Name }) && ok
	ok = compare(t, "malformed", old.Malformed, now.Malformed, func(m goldenMalformed) string { return m.Name }) && ok
	ok = compare(t, "segments", old.Segments, now.Segments, func(s goldenSegment) string { return s.Name }) && ok
	ok = compare(t, "no segments", old.NoSegments, now.NoSegments, func(s string) string { return s }) && ok
	if *update && ok {
		writeGolden(t, now)
	}
}

// compare reports whether every old vector is among the new ones, unchanged. Without -update
// there may be no new ones either.
func compare[T any](t *testing.T, section string, old, now []T, name func(T) string) bool {
	t.Helper()
	ok := true
	text := func(v T) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	rest := map[string]string{}
	for _, v := range now {
		if _, twice := rest[name(v)]; twice {
			t.Errorf("%s: two vectors are named %q", section, name(v))
			ok = false
		}
		rest[name(v)] = text(v)
	}
	for _, v := range old {
		got, found := rest[name(v)]
		delete(rest, name(v))
		if got != text(v) {
			t.Errorf("%s: %q (made now: %v) is\n%s\nwant\n%s", section, name(v), found, got, text(v))
			ok = false
		}
	}
	if !*update {
		for name := range rest {
			t.Errorf("%s: %q is not in %s; run go test ./keying -run TestGolden -update", section, name, goldenFile)
		}
	}
	return ok
}

// writeGolden writes one vector a line, so that what is added can be read in a diff.
func writeGolden(t *testing.T, g golden) {
	t.Helper()
	var b bytes.Buffer
	section := func(name string, n int, line func(i int) any, after string) {
		fmt.Fprintf(&b, "%q: [\n", name)
		for i := range n {
			var row bytes.Buffer
			e := json.NewEncoder(&row)
			e.SetEscapeHTML(false)
			if err := e.Encode(line(i)); err != nil {
				t.Fatal(err)
			}
			b.Write(bytes.TrimSpace(row.Bytes()))
			if i < n-1 {
				b.WriteByte(',')
			}
			b.WriteByte('\n')
		}
		b.WriteString("]" + after + "\n")
	}
	b.WriteString("{\n")
	section("about", len(g.About), func(i int) any { return g.About[i] }, ",")
	section("keys", len(g.Keys), func(i int) any { return g.Keys[i] }, ",")
	section("refused", len(g.Refused), func(i int) any { return g.Refused[i] }, ",")
	section("malformed", len(g.Malformed), func(i int) any { return g.Malformed[i] }, ",")
	section("segments", len(g.Segments), func(i int) any { return g.Segments[i] }, ",")
	section("no segments", len(g.NoSegments), func(i int) any { return g.NoSegments[i] }, "")
	b.WriteString("}\n")
	if err := os.WriteFile(goldenFile, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

var about = []string{
	"Test vectors of Larder's keys. docs/keys.md specifies what they show; keys.py makes them anew.",
	"A vector never changes. A change to any of them is a new format.",
	"keys: graph is a list of components, each after its inputs; the last one's key is hash (or readable, by the generator Readable), and preimage is what hash is the SHA-256 of.",
	"A component has type, version (or it is empty), parameters (or null), inputs (indices into the graph, or {\"key\": k} for one that is known by its key) and asOf.",
	"Values: null, true, false and text stand for themselves. {\"int\": decimal}, {\"float64\": bits}, {\"float32\": bits}, {\"bytes\": b}, {\"utf8\": text as bytes that may be no UTF-8}, {\"time\": RFC 3339}, {\"list\": [items]}, {\"map\": [[key, value], …] in any order}, {\"deep\": n} for n lists within each other with null in the innermost. Bits and bytes are in hexadecimal, the highest byte first.",
	"refused: components without a key. path says where the fault is. Those without a graph can only be made in Go.",
	"malformed: bytes that are no pre-image, though some are CBOR.",
	"segments: names, as bytes, and their escaped form. no segments: what no name is escaped to.",
}

// TestGoldenNotation makes every vector anew from its notation alone.
func TestGoldenNotation(t *testing.T) {
	for _, v := range readGolden(t).Keys {
		hash, preimage, err := keying.Hash{}.Preimage(t.Context(), fromNotation(t, v.Graph))
		if err != nil || hash != v.Hash || hex.EncodeToString(preimage) != v.Preimage {
			t.Errorf("%s: %v, %x, %v, want %v, %v", v.Name, hash, preimage, err, v.Hash, v.Preimage)
		}
	}
}

// fromNotation makes a component of a graph in the notation of golden.json.
func fromNotation(t *testing.T, text json.RawMessage) component.Component {
	t.Helper()
	var graph []struct {
		Type       any
		Version    any
		Parameters any
		Inputs     []any
		AsOf       string
	}
	if err := json.Unmarshal(text, &graph); err != nil {
		t.Fatal(err)
	}
	var made []component.Component
	for _, n := range graph {
		var inputs []component.Component
		for _, i := range n.Inputs {
			if place, ok := i.(float64); ok {
				inputs = append(inputs, made[int(place)])
				continue
			}
			inputs = append(inputs, component.Ref(i.(map[string]any)["key"].(string)))
		}
		version, _ := fromNote(t, n.Version).(string)
		c := component.New(fromNote(t, n.Type).(string), version, fromNote(t, n.Parameters), inputs...)
		if n.AsOf != "" {
			c = component.WithAsOf(c, parseTime(t, n.AsOf))
		}
		made = append(made, c)
	}
	return made[len(made)-1]
}

func parseTime(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// fromNote makes a value of its notation.
func fromNote(t *testing.T, note any) any {
	t.Helper()
	m, ok := note.(map[string]any)
	if !ok {
		return note // null, bool or text
	}
	for kind, v := range m {
		switch kind {
		case "int":
			n := integer(v.(string))
			switch {
			case n.IsInt64():
				return n.Int64()
			case n.IsUint64():
				return n.Uint64()
			}
			return n
		case "float64":
			return math.Float64frombits(new(big.Int).SetBytes(unhex(t, v)).Uint64())
		case "float32":
			return math.Float32frombits(uint32(new(big.Int).SetBytes(unhex(t, v)).Uint64()))
		case "utf8":
			return string(unhex(t, v))
		case "bytes":
			return unhex(t, v)
		case "time":
			return parseTime(t, v.(string))
		case "deep":
			return deep(int(v.(float64)))
		case "list":
			list := []any{}
			for _, x := range v.([]any) {
				list = append(list, fromNote(t, x))
			}
			return list
		case "map":
			m := map[any]any{}
			for _, pair := range v.([]any) {
				p := pair.([]any)
				m[fromNote(t, p[0])] = fromNote(t, p[1])
			}
			return m
		}
	}
	t.Fatalf("unknown notation: %v", note)
	return nil
}

func unhex(t *testing.T, v any) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.(string))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestGoldenPython has all vectors made anew by another implementation, which knows
// docs/keys.md and no Go.
func TestGoldenPython(t *testing.T) {
	python := python(t)
	cmd := exec.CommandContext(t.Context(), python, "-I", "testdata/keys.py", goldenFile)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("keys.py: %v\n%s", err, out)
	}
	if g := readGolden(t); !strings.Contains(string(out), " 0 wrong") || !checkedAll(string(out), g) {
		t.Errorf("keys.py says %q, want checks of all vectors and none wrong", out)
	}
}

// checkedAll reports whether the script made at least one check for each vector.
func checkedAll(out string, g golden) bool {
	var n int
	if _, err := fmt.Sscanf(out, "%d checks", &n); err != nil {
		return false
	}
	return n >= 3*len(g.Keys)+len(g.Malformed)+2*len(g.Segments)+len(g.NoSegments)
}
