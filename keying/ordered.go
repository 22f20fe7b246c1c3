package keying

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Ordered writes any Unicode text in bytes of [a-z0-9=_-], such that
//
//   - different texts have different forms, and [ParseOrdered] gives the text back;
//   - forms are in the byte order of their texts, which is the order of code points;
//   - the form of a text begins with the form of each prefix of it, and with that of no other text.
//
// So what begins with a prefix is one range in the byte order of any engine. Digits and the letters a to
// y stand for themselves. Other characters take two bytes in ASCII ("-" is "-e", "/" is "-g", "A" is
// "=a", "_" is "_4", "z" is "z0"; control characters three), four up to U+07FF, five up to U+FFFF and six
// beyond. The form never holds a dot, a slash or two underscores in a row. docs/sessions.md has the table.
//
// Text that is not valid UTF-8 is an error: it would not be the same text elsewhere.
func Ordered(text string) (string, error) {
	if isPlain(text) {
		return text, nil
	}
	b := make([]byte, 0, 2*len(text)+8)
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			return "", fmt.Errorf("the name %.40q is not valid UTF-8 at byte %d", text, i)
		}
		b = appendOrdered(b, r)
	}
	return string(b), nil
}

// isPlain reports whether a text is its own ordered form.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'y') {
			return false
		}
	}
	return true
}

const (
	symbols = "0123456789abcdefghijklmnopqrstuvwxyz" // in byte order

	two, three, four = 36 * 36, 36 * 36 * 36, 36 * 36 * 36 * 36 // what so many symbols count
)

// A block is a range of code points that share their first byte: the code of one is the byte, and n
// symbols that count from the symbol at start. Blocks are in the order of their code points and of their
// codes, and no code begins with another.
type block struct {
	first, last rune
	lead        byte
	start       int // what the symbols of first say
	n           int // symbols; 0: the code point is its own code
}

var blocks = [...]block{
	{0x00, 0x1f, '-', 0, 2},
	{0x20, 0x2f, '-', 1, 1},
	{'0', '9', 0, 0, 0},
	{0x3a, 0x40, '=', 0, 1},
	{'A', 'Z', '=', 10, 1},
	{0x5b, 0x60, '_', 0, 1},
	{'a', 'y', 0, 0, 0},
	{'z', 0x7f, 'z', 0, 1},
	{0x80, 0x7ff, 'z', 6 * two, 3},
	{0x800, 0xffff, 'z', 8 * three, 4},
	{0x10000, utf8.MaxRune, 'z', 10 * four, 5},
}

func appendOrdered(b []byte, r rune) []byte {
	for _, bl := range blocks {
		if r > bl.last {
			continue
		}
		if bl.n == 0 {
			return append(b, byte(r))
		}
		b = append(b, bl.lead)
		v, unit := bl.start+int(r-bl.first), 1
		for range bl.n - 1 {
			unit *= len(symbols)
		}
		for ; unit > 0; unit /= len(symbols) {
			b = append(b, symbols[v/unit%len(symbols)])
		}
		return b
	}
	return b // no rune is larger
}

var errOrdered = errors.New("not the ordered form of a text")

// ParseOrdered returns the text that [Ordered] made the form of. Anything that Ordered does not make is
// [ErrMalformed].
func ParseOrdered(form string) (string, error) {
	if isPlain(form) {
		return form, nil
	}
	var buf [128]byte // most names fit
	b := buf[:0]
	for rest := form; rest != ""; {
		if c := rest[0]; c >= '0' && c <= '9' || c >= 'a' && c <= 'y' {
			b, rest = append(b, c), rest[1:]
			continue
		}
		r, n := parseOrdered(rest)
		if n == 0 {
			return "", fmt.Errorf("%w: %.40q at byte %d: %w", ErrMalformed, form, len(form)-len(rest), errOrdered)
		}
		b = utf8.AppendRune(b, r)
		rest = rest[n:]
	}
	return string(b), nil
}

// parseOrdered reads one code from the start of s; n is 0 if there is none.
func parseOrdered(s string) (r rune, n int) {
	for _, bl := range blocks {
		if bl.n == 0 {
			if r := rune(s[0]); bl.first <= r && r <= bl.last {
				return r, 1
			}
			continue
		}
		if s[0] != bl.lead || len(s) <= bl.n {
			continue
		}
		v := 0
		for i := 1; i <= bl.n; i++ {
			digit := strings.IndexByte(symbols, s[i])
			if digit < 0 {
				v = -1
				break
			}
			v = v*len(symbols) + digit
		}
		r := bl.first + rune(v-bl.start)
		if v >= bl.start && r <= bl.last && utf8.ValidRune(r) {
			return r, 1 + bl.n
		}
	}
	return 0, 0
}

// Folded cuts a text of many bytes into segments of [MaxSegment] bytes, with slashes between them. Since
// the slashes stand at the same places in every text, order and prefixes stay.
func Folded(s string) string {
	if len(s) <= MaxSegment {
		return s
	}
	var b strings.Builder
	for ; len(s) > MaxSegment; s = s[MaxSegment:] {
		b.WriteString(s[:MaxSegment])
		b.WriteByte('/')
	}
	b.WriteString(s)
	return b.String()
}

// Unfolded returns what [Folded] cut. What Folded does not make is [ErrMalformed].
func Unfolded(name string) (string, error) {
	if len(name) <= MaxSegment && !strings.Contains(name, "/") {
		return name, nil
	}
	s := strings.ReplaceAll(name, "/", "")
	if Folded(s) != name {
		return "", fmt.Errorf("%w: %.40q… is not a text in segments of %d bytes", ErrMalformed, name, MaxSegment)
	}
	return s, nil
}
