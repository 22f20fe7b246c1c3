package codec

import (
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"sync"
	"unsafe"

	"github.com/larder-store/larder/internal/mapped"
)

// keepLimit is the largest buffer that is kept for the next value. Backends keep
// values up to about this size in their index; larger ones are rarer and slower anyway.
const keepLimit = 64 << 10

// onceLimit is up to what size memory is allocated only because an entry says that
// its value is so large. Beyond it memory doubles with what really arrives.
var onceLimit = 1 << 30 // a variable for the tests

// source is the reader of one value. It remembers the error of the reader
// beneath, because io.ReadFull drops one that comes with the last bytes.
type source struct {
	r    io.Reader
	left int64 // bytes to come
	err  error // of r, but for io.EOF; it sticks
	done bool  // r was at its end
	buf  []byte
	more [1]byte // for a look past the end
}

var sources = sync.Pool{New: func() any { return new(source) }}

func newSource(r io.Reader, size int64) *source {
	s := sources.Get().(*source)
	s.r, s.left, s.err, s.done = r, size, nil, false
	if size < 0 {
		s.left, s.err = 0, fmt.Errorf("decode: %w: its size is %d", ErrMalformed, size)
	}
	return s
}

func (s *source) release() {
	s.r, s.err = nil, nil
	sources.Put(s)
}

// Read implements [io.Reader] for the bytes of the value, at most a step.
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
		s.err = fmt.Errorf("decode: %d bytes of the value are missing: %w", s.left, io.ErrUnexpectedEOF)
	case err == io.EOF:
		s.done = true
	default:
		s.err = err
	}
	return n, s.err
}

// fill reads all of p.
func (s *source) fill(p []byte) error {
	_, err := io.ReadFull(s, p)
	return err
}

// finish reads what is left, and then the end. It returns the error of the reader,
// whatever was read before.
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

// scratch returns at most keepLimit bytes, valid until the next call.
func (s *source) scratch(n int) []byte {
	if cap(s.buf) < n {
		s.buf = make([]byte, n)
	}
	return s.buf[:n]
}

// whole calls f with all bytes once the reader is at its end without an error. f must
// not keep them.
func (s *source) whole(f func([]byte) error) error {
	var b []byte
	if s.left <= keepLimit {
		b = s.scratch(int(s.left))
		if err := s.fill(b); err != nil {
			return err
		}
	} else if err := s.elements(reflect.ValueOf(&b).Elem(), s.left, bytesLayout); err != nil {
		return err
	}
	if err := s.finish(); err != nil {
		return err
	}
	return f(b)
}

// slice reads n elements into rv, a slice that can be set. rv is empty until
// all are read and the reader is at its end without an error.
func (s *source) slice(rv reflect.Value, n int64, from layout) error {
	got := reflect.New(rv.Type()).Elem()
	got.Set(rv)
	rv.SetLen(0)
	if err := s.elements(got, n, from); err != nil {
		return err
	}
	if err := s.finish(); err != nil {
		return err
	}
	rv.Set(got)
	return nil
}

// elements makes rv n elements long and reads them, in the memory that rv has if that
// suffices. from is how they are stored. After an error rv may hold anything.
func (s *source) elements(rv reflect.Value, n int64, from layout) error {
	_, to, _ := layoutOf(rv.Type().Elem())
	if n > int64(math.MaxInt/to.size) {
		return fmt.Errorf("decode: %d elements of %v do not fit this machine's memory", n, to)
	}
	count := int(n)
	if rv.Cap() >= count && !rv.IsNil() {
		rv.SetLen(count)
	} else {
		first := min(count, max(onceLimit/to.size, 1))
		rv.Set(makeSlice(rv.Type(), first))
	}
	for done := 0; done < count; done = rv.Len() {
		if done == rv.Len() {
			longer := makeSlice(rv.Type(), min(count, 2*done))
			reflect.Copy(longer, rv)
			rv.Set(longer)
		}
		if err := s.memory(memoryOf(rv)[done*to.size:], from, to); err != nil {
			return err
		}
	}
	return nil
}

// makeSlice returns a slice of n numbers, which are any at first if they are many: all are
// about to be read, and to zero 8 MB before that takes a fifth of the time that reading them
// does. strings.Builder alone hands out memory that was not zeroed, and in large pages a third of the faults remain (8 MB: 110
// instead of 350 on average, a fifth of the CPU time). No pointers may be in it, and
// it is not seen before it was filled: see slice.
func makeSlice(t reflect.Type, n int) reflect.Value {
	size := n * int(t.Elem().Size())
	if size <= keepLimit {
		return reflect.MakeSlice(t, n, n)
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteByte(0)
	start := unsafe.StringData(b.String())
	mapped.Huge(unsafe.Slice(start, size))
	return reflect.SliceAt(t.Elem(), unsafe.Pointer(start), n).Convert(t)
}

// memory fills memory with elements.
func (s *source) memory(mem []byte, from, to layout) error {
	if from != to {
		return s.converted(mem, from, to)
	}
	err := s.fill(mem)
	if to.kind == 'b' {
		if bad := onlyBools(mem); err == nil {
			err = bad
		}
	}
	return err
}

// onlyBools makes bools of bytes: a bool that is neither 0 nor 1 breaks a program.
func onlyBools(mem []byte) (err error) {
	for i, b := range mem {
		if b > 1 {
			mem[i] = 1
			err = fmt.Errorf("decode npy: %w: a bool is %d, want 0 or 1", ErrMalformed, b)
		}
	}
	return err
}

func (s *source) converted(mem []byte, from, to layout) error {
	for len(mem) > 0 {
		buf := s.scratch(min(len(mem)/to.size, keepLimit/from.size) * from.size)
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

// memoryOf returns the memory of a slice's elements, up to its length.
func memoryOf(slice reflect.Value) []byte {
	n := slice.Len() * int(slice.Type().Elem().Size())
	return unsafe.Slice((*byte)(slice.UnsafePointer()), n)
}
