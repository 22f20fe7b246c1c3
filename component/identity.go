package component

import (
	"math"
	"reflect"
)

// identityBudget bounds what comparing two components may cost. A component that holds its
// inputs by value is compared through all of them, and 2^60 times where each level holds the next
// twice. 64 parts are more than a struct of parameters has, and take less than 1 µs.
const identityBudget = 64

// identifiable reports whether c can be distinguished from other components by ==, at a small
// cost, so that it can be a key of a map.
func identifiable(c Component) bool {
	budget := identityBudget
	return comparablePart(reflect.ValueOf(c), &budget)
}

func comparablePart(v reflect.Value, budget *int) bool {
	if *budget--; *budget < 0 {
		return false
	}
	switch v.Kind() {
	case reflect.Map, reflect.Slice, reflect.Func:
		return false
	case reflect.Float32, reflect.Float64:
		return !negativeZero(v.Float())
	case reflect.Complex64, reflect.Complex128:
		return !negativeZero(real(v.Complex())) && !negativeZero(imag(v.Complex()))
	case reflect.Interface:
		return v.IsNil() || comparablePart(v.Elem(), budget)
	case reflect.Struct:
		for i := range v.NumField() {
			if !comparablePart(v.Field(i), budget) {
				return false
			}
		}
	case reflect.Array:
		if k := v.Type().Elem().Kind(); k <= reflect.Uintptr || k == reflect.String || k == reflect.Pointer {
			return true // a digest, for instance
		}
		for i := range v.Len() {
			if !comparablePart(v.Index(i), budget) {
				return false
			}
		}
	}
	return true
}

// negativeZero: it equals 0 to ==, and a component's methods may distinguish it from that.
func negativeZero(f float64) bool { return f == 0 && math.Signbit(f) }
