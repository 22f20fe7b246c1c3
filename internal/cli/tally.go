package cli

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

// A tally counts what commands of this user on this machine did with one store. It lies in the
// user's cache directory, not in the store: a line a command, appended in one write, so
// that counting costs some 20 µs and no lock. Each machine has a file of its own, for home directories that several share:
// what two of them append to one file on a network may overwrite one another.
type tally struct{ path string }

// counts are what a tally counts.
type counts struct {
	Hits     int64 `json:"hits,omitempty"`
	Misses   int64 `json:"misses,omitempty"`
	Computed int64 `json:"computed,omitempty"`
	Waited   int64 `json:"waited,omitempty"`
	Puts     int64 `json:"puts,omitempty"`
	Read     int64 `json:"bytes_read,omitempty"`
	Written  int64 `json:"bytes_written,omitempty"`
	Corrupt  int64 `json:"corrupt,omitempty"`
	Healed   int64 `json:"healed,omitempty"`
	Failures int64 `json:"store_failures,omitempty"`
	SavedMS  int64 `json:"saved_ms,omitempty"`
}

func (c *counts) add(d counts) {
	c.Hits += d.Hits
	c.Misses += d.Misses
	c.Computed += d.Computed
	c.Waited += d.Waited
	c.Puts += d.Puts
	c.Read += d.Read
	c.Written += d.Written
	c.Corrupt += d.Corrupt
	c.Healed += d.Healed
	c.Failures += d.Failures
	c.SavedMS += d.SavedMS
}

// countsOf returns what a Store did.
func countsOf(s larder.Stats) counts {
	return counts{s.Hits, s.Misses, s.Computed, s.Waited, s.Puts, s.BytesRead, s.BytesWritten, s.Corrupt, s.Healed, s.StoreFailures, s.Saved.Milliseconds()}
}

// tallyOf returns this machine's tally of the store at url.
func tallyOf(url string) (tally, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "" // one that does not know its name is one machine, too
	}
	return tallyOn(host, url)
}

// tallyOn returns a machine's tally of the store at url. Its name is a digest of the URL, which may
// hold secrets, and of the machine's name.
func tallyOn(host, url string) (tally, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return tally{}, err
	}
	if dir, ok := backend.LocalDir(url); ok {
		if abs, err := filepath.Abs(dir); err == nil {
			url = abs
		}
	}
	digest := sha256.Sum256([]byte(host + "\x00" + url))
	return tally{filepath.Join(dir, "larder", "counts", hex.EncodeToString(digest[:8]))}, nil
}

// maxTally is when a tally is folded into one line: some 10,000 commands.
const maxTally = 1 << 20

// count adds to the tally. Failures are ignored: counting must not fail a command.
func (t tally) count(c counts) {
	if c == (counts{}) {
		return
	}
	f, err := t.append(c)
	if err != nil {
		return
	}
	info, err := f.Stat()
	f.Close()
	if err == nil && info.Size() > maxTally {
		t.fold()
	}
}

func (t tally) append(c counts) (*os.File, error) {
	line, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	const flags = os.O_APPEND | os.O_CREATE | os.O_WRONLY
	f, err := os.OpenFile(t.path, flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(t.path), 0o700); err == nil {
			f, err = os.OpenFile(t.path, flags, 0o600)
		}
	}
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// fold replaces the lines by their sum. Of several that try, the rename lets one.
func (t tally) fold() {
	old := t.path + ".folding"
	if os.Rename(t.path, old) != nil {
		return
	}
	sum, err := sumOf(old)
	if err != nil {
		return
	}
	if f, err := t.append(sum); err == nil {
		f.Close()
		os.Remove(old)
	}
}

// sum returns the counts since the last reset.
func (t tally) sum() (counts, error) {
	var all counts
	for _, path := range []string{t.path, t.path + ".folding"} {
		c, err := sumOf(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return counts{}, err
		}
		all.add(c)
	}
	return all, nil
}

// sumOf adds the lines of a file. A line that is no counts, cut by a crash perhaps, is
// passed over.
func sumOf(path string) (counts, error) {
	f, err := os.Open(path)
	if err != nil {
		return counts{}, err
	}
	defer f.Close()
	var all counts
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var c counts
		if json.Unmarshal(lines.Bytes(), &c) == nil {
			all.add(c)
		}
	}
	return all, lines.Err()
}

// reset begins anew.
func (t tally) reset() error {
	for _, path := range []string{t.path, t.path + ".folding"} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
