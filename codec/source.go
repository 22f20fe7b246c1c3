package codec

import (
	"fmt"
	"io"
	"math"
	"reflect"
	"sync"
	"unsafe"
)

// onceLimit is up to what size memory is allocated at once because an entry
// says that its value is so large. Beyond it memory grows with what really arrives, so that
// a wrong size costs no more than twice what there is to read.
const onceLimit = 1 << 30

// keepLimit is the largest buffer that is kept for the next value.
const keepLimit = 64 << 10

// source is the reader of one value. It remembers the error of the reader
// beneath, because io.ReadFull drops one that comes with the last bytes.
type source struct {
	r    io.Reader
	left int64 // bytes to come
	err  error // of r; not EOF
	done bool  // r was at its end
	buf  []byte
	more [1]byte // for the look past the end
}

var sources = sync.Pool{New: func() any { return new(source) }}

func newSource(r io.Reader, size int64) *source {
	s := sources.Get().(*source)
	s.r, s.left, s.err, s.done = r, size, nil, false
	if size < 0 {
		s.left, s.err = 0, fmt.Errorf("decode: %w: size %d is negative", ErrMalformed, size)
	}
	return s
}

func (s *source) release() {
	s.r = nil
	if cap(s.buf) > keepLimit {
		s.buf = nil
	}
	sources.Put(s)
}

// Read implements [io.Reader] for what is left, at most a step.
func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.r.Read(p[:min(int64(len(p)), s.left, step)])
	s.left -= int64(n)
	switch {
	case err == io.EOF && s.left > 0:
		s.err = fmt.Errorf("decode: the value ends %d bytes early: %w", s.left, io.ErrUnexpectedEOF)
	case err != nil && err != io.EOF:
		s.err = err
	}
	return n, s.err
}

// fill reads all of p.
func (s *source) fill(p []byte) error {
	_, err := io.ReadFull(s, p)
	return err
}

// finish reads what is left and the end, and returns the reader's error.
func (s *source) finish() error {
	for s.err == nil && s.left > 0 {
		s.Read(s.scratch(keepLimit))
	}
	for s.err == nil && !s.done {
		n, err := s.r.Read(s.more[:])
		switch {
		case n > 0:
			s.err = fmt.Errorf("decode: %w: it is longer than its size says", ErrMalformed)
		case err == io.EOF:
			s.done = true
		default:
			s.err = err
		}
	}
	return s.err
}

// scratch returns n bytes that are valid until the next call.
func (s *source) scratch(n int) []byte {
	if cap(s.buf) < n {
		s.buf = make([]byte, n)
	}
	return s.buf[:n]
}

// whole calls f with all bytes, which it must not keep, once the reader is at
// its end without an error.
func (s *source) whole(f func([]byte) error) error {
	var b []byte
	if s.left <= keepLimit {
		b = s.scratch(int(s.left))
		if err := s.fill(b); err != nil {
			return err
		}
	} else if err := s.elements(reflect.ValueOf(&b).Elem(), s.left, bytesLayout, bytesLayout); err != nil {
		return err
	}
	if err := s.finish(); err != nil {
		return err
	}
	return f(b)
}

var bytesLayout = layout{kind: 'u', size: 1}

// elements makes slice n elements long and reads them. It uses the memory that
// slice has, if that suffices. What is stored lies as from says, in memory it
// lies as to says. After an error the contents of slice are unspecified, but
// valid.
func (s *source) elements(slice reflect.Value, n int64, from, to layout) error {
	if n > int64(math.MaxInt/to.size) {
		return fmt.Errorf("decode: %d elements of %v do not fit this machine's memory", n, to)
	}
	count := int(n)
	switch {
	case slice.Cap() >= count && !slice.IsNil():
		slice.SetLen(count)
	default:
		first := min(count, onceLimit/to.size)
		slice.Set(reflect.MakeSlice(slice.Type(), first, first))
	}
	for done := 0; done < count; {
		if done == slice.Len() {
			bigger := reflect.MakeSlice(slice.Type(), min(count, 2*done), min(count, 2*done))
			reflect.Copy(bigger, slice)
			slice.Set(bigger)
		}
		if err := s.into(bytesOf(slice)[done*to.size:], from, to); err != nil {
			return err
		}
		done = slice.Len()
	}
	return nil
}

// into fills mem with elements.
func (s *source) into(mem []byte, from, to layout) error {
	if from != to {
		return s.converted(mem, from, to)
	}
	err := s.fill(mem)
	if to.kind == 'b' {
		// Memory of a bool that is neither 0 nor 1 breaks the program.
		if bad := onlyBools(mem); err == nil {
			err = bad
		}
	}
	return err
}

func onlyBools(mem []byte) (err error) {
	for i, b := range mem {
		if b > 1 {
			mem[i] = 1
			err = fmt.Errorf("decode npy: %w: a bool is byte %#x, want 0 or 1", ErrMalformed, b)
		}
	}
	return err
}

func (s *source) converted(mem []byte, from, to layout) error {
	for len(mem) > 0 {
		n := min(len(mem)/to.size, keepLimit/from.size)
		buf := s.scratch(n * from.size)
		if err := s.fill(buf); err != nil {
			return err
		}
		for ; len(buf) > 0; buf, mem = buf[from.size:], mem[to.size:] {
			if err := convert(mem, to, buf, from); err != nil {
				return err
			}
		}
	}
	return nil
}

// bytesOf returns the memory of a slice's elements, up to its length.
func bytesOf(slice reflect.Value) []byte {
	n := slice.Len() * int(slice.Type().Elem().Size())
	return unsafe.Slice((*byte)(slice.UnsafePointer()), n)
}
