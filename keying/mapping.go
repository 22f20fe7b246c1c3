package keying

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// pair is an entry of a map[string]any.
type pair struct {
	key   string
	value any
}

// mapping appends the commonest map. Its keys are sorted before they are encoded: the
// order of encoded texts is by length, then by bytes.
func (e *encoder) mapping(m map[string]any) error {
	if m == nil {
		e.buf = append(e.buf, headNull)
		return nil
	}
	if e.trail != nil {
		if err := e.trail.enter(reflect.ValueOf(m)); err != nil {
			return err
		}
		defer e.trail.leave()
	}
	if err := e.open(majorMap, len(m)); err != nil {
		return err
	}
	base := len(e.pairs)
	for k, v := range m {
		e.pairs = append(e.pairs, pair{k, v})
	}
	pairs := e.pairs[base:] // stays as it is when deeper maps make e.pairs grow
	sortPairs(pairs)
	for i := range pairs {
		p := &pairs[i]
		if err := e.text(p.key); err != nil {
			return below(member(p.key), err)
		}
		if err := e.nested(p.value); err != nil {
			return below(member(p.key), err)
		}
	}
	clear(e.pairs[base:]) // the pool must not keep values alive
	e.pairs = e.pairs[:base]
	e.close()
	return nil
}

// fewPairs is up to where insertion sort is the faster one.
const fewPairs = 16

func sortPairs(p []pair) {
	if len(p) > fewPairs {
		slices.SortFunc(p, func(a, b pair) int { return compareTexts(a.key, b.key) })
		return
	}
	for i := 1; i < len(p); i++ {
		x, j := p[i], i
		for ; j > 0 && compareTexts(x.key, p[j-1].key) < 0; j-- {
			p[j] = p[j-1]
		}
		p[j] = x
	}
}

// compareTexts orders texts as their encodings are ordered.
func compareTexts(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// mapOf makes the plan of every other map: entries are encoded as they come, then
// sorted by their encoded keys.
func mapOf(key, elem *plan) encodeFunc {
	return func(e *encoder, v reflect.Value) error {
		if v.IsNil() {
			e.buf = append(e.buf, headNull)
			return nil
		}
		if e.trail != nil {
			if err := e.trail.enter(v); err != nil {
				return err
			}
			defer e.trail.leave()
		}
		if err := e.open(majorMap, v.Len()); err != nil {
			return err
		}
		start := len(e.buf)
		entries := make([]entry, 0, v.Len())
		for it := v.MapRange(); it.Next(); {
			n := entry{key: len(e.buf), of: it.Key()}
			if err := e.key(key, n.of); err != nil {
				return below("["+refusedKey(n.of)+"]", err)
			}
			n.value = len(e.buf)
			if err := e.room(1); err != nil {
				return err
			}
			if err := elem.encode(e, it.Value()); err != nil {
				return below(keyStep(e.buf[n.key:n.value]), err)
			}
			n.end = len(e.buf)
			entries = append(entries, n)
		}
		e.close()
		return e.arrange(start, entries)
	}
}

// key appends a key of a map.
func (e *encoder) key(p *plan, v reflect.Value) error {
	if v.Kind() == reflect.Interface {
		if v.IsNil() {
			return faultf("nil is no key of a map; %s", keyAdvice)
		}
		methods := v.NumMethod() > 0
		held := v.Elem()
		if p = planOf(held.Type()); methods && !p.textual {
			return faultf("the interface %s holds a %s, and a key of another type with the same value would give the same key; "+
				"give that type a MarshalText, or use text", v.Type(), held.Type())
		}
		v = held
	}
	if !p.key {
		return faultf("%s is no key of a map; %s", v.Type(), keyAdvice)
	}
	start := len(e.buf)
	if err := p.encode(e, v); err != nil {
		return err
	}
	if !validKey(e.buf[start:]) {
		return faultf("%s is no key of a map; %s", keyName(v), keyAdvice)
	}
	return nil
}

const keyAdvice = "keys are text, booleans, and numbers within 64 bits"

// validKey reports whether an encoded value may be the key of a map: text, booleans, floats, and
// integers from -2^63 to 2^64-1, which are keys in every language.
func validKey(encoded []byte) bool {
	switch head := encoded[0]; head & 0xe0 {
	case majorUint, majorText:
		return true
	case majorNeg:
		return head != majorNeg|27 || encoded[1] < 0x80
	case majorOther:
		return head != headNull
	}
	return false
}

// entry is where in the encoder's buffer an entry of a map lies.
type entry struct {
	key, value, end int
	of              reflect.Value // the key
}

// arrange sorts the entries of a map, which fill the buffer from start, and refuses
// keys that are equal.
func (e *encoder) arrange(start int, entries []entry) error {
	slices.SortFunc(entries, func(a, b entry) int {
		return bytes.Compare(e.buf[a.key:a.value], e.buf[b.key:b.value])
	})
	for i := 1; i < len(entries); i++ {
		a, b := entries[i-1], entries[i]
		if key := e.buf[a.key:a.value]; bytes.Equal(key, e.buf[b.key:b.value]) {
			x, y := keyName(a.of), keyName(b.of) // of values that are keys: kinds that can be shown
			return below(keyStep(key), faultf("two keys of the map are equal once encoded: %s and %s", min(x, y), max(x, y)))
		}
	}
	end := len(e.buf)
	for _, n := range entries {
		e.buf = append(e.buf, e.buf[n.key:n.end]...)
	}
	copy(e.buf[start:], e.buf[end:])
	e.buf = e.buf[:end]
	return nil
}

// keyStep is the step of a path to the entry of a map with an encoded key.
func keyStep(encoded []byte) string {
	d := decoder{rest: encoded}
	k, err := d.value()
	if err != nil {
		return "[?]"
	}
	if name, ok := k.(string); ok {
		return member(name)
	}
	return fmt.Sprintf("[%v]", k)
}

// keyName shows a key with its type, for keys that only differ in that.
func keyName(k reflect.Value) string {
	if k.Kind() == reflect.Interface {
		k = k.Elem()
	}
	return typeText(k.Type()) + " " + shown(k)
}

// refusedKey shows a key that was refused: by its type alone where it is no plain value, for a value may
// hold itself, or have methods that do anything.
func refusedKey(k reflect.Value) string {
	if k.Kind() == reflect.Interface && !k.IsNil() {
		k = k.Elem()
	}
	if k.Kind() == reflect.Interface {
		return "<nil>"
	}
	if text := shown(k); text != "" {
		return text
	}
	return "a " + typeText(k.Type())
}

// typeText returns a type for people, cut to longestName bytes.
func typeText(t reflect.Type) string { return cut(t.String()) }

// shown returns a text, a truth value or a number for people, cut to longestName bytes; "" for all else. It
// calls no methods of the value.
func shown(k reflect.Value) string {
	switch kind := k.Kind(); {
	case kind == reflect.String:
		return cut(k.String())
	case kind == reflect.Bool:
		return strconv.FormatBool(k.Bool())
	case k.CanInt():
		return strconv.FormatInt(k.Int(), 10)
	case k.CanUint():
		return strconv.FormatUint(k.Uint(), 10)
	case k.CanFloat():
		return strconv.FormatFloat(k.Float(), 'g', -1, 64)
	}
	return ""
}

func cut(s string) string {
	if len(s) > longestName {
		return s[:longestName] + "…"
	}
	return s
}
