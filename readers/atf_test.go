package readers_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-store/larder/readers"
)

var nan = math.NaN()

// A case is a file, and what must come of it.
type atfCase struct {
	name string
	file string
	opts readers.Options

	cols     [][]float64      // nil for a column of text
	text     map[int][]string // by column
	titles   []string         // "Title|units"
	comments map[int]string
	warn     []readers.Code
	err      error  // what the error matches
	says     string // and what its text holds
	cut      bool   // no final newline
}

// two is the header of a file of two columns.
const two = "ATF\t1.0\n0\t2     \n\"Time (s)\"\t\"Im (pA)\"\n"

var atfCases = []atfCase{
	{name: "LF", file: two + "0\t1\n0.5\t-2\n", cols: [][]float64{{0, .5}, {1, -2}}, titles: []string{"Time|s", "Im|pA"}},
	{name: "CRLF", file: crlf(two + "0\t1\n0.5\t-2\n"), cols: [][]float64{{0, .5}, {1, -2}}, titles: []string{"Time|s", "Im|pA"}},
	{name: "CR alone", file: cr(two + "0\t1\n0.5\t-2\n"), cols: [][]float64{{0, .5}, {1, -2}}, titles: []string{"Time|s", "Im|pA"}},
	{name: "CR CR LF, converted twice", file: strings.ReplaceAll(two+"0\t1\n0.5\t-2\n", "\n", "\r\r\n"), cols: [][]float64{{0, .5}, {1, -2}}},
	{name: "CRLF and LF mixed", file: two + "0\t1\r\n0.5\t-2\n1\t3\r\n", cols: [][]float64{{0, .5, 1}, {1, -2, 3}}},
	{name: "BOM", file: "\xef\xbb\xbf" + two + "0\t1\n", cols: [][]float64{{0}, {1}}},
	{name: "no rows", file: two, cols: [][]float64{{}, {}}},
	{name: "version with a blank", file: "ATF 1.0\n0 2\n\"Time (s)\"\t\"Im (pA)\"\n0\t1\n", cols: [][]float64{{0}, {1}}},
	{name: "version 1, padded like a spreadsheet", file: "ATF\t1\t\t\n1\t3\t\t\nType=x\t\t\nA\tB\tC\n1\t2\t3\n", cols: [][]float64{{1}, {2}, {3}}, titles: []string{"A|", "B|", "C|"}},
	{name: "commas", file: "ATF,1.0\n1,2\n\"Comment=a, b\"\n\"Time (s)\",\"Im, filtered (pA)\"\n0,1\n0.5,-2\n", cols: [][]float64{{0, .5}, {1, -2}}, titles: []string{"Time|s", "Im, filtered|pA"}},
	{name: "blanks around separators", file: "ATF\t1.0\n0\t2\n \"Time (s)\" \t \"Im (pA)\" \n 0 \t 1 \n0.5  \t  -2\n", cols: [][]float64{{0, .5}, {1, -2}}, titles: []string{"Time|s", "Im|pA"}},
	{name: "blanks alone", file: "ATF 1.0\n0 2\n\"Time (s)\"  \"Im (pA)\"\n0 1\n 0.5   -2  \n", cols: [][]float64{{0, .5}, {1, -2}}, titles: []string{"Time|s", "Im|pA"}},
	{name: "blanks in the titles, TABs in the rows", file: "ATF 1.0\n0 2\n\"Time (s)\"  \"Im (pA)\"\n0\t1\n0.5\t-2\n", cols: [][]float64{{0, .5}, {1, -2}}},
	{name: "indented by a script", file: "ATF\t1.0\n    1\t2\n    \"Comment=\"\n    \"Time (s)\"\t\"Im (pA)\"\n    0\t1\n", cols: [][]float64{{0}, {1}}, titles: []string{"Time|s", "Im|pA"}},
	{name: "semicolons", file: "ATF\t1.0\n0\t2\n\"Time (s)\";\"Im (pA)\"\n0;1\n", cols: [][]float64{{0}, {1}}},
	{name: "one column", file: "ATF\t1.0\n0\t1\n\"Im (pA)\"\n1\n2\n", cols: [][]float64{{1, 2}}, titles: []string{"Im|pA"}},

	{name: "exponents", file: two + "1e-4\t5e-5\n1.98e+006\t5.26789e-17\n", cols: [][]float64{{1e-4, 1.98e6}, {5e-5, 5.26789e-17}}},
	{name: "nan and infinities", file: two + "nan\t-nan\ninf\t-Inf\n1.#QNAN\t-1.#INF\n", cols: [][]float64{{nan, math.Inf(1), nan}, {nan, math.Inf(-1), math.Inf(-1)}}},
	{name: "seventeen digits", file: two + "0.30000000000000004\t1.7976931348623157e308\n", cols: [][]float64{{0.30000000000000004}, {math.MaxFloat64}}},
	{name: "out of range", file: two + "0\t1e999\n", cols: [][]float64{{0}, {math.Inf(1)}}, warn: []readers.Code{readers.OutOfRange}},
	{name: "out of range, strict", file: two + "0\t1e999\n", opts: readers.Options{Strict: true}, cols: [][]float64{{}, {}}, err: strconv.ErrRange, says: "line 4, column 3: field 2: \"1e999\""},

	{name: "empty cell", file: two + "0\t\n0.5\t-2\n\t3\n", cols: [][]float64{{0, .5, nan}, {nan, -2, 3}}, warn: []readers.Code{readers.EmptyCell, readers.EmptyCell}},
	{name: "empty cell, strict", file: two + "0\t1\n0.5\t\n", opts: readers.Options{Strict: true}, cols: [][]float64{{0}, {1}}, err: readers.ErrNumber, says: "line 5"},
	{name: "blank cell", file: two + "0\t  \n", cols: [][]float64{{0}, {nan}}, warn: []readers.Code{readers.EmptyCell}},
	{name: "empty cell between commas", file: "ATF,1.0\n0,3\nA,B,C\n2,,4\n", cols: [][]float64{{2}, {nan}, {4}}, warn: []readers.Code{readers.EmptyCell}},

	{name: "text column", file: two + "0\t21o26015.abf\n1\tb\n", cols: [][]float64{{0, 1}, nil}, text: map[int][]string{1: {"21o26015.abf", "b"}}},
	{name: "text later than numbers", file: two + "0\t-2.615\n1\tError\n2\t007\n", cols: [][]float64{{0, 1, 2}, nil}, text: map[int][]string{1: {"-2.615", "Error", "007"}}, warn: []readers.Code{readers.MixedColumn}},
	{name: "text later than numbers, strict", file: two + "0\t1\n1\tError\n", opts: readers.Options{Strict: true}, cols: [][]float64{{0}, {1}}, err: readers.ErrNumber, says: `line 5, column 3: field 2: "Error": not a number`},
	{name: "text later than an empty cell", file: two + "0\t\n1\tx\n", cols: [][]float64{{0, 1}, nil}, text: map[int][]string{1: {"", "x"}}},
	{name: "text that was asked for", file: two + "0\t007\n", opts: readers.Options{Text: []int{1}}, cols: [][]float64{{0}, nil}, text: map[int][]string{1: {"007"}}},
	{name: "quoted numbers are text", file: two + "0\t\"007\"\n", cols: [][]float64{{0}, nil}, text: map[int][]string{1: {"007"}}},
	{name: "a quoted number later than numbers", file: two + "0\t5\n1\t\"007\"\n", cols: [][]float64{{0, 1}, nil}, text: map[int][]string{1: {"5", "007"}}, warn: []readers.Code{readers.MixedColumn}},
	{name: "quotes with separators", file: two + "0\t\"a\tb, c\"\n", cols: [][]float64{{0}, nil}, text: map[int][]string{1: {"a\tb, c"}}},
	{name: "doubled quotes of a spreadsheet", file: two + "0\t\"a \"\"b\"\"\"\n", cols: [][]float64{{0}, nil}, text: map[int][]string{1: {`a "b"`}}},
	{name: "a quote that nothing closes", file: two + "0\t\"5 inch\n1\t3\"\n", cols: [][]float64{{0, 1}, nil}, text: map[int][]string{1: {`"5 inch`, `3"`}}},
	{name: "text behind a quoted one", file: two + "0\t\"a\" b\n", cols: [][]float64{{0}, nil}, text: map[int][]string{1: {`"a" b`}}},
	{name: "commas in cells between TABs", file: two + "0\tkinase (MAPK10), variant 1\n", cols: [][]float64{{0}, nil}, text: map[int][]string{1: {"kinase (MAPK10), variant 1"}}},
	{name: "Windows-1252", file: "ATF\t1.0\n1\t2\n\"Comment=20 \xb0C, 5 \x80\"\n\"T (\xb5s)\"\t\"R (k\xd8)\"\n0\t\x93x\x94\n", cols: [][]float64{{0}, nil}, text: map[int][]string{1: {"“x”"}}, titles: []string{"T|µs", "R|kØ"}},
	{name: "UTF-8", file: "ATF\t1.0\n0\t2\n\"T (μs)\"\t\"R (kΩ)\"\n0\t1\n", cols: [][]float64{{0}, {1}}, titles: []string{"T|µs", "R|kΩ"}},
	{name: "row comment", file: two + "0\t1\t\"stimulus, on\"\n1\t2\n2\t3\t\"off\"\n", cols: [][]float64{{0, 1, 2}, {1, 2, 3}}, comments: map[int]string{0: "stimulus, on", 2: "off"}},
	{name: "comment column", file: "ATF\t1.0\n0\t3\n\"Time (s)\"\t\"Im (pA)\"\t\"Comment ()\"\n0\t1\t\"on\"\n1\t2\t\"\"\n", cols: [][]float64{{0, 1}, {1, 2}, nil}, text: map[int][]string{2: {"on", ""}}, titles: []string{"Time|s", "Im|pA", "Comment|"}},

	{name: "no final newline", file: two + "0\t1\n0.5\t-49.17", cols: [][]float64{{0, .5}, {1, -49.17}}, cut: true, warn: []readers.Code{readers.NoFinalNewline}},
	{name: "no final newline, strict", file: two + "0\t1\n0.5\t-49.17", opts: readers.Options{Strict: true}, cols: [][]float64{{0, .5}, {1, -49.17}}, cut: true, err: readers.ErrTruncated, says: "line 5"},
	{name: "cut in a row", file: two + "0\t1\n0.5", cols: [][]float64{{0}, {1}}, cut: true, err: readers.ErrTruncated, says: "1 fields, 2 expected"},
	{name: "cut in a number", file: two + "0\t1\n0.5\t-", cols: [][]float64{{0}, {1}}, cut: true, err: readers.ErrTruncated, says: `line 5, column 5: field 2: "-"`},
	{name: "cut in an exponent", file: two + "0\t1\n0.5\t1e-", cols: [][]float64{{0}, {1}}, cut: true, err: readers.ErrTruncated},
	{name: "last line a lone blank", file: two + "0\t1\n ", opts: readers.Options{Strict: true}, cols: [][]float64{{0}, {1}}, cut: true},
	{name: "empty lines at the end", file: two + "0\t1\n\n \t \n\n", cols: [][]float64{{0}, {1}}},
	{name: "empty line inside", file: two + "0\t1\n\n1\t2\n", cols: [][]float64{{0}, {1}}, err: readers.ErrColumnCount, says: "line 5, column 1: wrong number of fields (an empty line ends the data, but line 6 goes on)"},
	{name: "Ctrl-Z", file: two + "0\t1\n\x1a", opts: readers.Options{Strict: true}, cols: [][]float64{{0}, {1}}, cut: true},
	{name: "Ctrl-Z on the line of a row", file: two + "0\t1\n1\t2\x1a", cols: [][]float64{{0}, {1}}, cut: true, err: readers.ErrTruncated},
	{name: "a table of results", file: "ATF\t1.0\n0\t4     \n\"File Name\"\t\"Trace\"\t\"Start (ms)\"\t\"File Path\"\n21o26015.abf\t1\t0\tG:\\A & B\\\n21o26015.abf\t2\t1.98e+006\tG:\\A & B\\\n",
		cols: [][]float64{nil, {1, 2}, {0, 1.98e6}, nil}, text: map[int][]string{0: {"21o26015.abf", "21o26015.abf"}, 3: {`G:\A & B\`, `G:\A & B\`}}},
	{name: "Ctrl-Z and padding", file: two + "0\t1\n\x1a\x1a\x1a\n", cols: [][]float64{{0}, {1}}},
	{name: "rows behind Ctrl-Z", file: two + "0\t1\n\x1a\n1\t2\n", cols: [][]float64{{0}, {1}}, warn: []readers.Code{readers.AfterEnd}},

	{name: "a field too few", file: two + "0\t1\n1\n2\t3\n", cols: [][]float64{{0}, {1}}, err: readers.ErrColumnCount, says: `line 5, column 1: "1": wrong number of fields (1 fields, 2 expected)`},
	{name: "a field too many", file: two + "0\t1\n1\t2\t3\n", cols: [][]float64{{0}, {1}}, err: readers.ErrColumnCount, says: `line 5, column 5: field 3: "3": wrong number of fields (3 fields, 2 expected)`},
	{name: "a TAB too many", file: two + "0\t1\t\n1\t2\t\t\n", cols: [][]float64{{0, 1}, {1, 2}}, warn: []readers.Code{readers.ExtraDelimiter}},
	{name: "a last line of words", file: two + "0\t1\n-- end of recording --\n", cols: [][]float64{{0}, {1}}, err: readers.ErrColumnCount},
	{name: "blanks in a TAB file", file: two + "0 1 2\n", cols: [][]float64{nil, {}}, err: readers.ErrColumnCount},
	{name: "decimal commas unasked", file: two + "0\t1\n0,5\t2\n", opts: readers.Options{Strict: true}, cols: [][]float64{{0}, {1}}, err: readers.ErrNumber, says: "set Options.DecimalComma"},
	{name: "decimal commas", file: two + "0\t1\n0,5\t-2,25e-3\n", opts: readers.Options{DecimalComma: true}, cols: [][]float64{{0, .5}, {1, -2.25e-3}}},
	{name: "decimal commas exclude full stops", file: two + "0,5\t1.500\n", opts: readers.Options{DecimalComma: true}, cols: [][]float64{{.5}, nil}, text: map[int][]string{1: {"1.500"}}},
	{name: "decimal commas between commas", file: "ATF,1.0\n0,2\nA,B\n1,5\n", opts: readers.Options{DecimalComma: true}, err: readers.ErrFormat, says: "DecimalComma"},
	{name: "decimal commas of a comma file by count", file: "ATF,1.0\n0,2\nA,B\n0,1\n0,5,1,5\n", cols: [][]float64{{0}, {1}}, err: readers.ErrColumnCount, says: "4 fields, 2 expected"},
	{name: "a delimiter by order", file: "ATF\t1.0\n0\t2\nA|x,B|y\n1,2\n", opts: readers.Options{Delimiter: ','}, cols: [][]float64{{1}, {2}}},
	{name: "some columns only", file: "ATF\t1.0\n0\t3\nA\tB\tC\n1\tx\t3\n4\t5\t6\n", opts: readers.Options{Columns: []int{0, 2}}, cols: [][]float64{{1, 4}, nil, {3, 6}}},
	{name: "a column that is not there", file: two + "0\t1\n", opts: readers.Options{Columns: []int{2}}, err: readers.ErrColumnCount, says: "column 2, the file has 2"},
	{name: "rows limited", file: two + "0\t1\n1\t2\n2\t3\n", opts: readers.Options{MaxRows: 2}, cols: [][]float64{{0, 1}, {1, 2}}, err: readers.ErrLimit, says: "line 6: limit exceeded (Options.MaxRows)"},
	{name: "a long line", file: two + "0\t1\n0\t" + strings.Repeat("1", 300) + "\n", opts: readers.Options{MaxLine: 200}, cols: [][]float64{{0}, {1}}, err: readers.ErrLineTooLong, says: "line 5"},

	{name: "titles without units, with parentheses, twice", file: "ATF\t1.0\n0\t4\n\"Trace #1\"\tRatio (635/532)\t\"A(mV\"\t\"A(mV\"\n1\t2\t3\t4\n", cols: [][]float64{{1}, {2}, {3}, {4}}, titles: []string{"Trace #1|", "Ratio|635/532", "A|mV", "A|mV"}},
	{name: "declared too many, titles and rows agree", file: "ATF\t1.0\n0\t3\n\"A\"\t\"B\"\n1\t2\n", cols: [][]float64{{1}, {2}}, warn: []readers.Code{readers.DeclaredColumns}},
	{name: "declared too few, titles and rows agree", file: "ATF\t1.0\n0\t2\n\"A\"\t\"B\"\t\"C\"\n1\t2\t3\n", cols: [][]float64{{1}, {2}, {3}}, warn: []readers.Code{readers.DeclaredColumns}},
	{name: "titles too few, rows as declared", file: "ATF\t1.0\n0\t3\n\"A\"\t\"B\"\n1\t2\t3\n", cols: [][]float64{{1}, {2}, {3}}, titles: []string{"A|", "B|", "|"}, warn: []readers.Code{readers.DeclaredColumns}},
	{name: "titles of a script with a TAB too many", file: "ATF\t1.0\n0\t2\n\"Time (s)\"\t\"A\"\t\n1\t2\n", cols: [][]float64{{1}, {2}}},
	{name: "declared wrong, strict", file: "ATF\t1.0\n0\t3\n\"A\"\t\"B\"\n1\t2\n", opts: readers.Options{Strict: true}, cols: [][]float64{{1}, {2}}, err: readers.ErrColumnCount},
	{name: "declared wrong, no rows agree", file: "ATF\t1.0\n0\t4\n\"A\"\t\"B\"\n1\t2\t3\n", cols: [][]float64{{}, {}, {}, {}}, err: readers.ErrColumnCount, says: "3 fields, 4 expected"},
	{name: "header records too few", file: "ATF\t1.0\n0\t2\n\"Comment=x\"\n\"A\"\t\"B\"\n1\t2\n", err: readers.ErrHeader, says: "too few header records"},
	{name: "header records too many", file: "ATF\t1.0\n2\t2\n\"Comment=x\"\n\"A\"\t\"B\"\n1\t2\n3\t4\n", err: readers.ErrHeader, says: "too many header records"},
	{name: "no titles", file: "ATF\t1.0\n2\t2\n\"Comment=x\"\n\"B=\"\n", err: readers.ErrTruncated, says: "titles"},
	{name: "ends in the header", file: "ATF\t1.0\n8\t2\n\"Comment=x\"\n", err: readers.ErrTruncated, says: "header record 2 of 8 is missing"},
	{name: "no counts", file: "ATF\t1.0\n", err: readers.ErrTruncated, says: "record 2"},
	{name: "counts that are none", file: "ATF\t1.0\nx\ty\n", err: readers.ErrHeader, says: "line 2"},
	{name: "one count", file: "ATF\t1.0\n8\n", err: readers.ErrHeader, says: "line 2"},
	{name: "no columns", file: "ATF\t1.0\n0\t0\n\n", err: readers.ErrHeader},
	{name: "negative counts", file: "ATF\t1.0\n-1\t2\n", err: readers.ErrHeader},
	{name: "a trillion columns", file: "ATF\t1.0\n0\t1000000000000\n", err: readers.ErrLimit, says: "8000 columns"},
	{name: "a trillion header records", file: "ATF\t1.0\n1000000000000\t2\n", err: readers.ErrLimit, says: "header records"},
	{name: "more than fits in an integer", file: "ATF\t1.0\n99999999999999999999\t2\n", err: readers.ErrHeader},
	{name: "something behind the counts", file: "ATF\t1.0\n0\t1\tx\nA\n1\n", cols: [][]float64{{1}}, warn: []readers.Code{readers.OddHeader}},

	{name: "ATF 2.0", file: "ATF\t2.0\n0\t1\nA\n", err: readers.ErrVersion, says: "line 1"},
	{name: "ATF 0", file: "ATF\t0\n0\t1\nA\n", err: readers.ErrVersion},
	{name: "ATF 1.x", file: "ATF\t1.x\n0\t1\nA\n", err: readers.ErrHeader},
	{name: "PAF 5.0", file: "PAF\t5.0\n1\n2\n\"Comment=x\"\n\"Time\"\t\"Im\"\n\"s\"\t\"pA\"\n0\t1\n", cols: [][]float64{{0}, {1}}, titles: []string{"Time|s", "Im|pA"}},
	{name: "PAF 4", file: "PAF\t4\n", err: readers.ErrVersion},
	{name: "empty", file: "", err: readers.ErrFormat},
	{name: "other text", file: "label:v(.5)\n1\n0\t1\n", err: readers.ErrFormat, says: "NEURON vector file"},
	{name: "Adobe Texture", file: "ATF\x00\x00\x10\x00\x02", err: readers.ErrFormat, says: "Adobe"},
	{name: "cuneiform", file: "&P123456 = AS 10, 001\n#atf: lang akk\n", err: readers.ErrFormat, says: "cuneiform"},
	{name: "UTF-16", file: "\xff\xfeA\x00T\x00F\x00", err: readers.ErrFormat, says: "UTF-16"},
	{name: "Axon Binary Format", file: "ABF2\x00\x00\x00\x02", err: readers.ErrFormat, says: "Axon Binary"},
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
func cr(s string) string   { return strings.ReplaceAll(s, "\n", "\r") }

func TestATFCases(t *testing.T) {
	for _, c := range atfCases {
		t.Run(c.name, func(t *testing.T) {
			got, err := readers.ReadATF(strings.NewReader(c.file), &c.opts)
			c.check(t, got, err)
		})
	}
}

func (c atfCase) check(t *testing.T, got *readers.Table, err error) {
	t.Helper()
	if !errors.Is(err, c.err) {
		t.Fatalf("error = %v, want %v", err, c.err)
	}
	if err != nil {
		var pe *readers.ParseError
		if !errors.As(err, &pe) {
			t.Fatalf("error is a %T, want a *ParseError", err)
		}
		if !strings.Contains(err.Error(), c.says) {
			t.Errorf("error = %q, want it to say %q", err, c.says)
		}
	}
	if c.cols == nil && err != nil {
		return
	}
	if len(got.Columns) != len(c.cols) {
		t.Fatalf("%d columns, want %d", len(got.Columns), len(c.cols))
	}
	for i, want := range c.cols {
		if !sameNumbers(got.Float[i], want) || (got.Float[i] == nil) != (want == nil) {
			t.Errorf("column %d = %v, want %v", i, got.Float[i], want)
		}
		if !slices.Equal(got.Text[i], c.text[i]) {
			t.Errorf("text of column %d = %q, want %q", i, got.Text[i], c.text[i])
		}
		if want != nil && got.Rows() != len(want) {
			t.Errorf("Rows = %d, want %d", got.Rows(), len(want))
		}
	}
	for i, want := range c.titles {
		if g := got.Columns[i].Title + "|" + got.Columns[i].Units; g != want {
			t.Errorf("title %d = %q, want %q", i, g, want)
		}
	}
	if len(c.comments) != len(got.Comments) {
		t.Errorf("comments = %v, want %v", got.Comments, c.comments)
	}
	for row, want := range c.comments {
		if got.Comments[row] != want {
			t.Errorf("comment of row %d = %q, want %q", row, got.Comments[row], want)
		}
	}
	if err == nil {
		c.checkEnd(t, got)
	}
}

func (c atfCase) checkEnd(t *testing.T, got *readers.Table) {
	t.Helper()
	var codes []readers.Code
	for _, w := range got.Warnings {
		codes = append(codes, w.Code)
		if w.Msg == "" || w.Count < 1 {
			t.Errorf("warning without words or count: %+v", w)
		}
	}
	if !slices.Equal(codes, c.warn) {
		t.Errorf("warnings = %v, want %v", got.Warnings, c.warn)
	}
	if got.FinalNewline == c.cut {
		t.Errorf("FinalNewline = %v, want %v", got.FinalNewline, !c.cut)
	}
}

// sameNumbers compares bit by bit, but takes any NaN for any other.
func sameNumbers(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool {
		return math.Float64bits(x) == math.Float64bits(y) || math.IsNaN(x) && math.IsNaN(y)
	})
}

func TestHeaderRecords(t *testing.T) {
	file := "ATF\t1.0\n9\t2\t\n" +
		"\"AcquisitionMode=Episodic Stimulation\"\n" +
		"\"Comment=\"\n" +
		"\"YTop=4000,10\"\n" +
		"\"Signals=\"\t\"IN 0\"\t\"IN, 1\"\n" +
		"\"Wavelengths=635\t532\"\n" +
		"Url=http://x/?a=b\t\t\n" +
		"ImageOrigin=0, 0\n" +
		"\"a remark\"\n" +
		"\n" +
		"\"Time (s)\"\t\"A\"\n0\t1\n"
	got, err := readers.ReadATF(strings.NewReader(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []readers.HeaderRecord{
		{Key: "AcquisitionMode", Value: "Episodic Stimulation", Raw: `"AcquisitionMode=Episodic Stimulation"`, Line: 3},
		{Key: "Comment", Raw: `"Comment="`, Line: 4},
		{Key: "YTop", Value: "4000,10", Raw: `"YTop=4000,10"`, Line: 5},
		{Key: "Signals", Fields: []string{"IN 0", "IN, 1"}, Raw: "\"Signals=\"\t\"IN 0\"\t\"IN, 1\"", Line: 6},
		{Key: "Wavelengths", Value: "635\t532", Raw: "\"Wavelengths=635\t532\"", Line: 7},
		{Key: "Url", Value: "http://x/?a=b", Raw: "Url=http://x/?a=b", Line: 8},
		{Key: "ImageOrigin", Value: "0, 0", Raw: "ImageOrigin=0, 0", Line: 9},
		{Value: "a remark", Raw: `"a remark"`, Line: 10},
		{Line: 11},
	}
	if g, w := fmt.Sprintf("%+v", got.Headers), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("header records:\n%s\nwant\n%s", g, w)
	}
	if h, ok := got.Header("YTop"); !ok || h.Value != "4000,10" {
		t.Errorf("Header(YTop) = %+v, %v", h, ok)
	}
	if _, ok := got.Header("Ytop"); ok {
		t.Error("Header(Ytop) found a key that is not there")
	}
}

// In a comma file, what an unquoted header record says after its first comma is still its value.
func TestUnquotedHeaderRecordOfACommaFile(t *testing.T) {
	got, err := readers.ReadATF(strings.NewReader("ATF,1.0\n2,2\nYTop=4000,10,,\n\"Signals=\",\"A\",\"B\"\n\"T\",\"A\"\n0,1\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if h, _ := got.Header("YTop"); h.Value != "4000,10" {
		t.Errorf("YTop = %q, want 4000,10", h.Value)
	}
	if h, _ := got.Header("Signals"); !slices.Equal(h.Fields, []string{"A", "B"}) {
		t.Errorf("Signals = %q, want A and B", h.Fields)
	}
}

// A title line of 8000 columns is longer than bufio.Scanner's limit of 64 KiB.
func TestEightThousandColumns(t *testing.T) {
	const cols = 8000
	var b strings.Builder
	fmt.Fprintf(&b, "ATF\t1.0\r\n1\t%d     \r\n\"Signals=\"%s\r\n\"Time (s)\"", cols, strings.Repeat("\t\"IN 0\"", cols-1))
	for i := 1; i < cols; i++ {
		fmt.Fprintf(&b, "\t\"Trace #%d (pA)\"", i)
	}
	for row := range 3 {
		fmt.Fprintf(&b, "\r\n%d%s", row, strings.Repeat("\t-12.5", cols-1))
	}
	b.WriteString("\r\n")
	got, err := readers.ReadATF(strings.NewReader(b.String()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Rows() != 3 || len(got.Columns) != cols || got.Float[cols-1][2] != -12.5 || got.Columns[cols-1].Units != "pA" {
		t.Errorf("%d rows, %d columns, last %v", got.Rows(), len(got.Columns), got.Columns[cols-1])
	}
	if got.Sweeps() != cols-1 || len(got.Signals()) != 1 {
		t.Errorf("%d sweeps of %v, want %d of one signal", got.Sweeps(), got.Signals(), cols-1)
	}
}

// What was read before the io.Reader failed is returned with its error.
func TestReaderThatFails(t *testing.T) {
	broken := errors.New("the disk is on fire")
	r := io.MultiReader(strings.NewReader(two+"0\t1\n0.5\t2\n0.7"), failing{broken})
	got, err := readers.ReadATF(r, nil)
	if !errors.Is(err, broken) {
		t.Fatalf("error = %v, want %v", err, broken)
	}
	if got.Rows() != 2 || got.Float[1][1] != 2 {
		t.Errorf("%d rows, want the 2 before the error", got.Rows())
	}
	for _, file := range []string{"", "ATF", two[:20]} {
		if _, err := readers.ReadATF(io.MultiReader(strings.NewReader(file), failing{broken}), nil); !errors.Is(err, broken) {
			t.Errorf("after %q: error = %v, want %v", file, err, broken)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A column that turns out to be text late is read from the file a second time, or from
// a copy where there is no going back.
func TestMixedColumnWithoutSeeking(t *testing.T) {
	const rows = 20_000 // more than one buffer
	file := two + strings.Repeat("0\t1.50\n", rows) + "1\tError\n"
	for _, r := range []io.Reader{strings.NewReader(file), io.MultiReader(strings.NewReader(file))} {
		got, err := readers.ReadATF(r, readers.WithBlocks(readers.Options{}, 1<<10, 1<<9))
		if err != nil {
			t.Fatal(err)
		}
		text := got.Text[1]
		if len(text) != rows+1 || text[rows] != "Error" {
			t.Fatalf("%T: %d texts, the last %q", r, len(text), text[len(text)-1])
		}
		for row, s := range text[:rows] {
			if s != "1.50" {
				t.Fatalf("%T: text of row %d = %q, want 1.50", r, row, s)
			}
		}
		values, bad, err := got.Floats(1)
		if err != nil || bad != 1 || values[0] != 1.5 || !math.IsNaN(values[rows]) {
			t.Errorf("%T: Floats: %d bad, %v", r, bad, err)
		}
	}
}

func TestParseErrorNamesThePlace(t *testing.T) {
	file := "\xef\xbb\xbf" + crlf(two) + "0\t1\r\n0.5\t1,5\r\n"
	_, err := readers.ReadATF(strings.NewReader(file), &readers.Options{Strict: true, Name: "cell.atf"})
	var pe *readers.ParseError
	if !errors.As(err, &pe) {
		t.Fatalf("error = %v", err)
	}
	if pe.Format != readers.ATF || pe.Line != 5 || pe.Column != 5 || pe.Field != 2 || pe.Text != "1,5" {
		t.Errorf("%+v", pe)
	}
	if got := file[pe.Offset : pe.Offset+3]; got != "1,5" {
		t.Errorf("Offset points at %q", got)
	}
	const want = `ATF: cell.atf:5:5: field 2: "1,5": not a number (for decimal commas set Options.DecimalComma)`
	if err.Error() != want {
		t.Errorf("error = %s\nwant    %s", err, want)
	}
}

func TestErrorTextIsBounded(t *testing.T) {
	_, err := readers.ReadATF(strings.NewReader(two+"0\t"+strings.Repeat("x", 10_000)+"\n"), &readers.Options{Strict: true, MaxLine: 100})
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("error = %v", err)
	}
}
