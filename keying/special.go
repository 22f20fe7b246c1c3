package keying

import (
	"encoding"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// encodeTime appends an instant: location and monotonic clock reading are dropped.
func encodeTime(e *encoder, v reflect.Value) error {
	return e.instant(v.Interface().(time.Time))
}

func (e *encoder) instant(t time.Time) error {
	t = t.UTC()
	if y := t.Year(); y < 1 || y > 9999 {
		return faultf("the year %d lies outside 1 to 9999", y)
	}
	text := t.AppendFormat(make([]byte, 0, len(time.RFC3339Nano)), time.RFC3339Nano)
	e.buf = appendHead(e.buf, majorTag, tagTime)
	e.buf = append(appendHead(e.buf, majorText, uint64(len(text))), text...)
	return nil
}

// addressable returns a pointer to v, or to a copy of it.
func addressable(v reflect.Value) reflect.Value {
	if v.CanAddr() {
		return v.Addr()
	}
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p
}

func encodeBigInt(e *encoder, v reflect.Value) error {
	return e.bigInt(addressable(v).Interface().(*big.Int))
}

func (e *encoder) bigInt(n *big.Int) error {
	if n.BitLen() > maxIntegerBits {
		return faultf("an integer of %d bits; %d are allowed", n.BitLen(), maxIntegerBits)
	}
	e.buf = appendBigInt(e.buf, n)
	return nil
}

func encodeBigFloat(e *encoder, v reflect.Value) error {
	x := addressable(v).Interface().(*big.Float)
	if x.IsInt() {
		if bits := x.MantExp(nil); bits > maxIntegerBits { // before it takes that much memory
			return faultf("an integer of %d bits; %d are allowed", bits, maxIntegerBits)
		}
		n, _ := x.Int(nil)
		return e.bigInt(n)
	}
	f, accuracy := x.Float64()
	if accuracy != big.Exact {
		return faultf("a big.Float of %d bits is no float64; give it as text", x.MinPrec())
	}
	e.buf = appendFloat(e.buf, f)
	return nil
}

func encodeBigRat(e *encoder, v reflect.Value) error {
	x := addressable(v).Interface().(*big.Rat)
	if x.IsInt() {
		return e.bigInt(x.Num())
	}
	f, exact := x.Float64()
	if !exact {
		return faultf("a big.Rat that is no float64; give numerator and denominator")
	}
	e.buf = appendFloat(e.buf, f)
	return nil
}

// isJSONNumber knows encoding/json.Number by its name, so that the package need not be
// linked.
func isJSONNumber(t reflect.Type) bool {
	return t.Kind() == reflect.String && t.Name() == "Number" && t.PkgPath() == "encoding/json"
}

// encodeJSONNumber appends a json.Number as the number that it spells: digits alone are that
// integer, anything else the float64 that it is read as.
func encodeJSONNumber(e *encoder, v reflect.Value) error {
	s := v.String()
	if !jsonNumber(s) {
		return faultf("json.Number %.40q is not a number", s)
	}
	if len(s) > maxNumberText {
		return faultf("json.Number of %d bytes; %d are allowed", len(s), maxNumberText)
	}
	if !strings.ContainsAny(s, ".eE") {
		n, _ := new(big.Int).SetString(s, 10)
		return e.bigInt(n)
	}
	f, err := ExactFloat(s)
	if err != nil {
		return faultf("json.Number %w", err)
	}
	e.buf = appendFloat(e.buf, f)
	return nil
}

// ExactFloat reads a decimal number as a parameter: the nearest float64, if that keeps all digits of the text, or the text is
// that float64 in 17 digits, as C's %.17g has it. Else two different parameters would be one.
func ExactFloat(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no float64: %w", s, errors.Unwrap(err))
	}
	if !keepsDigits(s, f) {
		return 0, fmt.Errorf("%.40q has more digits than a float64 holds; give it as text", s)
	}
	return f, nil
}

// maxNumberText bounds what is spelled: a sign and the decimal digits of maxIntegerBits.
const maxNumberText = 1 + maxIntegerBits*302/1000

// keepsDigits reports whether a float keeps all digits of the text that it was read from:
// whether its shortest decimal form has the same ones, or that of 17 digits, in which many programs print every float64.
func keepsDigits(s string, f float64) bool {
	text := significant(s)
	return text == significant(strconv.FormatFloat(f, 'e', -1, 64)) || text == significant(strconv.FormatFloat(f, 'e', 16, 64))
}

// significant returns the digits of a number without zeros at either end. Where the float
// is the nearest one to the text, equal digits are at equal places.
func significant(s string) string {
	mantissa, _, _ := strings.Cut(strings.ToLower(s), "e")
	mantissa = strings.TrimPrefix(mantissa, "-")
	return strings.Trim(strings.Replace(mantissa, ".", "", 1), "0")
}

// jsonNumber reports whether s is a number of RFC 8259, section 6.
func jsonNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole := digits(s)
	if whole == 0 || whole > 1 && s[0] == '0' {
		return false
	}
	s = s[whole:]
	if rest, ok := strings.CutPrefix(s, "."); ok {
		n := digits(rest)
		if n == 0 {
			return false
		}
		s = rest[n:]
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		n := digits(s)
		return n > 0 && n == len(s)
	}
	return s == ""
}

// digits counts the decimal digits that s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

// encodeText makes the plan of a type that gives its values as text.
func encodeText(t reflect.Type) encodeFunc {
	if embedded, ok := promoter(t, textType); ok {
		return refuse("%s has MarshalText from its embedded %s, which would leave out its other fields; "+
			"give that field a name of its own", t, embedded)
	}
	direct := t.Implements(textType)
	return func(e *encoder, v reflect.Value) error {
		if nilable(v.Kind()) && v.IsNil() {
			e.buf = append(e.buf, headNull)
			return nil
		}
		if !direct {
			v = addressable(v)
		}
		text, err := marshalText(v.Interface().(encoding.TextMarshaler))
		if err != nil {
			return &fault{err: err}
		}
		return e.text(text)
	}
}

func nilable(k reflect.Kind) bool {
	return k == reflect.Map || k == reflect.Slice || k == reflect.Func || k == reflect.Chan
}

// promoter returns the type embedded in struct t that has the methods of i. Whether t's own
// methods are of its making, or that type's, cannot be seen.
func promoter(t, i reflect.Type) (reflect.Type, bool) {
	if t.Kind() != reflect.Struct {
		return nil, false
	}
	for n := range t.NumField() {
		if f := t.Field(n); f.Anonymous && implements(f.Type, i) {
			return f.Type, true
		}
	}
	return nil, false
}

// panicText shows the value of a panic: by its type, unless it is a text or an error.
func panicText(r any) string {
	switch r := r.(type) {
	case string:
		return middle(r)
	case error:
		return middle(r.Error())
	}
	return fmt.Sprintf("with a %T", r)
}

// marshalText calls a method that others wrote.
func marshalText(m encoding.TextMarshaler) (text string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("MarshalText of %T panicked: %s", m, panicText(r))
		}
	}()
	b, err := m.MarshalText()
	if err != nil {
		return "", fmt.Errorf("MarshalText of %T: %w", m, err)
	}
	return string(b), nil
}
