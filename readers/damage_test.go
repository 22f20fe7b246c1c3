package readers_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/larder-store/larder/readers"
)

// small blocks cost less for each of thousands of small files.
var small = readers.WithBlocks(readers.Options{Workers: 1}, 8<<10, 8<<10)

func realFiles(t *testing.T) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/[a-z]*.*")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		if slices.Contains([]string{".md", ".json"}, filepath.Ext(name)) {
			continue
		}
		if files[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	if len(files) != 10 {
		t.Fatalf("%d real files", len(files))
	}
	return files
}

// isBeginning reports whether the rows of part are the first rows of whole; the last row of a
// file that is cut may differ if a warning or an error says that it is cut.
func isBeginning(part, whole *readers.Table, doubted bool) bool {
	rows := part.Rows()
	if len(part.Columns) != len(whole.Columns) {
		return rows == 0 && doubted
	}
	if rows > whole.Rows() {
		return false
	}
	sure := rows
	if doubted && rows > 0 {
		sure--
	}
	for c := range part.Columns {
		if c >= len(part.Float) {
			break
		}
		switch {
		case part.Float[c] != nil && whole.Float[c] != nil:
			if !sameNumbers(part.Float[c][:sure], whole.Float[c][:sure]) {
				return false
			}
		case part.Text[c] != nil && whole.Text[c] != nil:
			if !slices.Equal(part.Text[c][:sure], whole.Text[c][:sure]) {
				return false
			}
		}
	}
	return true
}

// A real file that is cut anywhere is read as far as it goes, and never holds anything else. It
// passes without an error or a warning only where a row ends and nothing tells how many there
// should be.
func TestCutRealFiles(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for name, data := range realFiles(t) {
		whole, wholeErr := readers.Read(bytes.NewReader(data), small)
		cuts := []int{}
		for n := range min(len(data), 4000) {
			cuts = append(cuts, n)
		}
		for range 40 {
			cuts = append(cuts, random.IntN(len(data)))
		}
		for range 40 {
			cuts = append(cuts, len(data)-1-random.IntN(min(200, len(data)-1)))
		}
		for _, n := range cuts {
			if testing.Short() && n%7 != 0 {
				continue
			}
			got, err := readers.Read(bytes.NewReader(data[:n]), small)
			doubted := err != nil || len(got.Warnings) > len(whole.Warnings) || !got.FinalNewline && len(got.Warnings) > 0
			if !doubted {
				atEnd := data[n-1] == '\n' && got.Format == readers.ATF || got.Format == readers.AER && wholeErr != nil ||
					got.Format == readers.AER && (len(data)-n)%8 == 0 || got.Format == readers.NeuronPrint && data[n-1] == '\n'
				if !atEnd {
					t.Errorf("%s: the first %d bytes pass: %d rows, %v", name, n, got.Rows(), got.Warnings)
				}
			}
			if got.Format == readers.NeuronPrint && whole.Format != readers.NeuronPrint {
				continue // the count of a header of which no more is there
			}
			if err == nil && !isBeginning(got, whole, doubted) {
				t.Errorf("%s: the first %d bytes are read as something else: %d rows of %d columns, %v", name, n, got.Rows(), len(got.Columns), got.Warnings)
			}
		}
	}
}

// A real file with a wrong byte may hold a wrong number, which nobody can see. But no row comes
// or goes without an error or a warning, and no other row changes.
func TestWrongBytesInRealFiles(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for name, data := range realFiles(t) {
		if len(data) > 1<<17 {
			data = data[:bytes.LastIndexByte(data[:1<<17], '\n')+1]
		}
		whole, wholeErr := readers.Read(bytes.NewReader(data), small)
		rounds := 400
		if testing.Short() {
			rounds = 100
		}
		for range rounds {
			bad := bytes.Clone(data)
			at := random.IntN(min(len(bad), 1+random.IntN(len(bad))))
			bad[at] = "\x00\r\n\t ,;\"#=0123456789eE+-.(\xff"[random.IntN(27)]
			got, err := readers.Read(bytes.NewReader(bad), small)
			if err != nil || wholeErr != nil || !slices.Equal(got.Warnings, whole.Warnings) {
				continue
			}
			if got.Format == readers.NeuronPrint && whole.Format == got.Format {
				continue // one number on a line, and nothing that says how many
			}
			if got.Rows() != whole.Rows() || len(got.Columns) != len(whole.Columns) || got.Format != whole.Format {
				t.Errorf("%s: with %q for %q at %d: %v of %d rows, %d columns, want %v of %d, %d", name, bad[at], data[at], at,
					got.Format, got.Rows(), len(got.Columns), whole.Format, whole.Rows(), len(whole.Columns))
				continue
			}
			changed := map[int]bool{}
			for c := range got.Float {
				if got.Float[c] == nil || whole.Float[c] == nil {
					continue
				}
				for row := range got.Float[c] {
					if !sameNumbers(got.Float[c][row:row+1], whole.Float[c][row:row+1]) {
						changed[row] = true
					}
				}
			}
			if len(changed) > 1 && got.Format != readers.AER && got.Format != readers.NeuronWrite {
				t.Errorf("%s: with %q for %q at %d: %d rows differ", name, bad[at], data[at], at, len(changed))
			}
		}
	}
}
