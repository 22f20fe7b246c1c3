package session_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shelvesByPython makes a shelf by each generation of pickle.
const shelvesByPython = `
import shelve, sys, collections
for protocol in (0, 2, 4):
    with shelve.open("%s/p%d" % (sys.argv[1], protocol), protocol=protocol) as s:
        s["rate/0.5"] = 12.25
        s["zahl"] = 2**70
        s["text"] = "Zürich"
        s["list"] = [1, 2.5, float("nan"), float("-inf")]
        s["tuple"] = (1, None, True)
        s["bytes"] = b"\x00\xff"
        s["nested"] = {"a": [{"b": 1}]}
        if protocol == 4:
            s["bad"] = collections.OrderedDict([(1, 2)])
`

// shelfByPython2 is a shelf as Python 2 wrote it: its strings are bytes of no stated encoding.
const shelfByPython2 = `
import dbm, sys
with dbm.open(sys.argv[1] + "/py2", "n") as d:
    d[b"name"] = b"\x80\x02U\x06Z\xfcrichq\x01."
    d[b"rate"] = b"F12.25\n."
    d[b"list"] = b"(lp0\nI1\naI2\na."
`

// The script of docs/migrating.md reads real shelves of both generations of pickle.
func TestMigratingScript(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("python3 is missing, and CI must not go without this test")
		}
		t.Skip("SKIPPED: python3 is missing; install it to run the script of docs/migrating.md")
	}
	doc, err := os.ReadFile(filepath.Join("..", "docs", "migrating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, script, ok := strings.Cut(string(doc), "```python\n")
	script, _, ended := strings.Cut(script, "```\n")
	if !ok || !ended {
		t.Fatal("docs/migrating.md has no script")
	}
	dir := t.TempDir()
	for _, setup := range []string{shelvesByPython, shelfByPython2} {
		if out, err := exec.Command(python, "-c", setup, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, append([]string{"-c", script}, files...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8")
	if err := cmd.Run(); err == nil || !strings.Contains(stderr.String(), `key 'bad'`) {
		t.Errorf("the script ends with %v and says %q, want a failure that names the item without a form", err, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	for _, session := range []string{"p0", "p2", "p4"} {
		for _, want := range []string{
			`"key": "rate/0.5", "value": 12.25}`,
			`"key": "zahl", "value": 1180591620717411303424}`,
			`"key": "text", "value": "Zürich"}`,
			`"key": "list", "value": [1, 2.5, {"$float": "nan"}, {"$float": "-inf"}]}`,
			`"key": "tuple", "value": [1, null, true]}`,
			`"key": "bytes", "value": {"$bytes": "00ff"}}`,
			`"key": "nested", "value": {"a": [{"b": 1}]}}`,
		} {
			if line := `{"session": "` + session + `", ` + want; !strings.Contains(stdout.String(), line+"\n") {
				t.Errorf("the script does not write %s", line)
			}
		}
	}
	for _, want := range []string{`"key": "name", "value": "Zürich"}`, `"key": "rate", "value": 12.25}`, `"key": "list", "value": [1, 2]}`} {
		if line := `{"session": "py2", ` + want; !strings.Contains(stdout.String(), line) {
			t.Errorf("the script does not write %s", line)
		}
	}
	if len(lines) != 3*7+3 {
		t.Errorf("the script writes %d lines:\n%s%s", len(lines), stdout.String(), stderr.String())
	}
}
