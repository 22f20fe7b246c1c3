// Package file keeps values as files below one directory of a local file system, as
// durably as it can, for any number of processes on this machine.
//
// Importing it registers the scheme "file", as in file:///var/cache/x. A file holds its
// value behind a header of one or two lines; see header.go. Compared with shelves, values can be
// copied, moved and read by any tool, one by one; small values cost more room and more time.
package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob"
	"github.com/larder-store/larder/internal/durable"
)

const scheme = "file"

func init() { backend.RegisterDir(scheme, openDir, "timeout") }

// Options change how a directory is used; nil and the zero value mean the defaults.
type Options struct {
	// Timeout bounds how long a write waits for another process that is changing the same
	// file, which takes microseconds unless that process is stopped; then the write
	// fails with [backend.ErrLocked]. The default is 30 s.
	Timeout time.Duration

	// MustExist opens a store only if there is one; else Open fails with an error that matches [fs.ErrNotExist].
	MustExist bool
}

// Open opens the directory dir, and makes it if it is absent. A directory that holds
// anything else than Larder's files is refused.
func Open(dir string, opts *Options) (*blob.Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	root, err := filepath.Abs(dir)
	if err == nil {
		err = prepare(root, o.MustExist)
	}
	if err != nil {
		return nil, backend.Wrap("open", scheme, backend.Key{}, err)
	}
	b, err := blob.Open(newBucket(root, o), blob.Options{Scheme: scheme, Concurrency: 16, OneStream: true})
	return b, backend.Wrap("open", scheme, backend.Key{}, err)
}

func openDir(_ context.Context, dir string, p *backend.Params) (backend.Backend, error) {
	opts := Options{Timeout: p.Duration("timeout", 0, time.Millisecond), MustExist: p.MustExist()}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return Open(dir, &opts)
}

// private is a directory for what is no value, tempDir and lockDir lie in it, and
// formatFile distinguishes a newer version of Larder from this one.
const (
	private    = ".larder"
	formatFile = "format"
	formatText = "larder files 1\n"

	formatWords  = "larder files "
	formatNumber = 1
	readmeFile   = "README.txt"
)

const readme = `This directory is a store of Larder: results that were computed once and are kept so that
nobody computes them twice. Each file whose name ends in "!" holds one value behind a header; the
first line tells its length, so that

    tail -c +$((0x$(head -c 22 "$f" | tail -c 8) + 33)) "$f"

prints the value of the file $f. It is safe to delete everything while no program uses the store: results
are then computed anew. Leave single files to the program (larder rm, larder gc).
`

// prepare makes sure that root is a store. Several processes may do it at once.
func prepare(root string, mustExist bool) error {
	made, err := formatted(root)
	if made || err != nil {
		return err
	}
	if mustExist {
		return fmt.Errorf("there is no store at %s yet; check the path, or store something there first (%w)", root, fs.ErrNotExist)
	}
	if err := makeRoot(filepath.Join(root, private)); err != nil {
		return err
	}
	stranger, err := strangerIn(root)
	if err != nil {
		return err
	}
	if stranger != "" {
		if made, err := formatted(root); made || err != nil {
			return err // another process made the store and put the first value meanwhile
		}
		os.Remove(filepath.Join(root, private)) // only if it is empty
		return fmt.Errorf("%s holds %q, which is not Larder's; choose a directory that is empty or absent", root, stranger)
	}
	if err := durable.WriteFile(filepath.Join(root, readmeFile), []byte(readme)); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(root, private, formatFile), []byte(formatText))
}

// syncRoot makes the entries of a directory durable; a test looks on.
var syncRoot = durable.SyncDir

// makeRoot makes a directory with all above it, so that their names survive a power cut.
func makeRoot(path string) error {
	missing := []string{}
	for dir := path; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		missing = append(missing, dir)
	}
	if err := makeDir(path); err != nil {
		return err
	}
	for _, dir := range missing {
		if err := syncRoot(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	return nil
}

// formatted reports whether root is a store already, of the format that is known here.
func formatted(root string) (bool, error) {
	found, err := durable.ReadFile(filepath.Join(root, private, formatFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, syscall.ENOTDIR):
		return false, fmt.Errorf("%s is a file, not a directory", root)
	case err != nil:
		return false, err
	case string(found) != formatText:
		line, _, _ := bytes.Cut(found, []byte("\n"))
		number, ours := bytes.CutPrefix(line, []byte(formatWords))
		if n, err := strconv.Atoi(string(number)); ours && err == nil && n > formatNumber {
			return false, fmt.Errorf("%w: %s has format %q, this program knows %d: use a newer Larder", backend.ErrNewer, root, line, formatNumber)
		}
		return false, fmt.Errorf("%s has format %.40q, this version of Larder reads %q", root, line, strings.TrimSpace(formatText))
	}
	return true, nil
}

// strangerIn returns the name of something in a directory without a format file that
// is there before any value is.
func strangerIn(root string) (string, error) {
	entries, err := os.ReadDir(root)
	for _, e := range entries {
		name := e.Name()
		ours := name == private || name == readmeFile || strings.HasPrefix(name, readmeFile+".") || strings.HasPrefix(name, tempPrefix)
		if !ours {
			return name, nil
		}
	}
	return "", err
}
