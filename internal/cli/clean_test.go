package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
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
		if got := clean(text); got != want {
			t.Errorf("clean(%q) = %q, want %q", text, got, want)
		}
	}
}

// However a text is cut into pieces, it comes out the same, but for the end of one that is cut short.
func TestCleanedPieces(t *testing.T) {
	const text = "µm → 日本 \u202e\x1b[m 𝛼 \n"
	for size := 1; size < len(text); size++ {
		var b bytes.Buffer
		w := &cleaned{w: &b}
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			if m, err := w.Write(rest[:n]); m != n || err != nil {
				t.Fatalf("Write = %d, %v", m, err)
			}
			rest = rest[n:]
		}
		if b.String() != clean(text) {
			t.Errorf("in pieces of %d bytes: %q, want %q", size, b.String(), clean(text))
		}
	}
}

func TestJSONIsPlain(t *testing.T) {
	in := map[string]string{"a\u009b": "\x1b\u202e\u2028\x7f\xff\n"}
	var b bytes.Buffer
	if err := writeJSON(&b, in); err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSuffix(b.String(), "\n")
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return disturbs(r) || r == '\n' }) {
		t.Errorf("writeJSON wrote %q, want no controls", line)
	}
	var back map[string]string
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back["a\u009b"] != "\x1b\u202e\u2028\x7f\ufffd\n" {
		t.Errorf("it is read back as %q, %v", back, err)
	}
}
