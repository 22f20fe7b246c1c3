package readers

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// A field is one field of a record.
type field struct {
	text   []byte // without the blanks around it and without its quotes
	quoted bool
	pos    int // of its first byte in the record
}

// blanks as a delimiter stands for any run of blanks and TABs.
const blanks = ' '

// nextField splits the field that begins at rec[i] from the rest and returns the index
// where the next one begins, or -1 if it was the last. Blanks around a field belong to
// the delimiter, and a delimiter between quotes is text. A quote that nothing closes is an
// ordinary character; two in a row inside quotes stand for one, as spreadsheets write.
func nextField(rec []byte, i int, delim byte) (f field, next int) {
	for i < len(rec) && isPadding(rec[i], delim) {
		i++
	}
	f.pos = i
	if i < len(rec) && rec[i] == '"' {
		if text, end := quoted(rec, i); end >= 0 {
			if next, ok := afterQuote(rec, end, delim); ok {
				return field{text: text, quoted: true, pos: i}, next
			}
		}
	}
	if delim == blanks {
		end := i
		for end < len(rec) && !isPadding(rec[end], blanks) {
			end++
		}
		f.text = rec[i:end]
		next, _ = afterQuote(rec, end, blanks)
		return f, next
	}
	n := bytes.IndexByte(rec[i:], delim)
	if n < 0 {
		f.text = bytes.TrimRight(rec[i:], " \t")
		return f, -1
	}
	f.text = bytes.TrimRight(rec[i:i+n], " \t")
	return f, i + n + 1
}

// isPadding reports whether c before a field belongs to the delimiter. A TAB between commas is padding too.
func isPadding(c, delim byte) bool {
	return c == ' ' || c == '\t' && delim != '\t'
}

// quoted reads the quoted text at rec[i] and returns the index behind the closing quote, or -1.
func quoted(rec []byte, i int) (text []byte, end int) {
	begin := i + 1
	for i = begin; ; {
		n := bytes.IndexByte(rec[i:], '"')
		if n < 0 {
			return nil, -1
		}
		i += n + 1
		if i == len(rec) || rec[i] != '"' {
			break
		}
		i++
	}
	text = rec[begin : i-1]
	if bytes.IndexByte(text, '"') >= 0 {
		text = bytes.ReplaceAll(text, []byte(`""`), []byte(`"`))
	}
	return text, i
}

// afterQuote passes the delimiter at rec[i], with the blanks before it. It is not ok if
// something else stands there.
func afterQuote(rec []byte, i int, delim byte) (next int, ok bool) {
	begin := i
	for i < len(rec) && isPadding(rec[i], delim) {
		i++
	}
	switch {
	case i == len(rec):
		return -1, true
	case delim == blanks:
		return i, i > begin
	case rec[i] == delim:
		return i + 1, true
	}
	return 0, false
}

// splitFields splits a whole record.
func splitFields(rec []byte, delim byte) []field {
	var fields []field
	for i := 0; i >= 0; {
		var f field
		f, i = nextField(rec, i, delim)
		fields = append(fields, f)
	}
	return fields
}

// trimEmpty drops the empty fields at the end, beyond the first keep.
func trimEmpty(fields []field, keep int) []field {
	for len(fields) > keep {
		f := fields[len(fields)-1]
		if len(f.text) > 0 || f.quoted {
			break
		}
		fields = fields[:len(fields)-1]
	}
	return fields
}

// isBlank reports whether a line holds only blanks and TABs.
func isBlank(line []byte) bool {
	for _, c := range line {
		if c != ' ' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

// decode turns the bytes of a text into a string: UTF-8 if they are valid UTF-8, else
// Windows-1252, which is what Axon's programs write for µ and °.
func decode(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for _, c := range b {
		switch {
		case c >= 0x80 && c < 0xa0:
			s.WriteRune(windows1252[c-0x80])
		default:
			s.WriteRune(rune(c))
		}
	}
	return s.String()
}

// windows1252 is what Windows-1252 puts where Latin-1 has the control characters 0x80 to
// 0x9f (www.unicode.org/Public/MAPPINGS/VENDORS/MICSFT/WINDOWS/CP1252.TXT). The five that
// it leaves undefined stay control characters, as the WHATWG encoding standard has them.
var windows1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8d, 'Ž', 0x8f,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9d, 'ž', 'Ÿ',
}
