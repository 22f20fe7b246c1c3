package cli

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// A store whose keys are words is listed, shown and read, and taken from, by the command as any other.
func TestStoreOfReadableKeys(t *testing.T) {
	for _, scheme := range []string{"shelve:", "file:"} {
		url := scheme + filepath.ToSlash(t.TempDir()) + "/store"
		ctx := context.Background()
		s, err := larder.Open(ctx, url, &larder.Options{Keys: keying.Readable{}})
		if err != nil {
			t.Fatal(err)
		}
		input := component.New("lab/recording", "1", nil)
		if _, err := s.Put(ctx, component.New("lab/fit", "v3", map[string]any{"tau": 0.02}, input), "model", "the model"); err != nil {
			t.Fatal(err)
		}
		s.Close()
		larder := func(args ...string) (code int, out string) {
			var stdout, stderr bytes.Buffer
			code = run(ctx, append([]string{"--store", url}, args...), nil, &stdout, &stderr)
			return code, stdout.String() + stderr.String()
		}
		for _, c := range []struct {
			args string
			code int
			says string
		}{
			{"ls", exitDone, "lab/fit"},
			{"show fit", exitDone, "tau"},
			{"show", exitDone, "lab/recording"},
			{"get fit/model", exitDone, "the model"},
			{"get fit_v3_tau/model", exitDone, "the model"},
			{"get --name lab/recording --version 1 x", exitMiss, "larder"},
			{"info", exitDone, "keys by readable"},
			{"check", exitDone, "no findings"},
			{"run --version 1 -- true", exitDone, "kept"},
			{"rm fit/model", exitDone, "removed"},
			{"get fit/model", exitMiss, "not found"},
		} {
			code, out := larder(strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(out, c.says) {
				t.Errorf("%s larder %s = %d\n%s\nwant %d and %q", scheme, c.args, code, out, c.code, c.says)
			}
		}
	}
}
