// Package terminal makes text fit to be shown to a person, whoever wrote it.
package terminal

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// cleaned writes text to a terminal, or to wherever a person reads it. What others wrote may be part of
// the text: names in a store, words of a server, the contents of a file. So all that could move
// the cursor, change a setting or the order of characters is written as an escape that can be read.
type cleaned struct {
	w    io.Writer
	rest []byte // the beginning of a character whose end is to come
}

// NewWriter returns a writer to w for text. It is for one goroutine at a time.
func NewWriter(w io.Writer) io.Writer { return &cleaned{w: w} }

// Write implements [io.Writer].
func (c *cleaned) Write(p []byte) (int, error) {
	text := append(c.rest, p...)
	whole := len(text)
	for i := 1; i <= min(utf8.UTFMax-1, len(text)); i++ {
		if tail := text[len(text)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				whole -= i
			}
			break
		}
	}
	c.rest = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(c.w, Clean(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Clean returns a text with all but its lines and tabs made visible.
func Clean(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return Disturbs(r) || r == utf8.RuneError }) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r > 0xff && Disturbs(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		case Disturbs(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Disturbs reports whether a character does something to a terminal, or to the order of those about it: the
// controls of C0 (but for a new line and a tab) and C1, the marks of bidirectional text, separators
// of lines and paragraphs.
func Disturbs(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < ' ', 0x7f <= r && r <= 0x9f:
		return true
	case r == 0x061c, r == 0x200e, r == 0x200f, 0x202a <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069:
		return true
	}
	return r == 0x2028 || r == 0x2029
}

// EscapeJSON makes what disturbs a terminal escapes of JSON; encoding/json leaves some of it as it is.
func EscapeJSON(text []byte) []byte {
	if !strings.ContainsFunc(string(text), Disturbs) {
		return text
	}
	var b []byte
	for _, r := range string(text) {
		if Disturbs(r) {
			b = fmt.Appendf(b, `\u%04x`, r)
			continue
		}
		b = utf8.AppendRune(b, r)
	}
	return b
}
