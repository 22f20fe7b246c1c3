package keying

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/larder-store/larder/component"
)

// Readable makes keys that begin with words for people: the last part of the type, the
// version, and the parameters, as in
//
//	spikes.detect_1.2_dt=0.1_filter.order=4-<64 hexadecimal digits>
//
// The words are cut to [MaxWords] bytes. The digits are the SHA-256 of the canonical encoding, so two
// components have one key no more than with [Hash]. The encoding holds the keys of inputs as this generator makes
// them: a store stays with the generator that it began with. The zero value is ready.
type Readable struct{}

var _ Preimager = Readable{}

// MaxWords is how many bytes the words of a [Readable] key take at most: what a segment has
// beside a hyphen and 64 digits.
const MaxWords = MaxSegment - 1 - 2*sha256.Size

var readableScheme = scheme{key: readableKey, check: checkReadable}

// Key returns the key of c, under the rules of [Hash.Key].
func (Readable) Key(ctx context.Context, c component.Component) (string, error) {
	key, _, err := readableScheme.of(ctx, c, false)
	return key, err
}

// Preimage returns the key of c and what its digits are the SHA-256 of, under the
// rules of [Hash.Preimage].
func (Readable) Preimage(ctx context.Context, c component.Component) (key string, preimage []byte, err error) {
	return readableScheme.of(ctx, c, true)
}

// KeyFrom is Key for a component whose inputs have the given keys, in order.
func (Readable) KeyFrom(c component.Component, inputs ...string) (string, error) {
	return readableScheme.keyFrom(c, inputs)
}

func checkReadable(key string) error {
	n := max(0, len(key)-2*sha256.Size)
	if !strings.HasSuffix(key[:n], "-") || !isHexDigest(key[n:]) || checkSegment(key) != nil {
		return fmt.Errorf("%.80q is no key of keying.Readable, which end in a hyphen and 64 digits of 0-9 a-f", key)
	}
	return nil
}

func readableKey(preimage []byte) (string, error) {
	d, err := Decode(preimage)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(preimage)
	return describe(d) + "-" + hex.EncodeToString(sum[:]), nil
}

// describe returns the words for a description.
func describe(d component.Description) string {
	w := words{}
	w.add(d.Type[strings.LastIndexByte(d.Type, '/')+1:])
	if d.Version != "" {
		w.add("_" + d.Version)
	}
	if !d.AsOf.IsZero() {
		w.add("_" + d.AsOf.Format(time.RFC3339Nano))
	}
	w.entries("", d.Parameters)
	return string(w.b)
}

// words gathers text, in the bytes that a key may hold, up to MaxWords of it.
type words struct {
	b   []byte
	gap bool // bytes that a key may not hold came last
}

func (w *words) full() bool { return len(w.b) >= MaxWords }

// add appends text: letters in lower case, and one hyphen for each run of other bytes
// that a key may not hold.
func (w *words) add(text string) {
	for i := 0; i < len(text) && !w.full(); i++ {
		c := text[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if plain := 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '=' || c == '-'; !plain {
			w.gap = true
			continue
		}
		if w.gap {
			w.gap = false
			w.put('-')
		}
		w.put(c)
	}
}

// put appends a byte unless the key's grammar forbids it at this place.
func (w *words) put(c byte) {
	n := len(w.b)
	if w.full() || n == 0 && c == '.' || n > 0 && c == '_' && w.b[n-1] == '_' {
		return
	}
	w.b = append(w.b, c)
}

// entries adds the parameters: maps as name=value, with the names of nested maps
// joined by dots; anything else as value.
func (w *words) entries(path string, v any) {
	m, ok := v.(map[any]any)
	if !ok {
		if v == nil && path == "" {
			return
		}
		w.add("_")
		if path != "" {
			w.add(path + "=")
		}
		w.value(v)
		return
	}
	for _, x := range sorted(m) {
		if w.full() {
			return
		}
		name := scalar(x.key)
		if path != "" {
			name = path + "." + name
		}
		w.entries(name, x.value)
	}
}

// value adds a value that has no name of its own: items of lists, and entries of maps in
// lists, with hyphens between.
func (w *words) value(v any) {
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			if w.full() {
				return
			}
			if i > 0 {
				w.add("-")
			}
			w.value(x)
		}
	case map[any]any:
		for i, x := range sorted(v) {
			if w.full() {
				return
			}
			if i > 0 {
				w.add("-")
			}
			w.add(scalar(x.key) + "=")
			w.value(x.value)
		}
	default:
		w.add(scalar(v))
	}
}

// mapEntry is an entry of a decoded map. A NaN is a key by which no value is found, so maps
// are only ranged over.
type mapEntry struct {
	key, value any
	encoded    []byte // the key
}

// sorted returns the entries of a decoded map in the order of their encodings.
func sorted(m map[any]any) []mapEntry {
	entries := make([]mapEntry, 0, len(m))
	for k, v := range m {
		e := encoder{}
		if err := e.value(k); err != nil {
			panic("keying: a decoded key has no encoding: " + err.Error()) // Decode checked it
		}
		entries = append(entries, mapEntry{k, v, e.buf})
	}
	slices.SortFunc(entries, func(a, b mapEntry) int { return bytes.Compare(a.encoded, b.encoded) })
	return entries
}

// scalar returns a single value as text.
func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case *big.Int:
		return v.String()
	case float64:
		return floatText(v)
	case []byte:
		return hex.EncodeToString(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	return v.(string)
}

// floatText writes a float with the fewest digits that keep it, as most languages do.
func floatText(f float64) string {
	switch a := math.Abs(f); {
	case f != f:
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case a < 1e-4:
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
