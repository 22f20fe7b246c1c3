package codec

import (
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"time"
)

// difference says where what is stored differs from what the Go type made of it.
// It names kinds, never contents, for errors end up in logs.
func difference(stored, became []byte) string {
	var a, b any
	if decMode.Unmarshal(stored, &a) != nil || decMode.Unmarshal(became, &b) != nil {
		return "it would not be the same"
	}
	if s := differ("", a, b); s != "" {
		return s
	}
	return "its bytes are not in the deterministic form"
}

func differ(path string, a, b any) string {
	where := path
	if where == "" {
		where = "it"
	}
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			return differMaps(path, x, y)
		}
	case []any:
		y, ok := b.([]any)
		if !ok {
			break
		}
		if len(x) != len(y) {
			return fmt.Sprintf("%s has %d elements, the Go type %d", where, len(x), len(y))
		}
		for i := range x {
			if s := differ(fmt.Sprintf("%s[%d]", path, i), x[i], y[i]); s != "" {
				return s
			}
		}
		return ""
	}
	if kindOf(a) != kindOf(b) {
		return fmt.Sprintf("%s is %s and would become %s", where, kindOf(a), kindOf(b))
	}
	if f, ok := a.(float64); ok && f != f {
		return ""
	}
	if !reflect.DeepEqual(a, b) {
		return fmt.Sprintf("%s is %s that would change", where, kindOf(a))
	}
	return ""
}

func differMaps(path string, x, y map[string]any) string {
	for _, key := range slices.Sorted(maps.Keys(x)) {
		if _, ok := y[key]; !ok {
			return fmt.Sprintf("%s.%s would be left out", path, key)
		}
		if s := differ(path+"."+key, x[key], y[key]); s != "" {
			return s
		}
	}
	for _, key := range slices.Sorted(maps.Keys(y)) {
		if _, ok := x[key]; !ok {
			return fmt.Sprintf("%s.%s is not stored; tag the field with omitzero if it may be absent", path, key)
		}
	}
	return ""
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a bool"
	case int64, *big.Int:
		return "an integer"
	case float64:
		return "a float"
	case string:
		return "a text"
	case []byte:
		return "a byte string"
	case time.Time:
		return "a time"
	case []any:
		return "an array"
	case map[string]any:
		return "a map"
	}
	return "a tagged value"
}
