package readers

import (
	"bytes"
	"errors"
	"math"
	"math/bits"
	"strconv"
)

// maxExact is the largest integer below which every integer is a float64.
const maxExact = 1 << 53

// pow10int are the powers of ten by which up to eight further digits shift a mantissa.
var pow10int = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// powers of ten that a float64 holds exactly. With a mantissa below 2^53, one
// multiplication or division by one of them rounds once, and so gives what
// strconv.ParseFloat gives (Clinger, "How to Read Floating Point Numbers Accurately", 1990).
var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// Eight digits at a time: a word of eight characters is compared with and converted as a
// whole, without a branch that depends on the data (see Daniel Lemire, "Number Parsing at
// a Gigabyte per Second", 2021, for the three multiplications of eightDigits).
const (
	eightZeros = 0x3030303030303030 // "00000000"
	aboveNine  = 0x7676767676767676 // carries a byte above 9 into its highest bit
	highBits   = 0x8080808080808080
)

// longestPlain is more than scanDecimal looks at: sign, eight digits, point, sixteen digits.
const longestPlain = 32

// scanDecimal reads the plain decimal number at b[i] and returns the index behind it. It
// answers ok only if the value is certain to be what strconv.ParseFloat gives: that is
// nearly every number of a recording. All else is parseNumber's. b must hold a byte
// behind the number that cannot be part of one.
func scanDecimal(b []byte, i int, point byte) (v float64, end int, ok bool) {
	if i+longestPlain > len(b) {
		return scanLast(b, i, point)
	}
	negative := uint64(0)
	if b[i] == '-' {
		negative = 1
	}
	i += int(negative)
	word := eightBytes(b, i)
	n := leadingDigits(word)
	if n == 8 {
		return scanLast(b, i-int(negative), point)
	}
	c := byte(word >> (n * 8))
	if c == point {
		// Up to six digits around a point fit in the word, with the byte behind them. That
		// is what %g prints, so it is worth a way of its own: a quarter of the time.
		before := uint64(1)<<(n*8) - 1
		closed := word&before | word>>8&^before // the word without its point
		all := leadingDigits(closed)
		if behind := byte(word >> (all*8 + 8)); all > 0 && all < 7 && behind|0x20 != 'e' {
			v = float64(int64(eightDigits(closed, all))) / pow10[(all-n)&15]
			return math.Float64frombits(math.Float64bits(v) | negative<<63), i + all + 1, true
		}
	}
	mantissa := eightDigits(word, n)
	i += n
	digits, exp := n, 0
	if c == point {
		i++
		word = eightBytes(b, i)
		n = leadingDigits(word)
		mantissa = mantissa*pow10int[n] + eightDigits(word, n)
		i += n
		if n == 8 {
			word = eightBytes(b, i)
			n = leadingDigits(word)
			if digits+n > 11 { // 8 more make 19; 20 may overflow the mantissa
				return 0, i, false
			}
			mantissa = mantissa*pow10int[n] + eightDigits(word, n)
			i += n
			exp = -8
		}
		c = byte(word >> (n * 8))
		exp -= n
		digits -= exp
	}
	if digits == 0 {
		return 0, i, false
	}
	if c|0x20 == 'e' {
		e, j := scanExponent(b, i+1)
		if j == 0 {
			return 0, i, false
		}
		exp += e
		i = j
	}
	v, ok = exact(mantissa, exp)
	return math.Float64frombits(math.Float64bits(v) | negative<<63), i, ok
}

// eightBytes loads the word at b[i]. binary.LittleEndian would slice b first, which makes
// the address, on which everything waits, three steps longer: a tenth of the time.
func eightBytes(b []byte, i int) uint64 {
	_ = b[i+7]
	return uint64(b[i]) | uint64(b[i+1])<<8 | uint64(b[i+2])<<16 | uint64(b[i+3])<<24 |
		uint64(b[i+4])<<32 | uint64(b[i+5])<<40 | uint64(b[i+6])<<48 | uint64(b[i+7])<<56
}

// leadingDigits counts the digits at the start of a word, 0 to 8.
func leadingDigits(word uint64) int {
	x := word ^ eightZeros
	return bits.TrailingZeros64((x+aboveNine|x)&highBits) >> 3
}

// eightDigits converts the n digits at the start of a word.
func eightDigits(word uint64, n int) uint64 {
	x := (word ^ eightZeros) << (64 - n*8)
	x = x*10 + x>>8
	const mask = 0x000000ff000000ff
	return ((x&mask)*(100+1000000<<32) + (x>>16&mask)*(1+10000<<32)) >> 32
}

// exact is mantissa * 10^exp if one rounding gives it.
func exact(mantissa uint64, exp int) (v float64, ok bool) {
	v = float64(int64(mantissa)) // a conversion from int64 is one instruction
	switch {
	case mantissa > maxExact:
		return 0, false
	case exp == 0:
		return v, true
	case exp < 0 && -exp < len(pow10):
		return v / pow10[-exp], true
	case exp > 0 && exp < len(pow10):
		return v * pow10[exp], true
	}
	return 0, false
}

// scanLast is scanDecimal digit by digit: for the end of a block, where no words can be
// loaded, and for many digits before the point.
func scanLast(b []byte, i int, point byte) (v float64, end int, ok bool) {
	negative := b[i] == '-'
	if negative {
		i++
	}
	start := i
	var mantissa uint64
	for d := b[i] - '0'; d <= 9; d = b[i] - '0' {
		mantissa = mantissa*10 + uint64(d)
		i++
	}
	digits, exp := i-start, 0
	if b[i] == point {
		i++
		start = i
		for d := b[i] - '0'; d <= 9; d = b[i] - '0' {
			mantissa = mantissa*10 + uint64(d)
			i++
		}
		exp = start - i
		digits -= exp
	}
	if digits == 0 || digits > 19 { // 20 digits may overflow the mantissa
		return 0, i, false
	}
	if b[i]|0x20 == 'e' {
		e, j := scanExponent(b, i+1)
		if j == 0 {
			return 0, i, false
		}
		exp += e
		i = j
	}
	v, ok = exact(mantissa, exp)
	if negative {
		v = -v
	}
	return v, i, ok
}

// scanExponent reads the signed integer at b[i] and returns the index behind it, or 0 if
// there is none that fits in three digits, as in every exponent of a float64.
func scanExponent(b []byte, i int) (e, end int) {
	negative := b[i] == '-'
	if negative || b[i] == '+' {
		i++
	}
	start := i
	for d := b[i] - '0'; d <= 9; d = b[i] - '0' {
		if i-start == 3 {
			return 0, 0
		}
		e = e*10 + int(d)
		i++
	}
	if i == start {
		return 0, 0
	}
	if negative {
		e = -e
	}
	return e, i
}

// parseNumber reads a whole field, without blanks around it. Whatever
// strconv.ParseFloat accepts has the value that it gives, and a number out of range is an
// infinity with the error strconv.ErrRange; beyond that it accepts the spellings of C for
// what is not finite. Else the error is ErrNumber. point is the decimal sign: a comma
// excludes the full stop.
func parseNumber(field []byte, point byte) (float64, error) {
	if len(field) == 0 {
		return 0, ErrNumber
	}
	if point != '.' {
		if bytes.IndexByte(field, '.') >= 0 {
			return 0, ErrNumber
		}
		if i := bytes.IndexByte(field, point); i >= 0 {
			field = bytes.Clone(field)
			field[i] = '.'
		}
	}
	v, err := strconv.ParseFloat(string(field), 64)
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, strconv.ErrRange):
		return v, strconv.ErrRange
	}
	if v, ok := parseNonFinite(field); ok {
		return v, nil
	}
	return 0, ErrNumber
}

// isNumber reports whether parseNumber finds a value.
func isNumber(field []byte, point byte) bool {
	_, err := parseNumber(field, point)
	return !errors.Is(err, ErrNumber)
}

// parseNonFinite reads what the C libraries print for values that are not finite:
// -nan (glibc), nan(ind) and nan(snan) (Microsoft since 2015), 1.#QNAN, 1.#SNAN, 1.#IND
// and 1.#INF (Microsoft before), the last ones padded with zeros by a precision.
func parseNonFinite(field []byte) (float64, bool) {
	sign := 1
	s := field
	switch s[0] {
	case '-':
		sign = -1
		s = s[1:]
	case '+':
		s = s[1:]
	}
	if bytes.HasPrefix(s, []byte("1.#")) {
		s = bytes.TrimRight(s[3:], "0")
		switch string(s) {
		case "INF":
			return math.Inf(sign), true
		case "QNAN", "SNAN", "IND":
			return math.NaN(), true
		}
		return 0, false
	}
	if len(s) >= 3 && bytes.EqualFold(s[:3], []byte("nan")) {
		if len(s) == 3 || s[3] == '(' && s[len(s)-1] == ')' {
			return math.NaN(), true
		}
	}
	return 0, false
}
