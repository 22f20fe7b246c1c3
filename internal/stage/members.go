package stage

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/larder-store/larder"
)

// maxManifest bounds a manifest; some thousand outputs fit.
const maxManifest = 1 << 20

// errUnfit is a value that is sound, but not what this package keeps.
var errUnfit = errors.New("not a kept run")

// members reads an archive that anybody may have made. No member is larger than what is left of
// the archive, so that nothing grows on its way to the disk.
type members struct {
	*tar.Reader
	from *counter
	size int64 // of the archive
}

func newMembers(r io.Reader, size int64) *members {
	from := &counter{r: r}
	return &members{tar.NewReader(from), from, size}
}

// counter counts what is read.
type counter struct {
	r        io.Reader
	n        int64
	progress func(int64) // called with n; may be nil
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.progress != nil {
		c.progress(c.n)
	}
	return n, err
}

// Next goes to the next member.
func (t *members) Next() (*tar.Header, error) {
	h, err := t.Reader.Next()
	if err != nil {
		return nil, err
	}
	for name := range h.PAXRecords {
		if strings.HasPrefix(name, "GNU.sparse.") {
			return nil, fmt.Errorf("%w: member %q has holes", errUnfit, h.Name)
		}
	}
	switch {
	case h.Typeflag == tar.TypeGNUSparse:
		return nil, fmt.Errorf("%w: member %q has holes", errUnfit, h.Name)
	case h.Size > t.size-t.from.n:
		return nil, fmt.Errorf("%w: member %q has %d bytes, more than are left of it", errUnfit, h.Name, h.Size)
	}
	return h, nil
}

// next goes to the next member, which must be name.
func (t *members) next(name string) error {
	h, err := t.Next()
	if err == io.EOF {
		return fmt.Errorf("%w: it ends before %q", errUnfit, name)
	}
	if err != nil {
		return err
	}
	if h.Name != name || h.Typeflag != tar.TypeReg {
		return fmt.Errorf("%w: member %q, want %q", errUnfit, h.Name, name)
	}
	return nil
}

// readManifest reads the manifest of a run that made the targets.
func readManifest(t *members, targets []target) (manifest, error) {
	var m manifest
	if err := t.next(manifestName); err != nil {
		return m, err
	}
	text, err := io.ReadAll(io.LimitReader(t, maxManifest))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%w: %s: %w", errUnfit, manifestName, err)
	}
	if m.Format > format {
		return m, fmt.Errorf("%w: the kept run has format %d, this version knows %d", larder.ErrNewer, m.Format, format)
	}
	if m.Format != format {
		return m, fmt.Errorf("%w: it has format %d, and this version knows %d", errUnfit, m.Format, format)
	}
	return m, m.check(targets)
}

// check refuses a manifest that does not say what became of the command and of each target. A
// run that failed may have made some of them.
func (m manifest) check(targets []target) error {
	if m.Exit == nil || *m.Exit < 0 || *m.Exit > 255 {
		return fmt.Errorf("%w: it has no exit status of 0 to 255", errUnfit)
	}
	if m.Outputs == nil {
		return fmt.Errorf("%w: it does not say which outputs it has", errUnfit)
	}
	for i, name := range m.Outputs {
		if !slices.ContainsFunc(targets, func(t target) bool { return t.name == name }) || slices.Contains(m.Outputs[:i], name) {
			return fmt.Errorf("%w of this stage: output %q", errUnfit, name)
		}
	}
	if *m.Exit == 0 && len(m.Outputs) != len(targets) {
		return fmt.Errorf("%w: it has %d of %d outputs", errUnfit, len(m.Outputs), len(targets))
	}
	return nil
}
