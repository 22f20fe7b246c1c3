package readers

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Events are the address events of an AER-DAT file: at Ticks[i], something happened at
// address Addresses[i] (a pixel of a silicon retina, a neuron).
type Events struct {
	Version   string   // "1.0" or "2.0"
	Header    []string // its lines, without their ends
	Tick      float64  // of the clock, in seconds
	Addresses []uint32
	Ticks     []int32 // as in the file: see [Events.Unwrap]
	Warnings  []Warning
}

const (
	// maxAERHeader is far more than any recording carries: a real one of jAER, with all
	// the settings of a camera, has 3.4 KB.
	maxAERHeader = 1 << 20

	defaultTick = 1e-6 // seconds; "# Timestamps tick is 1 us" is what jAER writes

	aerEnd = "#End Of ASCII Header"
)

// ReadAER reads an AER-DAT file of version 1.0 (16-bit addresses) or 2.0 (32-bit
// addresses), as jAER and Brian write them: big-endian events behind a header of lines
// that begin with '#'. A file without the line #!AER-DAT is taken for version 1.0. Of
// Options only Name and Strict count. It returns what it read together with an error, never nil.
//
// Times may decrease, and wrap after 2^32 ticks; they are returned as they stand.
func ReadAER(r io.Reader, opts *Options) (*Events, error) {
	a := &aerReader{o: opts.with(r), e: &Events{Version: "1.0", Tick: defaultTick}}
	a.o.SizeHint = sizeOf(r) // a guess would not do: see trimOdd
	b := bufio.NewReaderSize(r, maxAERHeader)
	prefix, err := b.Peek(maxAERHeader)
	switch {
	case err == io.EOF && len(prefix) == 0:
		return a.e, a.fail(0, 0, ErrFormat, emptyHint)
	case err == io.EOF:
		a.o.SizeHint = int64(len(prefix)) // now it is certain
	case err != nil:
		r = io.MultiReader(bytes.NewReader(bytes.Clone(prefix)), errorReader{err})
		b = bufio.NewReader(r) // what was read, then the error again
	}
	n, err := a.header(prefix, err == io.EOF)
	if err != nil {
		return a.e, err
	}
	b.Discard(n)
	if err := a.events(b, int64(n)); err != nil {
		return a.e, err
	}
	if len(a.e.Ticks) == 0 && !a.final {
		a.warn(NoEvents, "no event follows the header: the file may be cut")
	}
	if a.o.Strict && len(a.e.Warnings) > 0 {
		w := a.e.Warnings[0]
		return a.e, a.fail(w.Line, 0, w.Code.err(), "Options.Strict: %s", w.Msg)
	}
	return a.e, a.tickErr
}

type aerReader struct {
	o       Options
	e       *Events
	final   bool  // the header ends with the mark that newer jAER writes
	tickErr error // reported behind the events, which do not need the tick
}

func (a *aerReader) warn(code Code, msg string, args ...any) {
	line := len(a.e.Header) + 1
	a.e.Warnings = append(a.e.Warnings, Warning{Code: code, Line: line, Column: -1, Count: 1, Msg: fmt.Sprintf(msg, args...)})
}

func (a *aerReader) fail(line int, off int64, err error, hint string, args ...any) error {
	return &ParseError{Format: AER, Name: a.o.Name, Line: line, Offset: off, Err: err, Hint: fmt.Sprintf(hint, args...)}
}

// header reads the lines that begin with '#' and returns their length. whole says that
// prefix is all of the file.
func (a *aerReader) header(prefix []byte, whole bool) (int, error) {
	if bytes.HasPrefix(prefix, []byte("#!AER-DAT")) {
		first := firstLines(prefix, 1, '\n')[0]
		a.e.Version = strings.TrimSpace(string(first[len("#!AER-DAT"):]))
		if a.e.Version != "1.0" && a.e.Version != "2.0" {
			return 0, a.fail(1, 0, ErrVersion, "AER-DAT %s: 1.0 and 2.0 are read", shown([]byte(a.e.Version)))
		}
	}
	lines, n := aerLines(prefix)
	if n == maxAERHeader {
		return 0, a.fail(len(lines), int64(n), ErrLimit, "a header of at most %d bytes is read", maxAERHeader)
	}
	a.final = len(lines) > 0 && bytes.HasPrefix(lines[len(lines)-1], []byte(aerEnd))
	cut := whole && !a.final && isCutLine(prefix[n:])
	kept := lines
	if !cut && !a.final {
		kept, n = a.trimOdd(lines, n)
	}
	for i, line := range kept {
		a.e.Header = append(a.e.Header, string(trimCR(line[:len(line)-1])))
		a.tick(i+1, a.e.Header[i])
	}
	switch {
	case cut:
		return 0, a.fail(len(lines)+1, int64(n), ErrTruncated, "the last line of the header has no end, and no event follows it")
	case len(kept) < len(lines):
		a.warn(OddHeader, "read as events: what looks like a line of the header, because only then the rest is a whole number of events")
	case !a.final && n+a.recordSize() <= len(prefix) && isText(prefix[n:n+a.recordSize()]):
		a.warn(OddHeader, "read as events: what may be text of a damaged header, for the first event holds nothing but printable ASCII")
	case !a.final && n < len(prefix) && prefix[n] == '#':
		a.warn(OddHeader, "read as events: what begins like a line of the header, but holds other bytes than printable ASCII")
	}
	return n, nil
}

// isCutLine reports whether rest, the end of a file behind the lines of its header, is the
// beginning of another such line. Events would hold other bytes: a time of four printable
// ones lies at least nine minutes after the start, and an event that begins with '#' is rare.
func isCutLine(rest []byte) bool {
	return len(rest) > 0 && rest[0] == '#' && bytes.IndexByte(rest, '\n') < 0 && isPrintable(trimCR(rest))
}

// aerLines takes lines as long as they begin with '#' and are printable ASCII, up to the
// end mark of newer jAER. The first event may begin with the byte of '#' as well.
func aerLines(prefix []byte) (lines [][]byte, n int) {
	for n < len(prefix) && prefix[n] == '#' {
		end := bytes.IndexByte(prefix[n:], '\n')
		if end < 0 || !isPrintable(trimCR(prefix[n:n+end])) {
			break
		}
		line := prefix[n : n+end+1]
		lines = append(lines, line)
		n += len(line)
		if bytes.HasPrefix(line, []byte(aerEnd)) {
			break
		}
	}
	return lines, n
}

// isText reports whether an event looks like text, be it of two lines, or with one wrong byte. Its time would be
// nine minutes at least, and its address larger than that of any camera. Events of version 1.0 have so
// small an address and time that a wrong byte could hide nothing.
func isText(event []byte) bool {
	odd := 0
	for _, c := range event {
		if (c < ' ' || c > '~') && c != '\t' && c != '\r' && c != '\n' {
			odd++
		}
	}
	const wide = 8 // bytes of an event since version 2.0
	return odd == 0 || odd == 1 && len(event) == wide
}

func isPrintable(line []byte) bool {
	return !slices.ContainsFunc(line, func(c byte) bool { return (c < ' ' || c > '~') && c != '\t' })
}

// trimOdd gives the last line back to the events if it may be the beginning of the first one
// and the rest is a whole number of events only without it.
func (a *aerReader) trimOdd(lines [][]byte, n int) ([][]byte, int) {
	size := int64(a.recordSize())
	last := len(lines) - 1
	if a.o.SizeHint <= 0 || last < 0 || (a.o.SizeHint-int64(n))%size == 0 {
		return lines, n
	}
	line := lines[last]
	m := n - len(line)
	// In a longer line a whole event would be printable, its time among it. More often a
	// longer line is one of the header, and the file is cut.
	isEvent := isOdd(line) && len(line) <= int(size) && !bytes.HasSuffix(line, []byte("\r\n"))
	if !isEvent || (a.o.SizeHint-int64(m))%size != 0 {
		return lines, n
	}
	return lines[:last], m
}

// isOdd reports whether a line begins otherwise than "# text", "#!AER-DAT" or the end mark.
func isOdd(line []byte) bool {
	return len(line) > 2 && line[1] != ' ' && line[1] != '!' && line[1] != '\r' && !bytes.HasPrefix(line, []byte(aerEnd))
}

// tickUnits are the units in which jAER ("1 us") and Brian ("0.1 * msecond") write the
// tick, as parts of a second: whole numbers, by which to divide is exact to the last bit.
var tickUnits = map[string]float64{
	"s": 1, "second": 1, "ms": 1e3, "msecond": 1e3, "us": 1e6, "usecond": 1e6, "ns": 1e9, "nsecond": 1e9,
}

// tick reads "# Timestamps tick is 1 us", "# Timestamps tick: 1 us" and "# Timestamps tick is 0.1 * msecond".
func (a *aerReader) tick(line int, text string) {
	_, after, ok := strings.Cut(text, "Timestamps tick")
	if !ok {
		return
	}
	after = strings.TrimLeft(after, ": ")
	after = strings.TrimPrefix(after, "is ")
	words := strings.Fields(strings.ReplaceAll(after, "*", " "))
	if len(words) == 2 {
		value, err := strconv.ParseFloat(words[0], 64)
		unit, known := tickUnits[words[1]]
		if err == nil && known && value > 0 && !math.IsInf(value, 0) {
			a.e.Tick = value / unit
			return
		}
	}
	a.e.Tick = 0
	a.tickErr = &ParseError{Format: AER, Name: a.o.Name, Line: line, Text: shown([]byte(text)), Err: ErrHeader,
		Hint: `a tick is a number and a unit, as in "1 us" or "0.1 * msecond"`}
}

func (a *aerReader) recordSize() int {
	if a.e.Version == "1.0" {
		return 6
	}
	return 8
}

// events reads to the end of the file.
func (a *aerReader) events(r io.Reader, off int64) error {
	size := a.recordSize()
	address := size - 4
	if left := (a.o.SizeHint - off) / int64(size); left > 0 {
		n := min(left, presize)
		a.e.Addresses, a.e.Ticks = make([]uint32, 0, n), make([]int32, 0, n)
	}
	buf := make([]byte, size<<13)
	for {
		n, err := io.ReadFull(r, buf)
		for i := 0; i+size <= n; i += size {
			rec := buf[i : i+size]
			if address == 2 {
				a.e.Addresses = append(a.e.Addresses, uint32(binary.BigEndian.Uint16(rec)))
			} else {
				a.e.Addresses = append(a.e.Addresses, binary.BigEndian.Uint32(rec))
			}
			a.e.Ticks = append(a.e.Ticks, int32(binary.BigEndian.Uint32(rec[address:])))
		}
		off += int64(n)
		switch {
		case (err == io.EOF || err == io.ErrUnexpectedEOF) && n%size == 0:
			return nil
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return a.fail(0, off-int64(n%size), ErrTruncated, "%d bytes are left behind %d events of %d bytes", n%size, len(a.e.Ticks), size)
		case err != nil:
			return a.fail(0, off, err, "")
		}
	}
}

// Unwrap returns the ticks as a clock that does not wrap would have counted them: a fall
// by more than half the range is a wrap, any other a step back that stays.
func (e *Events) Unwrap() []int64 {
	ticks := make([]int64, len(e.Ticks))
	var base, last int64
	for i, t := range e.Ticks {
		base, last = unwrap(base, last, t, i == 0)
		ticks[i] = base + last
	}
	return ticks
}

// Seconds returns the unwrapped times in seconds, each the float64 nearest to it where the tick
// is a whole number of picoseconds.
func (e *Events) Seconds() []float64 {
	seconds := make([]float64, len(e.Ticks))
	num, den := fraction(e.Tick)
	for i, t := range e.Unwrap() {
		seconds[i] = float64(t) * num / den
	}
	return seconds
}

// fraction returns two whole numbers whose quotient is tick, with a small numerator, so that
// n*num is exact and (n*num)/den is rounded once. n*1e-6 would be rounded twice. A tick without
// such numbers is returned over 1.
func fraction(tick float64) (num, den float64) {
	for _, den := range []float64{1, 1e3, 1e6, 1e9, 1e12} {
		num := math.Round(tick * den)
		if num >= 1 && num <= 1<<20 && num/den == tick {
			return num, den
		}
	}
	return tick, 1
}

// Table shows the events as columns: the time in seconds and the address. The lines of
// the header are header records.
func (e *Events) Table() *Table {
	t := e.head()
	addresses := make([]float64, len(e.Addresses))
	for i, a := range e.Addresses {
		addresses[i] = float64(a)
	}
	t.Float, t.Text = [][]float64{e.Seconds(), addresses}, make([][]string, 2)
	return t
}

// head is the table without its rows.
func (e *Events) head() *Table {
	t := &Table{Format: AER, Version: e.Version, DeclaredRows: -1, DeclaredColumns: -1, FinalNewline: true, Warnings: e.Warnings, rows: len(e.Ticks)}
	for i, line := range e.Header {
		t.Headers = append(t.Headers, HeaderRecord{Value: line, Raw: line, Line: i + 1})
	}
	t.Columns = []Column{{Title: "Time", Units: "s", Raw: "Time (s)"}, {Title: "Address", Raw: "Address"}}
	return t
}

// blocks yields the rows of the table in blocks that are used again.
func (e *Events) blocks(yield func(*Block) bool) {
	const size = 1 << 14
	b := &Block{Float: [][]float64{make([]float64, size), make([]float64, size)}, Text: make([][]string, 2)}
	times, addresses := b.Float[0], b.Float[1]
	num, den := fraction(e.Tick)
	var base, last int64
	for b.First < len(e.Ticks) {
		b.Rows = min(size, len(e.Ticks)-b.First)
		for i, t := range e.Ticks[b.First : b.First+b.Rows] {
			base, last = unwrap(base, last, t, b.First+i == 0)
			times[i] = float64(base+last) * num / den
			addresses[i] = float64(e.Addresses[b.First+i])
		}
		b.Float[0], b.Float[1] = times[:b.Rows], addresses[:b.Rows]
		if !yield(b) {
			return
		}
		b.First += b.Rows
	}
}

// unwrap adds a tick to what has wrapped so far.
func unwrap(base, last int64, tick int32, first bool) (int64, int64) {
	if v := int64(tick); !first && v-last < math.MinInt32 {
		base += 1 << 32
	}
	return base, int64(tick)
}

// SortByTime returns the events in the order of their unwrapped times; events of one
// time keep theirs.
func (e *Events) SortByTime() *Events {
	ticks := e.Unwrap()
	order := make([]int, len(ticks))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case ticks[i] < ticks[j]:
			return -1
		case ticks[i] > ticks[j]:
			return 1
		}
		return 0
	})
	sorted := &Events{Version: e.Version, Header: e.Header, Tick: e.Tick, Warnings: e.Warnings}
	for _, i := range order {
		sorted.Addresses = append(sorted.Addresses, e.Addresses[i])
		sorted.Ticks = append(sorted.Ticks, e.Ticks[i])
	}
	return sorted
}
