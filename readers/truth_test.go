package readers_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-store/larder/readers"
)

// truth is testdata/truth.json: what an independent parser found in each real file.
type truth struct {
	Format          string
	Version         any
	HeaderCount     int  `json:"header_count"`
	ColumnsDeclared int  `json:"column_count_declared"`
	FinalNewline    bool `json:"final_newline"`
	Label           *string
	DeclaredRows    *int `json:"declared_rows"`
	Rows            int
	Columns         []truthColumn
	Column          *truthColumn
	SHA256          string   `json:"sha256_all_numeric_columns"`
	NumericColumns  int      `json:"numeric_columns"`
	FirstRow        []string `json:"first_row"`
	LastRow         []string `json:"last_row"`
	Headers         []struct {
		Raw, Key, Value string
		Extra           []string
	}
}

type truthColumn struct {
	RawTitle     string `json:"raw_title"`
	Title, Units string
	Kind         string
	N, NaN       int
	Sum          string `json:"sum_seq"`
	Min, Max     string
	First, Last  string
	SHA256       string `json:"sha256_f64le"`
	Distinct     int
	TextSHA256   string `json:"sha256_lf_joined_latin1"`
	NonNumeric   int    `json:"non_numeric_cells"`
}

func readTruth(t *testing.T) map[string]truth {
	t.Helper()
	data, err := os.ReadFile("testdata/truth.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]truth
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRealFilesAgreeWithTheTruth(t *testing.T) {
	for name, want := range readTruth(t) {
		if want.Format == "aer" || want.Format == "neuron-other" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			got, err := readers.ReadFile(filepath.Join("testdata", name), nil)
			if err != nil {
				t.Fatal(err)
			}
			if want.Column != nil { // the binary file
				want.Columns, want.Rows, want.FinalNewline = []truthColumn{*want.Column}, want.Column.N, true
			}
			checkTable(t, got, want)
		})
	}
}

func checkTable(t *testing.T, got *readers.Table, want truth) {
	t.Helper()
	if got.Rows() != want.Rows || len(got.Columns) != len(want.Columns) {
		t.Fatalf("%d rows of %d columns, want %d of %d", got.Rows(), len(got.Columns), want.Rows, len(want.Columns))
	}
	if got.FinalNewline != want.FinalNewline {
		t.Errorf("FinalNewline = %v, want %v", got.FinalNewline, want.FinalNewline)
	}
	if want.Label != nil && got.Label != *want.Label {
		t.Errorf("Label = %q, want %q", got.Label, *want.Label)
	}
	if want.DeclaredRows != nil && got.DeclaredRows != *want.DeclaredRows {
		t.Errorf("DeclaredRows = %d, want %d", got.DeclaredRows, *want.DeclaredRows)
	}
	if want.Format == "atf" {
		checkHeader(t, got, want)
	}
	all := sha256.New()
	numeric := 0
	for i, c := range want.Columns {
		checkColumn(t, got, i, c)
		if c.Kind == "float64" {
			numeric++
			all.Write(littleEndian(got.Float[i]))
		}
	}
	if sum := hex.EncodeToString(all.Sum(nil)); want.SHA256 != "" && sum != want.SHA256 {
		t.Errorf("sha256 of all numeric columns = %s, want %s", sum, want.SHA256)
	}
	if want.NumericColumns > 0 && numeric != want.NumericColumns {
		t.Errorf("%d numeric columns, want %d", numeric, want.NumericColumns)
	}
	if want.FirstRow != nil {
		checkRow(t, got, 0, want.FirstRow)
		checkRow(t, got, want.Rows-1, want.LastRow)
	}
}

func checkHeader(t *testing.T, got *readers.Table, want truth) {
	t.Helper()
	if got.Version != want.Version || got.DeclaredColumns != want.ColumnsDeclared || got.Delimiter != '\t' {
		t.Errorf("version %q, %d columns declared, delimiter %q; want %q, %d, TAB",
			got.Version, got.DeclaredColumns, got.Delimiter, want.Version, want.ColumnsDeclared)
	}
	if len(got.Headers) != want.HeaderCount {
		t.Fatalf("%d header records, want %d", len(got.Headers), want.HeaderCount)
	}
	for i, w := range want.Headers {
		g := got.Headers[i]
		if g.Raw != w.Raw || g.Key != w.Key || g.Value != w.Value || !slices.Equal(g.Fields, w.Extra) {
			t.Errorf("header record %d = %+v, want %+v", i, g, w)
		}
	}
}

func checkColumn(t *testing.T, got *readers.Table, i int, want truthColumn) {
	t.Helper()
	c := got.Columns[i]
	if want.RawTitle != "" && (c.Raw != want.RawTitle || c.Title != want.Title || c.Units != want.Units) {
		t.Errorf("column %d = %+v, want %q = %q (%q)", i, c, want.RawTitle, want.Title, want.Units)
	}
	if want.Kind == "text" {
		checkText(t, got, i, want)
		return
	}
	if c.Kind != readers.Float64 || got.Text[i] != nil {
		t.Fatalf("column %d (%s) is not a column of numbers", i, c.Title)
	}
	values := got.Float[i]
	sum, low, high := 0.0, math.Inf(1), math.Inf(-1)
	for _, v := range values {
		sum += v
		low, high = min(low, v), max(high, v)
	}
	for _, f := range []struct {
		name string
		got  float64
		want string
	}{
		{"sum", sum, want.Sum}, {"min", low, want.Min}, {"max", high, want.Max},
		{"first", values[0], want.First}, {"last", values[len(values)-1], want.Last},
	} {
		if w, err := strconv.ParseFloat(f.want, 64); err != nil || f.got != w {
			t.Errorf("column %d (%s): %s = %v, want %s", i, c.Title, f.name, f.got, f.want)
		}
	}
	h := sha256.Sum256(littleEndian(values))
	if got := hex.EncodeToString(h[:]); len(values) != want.N || got != want.SHA256 {
		t.Errorf("column %d (%s): %d values with sha256 %s, want %d with %s", i, c.Title, len(values), got, want.N, want.SHA256)
	}
}

func checkText(t *testing.T, got *readers.Table, i int, want truthColumn) {
	t.Helper()
	c, cells := got.Columns[i], got.Text[i]
	if c.Kind != readers.Text || got.Float[i] != nil {
		t.Fatalf("column %d (%s) is not a column of text", i, c.Title)
	}
	h := sha256.Sum256([]byte(strings.Join(cells, "\n"))) // the file holds ASCII only
	if got := hex.EncodeToString(h[:]); got != want.TextSHA256 {
		t.Errorf("column %d (%s): sha256 %s, want %s", i, c.Title, got, want.TextSHA256)
	}
	distinct := map[string]bool{}
	for _, s := range cells {
		distinct[s] = true
	}
	_, bad, err := got.Floats(i)
	if err != nil || bad != want.NonNumeric || len(distinct) != want.Distinct {
		t.Errorf("column %d (%s): %d cells no numbers, %d distinct, %v; want %d, %d", i, c.Title, bad, len(distinct), err, want.NonNumeric, want.Distinct)
	}
}

// checkRow compares a row with the cells as they are written.
func checkRow(t *testing.T, got *readers.Table, row int, want []string) {
	t.Helper()
	for i, w := range want {
		if got.Columns[i].Kind == readers.Text {
			if g := got.Text[i][row]; g != w {
				t.Errorf("row %d, column %d = %q, want %q", row, i, g, w)
			}
			continue
		}
		if v, _ := strconv.ParseFloat(w, 64); got.Float[i][row] != v {
			t.Errorf("row %d, column %d = %v, want %s", row, i, got.Float[i][row], w)
		}
	}
}

func littleEndian(values []float64) []byte {
	b := make([]byte, 0, 8*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}
