package keying_test

import (
	"encoding/hex"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// TestSpecification holds docs/keys.md to what the code does: its worked example, its
// tables of examples and its limits.
func TestSpecification(t *testing.T) {
	b, err := os.ReadFile("../docs/keys.md")
	if err != nil {
		t.Fatal(err)
	}
	spec := string(b)

	key, preimage, err := keying.Hash{}.Preimage(t.Context(), component.New("fit", "2", map[string]any{"tau": 0.02, "n": 3.0}))
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(spec, "A worked example")
	if !ok {
		t.Fatal("the worked example is gone")
	}
	var code string
	for _, line := range regexp.MustCompile(`(?m)^    (.*)#`).FindAllStringSubmatch(example, -1) {
		code += strings.ReplaceAll(line[1], " ", "")
	}
	if code != hex.EncodeToString(preimage) {
		t.Errorf("the worked example is %s, want %x", code, preimage)
	}
	if !strings.Contains(example, key) {
		t.Errorf("the worked example lacks its key %s", key)
	}

	_, names, ok := strings.Cut(spec, "| name | segment |")
	if !ok {
		t.Fatal("the table of segments is gone")
	}
	rows := regexp.MustCompile("(?m)^\\| (?:`(.*)`|\\(empty\\)) \\| `(.*)` \\|$").FindAllStringSubmatch(names, -1)
	if len(rows) < 5 {
		t.Errorf("%d examples of segments, want at least 5", len(rows))
	}
	for _, row := range rows {
		if got, err := keying.Escape(row[1]); got != row[2] || err != nil {
			t.Errorf("Escape(%q) = %q, %v, want %q", row[1], got, err, row[2])
		}
	}

	golden := readGolden(t)
	known := map[string]bool{}
	for _, v := range golden.Keys {
		known[v.Name] = true
	}
	for _, v := range golden.Refused {
		known[v.Name] = true
	}
	rules := regexp.MustCompile(`(?m)^\| R\d+ \| .* \| (.*) \|$`).FindAllStringSubmatch(spec, -1)
	if len(rules) < 10 {
		t.Errorf("%d rules with vectors, want at least 10", len(rules))
	}
	for _, rule := range rules {
		for _, name := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(rule[1], -1) {
			if !known[name[1]] {
				t.Errorf("there is no vector %q, which a rule names", name[1])
			}
		}
	}

	for what, text := range map[string]string{
		"format": keying.Format, "pre-image": "16,777,216 bytes", "depth": "at most " + strconv.Itoa(keying.MaxDepth) + " deep",
		"segment": "1 to " + strconv.Itoa(keying.MaxSegment) + " bytes", "words": "longer than " + strconv.Itoa(keying.MaxWords) + " bytes",
		"Ref": component.RefType, "File": component.FileType,
	} {
		if !strings.Contains(spec, text) {
			t.Errorf("%s: %q is not in docs/keys.md", what, text)
		}
	}
	if keying.MaxPreimage != 16_777_216 {
		t.Errorf("MaxPreimage = %d, want what docs/keys.md says", keying.MaxPreimage)
	}
}
