package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const trace = "label:v\n3\n0\t1\n1\t2\n2\t3\n"

func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.dat")
	if err := os.WriteFile(path, []byte(trace), 0o600); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.dat")
	if err := os.WriteFile(cut, []byte(trace[:len(trace)-4]), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		out  string // begins with
		says string // in what is said
	}{
		{[]string{path}, 0, "\x89PNG", ""},
		{[]string{"-svg", "-title", "mine", path}, 0, "<?xml", ""},
		{[]string{"-svg", "-"}, 0, "<?xml", ""},
		{[]string{"-sweeps", "stack", "-from", "0.5", "-width", "300", "-height", "200", "-columns", "0,1", "-delimiter", ";", path}, 0, "\x89PNG", ""},
		{[]string{"-from", "7", path}, 1, "", "nothing was recorded from 7 to +Inf"},
		{[]string{"-sweep", "4", path}, 1, "", "no sweep 4: the file has 1"},
		{[]string{cut}, 1, "", "the file ends early"},
		{[]string{"-partial", cut}, 0, "\x89PNG", ""},
		{[]string{"-columns", "x", path}, 2, "", "larder-plot [flags] file"},
		{[]string{"-sweeps", "x", path}, 2, "", "overlay, mean or stack"},
		{[]string{"-delimiter", "tab", path}, 2, "", "one byte"},
		{[]string{"-sweep", "-1", path}, 2, "", "larder-plot [flags] file"},
		{[]string{"absent\x1b[2J.dat"}, 1, "", `absent\x1b[2J.dat`},
		{nil, 2, "", "larder-plot [flags] file"},
	} {
		var out, words bytes.Buffer
		code := run(c.args, strings.NewReader(trace), &out, &words)
		if code != c.code || !strings.HasPrefix(out.String(), c.out) || (out.Len() > 0) != (c.out != "") || !strings.Contains(words.String(), c.says) {
			t.Errorf("%v = %d, %d bytes, %s, want %d, %q, %q", c.args, code, out.Len(), words.String(), c.code, c.out, c.says)
		}
	}
}
