package readers

import (
	"bytes"
	"errors"
	"io"
)

const (
	// blockSize is how much of a file is parsed at a time. A block and the numbers in
	// it should stay in a core's cache, and a block must be long beside the cost of
	// starting the goroutines that share it. 27 MB take one core 57 ms at 256 KiB, 58 at
	// 512 KiB and 1 MiB, 65 at 4 MiB.
	blockSize = 512 << 10

	// endSample is how much of the file decides what ends a line: the first buffer of
	// Axon's library, which decides so.
	endSample = 64 << 10

	// maxHeader bounds all lines of a header together.
	maxHeader = 64 << 20
)

// A source cuts an input into lines and blocks of lines, knows where it is, and needs no
// more memory than a block and the longest line.
type source struct {
	r       io.Reader
	maxLine int
	size    int // of a block

	buf  []byte // buf[lo:hi] is read and not yet given out; one byte behind stays free
	lo   int
	hi   int
	err  error // why r gives no more; io.EOF at a proper end
	end  byte  // that ends a line: '\n', or '\r' in files of old Macs
	line int   // number of the line at buf[lo], from 1
	off  int64 // offset in the file of buf[lo]

	headerBytes int
	cut         bool // the last line had no end
}

// A block is one or more whole lines. Each ends with the line end, also the last of the
// file, which gets one if it had none.
type block struct {
	data []byte // valid until the source is used again
	line int    // number of its first line
	off  int64  // offset of its first byte
	cut  bool   // it is the last line, which had no end in the file
}

func newSource(r io.Reader, maxLine, size int) *source {
	s := &source{r: r, maxLine: maxLine, size: size, line: 1}
	s.buf = make([]byte, max(size, endSample)+1)
	s.fill()
	if bytes.HasPrefix(s.buf[:s.hi], []byte("\xef\xbb\xbf")) {
		s.lo, s.off = 3, 3
	}
	s.end = lineEnd(s.buf[s.lo:min(s.hi, endSample)])
	return s
}

// rest returns what is buffered, without taking it.
func (s *source) rest() []byte { return s.buf[s.lo:s.hi] }

// start returns what is buffered from the first byte on, as long as nothing is taken.
func (s *source) start() []byte { return s.buf[:s.hi] }

// unread returns the whole input as it was, as long as nothing is taken.
func (s *source) unread() io.Reader {
	if s.err != nil {
		return io.MultiReader(bytes.NewReader(s.start()), errorReader{s.err})
	}
	return io.MultiReader(bytes.NewReader(s.start()), s.r)
}

// fill makes room and reads until the buffer is full or r ends.
func (s *source) fill() {
	if s.lo > 0 {
		s.hi = copy(s.buf, s.buf[s.lo:s.hi])
		s.lo = 0
	}
	// An io.Reader that gives neither bytes nor an error a hundred times is broken
	// (bufio's bound).
	for idle := 0; s.hi < len(s.buf)-1 && s.err == nil; {
		n, err := s.r.Read(s.buf[s.hi : len(s.buf)-1])
		if n < 0 || n > len(s.buf)-1-s.hi {
			s.err = errors.New("the io.Reader returned an impossible count")
			return
		}
		s.hi += n
		s.err = err
		if n > 0 {
			idle = 0
		} else if idle++; idle == 100 && err == nil {
			s.err = io.ErrNoProgress
		}
	}
}

// more reads on when the buffer holds no whole line. It answers false at the end of the
// input or when the line is longer than it may be.
func (s *source) more() bool {
	if s.err != nil || s.hi-s.lo > s.maxLine {
		return false
	}
	if s.lo == 0 && s.hi == len(s.buf)-1 {
		grown := make([]byte, min(2*len(s.buf), s.maxLine+len(s.buf))+1)
		copy(grown, s.buf[:s.hi])
		s.buf = grown
	}
	s.fill()
	return true
}

// peekLine returns the line that nextLine would take, or nil if there is none.
func (s *source) peekLine() []byte {
	for {
		n := bytes.IndexByte(s.rest(), s.end)
		if n >= 0 {
			return trimCR(s.rest()[:n])
		}
		if !s.more() {
			return trimCR(s.rest())
		}
	}
}

// nextLine takes one line, without its end. It returns io.EOF when there is none.
func (s *source) nextLine() ([]byte, error) {
	for {
		n := bytes.IndexByte(s.rest(), s.end)
		if n < 0 && s.more() {
			continue
		}
		if n > s.maxLine || n < 0 && s.hi-s.lo > s.maxLine {
			return nil, ErrLineTooLong
		}
		if n < 0 {
			return s.lastLine()
		}
		line := s.buf[s.lo : s.lo+n]
		s.take(n + 1)
		s.line++
		if s.headerBytes += n; s.headerBytes > maxHeader {
			return nil, ErrLimit
		}
		return trimCR(line), nil
	}
}

// lastLine takes what is left at the end of the input.
func (s *source) lastLine() ([]byte, error) {
	if s.err != io.EOF {
		return nil, s.err
	}
	if s.lo == s.hi {
		return nil, io.EOF
	}
	line := s.rest()
	s.take(len(line))
	s.line++
	s.cut = true
	return trimCR(line), nil
}

// nextBlock takes some whole lines, a block of them where there are so many. A last line
// without an end is a block of its own. It returns io.EOF when there are no more.
func (s *source) nextBlock() (block, error) {
	for {
		b := block{line: s.line, off: s.off}
		n := bytes.LastIndexByte(s.rest()[:min(s.hi-s.lo, s.size)], s.end) + 1
		if n == 0 { // a line longer than a block
			n = bytes.IndexByte(s.rest(), s.end) + 1
		}
		switch {
		case n > 0:
			b.data = s.buf[s.lo : s.lo+n]
			s.take(n)
			return b, nil
		case s.more():
		case s.hi-s.lo > s.maxLine:
			return block{}, ErrLineTooLong
		case s.err == io.EOF && s.hi > s.lo:
			s.buf[s.hi] = s.end
			b.data, b.cut = s.buf[s.lo:s.hi+1], true
			s.cut = true
			s.take(s.hi - s.lo)
			return b, nil
		default:
			return block{}, s.err
		}
	}
}

// took counts the lines of a block that was taken.
func (s *source) took(lines int) { s.line += lines }

func (s *source) take(n int) {
	s.lo += n
	s.off += int64(n)
}

// mixedEnds says of a line what a carriage return inside it means: rows that end with one
// would pass for part of the line.
const mixedEnds = "a carriage return stands inside the line: give all lines of the file the same end"

// trimCR drops the carriage returns before a line's end: one of CRLF, two of text that
// was converted twice.
func trimCR(line []byte) []byte {
	for len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	return line
}
