package stage

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/larder-store/larder/internal/reserve"
)

// What a run left is kept as a tar archive, so that it can be looked at with other
// tools. Its members, in order:
//
//	manifest.json         see manifest
//	stdout                what the command wrote there
//	stderr                and there
//	outputs/<n>/<base>    the n-th output of the manifest: a file, or a directory followed by all below it
//
// Members carry names, modes and, for links in a directory, where they lead; no times and no owners, so
// that equal results are equal bytes.
const (
	manifestName = "manifest.json"
	stdoutName   = "stdout"
	stderrName   = "stderr"
	outputsName  = "outputs"
)

// format is the manifest's number for what is described above.
const format = 1

type manifest struct {
	Format  int      `json:"format"`
	Exit    *int     `json:"exit"`    // 0 to 255
	Outputs []string `json:"outputs"` // names as declared
}

// trailer ends a tar archive: two blocks of zeros.
const (
	tarBlock = 512
	trailer  = 2 * tarBlock
)

// ErrNotMade is an output that the command did not make.
var ErrNotMade = errors.New("was not made by the command")

// packer collects the segments of an archive.
type packer struct {
	body body
	text bytes.Buffer // headers and small members, not yet a segment

	declared string // the output that is packed
	inside   string // what the names of its members begin with
}

// pack returns the archive of a run, to be read from the files where they lie. After
// a failed run, outputs may be missing.
func pack(e ending, stdout, stderr *capture, targets []target) (*body, error) {
	p := &packer{}
	m := manifest{Format: format, Exit: &e.exit, Outputs: []string{}}
	var made []target
	for _, t := range targets {
		_, err := os.Lstat(t.path)
		switch {
		case err == nil:
			if path, err := followed(t.path); err != nil || path != t.path {
				return nil, fmt.Errorf("output %q was made by way of a link, which leads out of it", t.name)
			}
			made = append(made, t)
			m.Outputs = append(m.Outputs, t.name)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("output %q: %w", t.name, err)
		case e.exit == 0:
			return nil, fmt.Errorf("output %q %w", t.name, ErrNotMade)
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if err := p.bytes(manifestName, text); err != nil {
		return nil, err
	}
	if err := p.capture(stdoutName, stdout); err != nil {
		return nil, err
	}
	if err := p.capture(stderrName, stderr); err != nil {
		return nil, err
	}
	for i, t := range made {
		p.declared, p.inside = t.name, fmt.Sprintf("%s/%d/%s", outputsName, i, path.Base(t.name))
		if err := p.output(p.inside, t.path); err != nil {
			return nil, fmt.Errorf("output %q: %w", t.name, err)
		}
	}
	p.text.Write(make([]byte, trailer))
	p.flush()
	return &p.body, nil
}

func (p *packer) header(h *tar.Header) error {
	if !utf8.ValidString(h.Name) || !utf8.ValidString(h.Linkname) {
		return fmt.Errorf("the name %q is not UTF-8", h.Name)
	}
	h.Format = tar.FormatPAX
	return tar.NewWriter(&p.text).WriteHeader(h)
}

func (p *packer) bytes(name string, b []byte) error {
	if err := p.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(b))}); err != nil {
		return err
	}
	p.text.Write(b)
	p.pad(int64(len(b)))
	return nil
}

func (p *packer) capture(name string, c *capture) error {
	r, err := c.reader()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := p.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: c.size}); err != nil {
		return err
	}
	p.flush()
	p.body.add(segment{size: c.size, open: func() (io.ReadCloser, error) {
		_, err := r.Seek(0, io.SeekStart)
		return io.NopCloser(r), err
	}})
	p.pad(c.size)
	return nil
}

// output adds a file, or a directory with all below it.
func (p *packer) output(name, top string) error {
	info, err := os.Lstat(top)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return p.entry(name, top, info)
	}
	root, err := os.OpenRoot(top)
	if err != nil {
		return err
	}
	defer root.Close()
	return filepath.WalkDir(top, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, file)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if reserve.IsHidden(e.Name()) {
			return fmt.Errorf("%q is what a killed run of another stage left in it; run that again", rel)
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			to, err := os.Readlink(file)
			if err != nil {
				return err
			}
			if !staysInside(root, rel, to) {
				return fmt.Errorf("the link %q leads out of it, to %q; write what it leads to, or a link relative to its own directory", rel, to)
			}
		}
		return p.entry(path.Join(name, filepath.ToSlash(rel)), file, info)
	})
}

func (p *packer) entry(name, file string, info fs.FileInfo) error {
	h := &tar.Header{Name: name, Mode: int64(info.Mode().Perm())}
	switch {
	case info.IsDir():
		h.Typeflag = tar.TypeDir
		h.Name += "/"
	case info.Mode()&fs.ModeSymlink != 0:
		h.Typeflag = tar.TypeSymlink
		link, err := os.Readlink(file)
		if err != nil {
			return err
		}
		h.Linkname = link
	case info.Mode().IsRegular():
		h.Typeflag = tar.TypeReg
		h.Size = info.Size()
	default:
		return fmt.Errorf("%q is neither a file, a directory nor a link", file)
	}
	if err := p.header(h); err != nil || h.Size == 0 {
		return err
	}
	p.flush()
	p.body.add(segment{
		size: h.Size,
		open: func() (io.ReadCloser, error) { return os.Open(file) },
		file: &File{Path: p.declared + strings.TrimPrefix(name, p.inside), Size: h.Size},
	})
	p.pad(h.Size)
	return nil
}

// pad fills the last block of a member of size bytes.
func (p *packer) pad(size int64) {
	if rest := size % tarBlock; rest > 0 {
		p.text.Write(make([]byte, tarBlock-rest))
	}
}

// flush makes a segment of the text so far.
func (p *packer) flush() {
	if p.text.Len() == 0 {
		return
	}
	b := bytes.Clone(p.text.Bytes())
	p.text.Reset()
	p.body.add(segment{size: int64(len(b)), open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b)), nil
	}})
}
