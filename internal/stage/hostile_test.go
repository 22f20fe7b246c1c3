package stage_test

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/stage"
)

// member is a member of an archive that somebody forged.
type member struct {
	name string
	kind byte
	text string // or where a link leads
}

func archive(t *testing.T, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Typeflag: m.kind, Mode: 0o755, Format: tar.FormatPAX}
		if m.kind == tar.TypeReg {
			h.Size = int64(len(m.text))
		} else {
			h.Linkname = m.text
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if m.kind == tar.TypeReg {
			w.Write([]byte(m.text))
		}
	}
	w.Close()
	return b.Bytes()
}

const goodManifest = `{"format":1,"exit":0,"outputs":["d"]}`

func run(members ...member) []member {
	return append([]member{
		{"manifest.json", tar.TypeReg, goodManifest},
		{"stdout", tar.TypeReg, ""},
		{"stderr", tar.TypeReg, ""},
	}, members...)
}

// Whatever lies in a shared store under the key of a stage: the stage is run if it is no run of it,
// and nothing is written but to its outputs.
func TestForgedRuns(t *testing.T) {
	manifest := func(text string) []member {
		m := run(member{"outputs/0/d/", tar.TypeDir, ""})
		m[0].text = text
		return m
	}
	for name, members := range map[string][]member{
		"nothing":                {},
		"no manifest":            run()[1:],
		"manifest is no JSON":    manifest("{"),
		"manifest of later":      manifest(`{"format":99}`),
		"too few outputs":        run(),
		"another output":         manifest(`{"format":1,"outputs":["../victim"]}`),
		"an absolute output":     manifest(`{"format":1,"outputs":["/tmp/victim"]}`),
		"an undeclared output":   append(manifest(`{"format":1,"outputs":["victim"]}`)[:3], member{"outputs/0/victim", tar.TypeReg, "x"}),
		"two outputs":            manifest(`{"format":1,"outputs":["d","d"]}`),
		"a link as output":       run(member{"outputs/0/d", tar.TypeSymlink, "../victim"}),
		"unknown member":         run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"more", tar.TypeReg, "x"}),
		"number out of range":    run(member{"outputs/7/d/", tar.TypeDir, ""}),
		"number is none":         run(member{"outputs/x/d/", tar.TypeDir, ""}),
		"file without directory": run(member{"outputs/0/d/x", tar.TypeReg, "x"}),
		"upwards":                run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/../../victim", tar.TypeReg, "x"}),
		"through a link": run(member{"outputs/0/d/", tar.TypeDir, ""},
			member{"outputs/0/d/l", tar.TypeSymlink, "../victims"}, member{"outputs/0/d/l/victim", tar.TypeReg, "x"}),
		"through an absolute link": run(member{"outputs/0/d/", tar.TypeDir, ""},
			member{"outputs/0/d/l", tar.TypeSymlink, "/tmp"}, member{"outputs/0/d/l/victim", tar.TypeReg, "x"}),
		"twice":     run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/x", tar.TypeReg, "x"}, member{"outputs/0/d/x", tar.TypeReg, "y"}),
		"hard link": run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/x", tar.TypeLink, "/etc/passwd"}),
		"device":    run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/x", tar.TypeChar, ""}),
	} {
		for _, cut := range []int{0, 1} { // whole, and without its end
			p := newPlace(t)
			p.write("victims/keep", "unharmed")
			s := p.shell("mkdir d; echo true >d/x", "d")
			value := archive(t, members...)
			value = value[:len(value)-cut*1024*len(value)/max(len(value), 1)]
			c, err := s.Component(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.store.Put(context.Background(), c, stage.Attribute, value); err != nil {
				t.Fatal(err)
			}
			got, err := p.try(s)
			if err != nil || got.Hit || got.NotKept != "" || p.read("d/x") != "true\n" {
				t.Errorf("%s: %+v, %v, d/x = %q; want it run and kept", name, got.Outcome, err, p.read("d/x"))
			}
			if got := p.run(s); !got.Hit {
				t.Errorf("%s: not replaced by what was run", name)
			}
			for _, victim := range []string{"../victim", "victim", "victims/victim", "/tmp/victim"} {
				path := victim
				if !filepath.IsAbs(path) {
					path = filepath.Join(p.dir, path)
				}
				if _, err := os.Lstat(path); err == nil {
					t.Errorf("%s: wrote %s", name, victim)
				}
			}
			if !strings.Contains(snapshot(t, p.dir), "unharmed") {
				t.Errorf("%s: harmed what is no output", name)
			}
		}
	}
}

// A value that is corrupt behind the end of its archive is corrupt.
func TestCorruptEnd(t *testing.T) {
	p := newPlace(t)
	s := p.shell("mkdir d; echo true >d/x", "d")
	value := archive(t, run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/x", tar.TypeReg, "forged"})...)
	value = append(value, make([]byte, 300_000)...)
	c, err := s.Component(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	id, err := p.store.Key(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	key, err := larder.Place(id, stage.Attribute)
	if err != nil {
		t.Fatal(err)
	}
	body := struct{ io.ReadSeeker }{bytes.NewReader(value)}
	opts := backend.PutOptions{Size: int64(len(value)), Sum: 1}
	b := streaming{p.store.Backend()} // or the whole value would be verified before it is read
	if _, err := b.Put(context.Background(), key, body, opts); err != nil {
		t.Fatal(err)
	}
	p.store = larder.New(b, silent)
	if got := p.run(s); got.Hit || p.read("d/x") != "true\n" {
		t.Errorf("hit %v, d/x = %q; want it run", got.Hit, p.read("d/x"))
	}
}

// streaming is a backend whose bodies are not in memory.
type streaming struct{ backend.Backend }

func (b streaming) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	body, info, err := b.Backend.Get(ctx, key)
	return struct{ io.ReadCloser }{body}, info, err
}
