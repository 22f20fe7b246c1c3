package readers_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/larder-store/larder/readers"
)

// limits keep a fuzzed file from asking for much.
var limits = readers.Options{MaxColumns: 100, MaxLine: 1 << 12, Workers: 3}

// addReal adds the beginnings of the real files.
func addReal(f *testing.F, add func([]byte)) {
	names, err := filepath.Glob("testdata/*")
	if err != nil || len(names) == 0 {
		f.Fatalf("no real files: %v", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // a directory
		}
		add(data[:min(len(data), 2000)])
	}
}

// whole reads data whole and checks what holds for every table, whatever the file.
func checkWhole(t *testing.T, data []byte, o *readers.Options, read func(io.Reader, *readers.Options) (*readers.Table, error)) (*readers.Table, error) {
	t.Helper()
	got, err := read(bytes.NewReader(data), o)
	if got == nil {
		t.Fatal("no table")
	}
	var pe *readers.ParseError
	if err != nil && (!errors.As(err, &pe) || pe.Err == nil || err.Error() == "") {
		t.Fatalf("error = %#v, want a ParseError", err)
	}
	if pe != nil && (pe.Line < 0 || pe.Column < 0 || pe.Offset < 0 || pe.Offset > int64(len(data)) || len(pe.Text) > 200) {
		t.Errorf("error from nowhere: %+v", pe)
	}
	if len(got.Float) != len(got.Text) || len(got.Float) > len(got.Columns) {
		t.Fatalf("%d columns of numbers, %d of text, %d in all", len(got.Float), len(got.Text), len(got.Columns))
	}
	for c := range got.Float {
		n := len(got.Float[c])
		if got.Columns[c].Kind == readers.Text {
			n = len(got.Text[c])
		}
		if got.Columns[c].Kind != readers.Unread && n != got.Rows() {
			t.Errorf("column %d has %d rows, want %d (%v)", c, n, got.Rows(), err)
		}
	}
	if n := 8 * got.Rows() * max(len(got.Float), 1); n > 8*len(data)+1000 {
		t.Errorf("%d bytes of file became %d bytes of numbers", len(data), n)
	}
	for row := range got.Comments {
		if row < 0 || row >= got.Rows() {
			t.Errorf("a comment of row %d of %d", row, got.Rows())
		}
	}
	got.Signals()
	for sweep := range min(got.Sweeps(), 3) {
		if tr, err := got.Trace(sweep, 0); err == nil && len(tr.Values) != got.Rows() {
			t.Errorf("sweep %d has %d values, want %d", sweep, len(tr.Values), got.Rows())
		}
	}
	return got, err
}

// sameAgain reads data once more in small blocks and compares. The comparison is by
// fmt, for which a NaN equals itself.
func sameAgain(t *testing.T, data []byte, o readers.Options, got *readers.Table, err error, read func(io.Reader, *readers.Options) (*readers.Table, error)) {
	t.Helper()
	again, err2 := read(io.MultiReader(bytes.NewReader(data)), readers.WithBlocks(o, 13, 4))
	if fmt.Sprint(err) != fmt.Sprint(err2) {
		t.Errorf("in small blocks: %v, else %v", err2, err)
	}
	if a, b := fmt.Sprintf("%+v", again), fmt.Sprintf("%+v", got); a != b {
		t.Errorf("in small blocks:\n%s\nelse\n%s", a, b)
	}
}

func FuzzReadATF(f *testing.F) {
	for _, c := range atfCases {
		f.Add([]byte(c.file), false, false)
		f.Add([]byte(c.file), true, true)
	}
	addReal(f, func(b []byte) { f.Add(b, false, false) })
	f.Fuzz(func(t *testing.T, data []byte, strict, comma bool) {
		o := limits
		o.Strict, o.DecimalComma = strict, comma
		got, err := checkWhole(t, data, &o, readers.ReadATF)
		sameAgain(t, data, o, got, err, readers.ReadATF)
		checkStream(t, data, &o, got, err)
		checkRoundTrip(t, got, err)
	})
}

// checkStream compares the stream with the whole, as far as no text came late.
func checkStream(t *testing.T, data []byte, o *readers.Options, want *readers.Table, wantErr error) {
	t.Helper()
	for _, w := range want.Warnings {
		if w.Code == readers.MixedColumn {
			return
		}
	}
	r, err := readers.NewATFReader(bytes.NewReader(data), o)
	if r == nil {
		if wantErr == nil {
			t.Errorf("the stream is refused: %v", err)
		}
		return
	}
	rows := 0
	for row, stepErr := range r.Rows() {
		if err = stepErr; err != nil {
			break
		}
		for c, v := range row {
			if want.Columns[c].Kind == readers.Float64 && rows < want.Rows() {
				if w := want.Float[c][rows]; math.Float64bits(v) != math.Float64bits(w) && !math.IsNaN(w) {
					t.Fatalf("row %d, column %d = %v, want %v", rows, c, v, w)
				}
			}
		}
		rows++
	}
	if late := errors.Is(err, readers.ErrNumber) && !o.Strict; !late && (rows != want.Rows() || fmt.Sprint(err) != fmt.Sprint(wantErr)) {
		t.Errorf("stream: %d rows, %v; whole: %d, %v", rows, err, want.Rows(), wantErr)
	}
}

// checkRoundTrip writes the table, if it can be written, and reads it again.
func checkRoundTrip(t *testing.T, want *readers.Table, err error) {
	t.Helper()
	var b bytes.Buffer
	if err != nil || readers.WriteATF(&b, want, &readers.WriteOptions{UTF8: true}) != nil {
		return
	}
	got, err := readers.ReadATF(&b, nil)
	if err != nil {
		t.Fatalf("what was written is not read: %v\n%s", err, b.String())
	}
	if g, w := fmt.Sprintf("%+v", comparable(*got)), fmt.Sprintf("%+v", comparable(*want)); g != w {
		t.Errorf("the round trip gives\n%s\nwant\n%s", g, w)
	}
}

func FuzzReadNeuronDat(f *testing.F) {
	for _, c := range neuronCases {
		f.Add([]byte(c.file), c.opts.Strict, c.opts.Headerless)
	}
	addReal(f, func(b []byte) { f.Add(b, false, false) })
	f.Fuzz(func(t *testing.T, data []byte, strict, headerless bool) {
		o := limits
		o.Strict, o.Headerless = strict, headerless
		got, err := checkWhole(t, data, &o, readers.ReadNeuronDat)
		sameAgain(t, data, o, got, err, readers.ReadNeuronDat)
		var b bytes.Buffer
		if err != nil || len(got.Float) != 2 || readers.WriteNeuronDat(&b, got.Label, got.Float[0], got.Float[1]) != nil {
			return
		}
		again, err := readers.ReadNeuronDat(&b, nil)
		if err != nil || again.Label != got.Label || !sameNumbers(again.Float[0], got.Float[0]) || !sameNumbers(again.Float[1], got.Float[1]) {
			t.Errorf("the round trip of %q gives %q, %v", got.Label, again.Label, err)
		}
	})
}

func FuzzReadVWrite(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0\x3f"))
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x01\x3f\xf0\x00\x00\x00\x00\x00\x00\x3f\xf0\x00\x00\x00\x00\x00\x00\x7f"))
	f.Add([]byte("\xff\xff\xff\x7f\x04\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readers.ReadVWrite(bytes.NewReader(data), nil)
		n := 0
		for _, v := range got {
			n += len(v)
		}
		if n > len(data) {
			t.Errorf("%d bytes became %d elements", len(data), n)
		}
		if err == nil && len(got) == 0 {
			t.Error("no vector and no error")
		}
	})
}

func FuzzReadAER(f *testing.F) {
	f.Add([]byte("#!AER-DAT2.0\r\n# Timestamps tick is 1 us\r\n\x00\x00\x00\x01\x00\x00\x00\x02"))
	f.Add([]byte("#!AER-DAT1.0\n#End Of ASCII Header\r\n\x00\x01\x00\x00\x00\x02"))
	f.Add([]byte("#\n#\n#x\n"))
	addReal(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readers.ReadAER(bytes.NewReader(data), nil)
		if len(got.Addresses) != len(got.Ticks) || len(got.Ticks) > len(data)/6 {
			t.Errorf("%d addresses, %d ticks from %d bytes", len(got.Addresses), len(got.Ticks), len(data))
		}
		if len(got.Unwrap()) != len(got.Ticks) || len(got.SortByTime().Ticks) != len(got.Ticks) {
			t.Error("events were lost")
		}
		again, err2 := readers.ReadAER(io.MultiReader(bytes.NewReader(data)), nil)
		if !reflect.DeepEqual(got, again) || fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Errorf("without a size: %+v, %v; with it: %+v, %v", again, err2, got, err)
		}
	})
}

func FuzzSniff(f *testing.F) {
	for _, c := range atfCases {
		f.Add([]byte(c.file))
	}
	for _, c := range neuronCases {
		f.Add([]byte(c.file))
	}
	addReal(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, data []byte) {
		if format := readers.Sniff(data); format.String() == "" {
			t.Errorf("Sniff = %d, which has no name", format)
		}
		got, err := readers.Read(bytes.NewReader(data), &limits)
		if got == nil || err == nil && got.Format == readers.Unknown {
			t.Errorf("Read = %v, %v", got, err)
		}
	})
}
