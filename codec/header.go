package codec

import (
	"fmt"
	"math/bits"
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
	shape   []int64
}

// header returns the whole head of a file, in version 1.0 and with rows as the
// first index.
func (a array) header() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", a.layout.descr(), a.shapeText())
	const fixed = len(magic) + 4
	pad := alignment - 1 - (fixed+b.Len())%alignment
	n := b.Len() + pad + 1
	head := make([]byte, 0, fixed+n)
	head = append(head, magic...)
	head = append(head, 1, 0, byte(n), byte(n>>8))
	head = append(head, b.String()...)
	for range pad {
		head = append(head, ' ')
	}
	return append(head, '\n')
}

// shapeText is the shape as Python writes it, such as (3,).
func (a array) shapeText() string {
	parts := make([]string, len(a.shape))
	for i, n := range a.shape {
		parts[i] = strconv.FormatInt(n, 10)
	}
	if len(parts) == 1 {
		return "(" + parts[0] + ",)"
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// elements is the product of the shape; ok is false if it passes 1<<62.
func (a array) elements() (n int64, ok bool) {
	product := uint64(1)
	for _, d := range a.shape {
		if d == 0 {
			return 0, true
		}
	}
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
	a, seen := array{}, map[string]bool{}
	p.want('{')
	for p.err == nil && !p.next('}') {
		key := p.text()
		p.want(':')
		switch {
		case p.err != nil:
		case seen[key]:
			p.fail("key %q twice", key)
		case key == "descr":
			a.layout = p.descr()
		case key == "fortran_order":
			a.fortran = p.bool()
		case key == "shape":
			a.shape = p.shape()
		default:
			p.fail("unknown key %q", key)
		}
		seen[key] = true
		if !p.next(',') {
			p.want('}')
			break
		}
	}
	if p.blank(); p.err == nil && p.rest != "" {
		p.fail("%q after the dictionary", shorten(p.rest))
	}
	if p.err == nil && len(seen) < 3 {
		p.fail("descr, fortran_order or shape is missing")
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
		p.err = fmt.Errorf("decode npy: %w: header: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
}

func (p *headerParser) blank() { p.rest = strings.TrimLeft(p.rest, " \t\n") }

// next skips blanks, and c if it comes next.
func (p *headerParser) next(c byte) bool {
	p.blank()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *headerParser) want(c byte) {
	if p.err == nil && !p.next(c) {
		p.fail("want %q before %q", c, shorten(p.rest))
	}
}

// text reads a quoted string without escapes.
func (p *headerParser) text() string {
	quote := byte('\'')
	if p.blank(); strings.HasPrefix(p.rest, `"`) {
		quote = '"'
	}
	p.want(quote)
	s, rest, ok := strings.Cut(p.rest, string(quote))
	if p.err == nil && (!ok || strings.ContainsAny(s, "\\\n")) {
		p.fail("want a quoted word before %q", shorten(p.rest))
	}
	p.rest = rest
	return s
}

func (p *headerParser) bool() bool {
	p.blank()
	for word, value := range map[string]bool{"True": true, "False": false} {
		if rest, ok := strings.CutPrefix(p.rest, word); ok {
			p.rest = rest
			return value
		}
	}
	p.fail("fortran_order: want True or False before %q", shorten(p.rest))
	return false
}

func (p *headerParser) shape() []int64 {
	shape := []int64{}
	p.want('(')
	for p.err == nil && !p.next(')') {
		if len(shape) == maxDims {
			p.fail("shape: more than %d dimensions", maxDims)
		}
		shape = append(shape, p.dimension())
		if p.next(',') {
			continue
		}
		if len(shape) == 1 {
			p.fail("shape: (%d) is a number, not a tuple", shape[0])
		}
		p.want(')')
		break
	}
	return shape
}

// dimension reads a decimal number. Python 2 wrote some with an L behind.
func (p *headerParser) dimension() int64 {
	p.blank()
	end := strings.IndexFunc(p.rest, func(r rune) bool { return r < '0' || r > '9' })
	end = max(end, 0)
	digits := p.rest[:end]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || len(digits) > 1 && digits[0] == '0' {
		p.fail("shape: %q is no length", shorten(p.rest))
	}
	p.rest = strings.TrimPrefix(p.rest[end:], "L")
	return n
}

func (p *headerParser) descr() layout {
	if p.blank(); strings.HasPrefix(p.rest, "[") {
		p.fail("descr: records (structured dtypes) are not supported")
		return layout{}
	}
	text := p.text()
	if p.err != nil {
		return layout{}
	}
	l, reason := parseDescr(text)
	if reason != "" {
		p.fail("descr %q: %s", shorten(text), reason)
	}
	return l
}

// parseDescr reads a dtype such as <f8. reason says why it cannot be.
func parseDescr(s string) (l layout, reason string) {
	if len(s) < 3 {
		return l, "no dtype"
	}
	size, err := strconv.Atoi(s[2:])
	switch order := s[0]; {
	case s[1] == 'O':
		return l, "objects are pickled Python, which can execute; they are refused"
	case err != nil || strings.IndexByte("<>|=", order) < 0:
		return l, "no dtype"
	case order == '=':
		return l, "no byte order"
	case order == '|' && size != 1:
		return l, "no byte order"
	}
	l = layout{kind: s[1], size: size, big: s[0] == '>' && size > 1}
	if _, ok := l.goType(); !ok {
		return l, "no Go type is like it"
	}
	return l, ""
}

// shorten cuts what goes into an error.
func shorten(s string) string {
	const limit = 20
	s = strings.TrimRight(s, " \n")
	if len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}
