//go:build unix

package shelve_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder/backend/shelve"
)

func init() {
	roles["putter"] = putter
	roles["bolter"] = bolter
}

// putter puts 1 KiB over and over for the time args[1], and prints how often.
func putter(dir string, args []string) error {
	b, err := shelve.Open(dir, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	d, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	v := randomBytes(1 << 10)
	n := 0
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		if err := put(b, cache(fmt.Sprintf("%s-%d", args[0], n)), v); err != nil {
			return err
		}
	}
	fmt.Println("puts", n)
	return nil
}

// bolter is putter with bbolt, whose file it keeps open.
func bolter(dir string, args []string) error {
	db, err := bbolt.Open(filepath.Join(dir, "bolt.db"), 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return err
	}
	defer db.Close()
	d, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	v := randomBytes(1 << 10)
	n := 0
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("cache"))
			if err != nil {
				return err
			}
			return b.Put(fmt.Appendf(nil, "%s-%d", args[0], n), v)
		})
		if err != nil {
			return err
		}
	}
	fmt.Println("puts", n)
	return nil
}

// BenchmarkProcesses measures eight processes that put into one store at the same time,
// beside one that has a bbolt file for itself.
func BenchmarkProcesses(b *testing.B) {
	run := func(b *testing.B, role string, n int) {
		const d = 2 * time.Second
		total, slowest := 0, 0
		for range b.N {
			dir := b.TempDir()
			var puts []int
			for _, printed := range crew(b, n, func(i int) *exec.Cmd { return another(b, role, dir, fmt.Sprint("p", i), d) }) {
				puts = append(puts, number(b, printed, "puts"))
				total += puts[len(puts)-1]
			}
			slowest += slices.Min(puts)
		}
		b.ReportMetric(float64(total)/float64(b.N)/d.Seconds(), "puts/s")
		b.ReportMetric(float64(slowest*n)/float64(total), "slowest/share")
	}
	b.Run("bbolt-1", func(b *testing.B) { run(b, "bolter", 1) })
	for _, n := range []int{1, 2, 8} {
		b.Run(fmt.Sprint("shelve-", n), func(b *testing.B) { run(b, "putter", n) })
	}
}
