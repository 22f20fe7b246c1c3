package reserve

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/larder-store/larder/internal/durable"
)

// record is what a run says to others.
type record struct {
	Format  int       `json:"format"` // 1
	Nonce   string    `json:"nonce"`
	Stage   string    `json:"stage"`
	ID      string    `json:"id"`
	Outputs []string  `json:"outputs"`
	PID     int       `json:"pid"`     // of the larder that answers for the run
	Space   string    `json:"space"`   // the system's name for the numbers of processes: containers have their own
	Started string    `json:"started"` // what distinguishes that process from a later one of the same number; "" if nothing does, or FD is 0
	FD      int       `json:"fd"`      // under which number the run's processes have the record open; 0: not yet
	Since   time.Time `json:"since"`

	foreign bool // what the file holds is no record of this format, not even one that was cut short
}

const recordFormat = 1

// recordStart is how every record of this format begins.
const recordStart = `{"format":1,`

// nonceBytes is how many random bytes the name of a record spells.
const nonceBytes = 8

// isNonce reports whether a file may be a record by its name. [DirVariable] may name a directory where other things lie.
func isNonce(name string) bool {
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == nonceBytes
}

// maxRecord bounds what is read of a record: some thousand outputs.
const maxRecord = 4 << 20

// newRecord makes the record of a run, and locks it. The caller has the mutex.
func newRecord(dir string, run *Run) (record, *os.File, error) {
	var b [nonceBytes]byte
	rand.Read(b[:])
	r := record{
		Format: recordFormat, Nonce: hex.EncodeToString(b[:]), Stage: run.Stage, ID: run.ID, Outputs: run.Outputs,
		PID: os.Getpid(), Space: space(), Since: time.Now().UTC(), // the time zone of this place would be read from a file
	}
	f, err := os.OpenFile(filepath.Join(dir, r.Nonce), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return r, nil, err
	}
	free, err := durable.TryLock(f, false)
	if err == nil && !free {
		err = fmt.Errorf("the lock on the new file %s is taken", f.Name())
	}
	if err == nil {
		err = r.write(f)
	}
	if err != nil {
		os.Remove(f.Name())
		f.Close()
		return r, nil, err
	}
	return r, f, nil
}

// write replaces what is in f. Nothing depends on a record that is half written: its lock says
// whether the run lives, and before it is whole nothing was moved.
func (r *record) write(f *os.File) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(text, 0); err != nil {
		return err
	}
	return f.Truncate(int64(len(text)))
}

// readRecord reads a record from the open file.
func readRecord(f *os.File) (record, error) {
	var r record
	text, err := io.ReadAll(io.NewSectionReader(f, 0, maxRecord))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		n := min(len(text), len(recordStart))
		r.foreign = string(text[:n]) != recordStart[:n]
		return r, err
	}
	if r.Format != recordFormat || r.Nonce != filepath.Base(f.Name()) {
		r.foreign = true
		return r, fmt.Errorf("%s is no record of format %d", f.Name(), recordFormat)
	}
	return r, nil
}

// ownerAlive reports whether the larder that answers for the run lives. One in a container, or outside of ours,
// has a number that means another process here: it is taken for alive, and its run only waited for. Before the run has processes
// of its own the lock is this larder's alone, and ends with it, so that what distinguishes it is not needed yet.
func (r *record) ownerAlive() bool {
	return r.Space != space() || alive(r.PID) && (r.FD == 0 || started(r.PID) == r.Started)
}

// DirVariable names another directory for the records: for containers that share outputs but not /tmp, say.
// Processes that do not see one another's records do not exclude one another.
const DirVariable = "LARDER_RUNS"

// Dir returns the directory of the records, and makes it: what [DirVariable] says, else one that is the same
// for all processes of this user on this machine, whatever else their environment is.
func Dir() (string, error) {
	if dir := os.Getenv(DirVariable); dir != "" {
		return dir, os.MkdirAll(dir, 0o700)
	}
	var errs []error
	for _, dir := range candidates() {
		err := os.MkdirAll(dir, 0o700)
		if err == nil {
			err = private(dir)
		}
		if err == nil {
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("no directory for the records of runs under way (%s may name one): %w", DirVariable, errors.Join(errs...))
}

// isAt reports whether the open file is still the one that its name leads to.
func isAt(f *os.File) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(f.Name())
	return err == nil && os.SameFile(a, b)
}

// records calls use with each record and its open file, which use may keep; else it is closed. A
// record that was cut short by a kill is the zero record: nothing was moved for it yet. One that is foreign, of a newer version
// say, is zero but for that.
func records(dir string, use func(record, *os.File) (keep bool, err error)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !isNonce(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		f, err := os.OpenFile(filepath.Join(dir, e.Name()), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		r, err := readRecord(f)
		if err != nil {
			r = record{foreign: r.foreign}
		}
		keep, err := use(r, f)
		if !keep {
			f.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
