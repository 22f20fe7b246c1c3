package component

import (
	"bytes"
	"cmp"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Lookup follows a path of names through nested parameters: names of maps, numbers of list items from
// 0, joined by dots. A name that holds dots is found too, if the whole rest of the path, or a
// part of it that ends at a dot, is that name. The empty path is v itself.
func Lookup(v any, path string) (any, bool) {
	if path == "" {
		return v, true
	}
	if found, ok := step(v, path); ok {
		return found, true
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if next, ok := step(v, path[:i]); ok {
			if found, ok := Lookup(next, path[i+1:]); ok && path[i+1:] != "" {
				return found, true
			}
		}
	}
	return nil, false
}

// step returns what a map has under a name, or a list at a number.
func step(v any, name string) (any, bool) {
	switch v := v.(type) {
	case map[any]any:
		found, ok := v[name]
		return found, ok
	case []any:
		n, err := strconv.Atoi(name)
		if err != nil || n < 0 || n >= len(v) || name != strconv.Itoa(n) {
			return nil, false
		}
		return v[n], true
	}
	return nil, false
}

// A kind is what values are compared within.
type kind int

const (
	other kind = iota
	null
	number
	text
	binary
	truth
	moment
	list
	mapping
)

func kindOf(v any) kind {
	switch v.(type) {
	case nil:
		return null
	case int64, uint64, float64, *big.Int:
		return number
	case string:
		return text
	case []byte:
		return binary
	case bool:
		return truth
	case time.Time:
		return moment
	case []any:
		return list
	case map[any]any:
		return mapping
	}
	return other
}

func sameKind(a, b any) bool { return kindOf(a) == kindOf(b) && kindOf(a) != other }

// equal reports whether two values in the form of descriptions are the same. There is one NaN.
func equal(a, b any) bool {
	if !sameKind(a, b) {
		return false
	}
	switch a := a.(type) {
	case nil:
		return true
	case bool:
		return a == b.(bool)
	case []any:
		b := b.([]any)
		if len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[any]any:
		b := b.(map[any]any)
		if len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, ok := b[k]; !ok || !equal(v, w) {
				return false
			}
		}
		return true
	case float64:
		if f, ok := b.(float64); ok && math.IsNaN(a) && math.IsNaN(f) {
			return true
		}
	}
	order, ok := ordered(a, b)
	return ok && order == 0
}

// Same reports whether two values in the form of descriptions are the same, as [Equal] means it.
func Same(a, b any) bool { return equal(a, b) }

// SameKind reports whether two values in the form of descriptions are of one kind, so that they can be compared.
func SameKind(a, b any) bool { return sameKind(a, b) }

// Compare orders two values in the form of descriptions, whatever their kinds: what is absent or null first, then numbers, texts,
// bytes, truth values, times, and lists and maps, which all come equal. NaN comes before other numbers.
func Compare(a, b any) int {
	if c := cmp.Compare(kindOf(a), kindOf(b)); c != 0 {
		return c
	}
	if x, ok := a.(bool); ok {
		return cmp.Compare(btoi(x), btoi(b.(bool)))
	}
	if c, ok := ordered(a, b); ok {
		return c
	}
	return cmp.Compare(btoi(!isNaN(a)), btoi(!isNaN(b)))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// ordered compares numbers, texts, bytes and times; false for what has no order, NaN too.
func ordered(a, b any) (int, bool) {
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		return strings.Compare(x, y), ok
	case []byte:
		y, ok := b.([]byte)
		return bytes.Compare(x, y), ok
	case time.Time:
		y, ok := b.(time.Time)
		return x.Compare(y), ok
	}
	if kindOf(a) != number || kindOf(b) != number {
		return 0, false
	}
	return numbers(a, b)
}

// numbers compares two numbers exactly.
func numbers(a, b any) (int, bool) {
	x, isInt := a.(int64)
	if y, ok := b.(int64); ok && isInt {
		return cmp.Compare(x, y), true
	}
	f, isFloat := a.(float64)
	g, bothFloat := b.(float64)
	bothFloat = bothFloat && isFloat
	if isFloat && math.IsNaN(f) || kindOf(b) == number && isNaN(b) {
		return 0, false
	}
	if bothFloat {
		return cmp.Compare(f, g), true
	}
	if n := infinity(a) - infinity(b); n != 0 {
		return cmp.Compare(n, 0), true
	}
	return exact(a).Cmp(exact(b)), true
}

func isNaN(v any) bool {
	f, ok := v.(float64)
	return ok && math.IsNaN(f)
}

// infinity returns 1 or -1 for an infinity, 0 for any other number.
func infinity(v any) int {
	f, _ := v.(float64)
	switch {
	case math.IsInf(f, 1):
		return 1
	case math.IsInf(f, -1):
		return -1
	}
	return 0
}

func exact(v any) *big.Rat {
	r := new(big.Rat)
	switch v := v.(type) {
	case int64:
		return r.SetInt64(v)
	case uint64:
		return r.SetUint64(v)
	case *big.Int:
		return r.SetInt(v)
	case float64:
		return r.SetFloat64(v)
	}
	return r
}
