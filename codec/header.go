package codec

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// An NPY file is the magic, two bytes of version, the length of the header
// (little-endian, 2 bytes in version 1.0, else 4), the header, and the elements.
// The header is a Python dictionary, padded with blanks so that the elements
// begin at a multiple of 64, and ended by a newline:
//
//	{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }
//
// Source: NumPy Enhancement Proposal 1 and numpy/lib/format.py.
const (
	magic     = "\x93NUMPY"
	alignment = 64
	// maxHeader is the limit that NumPy itself sets for files that it does not trust.
	maxHeader = 10_000
	// maxDims is the limit of NumPy before version 2.
	maxDims = 32
)

// array is what an NPY header says.
type array struct {
	layout  layout
	fortran bool // the first index varies fastest
	shape   shape
}

// shape are the lengths of an array's dimensions.
type shape []int64

// String is the shape as Python writes it, such as (3,).
func (s shape) String() string {
	b := []byte{'('}
	for i, n := range s {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendInt(b, n, 10)
	}
	if len(s) == 1 {
		b = append(b, ',')
	}
	return string(append(b, ')'))
}

// header returns everything before the elements, in version 1.0 and with the last
// index varying fastest.
func (a array) header() []byte {
	const fixed = len(magic) + 4
	b := make([]byte, fixed, 2*alignment)
	b = append(b, "{'descr': '"...)
	b = append(b, a.layout.descr()...)
	b = append(b, "', 'fortran_order': False, 'shape': "...)
	b = append(b, a.shape.String()...)
	b = append(b, ", }"...)
	for (len(b)+1)%alignment != 0 {
		b = append(b, ' ')
	}
	b = append(b, '\n')
	copy(b, magic)
	b[6], b[7] = 1, 0
	binary.LittleEndian.PutUint16(b[8:], uint16(len(b)-fixed))
	return b
}

// elements is the product of the shape; ok is false if it passes 1<<62.
func (a array) elements() (n int64, ok bool) {
	if slices.Contains(a.shape, 0) {
		return 0, true
	}
	product := uint64(1)
	for _, d := range a.shape {
		hi, lo := bits.Mul64(product, uint64(d))
		if hi != 0 || lo > 1<<62 {
			return 0, false
		}
		product = lo
	}
	return int64(product), true
}

// parseHeader reads the dictionary of a header.
func parseHeader(text string) (array, error) {
	p := &headerParser{rest: text}
	var a array
	var keys []string
	p.want('{')
	for p.err == nil && !p.next('}') {
		key := p.quoted()
		p.want(':')
		if slices.Contains(keys, key) {
			p.fail("key %q twice", excerpt(key))
		}
		keys = append(keys, key)
		p.entry(key, &a)
		if !p.next(',') {
			p.want('}')
			break
		}
	}
	if p.err == nil && len(keys) < 3 {
		p.fail("want descr, fortran_order and shape, found %q", keys)
	}
	if p.err == nil && strings.TrimLeft(p.rest, " ") != "\n" {
		p.fail("want blanks and a newline at the end, found %q", excerpt(p.rest))
	}
	return a, p.err
}

// headerParser reads the few forms of Python that NumPy writes. The first
// error stays.
type headerParser struct {
	rest string
	err  error
}

func (p *headerParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = malformed("header: "+format, args...)
	}
}

// next skips blanks, and c if it comes next.
func (p *headerParser) next(c byte) bool {
	p.rest = strings.TrimLeft(p.rest, " ")
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *headerParser) want(c byte) {
	if p.err == nil && !p.next(c) {
		p.fail("want %q at %q", c, excerpt(p.rest))
	}
}

func (p *headerParser) entry(key string, a *array) {
	switch {
	case p.err != nil:
	case key == "descr":
		a.layout = p.descr()
	case key == "fortran_order":
		a.fortran = p.bool()
	case key == "shape":
		a.shape = p.shape()
	default:
		p.fail("unknown key %q", excerpt(key))
	}
}

// quoted reads a string in quotes of either kind, without escapes.
func (p *headerParser) quoted() string {
	quote := "'"
	opened := p.next('\'')
	if !opened {
		quote, opened = `"`, p.next('"')
	}
	s, rest, closed := strings.Cut(p.rest, quote)
	if !opened || !closed || strings.Contains(s, `\`) {
		p.fail("want a quoted word at %q", excerpt(p.rest))
	}
	p.rest = rest
	return s
}

func (p *headerParser) bool() bool {
	p.rest = strings.TrimLeft(p.rest, " ")
	if rest, ok := strings.CutPrefix(p.rest, "False"); ok {
		p.rest = rest
		return false
	}
	rest, ok := strings.CutPrefix(p.rest, "True")
	if !ok {
		p.fail("fortran_order: want True or False at %q", excerpt(p.rest))
	}
	p.rest = rest
	return true
}

// shape reads a tuple such as (3, 4), () or (3,), but not (3), which is a number.
func (p *headerParser) shape() shape {
	s := shape{}
	p.want('(')
	for p.err == nil && !p.next(')') {
		if len(s) == maxDims {
			p.fail("shape: more than %d dimensions", maxDims)
		}
		s = append(s, p.length())
		if p.next(',') {
			continue
		}
		p.want(')')
		if len(s) == 1 {
			p.fail("shape: want a tuple, found a number")
		}
		break
	}
	return s
}

// length reads a decimal number. Python 2 wrote an L behind some.
func (p *headerParser) length() int64 {
	p.rest = strings.TrimLeft(p.rest, " ")
	digits := p.rest[:len(p.rest)-len(strings.TrimLeft(p.rest, "0123456789"))]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || len(digits) > 1 && digits[0] == '0' {
		p.fail("shape: want a length at %q", excerpt(p.rest))
	}
	p.rest = strings.TrimPrefix(p.rest[len(digits):], "L")
	return n
}

// descr reads a dtype.
func (p *headerParser) descr() layout {
	if p.next('[') {
		p.fail("descr: records (structured dtypes) are not supported; store each field as an array")
		return layout{}
	}
	text := p.quoted()
	l, problem := parseDescr(text)
	if problem != "" {
		p.fail("descr %q: %s", excerpt(text), problem)
	}
	return l
}

// parseDescr reads the name of a dtype: byte order, kind, size.
func parseDescr(s string) (l layout, problem string) {
	if len(s) < 2 || !strings.Contains("<>|", s[:1]) {
		return l, "want a dtype such as <f8"
	}
	if s[1] == 'O' {
		return l, "objects are pickled Python, which can execute; they are refused"
	}
	size, err := strconv.Atoi(s[2:])
	l = layout{kind: s[1], size: size, big: s[0] == '>' && size > 1}
	if _, ok := l.goType(); !ok || err != nil {
		return l, "no Go type is like it"
	}
	if s[0] == '|' && size > 1 {
		return l, "want a byte order, < or >"
	}
	return l, ""
}

// excerpt is what an error shows of a header.
func excerpt(s string) string { return shorten(s, 40) }

// shorten cuts what goes into an error.
func shorten(s string, limit int) string {
	if len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}
