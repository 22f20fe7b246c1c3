package keying

import (
	"fmt"
	"strings"
)

// MaxSegment is how many bytes a segment of a backend's key may have.
const MaxSegment = 200

// emptyName is the escaped form of the empty name: an escape without digits.
const emptyName = "="

// Escape returns a name of any bytes as one segment of a backend's key: 1 to [MaxSegment]
// bytes of [a-z0-9._=-], without a dot at either end and without two underscores in a row. Different
// names have different segments, and [Unescape] gives the name back exactly.
//
// Lower-case letters, digits, hyphens, single underscores and dots inside stay as they
// are. Every other byte becomes "=" and two hexadecimal digits: "Trial 7" is "=54rial=207". The empty
// name is "=". A name whose segment would be too long is [ErrTooLong].
func Escape(name string) (string, error) {
	if name == "" {
		return emptyName, nil
	}
	n := len(name)
	if n <= MaxSegment {
		n = escapedLen(name)
	}
	if n > MaxSegment {
		return "", fmt.Errorf("%w: the name %.40q… takes %d bytes or more once escaped, %d are allowed; shorten it "+
			"(capitals and other bytes outside a-z 0-9 . _ - count three)", ErrTooLong, name, n, MaxSegment)
	}
	if n == len(name) {
		return name, nil
	}
	const digits = "0123456789abcdef"
	b := make([]byte, 0, n)
	for i := range len(name) {
		if c := name[i]; plainAt(name, i) {
			b = append(b, c)
		} else {
			b = append(b, '=', digits[c>>4], digits[c&0xf])
		}
	}
	return string(b), nil
}

func escapedLen(name string) int {
	n := len(name)
	for i := range len(name) {
		if !plainAt(name, i) {
			n += 2
		}
	}
	return n
}

// plainAt reports whether the byte at i stands for itself. Of underscores in a row
// every second one does not.
func plainAt(name string, i int) bool {
	switch c := name[i]; c {
	case '.':
		return i > 0 && i < len(name)-1
	case '_':
		run := i - len(strings.TrimRight(name[:i], "_"))
		return run%2 == 0
	case '-':
		return true
	default:
		return 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
	}
}

// Unescape returns the name that [Escape] made a segment of. Anything that Escape does
// not make is [ErrMalformed], so that no two segments have one name.
func Unescape(segment string) (string, error) {
	if segment == emptyName {
		return "", nil
	}
	if segment == "" || len(segment) > MaxSegment {
		return "", fmt.Errorf("%w: an escaped name of %d bytes; it has 1 to %d", ErrMalformed, len(segment), MaxSegment)
	}
	if !strings.Contains(segment, "=") {
		return segment, checkEscaped(segment, segment)
	}
	b := make([]byte, 0, len(segment))
	for i := 0; i < len(segment); i++ {
		c := segment[i]
		if c == '=' {
			if i+2 >= len(segment) {
				return "", malformedName(segment)
			}
			c = hexValue(segment[i+1])<<4 | hexValue(segment[i+2])
			i += 2
		}
		b = append(b, c)
	}
	return string(b), checkEscaped(string(b), segment)
}

// checkEscaped refuses a segment that is not what its name escapes to: an escape too
// many or too few, or other digits.
func checkEscaped(name, segment string) error {
	if s, err := Escape(name); err != nil || s != segment {
		return malformedName(segment)
	}
	return nil
}

func malformedName(segment string) error {
	return fmt.Errorf("%w: %.40q is not an escaped name", ErrMalformed, segment)
}

// hexValue is the value of a hexadecimal digit; what is none is found by
// escaping again.
func hexValue(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// checkSegment reports why s is no segment of a backend's key, which every key of a
// component is.
func checkSegment(s string) error {
	switch {
	case s == "" || len(s) > MaxSegment:
		return fmt.Errorf("a key of %d bytes; it has 1 to %d", len(s), MaxSegment)
	case s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "__"):
		return fmt.Errorf("%.40q has a dot at an end or two underscores in a row", s)
	}
	for i := range len(s) {
		c := s[i]
		if ('a' > c || c > 'z') && ('0' > c || c > '9') && c != '.' && c != '_' && c != '=' && c != '-' {
			return fmt.Errorf("%.40q holds the byte %q; allowed are a-z 0-9 . _ = -", s, c)
		}
	}
	return nil
}
