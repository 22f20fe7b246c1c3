package shelve

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// Messages and notes are written by hand: a process that lives for some milliseconds would spend a tenth of them on making
// a general encoder. Numbers are uvarints, texts and lists follow their length.

// message is what can be written and read.
type message interface {
	write(w *writer)
	read(r *reader)
}

func encode(m message) []byte {
	var w writer
	m.write(&w)
	return w.b
}

func decode(b []byte, m message) error {
	r := reader{b: b}
	m.read(&r)
	if r.bad || len(r.b) > 0 {
		return fmt.Errorf("a message of %d bytes cannot be read as a %T", len(b), m)
	}
	return nil
}

type writer struct{ b []byte }

func (w *writer) number(n uint64) { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) text(s string)   { w.b = append(binary.AppendUvarint(w.b, uint64(len(s))), s...) }
func (w *writer) bytes(b []byte)  { w.b = append(binary.AppendUvarint(w.b, uint64(len(b))), b...) }
func (w *writer) fixed(b []byte)  { w.b = append(w.b, b...) }

func (w *writer) flag(f bool) {
	n := byte(0)
	if f {
		n = 1
	}
	w.b = append(w.b, n)
}

// reader reads what writer wrote. Once it is bad, all that it reads is empty.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() {
	r.b, r.bad = nil, true
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

// each calls element for each of the elements that follow, as long as they can be read: memory is taken for what is there, not for
// what is announced.
func (r *reader) each(element func()) {
	for n := r.count(); n > 0 && !r.bad; n-- {
		element()
	}
}

// count reads how many elements follow, each of at least a byte.
func (r *reader) count() int {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte {
	n := r.count()
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) text() string { return string(r.bytes()) }

// fixed fills b.
func (r *reader) fixed(b []byte) {
	if len(r.b) < len(b) {
		r.fail()
		return
	}
	r.b = r.b[copy(b, r.b):]
}

func (r *reader) flag() bool {
	var b [1]byte
	r.fixed(b[:])
	if b[0] > 1 {
		r.fail()
	}
	return b[0] == 1
}

func (h *hello) write(w *writer) {
	w.number(uint64(h.Version))
	w.fixed(h.Host[:])
	w.number(h.Link)
	w.number(h.Notes)
}

func (h *hello) read(r *reader) {
	if h.Version = int(r.number()); h.Version != shareVersion {
		r.b = nil // of a later one only that is known
		return
	}
	r.fixed(h.Host[:])
	h.Link, h.Notes = r.number(), r.number()
}

func (a *ask) write(w *writer) {
	w.number(uint64(a.What))
	w.number(a.Number)
	w.text(a.Shelf)
	w.text(a.Name)
	w.number(uint64(len(a.Changes)))
	for i := range a.Changes {
		a.Changes[i].write(w)
	}
}

func (a *ask) read(r *reader) {
	a.What, a.Number = wish(r.number()), r.number()
	a.Shelf, a.Name = r.text(), r.text()
	r.each(func() {
		var c sharedChange
		c.read(r)
		a.Changes = append(a.Changes, c)
	})
}

func (c *sharedChange) write(w *writer) {
	w.fixed(c.ID[:])
	w.text(c.Shelf)
	w.text(c.Name)
	w.flag(c.Delete)
	w.flag(c.IfAbsent)
	w.text(c.IfMatch)
	w.number(uint64(c.Size))
	w.fixed(c.Digest[:])
	w.number(uint64(c.Sum))
	w.number(uint64(len(c.Meta)))
	for _, k := range slices.Sorted(maps.Keys(c.Meta)) {
		w.text(k)
		w.text(c.Meta[k])
	}
	w.bytes(c.Inline)
}

func (c *sharedChange) read(r *reader) {
	r.fixed(c.ID[:])
	c.Shelf, c.Name = r.text(), r.text()
	c.Delete, c.IfAbsent, c.IfMatch = r.flag(), r.flag(), r.text()
	c.Size = int64(r.number())
	r.fixed(c.Digest[:])
	c.Sum = uint32(r.number())
	r.each(func() {
		if c.Meta == nil {
			c.Meta = map[string]string{}
		}
		k := r.text()
		c.Meta[k] = r.text()
	})
	c.Inline = r.bytes()
}

func (a *answer) write(w *writer) {
	w.number(a.Number)
	w.number(uint64(a.Fate))
	w.flag(a.Record != nil)
	w.bytes(a.Record)
	w.number(uint64(a.Time))
	w.codes(a.Codes)
	w.number(uint64(len(a.Free)))
	for _, name := range a.Free {
		w.text(name)
	}
	w.text(a.Reason)
	w.number(a.Errno)
}

func (a *answer) read(r *reader) {
	a.Number, a.Fate = r.number(), fate(r.number())
	present := r.flag()
	if a.Record = r.bytes(); !present {
		a.Record = nil
	}
	a.Time, a.Codes = int64(r.number()), r.codes()
	r.each(func() { a.Free = append(a.Free, r.text()) })
	a.Reason, a.Errno = r.text(), r.number()
}

func (w *writer) codes(codes []code) {
	w.number(uint64(len(codes)))
	for _, c := range codes {
		w.b = append(w.b, byte(c))
	}
}

func (r *reader) codes() (codes []code) {
	for _, c := range r.bytes() {
		if code(c) > changed {
			r.fail()
		}
		codes = append(codes, code(c))
	}
	return codes
}

func (n *note) write(w *writer) {
	w.fixed(n.Host[:])
	w.number(uint64(len(n.Asks)))
	for _, a := range n.Asks {
		w.number(a.Link)
		w.number(a.Number)
		w.number(uint64(a.Time))
		w.codes(a.Codes)
	}
}

func (n *note) read(r *reader) {
	r.fixed(n.Host[:])
	r.each(func() {
		n.Asks = append(n.Asks, noted{Link: r.number(), Number: r.number(), Time: int64(r.number()), Codes: r.codes()})
	})
}
