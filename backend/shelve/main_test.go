package shelve_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

// The test binary runs itself as the other processes of a test: with roleVariable set it
// plays that role instead of testing.
const roleVariable = "SHELVE_TEST_ROLE"

var roles = map[string]func(dir string, args []string) error{}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := roles[role](os.Args[1], os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// another returns a process that plays a role in dir.
func another(t testing.TB, role, dir string, args ...any) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	words := []string{dir}
	for _, a := range args {
		words = append(words, fmt.Sprint(a))
	}
	cmd := exec.Command(exe, words...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// crew runs n processes side by side, and returns what each printed. All must end well.
func crew(t testing.TB, n int, process func(i int) *exec.Cmd) [][]byte {
	t.Helper()
	cmds, outs := make([]*exec.Cmd, n), make([]bytes.Buffer, n)
	for i := range n {
		cmds[i] = process(i)
		cmds[i].Stdout = &outs[i]
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	printed := make([][]byte, n)
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
		printed[i] = outs[i].Bytes()
	}
	return printed
}

// number returns the number that a process printed after a word; 0 if it did not come to that.
func number(t testing.TB, printed []byte, word string) int {
	t.Helper()
	found := lines(printed, word)
	if len(found) == 0 {
		t.Errorf("the process printed no %q", word)
		return 0
	}
	n, err := strconv.Atoi(found[0])
	if err != nil {
		t.Error(err)
	}
	return n
}

func open(t testing.TB, dir string, o *shelve.Options) *shelve.Backend {
	t.Helper()
	b, err := shelve.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func cache(name string) backend.Key { return backend.Key{Shelf: backend.ShelfCache, Name: name} }

// options returns those of a Put of v.
func options(v []byte) backend.PutOptions {
	return backend.PutOptions{
		Size:   int64(len(v)),
		Digest: sha256.Sum256(v),
		Sum:    crc32.Checksum(v, crc32.MakeTable(crc32.Castagnoli)),
		Meta:   backend.Meta{"codec": "bytes"},
	}
}

func put(b backend.Backend, key backend.Key, v []byte) error {
	_, err := b.Put(context.Background(), key, bytes.NewReader(v), options(v))
	return err
}

func mustPut(t testing.TB, b backend.Backend, key backend.Key, v []byte) {
	t.Helper()
	if err := put(b, key, v); err != nil {
		t.Fatal(err)
	}
}

// get returns a value, held to its own Info.
func get(b backend.Backend, key backend.Key) ([]byte, backend.Info, error) {
	body, info, err := b.Get(context.Background(), key)
	if err != nil {
		return nil, info, err
	}
	defer body.Close()
	v, err := io.ReadAll(body)
	if err == nil && (int64(len(v)) != info.Size || sha256.Sum256(v) != info.Digest || options(v).Sum != info.Sum) {
		err = fmt.Errorf("%q: a torn value was delivered: %d bytes of %d", key, len(v), info.Size)
	}
	return v, info, err
}

// listError returns what a list of the shelf cache ends with.
func listError(b *shelve.Backend) (last error) {
	for _, err := range b.List(context.Background(), backend.ShelfCache, backend.ListOptions{}) {
		last = err
	}
	return last
}

// value returns a value of n bytes that begins with text.
func value(text string, n int) []byte {
	return append([]byte(text), bytes.Repeat([]byte{'.'}, n-len(text))...)
}

// large is a size that is kept in a file.
const large = shelve.DefaultInline + 1

// dataFiles returns the files in a store's data directory.
func dataFiles(t testing.TB, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "data"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// checkSwept sweeps, and makes sure that there are n files of values afterwards, and that
// bbolt finds its files in order.
func checkSwept(t testing.TB, dir string, n int) {
	t.Helper()
	b := open(t, dir, nil)
	if _, err := b.Sweep(context.Background(), backend.SweepOptions{}); err != nil {
		t.Error(err)
	}
	if got := dataFiles(t, dir); len(got) != n {
		t.Errorf("after a sweep there are %d value files, want %d: %v", len(got), n, got)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); len(left) > 0 {
		t.Errorf("after a sweep there is %v", left)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	checkIndex(t, dir)
}

// checkIndex has bbolt check its files.
func checkIndex(t testing.TB, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "shelves", "*.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(files, filepath.Join(dir, "main.db")) {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: 5 * time.Second, ReadOnly: true, PreLoadFreelist: true})
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		err = db.View(func(tx *bbolt.Tx) error {
			var all []error
			for err := range tx.Check() {
				all = append(all, err)
			}
			return errors.Join(all...)
		})
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		db.Close()
	}
}

// litterIn leaves the file of a value behind that nothing names.
func litterIn(store string) error {
	name := shelve.DataName()
	dir := filepath.Join(store, "data", name[:2])
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), value("litter", large), 0o600)
}

// lines returns the lines of b that begin with word, without it.
func lines(b []byte, word string) (found []string) {
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, word+" "); ok {
			found = append(found, strings.TrimSpace(rest))
		}
	}
	return found
}
