package readers

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// maxRecords bounds the header records that a file may declare. The largest number met
// in a real file is 31.
const maxRecords = 100_000

// ReadATF reads an Axon Text File: the header, every column, row comments. It returns
// what it read together with an error, never nil.
//
// The forms and the doubtful cases are described in docs/readers.md.
func ReadATF(r io.Reader, opts *Options) (*Table, error) {
	o := opts.with(r)
	again := newRewinder(r)
	e, err := openATF(newSource(again, o.MaxLine, o.block), o)
	if err != nil {
		return e.table, err
	}
	e.lay.mixable = !o.Strict
	return e.readAll(again)
}

// openATF reads the header and prepares the rows.
func openATF(src *source, o Options) (*engine, error) {
	e := &engine{src: src, opts: o, table: &Table{Format: ATF, DeclaredRows: -1, DeclaredColumns: -1}}
	h := &atfHeader{engine: e}
	return e, h.read()
}

// An atfHeader reads the records before the data.
type atfHeader struct {
	*engine
	old     bool // PAF: counts, titles and units have records of their own
	records int  // declared header records
	raw     []rawRecord
}

type rawRecord struct {
	text []byte
	line int
}

func (h *atfHeader) read() error {
	for _, step := range []func() error{h.version, h.counts, h.optional, h.titles} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// fail reports an error in the header record that was read last.
func (h *atfHeader) fail(text []byte, err error, hint string, args ...any) error {
	return &ParseError{Format: ATF, Name: h.opts.Name, Line: max(h.src.line-1, 1), Offset: h.src.off, Text: shown(text), Err: err,
		Hint: fmt.Sprintf(hint, args...)}
}

// record takes the next record, which must be there.
func (h *atfHeader) record(what string) ([]byte, error) {
	line, err := h.src.nextLine()
	if err == io.EOF {
		return nil, h.fail(nil, ErrTruncated, "%s is missing", what)
	}
	if err != nil {
		return nil, sourceError(h.src, ATF, h.opts.Name, err)
	}
	return line, nil
}

// words splits one of the first two records, where TABs, commas and blanks separate alike.
func words(line []byte) [][]byte {
	return bytes.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == '"' })
}

// version reads "ATF 1.0".
func (h *atfHeader) version() error {
	if !isATF(h.src.rest()) {
		if h.src.err != nil && h.src.err != io.EOF {
			return sourceError(h.src, ATF, h.opts.Name, h.src.err)
		}
		hint := `it begins with "ATF" and a version`
		if f := Sniff(h.src.rest()); f != Unknown {
			hint = "it looks like: " + f.String()
		} else if len(h.src.rest()) == 0 {
			hint = emptyHint
		}
		first := firstLines(h.src.rest(), 1, h.src.end)
		return h.fail(bytes.Join(first, nil), ErrFormat, "%s", hint)
	}
	line, err := h.record("the version")
	if err != nil {
		return err
	}
	w := words(line)
	h.old = string(w[0]) == "PAF"
	h.table.Version = string(w[1])
	v, err := strconv.ParseFloat(h.table.Version, 64)
	switch {
	case err != nil:
		return h.fail(line, ErrHeader, "the version is a number, as in ATF 1.0")
	case h.old && v != 5:
		return h.fail(line, ErrVersion, "of PAF 5.0 is read")
	case !h.old && !(v > 0 && v <= 1):
		return h.fail(line, ErrVersion, "of ATF 1.0 is read")
	}
	return nil
}

// counts reads the number of header records and of columns.
func (h *atfHeader) counts() error {
	line, err := h.record("record 2 with the numbers of header records and columns")
	if err != nil {
		return err
	}
	w := words(line)
	if h.old {
		second, err := h.record("record 3 with the number of columns")
		if err != nil {
			return err
		}
		w = append(w[:min(1, len(w))], words(second)...)
	}
	if len(w) < 2 {
		return h.fail(line, ErrHeader, "record 2 holds the numbers of header records and columns")
	}
	n, err1 := strconv.ParseUint(string(w[0]), 10, 63)
	m, err2 := strconv.ParseUint(string(w[1]), 10, 63)
	switch {
	case err1 != nil || err2 != nil || m == 0:
		return h.fail(line, ErrHeader, "record 2 holds the numbers of header records and columns")
	case n > maxRecords:
		return h.fail(line, ErrLimit, "at most %d header records", maxRecords)
	case m > uint64(h.opts.MaxColumns):
		return h.fail(line, ErrLimit, "at most %d columns: Options.MaxColumns", h.opts.MaxColumns)
	}
	if len(w) > 2 {
		h.table.warn(OddHeader, h.src.line-1, "something follows the numbers of header records and columns: %q", shown(line))
	}
	h.records = int(n)
	h.table.DeclaredColumns = int(m)
	return nil
}

// optional reads the optional header records. They are split later, for only the titles
// show the delimiter.
func (h *atfHeader) optional() error {
	for i := range h.records {
		line, err := h.record(fmt.Sprintf("header record %d of %d", i+1, h.records))
		if err != nil {
			h.splitRecords('\t')
			return err
		}
		if bytes.IndexByte(line, '\r') >= 0 {
			h.table.warn(OddHeader, h.src.line-1, "%s", mixedEnds)
		}
		h.raw = append(h.raw, rawRecord{bytes.Clone(line), h.src.line - 1})
	}
	return nil
}

// titles reads the column titles, decides on the delimiter and the number of columns,
// and lays out the rows.
func (h *atfHeader) titles() error {
	title, err := h.record("the record of column titles")
	if err != nil {
		h.splitRecords('\t')
		return err
	}
	title = bytes.Clone(title)
	var units []byte
	if h.old {
		if units, err = h.record("the record of units"); err != nil {
			h.splitRecords('\t')
			return err
		}
		units = bytes.Clone(units)
	}
	switch {
	case h.src.cut:
		// The rest of the line may have held more titles.
		h.splitRecords('\t')
		return h.fail(title, ErrTruncated, "the file ends in its column titles")
	case bytes.IndexByte(title, '\r') >= 0 || bytes.IndexByte(units, '\r') >= 0:
		h.splitRecords('\t')
		return h.fail(title, ErrHeader, mixedEnds)
	}
	first := h.src.peekLine()
	delim := h.opts.Delimiter
	if delim == 0 {
		delim = decideDelimiter(title, first, h.table.DeclaredColumns)
	}
	h.splitRecords(delim)
	fields := trimEmpty(splitFields(title, delim), 1)
	if err := h.checkTitles(title, fields); err != nil {
		return err
	}
	cells := splitFields(first, delim)
	noRow := isBlank(first) || first[0] == ctrlZ
	cols := h.columnCount(fields, cells, noRow)
	for i := range cols {
		var c Column
		if i < len(fields) {
			c = titleOf(decode(fields[i].text))
		}
		if h.old {
			c.Title = c.Raw
			if u := splitFields(units, delim); i < len(u) {
				c.Units = normalUnits(decode(u[i].text))
			}
		}
		h.table.Columns = append(h.table.Columns, c)
	}
	if noRow {
		cells = nil
	}
	if err := h.layOut(ATF, delim, cells); err != nil {
		return err
	}
	h.lay.comments = true
	return nil
}

// axonKeys are those of the header records that Axon's programs write.
var axonKeys = []string{"AcquisitionMode", "Comment", "YTop", "YBottom", "SyncTimeUnits", "SweepStartTimesMS", "SignalsExported", "Signals"}

// checkTitles catches a wrong number of header records: then the record where the titles
// should be is another one.
func (h *atfHeader) checkTitles(line []byte, fields []field) error {
	if len(fields) != h.table.DeclaredColumns && bytes.IndexByte(fields[0].text, '=') > 0 {
		return h.fail(line, ErrHeader, "this should be the column titles: record 2 may declare too few header records")
	}
	if key, _, ok := bytes.Cut(fields[0].text, []byte("=")); ok {
		if slices.Contains(axonKeys, string(key)) {
			return h.fail(line, ErrHeader, "this should be the column titles: record 2 may declare too few header records")
		}
		h.table.warn(OddHeader, h.src.line-1, "the first title looks like a header record: %q", shown(fields[0].text))
	}
	numbers := 0
	for _, f := range fields {
		if !f.quoted && isNumber(f.text, '.') {
			numbers++
		}
	}
	if numbers == len(fields) {
		return h.fail(line, ErrHeader, "this should be the column titles: record 2 may declare too many header records")
	}
	return nil
}

// columnCount decides how many columns there are: as many as declared, unless the titles
// and the first row agree on another number. Every row must have as many.
func (h *atfHeader) columnCount(titles, cells []field, noRow bool) int {
	t := h.table
	declared, line := t.DeclaredColumns, h.src.line-1
	got := len(trimEmpty(cells, declared))
	if len(titles) != declared {
		if noRow || got == len(titles) && got != declared {
			t.warn(DeclaredColumns, line, "%d columns are declared, but titles and rows have %d", declared, len(titles))
			return len(titles)
		}
		t.warn(DeclaredColumns, line, "%d columns are declared, but there are %d titles", declared, len(titles))
	}
	return declared
}

// splitRecords makes header records of the raw ones.
func (h *atfHeader) splitRecords(delim byte) {
	for _, raw := range h.raw {
		rec := HeaderRecord{Raw: strings.TrimRight(decode(raw.text), " \t"), Line: raw.line}
		fields := trimEmpty(splitFields(raw.text, delim), 1)
		if delim != '\t' && !fields[0].quoted {
			// Unquoted text holds commas and blanks of its own.
			fields = []field{{text: bytes.Trim(raw.text, " \t"+string(rune(delim)))}}
		}
		key, value, ok := strings.Cut(decode(fields[0].text), "=")
		if !ok {
			key, value = "", key
		}
		rec.Key, rec.Value = strings.TrimSpace(key), value
		for _, f := range fields[1:] {
			rec.Fields = append(rec.Fields, decode(f.text))
		}
		h.table.Headers = append(h.table.Headers, rec)
	}
	h.raw = nil
}

// titleOf splits "Title (units)" as Axon's library does: units begin at the first
// parenthesis, and the blank before it is dropped.
func titleOf(raw string) Column {
	title, units, ok := strings.Cut(raw, "(")
	if !ok {
		return Column{Title: raw, Raw: raw}
	}
	units, _, _ = strings.Cut(units, ")")
	return Column{Title: strings.TrimRight(title, " "), Units: normalUnits(units), Raw: raw}
}

// normalUnits writes the micro sign in one way: programs use U+00B5 and the Greek letter.
func normalUnits(units string) string {
	return strings.ReplaceAll(units, "\u03bc", "\u00b5")
}
