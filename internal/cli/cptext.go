package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/catalog"
)

// did says in words what a copy did, or would do.
func (t *copyTeller) did(r catalog.CopyReport) string {
	verb := "copied"
	if t.f.dryRun {
		verb = "would copy"
	}
	text := fmt.Sprintf("%s %s, %s, %s", verb, count(r.Values, "value"), count(r.Descriptions, "description"), size(r.Bytes))
	if r.Others > 0 {
		text = fmt.Sprintf("%s %s, %s and %d of sessions and other shelves, %s", verb, count(r.Values, "value"), count(r.Descriptions, "description"), r.Others, size(r.Bytes))
	}
	for _, part := range []struct {
		n      int
		format string
	}{
		{r.Present, "%d there already"}, {r.Conflicts, "%d in conflict"}, {r.Kept, "%d kept as they were"}, {r.Replaced, "%d replaced"},
		{r.Corrupt, "%d corrupt in the source"}, {r.Refused, "%d refused by the destination"}, {r.Gone, "%d deleted meanwhile"},
	} {
		if part.n > 0 {
			text += "; " + fmt.Sprintf(part.format, part.n)
		}
	}
	return text
}

// copyText is a report as JSON.
type copyText struct {
	DryRun       bool  `json:"dry_run"`
	Values       int   `json:"values"`
	Descriptions int   `json:"descriptions"`
	Others       int   `json:"others"`
	Bytes        int64 `json:"bytes"`
	Present      int   `json:"present"`
	Conflicts    int   `json:"conflicts"`
	Kept         int   `json:"kept"`
	Replaced     int   `json:"replaced"`
	Corrupt      int   `json:"corrupt"`
	Refused      int   `json:"refused"`
	Gone         int   `json:"gone"`
}

func reportOf(r catalog.CopyReport, dryRun bool) copyText {
	return copyText{dryRun, r.Values, r.Descriptions, r.Others, r.Bytes, r.Present, r.Conflicts, r.Kept, r.Replaced, r.Corrupt, r.Refused, r.Gone}
}

// openOrEmpty opens a store to read it; one that is not there is empty.
func (a *app) openOrEmpty(ctx context.Context, rawURL string) (*larder.Store, error) {
	opts := a.options(0)
	opts.ReadOnly = true
	store, err := larder.Open(ctx, rawURL, opts)
	if errors.Is(err, fs.ErrNotExist) {
		return larder.New(mem.New(nil), a.options(0)), nil
	}
	return store, err
}

// escapePath writes a path as it stands in a URL.
func escapePath(path string) string {
	return (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
}

// samePlace reports whether two URLs are seen to name one place, ahead of opening either. A copy itself looks closer.
func samePlace(a, b string) bool {
	if a == b {
		return true
	}
	pathA, okA := localPath(a)
	pathB, okB := localPath(b)
	if !okA || !okB {
		return false
	}
	infoA, errA := os.Stat(pathA)
	infoB, errB := os.Stat(pathB)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// notCompressed refuses compressed tars, which would be taken for the directories of shelves.
func notCompressed(places ...string) error {
	for _, place := range places {
		for _, end := range []string{".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"} {
			if strings.HasSuffix(place, end) {
				return misused("%s: a tar is read and written in place, which compression rules out; decompress it first, or compress what was written", backend.Redact(place))
			}
		}
	}
	return nil
}

// localPath returns the file or directory that is the store at a URL.
func localPath(rawURL string) (string, bool) {
	if dir, ok := backend.LocalDir(rawURL); ok {
		return dir, true
	}
	return backend.LocalFile(rawURL)
}
