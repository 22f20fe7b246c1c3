package stage

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/larder-store/larder"
)

// compare says in what a run differs from the one that is kept. It is not done where
// nothing sound is kept.
func (r *runner) compare(ctx context.Context, packed *body) (done bool, err error) {
	kept, info, err := r.Store.Reader(ctx, r.id.component, Attribute)
	if err != nil {
		return false, r.missed(ctx, err)
	}
	defer kept.Close()
	before, err := digests(kept, info.Size)
	if err == nil {
		_, err = io.Copy(io.Discard, kept)
	}
	if errors.Is(err, larder.ErrCorrupt) || errors.Is(err, tar.ErrHeader) || errors.Is(err, errUnfit) {
		r.replace = true
		return false, nil
	}
	if err != nil {
		return false, err
	}
	now, err := digests(packed, packed.size)
	if err != nil {
		return false, err
	}
	r.outcome.Checked, r.outcome.Size = true, info.Size
	r.outcome.Differs = differing(before, now)
	return true, nil
}

// digests returns what distinguishes the members of an archive from others of the same name.
func digests(r io.Reader, size int64) (map[string]string, error) {
	members := map[string]string{}
	t := newMembers(r, size)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return members, nil
		}
		if err != nil {
			return nil, err
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, t); err != nil {
			return nil, err
		}
		members[h.Name] = fmt.Sprintf("%c %o %q %x", h.Typeflag, h.Mode, h.Linkname, sum.Sum(nil))
	}
}

// differing returns the names of members that are not the same in both, as users know them.
func differing(a, b map[string]string) []string {
	names := map[string]bool{}
	for _, m := range []map[string]string{a, b} {
		for name := range m {
			if a[name] == b[name] {
				continue
			}
			if name == manifestName {
				name = "the exit status, or which outputs there are"
			}
			if parts := strings.SplitN(name, "/", 3); len(parts) == 3 && parts[0] == outputsName {
				name = parts[2]
			}
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
