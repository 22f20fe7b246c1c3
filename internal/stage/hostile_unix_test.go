//go:build unix

package stage_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	where "github.com/larder-store/larder/internal/place"
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
		"manifest of earlier":    manifest(`{"format":0}`),
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
		"twice":                 run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/x", tar.TypeReg, "x"}, member{"outputs/0/d/x", tar.TypeReg, "y"}),
		"hard link":             run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/x", tar.TypeLink, "/etc/passwd"}),
		"no exit":               manifest(`{"format":1,"outputs":["d"]}`),
		"exit above 255":        append(manifest(`{"format":1,"exit":256,"outputs":["d"]}`), member{"outputs/0/d/", tar.TypeDir, ""})[:4],
		"negative exit":         manifest(`{"format":1,"exit":-1,"outputs":["d"]}`),
		"outputs missing":       manifest(`{"format":1,"exit":0}`)[:3],
		"outputs empty":         manifest(`{"format":1,"exit":0,"outputs":[]}`)[:3],
		"link upwards":          run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/l", tar.TypeSymlink, "../victims/keep"}),
		"absolute link":         run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/l", tar.TypeSymlink, "/etc/passwd"}),
		"dangling link upwards": run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/l", tar.TypeSymlink, "absent/../../victims"}),
		"links that leave together": run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/a/", tar.TypeDir, ""},
			member{"outputs/0/d/a/up", tar.TypeSymlink, ".."}, member{"outputs/0/d/l", tar.TypeSymlink, "a/up/../victims"}),
		"a name too long": run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/" + strings.Repeat("x", 300), tar.TypeReg, "x"}),
		"a name of dots":  run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/..", tar.TypeReg, "x"}),
		"device":          run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/x", tar.TypeChar, ""}),
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

// forge puts a value under the key of a stage.
func (p *place) forge(s *stage.Stage, value []byte) {
	p.t.Helper()
	c, err := s.Component(context.Background())
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.store.Put(context.Background(), c, stage.Attribute, value); err != nil {
		p.t.Fatal(err)
	}
}

// A forged run cannot fill the disk: a record with holes is refused, and a member that claims to be larger than
// what is left of the value, before anything of it is written.
func TestGrowingMembers(t *testing.T) {
	const hugeSize = 3 << 30
	holes := archive(t, run()...)
	holes = holes[:len(holes)-2*512]
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	sparseMap := "1\n0\n1\n"
	sparseMap += strings.Repeat("\x00", 512-len(sparseMap))
	text := sparseMap + "x"
	h := &tar.Header{Name: "outputs/0/GNUSparseFile.0/d", Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text)), Format: tar.FormatPAX}
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(text))
	w.Close()
	// The writer refuses to write GNU.sparse records, so a pax header is put before the member by hand.
	records := ""
	for _, r := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=outputs/0/d", fmt.Sprintf("GNU.sparse.realsize=%d", int64(hugeSize))} {
		n := len(r) + 2 + 2
		records += fmt.Sprintf("%d %s\n", n, r)
	}
	pax := paxHeader(t, records)
	sparse := append(append(holes, pax...), b.Bytes()...)

	claims := archive(t, run(member{"outputs/0/d", tar.TypeReg, "x"})...)
	at := bytes.Index(claims, []byte("outputs/0/d\x00"))
	copy(claims[at+124:], fmt.Sprintf("%011o\x00", int64(hugeSize)))
	checksum(claims[at : at+512])

	for name, value := range map[string][]byte{"holes": sparse, "claims": claims} {
		p := newPlace(t)
		s := p.shell("echo true >d", "d")
		p.forge(s, value)
		var before syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &before)
		got, err := p.try(s)
		var after syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &after)
		if err != nil || got.Hit || got.NotKept != "" || p.read("d") != "true\n" {
			t.Errorf("%s: %+v, %v; want it run and kept", name, got.Outcome, err)
		}
		if wrote := (after.Oublock - before.Oublock) * 512; wrote > 64<<20 {
			t.Errorf("%s: wrote %d bytes", name, wrote)
		}
	}
}

// paxHeader returns an extended header with these records, padded.
func paxHeader(t *testing.T, records string) []byte {
	t.Helper()
	b := archive(t, member{"PaxHeaders.0/d", tar.TypeReg, records})
	b = b[:len(b)-2*512]
	b[156] = tar.TypeXHeader
	checksum(b[:512])
	return b
}

// checksum writes the checksum of a tar header anew.
func checksum(h []byte) {
	copy(h[148:156], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
}

// What is given back has no more permissions than the umask allows.
func TestModesWithinUmask(t *testing.T) {
	p := newPlace(t)
	s := p.shell("mkdir d; echo true >d/x", "d")
	p.forge(s, archive(t, run(member{"outputs/0/d/", tar.TypeDir, ""}, member{"outputs/0/d/x", tar.TypeReg, "x"})...)) // modes 0755
	old := syscall.Umask(0o077)
	got, err := p.try(s)
	syscall.Umask(old)
	if err != nil || !got.Hit {
		t.Fatalf("%+v, %v; want a hit", got.Outcome, err)
	}
	for _, name := range []string{"d", "d/x"} {
		if info, err := os.Stat(filepath.Join(p.dir, name)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, %v; want 0700", name, info.Mode(), err)
		}
	}
}

// What a link leads to outside of an output is not kept as its contents, nor is the link.
func TestLinksOutOfOutputsAreNotKept(t *testing.T) {
	for name, script := range map[string]string{
		"the output is a link":       "ln -s secret d",
		"its directory is a link":    "rmdir deep; mkdir other; ln -s other deep; echo x >deep/d",
		"an absolute link in it":     `mkdir d; ln -s "$PWD/secret" d/l`,
		"a link upwards in it":       "mkdir d; ln -s ../secret d/l",
		"a link by way of another":   "mkdir -p d/a; ln -s .. d/a/up; ln -s a/up/../secret d/l",
		"what another stage left in": "mkdir d; : >d/.larder-0123-old-0",
	} {
		p := newPlace(t)
		p.write("secret", "of the user")
		output := "d"
		if strings.Contains(script, "deep") {
			os.Mkdir(filepath.Join(p.dir, "deep"), 0o755)
			output = "deep/d"
		}
		s := p.shell(script, output)
		if got := p.run(s); got.NotKept == "" {
			t.Errorf("%s: %+v, want it not kept", name, got.Outcome)
		}
		if o, err := s.Lookup(context.Background(), stage.Options{Store: p.store}); err != nil || o.Hit {
			t.Errorf("%s: Lookup = %+v, %v; want a miss", name, o, err)
		}
	}
	p := newPlace(t)
	s := p.shell("mkdir -p d/sub; echo x >d/x; ln -s ../x d/sub/up; ln -s sub d/down; ln -s none d/dangling", "d")
	if got := p.run(s); got.NotKept != "" {
		t.Errorf("links inside: %+v, want it kept", got.Outcome)
	}
	if got := p.run(s); !got.Hit || p.read("d/down/up") != "x\n" {
		t.Errorf("links inside: %+v, want it given back", got.Outcome)
	}
}

// A run that a newer version kept is not given back, and stays, unless a refresh was asked for.
func TestNewerRunIsLeft(t *testing.T) {
	p := newPlace(t)
	s := p.shell("echo true >d", "d")
	members := run()
	members[0].text = `{"format":2,"exit":0,"outputs":["d"]}`
	p.forge(s, archive(t, members...))
	for range 2 {
		got, err := p.try(s)
		if err != nil || got.Hit || !strings.Contains(got.NotKept, larder.ErrNewer.Error()) || p.read("d") != "true\n" {
			t.Errorf("%+v, %v; want it run, and not kept because of what a newer version kept", got.Outcome, err)
		}
	}
	if got := p.run(s, func(o *stage.Options) { o.Refresh = true }); got.NotKept != "" {
		t.Errorf("refreshed: %+v, want it kept", got.Outcome)
	}
	if got := p.run(s); !got.Hit {
		t.Errorf("after a refresh: %+v, want a hit", got.Outcome)
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
	key, err := where.Of(id, stage.Attribute)
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
