package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/larder-store/larder/internal/terminal"
)

func TestJSONIsPlain(t *testing.T) {
	in := map[string]string{"a\u009b": "\x1b\u202e\u2028\x7f\xff\n"}
	var b bytes.Buffer
	if err := writeJSON(&b, in); err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSuffix(b.String(), "\n")
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return terminal.Disturbs(r) || r == '\n' }) {
		t.Errorf("writeJSON wrote %q, want no controls", line)
	}
	var back map[string]string
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back["a\u009b"] != "\x1b\u202e\u2028\x7f\ufffd\n" {
		t.Errorf("it is read back as %q, %v", back, err)
	}
}
