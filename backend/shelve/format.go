package shelve

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/durable"
)

// A store's directory says what it is in the file FORMAT: a line "larder shelve 1". The
// number grows when a program that knows only the older one would do harm.
const (
	format     = 1
	formatFile = "FORMAT"
	formatText = "larder shelve "
)

const readme = `This directory is a store of Larder (https://github.com/larder-store/larder).
It keeps the results of computations, so that they need not be computed twice.

  FORMAT      what this is, and in which version
  main.db     a bbolt file: the shelves "cache" (results) and "components" (what
              each result is a result of)
  shelves/    a bbolt file for each further shelf, such as a session
  data/       values that are too large for those files, by a random name that
              only they know
  leases/     who computes what at this moment
  *.gate, *.door   locks; programs take turns by them
  *.sock      where the program that has a file open takes what others ask

Look into it with the command larder. While programs use it, change nothing by hand.
When none does, the whole directory can be copied, moved and deleted like any other;
a part of it is of no use. Space is given back by "larder gc".
`

// state is what is at a path.
type state int

const (
	absent  state = iota // nothing, or an empty directory
	ours                 // a store of the format
	foreign              // something else; with an error
)

// inspect reports whether path is a store.
func inspect(path string) (state, error) {
	line, err := durable.ReadFile(filepath.Join(path, formatFile))
	switch {
	case err == nil:
		return ours, checkFormat(path, line)
	case !errors.Is(err, fs.ErrNotExist):
		if fi, statErr := os.Stat(path); statErr == nil && !fi.IsDir() {
			return foreign, fmt.Errorf("%s is a file: a store is a directory; give another path", path)
		}
		return foreign, err
	}
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return absent, nil
	}
	if err != nil {
		return foreign, err
	}
	for _, e := range entries {
		if e.Name() == ".larder" { // what package file keeps of its own
			return foreign, fmt.Errorf("%s is no store of shelves; if it is one of files, give it as file:///%s", path, strings.TrimPrefix(filepath.ToSlash(path), "/"))
		}
		// Another process may be making the store at this moment.
		if e.Name() == formatFile {
			return inspect(path)
		}
		if !strings.HasPrefix(e.Name(), formatFile+".") && e.Name() != "lost+found" {
			return foreign, fmt.Errorf("%s is no store, and not empty (it holds %s): give the path of a store, or of an empty or new directory", path, e.Name())
		}
	}
	return absent, nil
}

func checkFormat(path string, line []byte) error {
	text, ok := bytes.CutPrefix(line, []byte(formatText))
	n, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if !ok || err != nil {
		return fmt.Errorf("%w: %s says %.40q instead of %q", backend.ErrCorrupt,
			filepath.Join(path, formatFile), line, formatText+strconv.Itoa(format))
	}
	if n > format {
		return fmt.Errorf("%w: %s has format %d, this program knows %d: use a newer Larder", backend.ErrNewer, path, n, format)
	}
	return nil
}

// build makes a store at path. Several processes may do so at once.
func build(path string, d disk) error {
	if err := d.mkdirAll(path); err != nil {
		return err
	}
	// The format comes first, and whole: what follows is made again if it is missing.
	line := fmt.Appendf(nil, "%s%d\n", formatText, format)
	write := func() error { return durable.WriteFile(filepath.Join(path, formatFile), line) }
	if err := d.step("write format", path, write); err != nil {
		return err
	}
	return complete(path, d)
}

// complete makes what else belongs to a store.
func complete(path string, d disk) error {
	for _, dir := range []string{dataDir, shelfDir, leaseDir} {
		if _, err := os.Stat(filepath.Join(path, dir)); err == nil {
			continue
		}
		if err := d.mkdir(filepath.Join(path, dir)); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(path, "README")); err == nil {
		return nil
	}
	return os.WriteFile(filepath.Join(path, "README"), []byte(readme), 0o600)
}
