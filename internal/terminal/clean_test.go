package terminal_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/larder-store/larder/internal/terminal"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"plain\ttext\n":         "plain\ttext\n",
		"µm → 3·10⁻³ 日本":        "µm → 3·10⁻³ 日本",
		"\x1b]0;title\x07":      `\x1b]0;title\x07`,
		"\r\x1b[2Kgone":         `\r\x1b[2Kgone`,
		"\u009b31m":             `\x9b31m`,
		"\x9b31m":               `\x9b31m`, // no UTF-8
		"a\u202eb\u2066c\u200f": `a\u202eb\u2066c\u200f`,
		"a\u2028b\u2029":        `a\u2028b\u2029`,
		"\ufffd":                "\ufffd",
		"cut \xe2\x82":          `cut \xe2\x82`,
		"\x00\x7f":              `\x00\x7f`,
	} {
		want = strings.Replace(want, `\r`, `\x0d`, 1)
		if got := terminal.Clean(text); got != want {
			t.Errorf("Clean(%q) = %q, want %q", text, got, want)
		}
	}
}

// However a text is cut into pieces, it comes out the same, but for the end of one that is cut short.
func TestCleanedPieces(t *testing.T) {
	const text = "µm → 日本 \u202e\x1b[m 𝛼 \n"
	for size := 1; size < len(text); size++ {
		var b bytes.Buffer
		w := terminal.NewWriter(&b)
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			if m, err := w.Write(rest[:n]); m != n || err != nil {
				t.Fatalf("Write = %d, %v", m, err)
			}
			rest = rest[n:]
		}
		if b.String() != terminal.Clean(text) {
			t.Errorf("in pieces of %d bytes: %q, want %q", size, b.String(), terminal.Clean(text))
		}
	}
}
