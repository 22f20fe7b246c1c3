package larder_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/larder-store/larder"

type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

// packages returns the packages of the module and all that they are built from, without tests.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps", "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]pkg{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

func local(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, module), "/") }

// Who may import whom, by the first rule whose package fits: "dir" is that package, "dir/..." all below
// it too, and "" the root. Packages outside the module are named by a prefix; "std" is the standard library,
// always allowed.
var directions = []struct {
	pkg  string
	may  []string
	what string
}{
	{"component", nil, "the contract of components stands alone"},
	{"backend", []string{"component", "internal/sums", "internal/spool", "internal/temp"}, "the contract of backends knows descriptions and queries, which are plain data"},
	{"keying", []string{"component"}, "keys are made of components"},
	{"codec", []string{"internal/mapped", "github.com/fxamacker/cbor"}, "values know nothing of stores"},
	{"catalog", []string{"", "backend", "codec", "component", "internal/evict", "internal/lease", "internal/marks", "internal/packname", "internal/spool", "internal/sums", "keying", "golang.org/x/sync"}, "asks any store, and copies it"},
	{"session", []string{"", "backend", "codec", "keying", "internal/packname", "internal/spool", "internal/sums", "internal/temp", "golang.org/x/sync"}, "works on any store"},
	{"internal/sessiontest", []string{"", "session"}, "the processes of tests, on any store"},
	{"internal/packname", nil, "stands alone"},
	{"internal/place", []string{"backend", "keying"}, ""},
	{"internal/sums", nil, "stands alone"},
	{"internal/marks", []string{"backend"}, "works on any backend"},
	{"internal/evict", []string{"backend", "keying", "internal/marks"}, "works on any backend"},
	{"internal/spool", []string{"internal/sums", "internal/temp"}, "stands alone"},
	{"internal/lease", []string{"backend", "internal/sums"}, ""},
	{"internal/indexed", []string{"backend", "internal/..."}, ""},
	{"internal/audit", []string{"backend", "keying", "internal/lease", "internal/temp", "internal/sums"}, "works on any backend"},
	{"internal/stage", []string{"", "backend", "component", "keying", "internal/reserve", "internal/temp", "golang.org/x/sys"}, "runs, whatever the store and the command line"},
	{"internal/turnstile", []string{"backend", "internal/durable"}, "knows of one file, not of stores"},
	{"internal/durable", []string{"golang.org/x/sys"}, "stands alone"},
	{"internal/temp", nil, "stands alone"},
	{"internal/peer", []string{"golang.org/x/sys"}, "carries messages, and knows none"},
	{"internal/mapped", nil, "stands alone"},
	{"internal/ahead", []string{"golang.org/x/sys"}, "stands alone"},
	{"internal/backoff", nil, "stands alone"},
	{"internal/reserve", []string{"internal/backoff", "internal/durable", "golang.org/x/sys"}, "knows of outputs, not of stores"},
	{"internal/driver", []string{"backend"}, "what a bucket is, whatever the SDK"},
	{"internal/calls", []string{"backend"}, ""},
	{"internal/pgtest", []string{"github.com/jackc/pgx"}, "starts servers, and knows nothing of stores"},
	{"internal/gocloud", []string{"backend", "internal/driver", "internal/guard", "gocloud.dev"}, "what the clouds on gocloud.dev share; no SDK"},
	{"backend/all", []string{"backend/..."}, "blank imports, nothing else"},
	{"backend/...", []string{"backend", "keying", "component", "internal/...", "SIBLINGS BELOW", "EXTERNAL"}, "never the root, never a sibling"},
	{"conformance/law", []string{"backend", "backend/mem", "component", "internal/sums", "github.com/anishathalye/porcupine", "golang.org/x/sync"}, "runs outside of tests"},
	{"conformance/fault", []string{"backend"}, "wraps any backend"},
	{"conformance", []string{"backend", "backend/mem", "conformance/law", "EXTERNAL"}, ""},
	{"readers", nil, "formats stand alone"},
	{"readers/export", []string{"codec", "readers"}, ""},
	{"command", []string{"internal/cli"}, "the command, for programs with backends of their own"},
	{"cmd/larder", []string{"internal/cli"}, "the command is internal/cli; what it links is its start"},
	{"cmd/larder-cloud", []string{"internal/cli", "internal/cli/picture", "backend/all"}, "the same, with every backend"},
	{"", []string{"component", "keying", "codec", "backend", "internal/sums", "internal/backoff", "internal/evict", "internal/lease", "internal/marks", "internal/place", "internal/spool"}, "a user links only the backends that he imports"},
}

func TestImportDirections(t *testing.T) {
	for path, p := range packages(t) {
		if path != module && !strings.HasPrefix(path, module+"/") {
			continue
		}
		for _, rule := range directions {
			if !matches(rule.pkg, local(path)) {
				continue
			}
			for _, imp := range p.Imports {
				if !allowed(t, rule.may, local(path), imp) {
					t.Errorf("%s imports %s: %s", path, imp, rule.what)
				}
			}
			break
		}
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, module+"/cmd/") && !strings.HasPrefix(path, module+"/cmd/") {
				t.Errorf("%s imports %s: nobody imports cmd", path, imp)
			}
		}
	}
}

func matches(pattern, path string) bool {
	if below, ok := strings.CutSuffix(pattern, "..."); ok {
		return strings.HasPrefix(path, below)
	}
	return path == pattern
}

func allowed(t *testing.T, may []string, from, imp string) bool {
	t.Helper()
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		return true // the standard library
	}
	inside := imp == module || strings.HasPrefix(imp, module+"/")
	return slices.ContainsFunc(may, func(rule string) bool {
		switch {
		case rule == "EXTERNAL":
			return !inside
		case rule == "SIBLINGS BELOW": // backend/blob/s3 may import backend/blob
			return strings.HasPrefix(from, local(imp)+"/") || strings.HasPrefix(local(imp), from+"/internal/")
		case inside:
			return matches(rule, local(imp))
		}
		return rule != "" && strings.HasPrefix(imp, rule)
	})
}

// A user of the library, of mem, of shelves or of the command links no cloud, no database and no
// other engine than his own. The command's companion links them all.
func TestWhatIsLinked(t *testing.T) {
	heavy := []string{"github.com/aws/", "gocloud.dev", "cloud.google.com", "github.com/Azure/", "github.com/jackc/", "go.etcd.io/bbolt", "pgregory.net/rapid", "gonum.org"}
	all := packages(t)
	for _, sdk := range []string{"github.com/aws/", "cloud.google.com", "github.com/Azure/", "github.com/jackc/pgx"} {
		links := func(dep string) bool { return strings.HasPrefix(dep, sdk) }
		if !slices.ContainsFunc(all[module+"/cmd/larder-cloud"].Deps, links) {
			t.Errorf("cmd/larder-cloud does not link %s", sdk)
		}
	}
	for path, but := range map[string][]string{
		"":                nil,
		"component":       nil,
		"keying":          nil,
		"codec":           nil,
		"backend":         nil,
		"backend/mem":     nil,
		"backend/shelve":  {"go.etcd.io/bbolt"},
		"conformance/law": nil,
		"session":         nil,
		"readers":         nil,
		"cmd/larder":      {"go.etcd.io/bbolt"},
	} {
		p, ok := all[strings.TrimSuffix(module+"/"+path, "/")]
		if !ok {
			t.Errorf("there is no package %q", path)
		}
		if slices.Contains(p.Deps, "testing") {
			t.Errorf("%q links testing, which registers flags", path)
		}
		for _, dep := range p.Deps {
			for _, h := range heavy {
				if (dep == h || strings.HasPrefix(dep, strings.TrimSuffix(h, "/")+"/")) && !slices.Contains(but, h) {
					t.Errorf("%q links %s", path, dep)
				}
			}
		}
	}
}
