//go:build unix

package shelve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

func init() {
	roles["storm"] = storm
	roles["churn"] = churn
}

const (
	stormers = 8
	rounds   = 40
)

// storm puts and gets keys that others put and get too, and stops at the first thing that
// is wrong.
func storm(dir string, args []string) error {
	ctx := context.Background()
	b, err := shelve.Open(dir, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	self := args[0]
	rng := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	var last []byte
	for i := range rounds {
		shared := backend.Key{Shelf: []string{"cache", "run"}[rng.IntN(2)], Name: fmt.Sprint("shared-", rng.IntN(5))}
		v := value(fmt.Sprintf("%s-%d", self, i), 20+rng.IntN(2)*large)
		if err := put(b, shared, v); err != nil {
			return err
		}
		if _, _, err := get(b, shared); err != nil {
			return err
		}
		if last = v; i%2 == 0 {
			if err := put(b, cache("own-"+self), last); err != nil {
				return err
			}
			got, _, err := get(b, cache("own-"+self))
			if err != nil || !bytes.Equal(got, last) {
				return fmt.Errorf("own key: %.20q, %v, want %.20q", got, err, last)
			}
		}
		if i%4 == 0 {
			if err := count(ctx, b); err != nil {
				return err
			}
		}
		o := options(v)
		o.IfAbsent = true
		switch _, err := b.Put(ctx, cache(fmt.Sprint("first-", i)), bytes.NewReader(v), o); {
		case err == nil:
			fmt.Printf("won %d %s\n", i, v[:bytes.IndexByte(v, '.')])
		case !errors.Is(err, backend.ErrExists):
			return err
		}
	}
	fmt.Println("finished", self)
	return nil
}

// count adds one to a number that all processes count on.
func count(ctx context.Context, b *shelve.Backend) error {
	for {
		v, info, err := get(b, cache("count"))
		o := backend.PutOptions{IfMatch: info.Version}
		if errors.Is(err, backend.ErrNotFound) {
			o, err = backend.PutOptions{IfAbsent: true}, nil
		}
		if err != nil {
			return err
		}
		n, _ := strconv.Atoi(string(v))
		next := []byte(strconv.Itoa(n + 1))
		full := options(next)
		full.IfMatch, full.IfAbsent = o.IfMatch, o.IfAbsent
		_, err = b.Put(ctx, cache("count"), bytes.NewReader(next), full)
		if !errors.Is(err, backend.ErrChanged) && !errors.Is(err, backend.ErrExists) {
			return err
		}
	}
}

// TestEightProcesses lets processes put and get in one store: nothing is lost, nothing
// is wrong, everybody finishes.
func TestEightProcesses(t *testing.T) {
	dir := t.TempDir()
	winner := map[string]string{}
	for i, printed := range crew(t, stormers, func(i int) *exec.Cmd { return another(t, "storm", dir, fmt.Sprint("p", i)) }) {
		if len(lines(printed, "finished")) != 1 {
			t.Errorf("process %d did not finish", i)
		}
		for _, won := range lines(printed, "won") {
			key, v, _ := strings.Cut(won, " ")
			if winner[key] != "" {
				t.Errorf("first-%s was won by %s and %s", key, winner[key], v)
			}
			winner[key] = v
		}
	}
	b := open(t, dir, nil)
	for i := range rounds {
		want := winner[fmt.Sprint(i)]
		got, _, err := get(b, cache(fmt.Sprint("first-", i)))
		if err != nil || want == "" || !bytes.HasPrefix(got, []byte(want+".")) {
			t.Errorf("first-%d = %.20q, %v, want %q", i, got, err, want)
		}
	}
	got, _, err := get(b, cache("count"))
	if want := fmt.Sprint(stormers * rounds / 4); err != nil || string(got) != want {
		t.Errorf("count = %s, %v, want %s", got, err, want)
	}
	files := 0
	for _, shelf := range []string{"cache", "run"} {
		for info, err := range b.List(context.Background(), shelf, backend.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if info.Size > shelve.DefaultInline {
				files++
			}
		}
	}
	if got := len(dataFiles(t, dir)); got != files {
		t.Errorf("%d value files before any sweep, want %d", got, files)
	}
	b.Close()
	checkSwept(t, dir, files)
}

// churn puts large values over each other until its time is over.
func churn(dir string, args []string) error {
	b, err := shelve.Open(dir, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	for i, end := 0, time.Now().Add(time.Second); time.Now().Before(end); i++ {
		key := cache(fmt.Sprintf("%s-%d", args[0], i%3))
		v := value(fmt.Sprintf("%s %d", key.Name, i), large)
		if err := put(b, key, v); err != nil {
			return err
		}
		if got, _, err := get(b, key); err != nil || !bytes.Equal(got, v) {
			return fmt.Errorf("%q = %.20q, %v, want %.20q", key, got, err, v)
		}
		if i%5 == 4 {
			if err := b.Delete(context.Background(), key); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestSweepAmongWriters sweeps, and compacts, while other processes write: they miss
// nothing.
func TestSweepAmongWriters(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, nil)
	var cmds []*exec.Cmd
	for i := range 3 {
		cmd := another(t, "churn", dir, fmt.Sprint("p", i))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	done := make(chan error)
	go func() {
		var all error
		for _, cmd := range cmds {
			all = errors.Join(all, cmd.Wait())
		}
		done <- all
	}()
	sweeps := 0
	for running := true; running; sweeps++ {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			running = false
		default:
		}
		report, err := b.Sweep(context.Background(), backend.SweepOptions{Compact: sweeps%3 == 0})
		if err != nil || report.Dangling != 0 {
			t.Fatalf("sweep: %+v, %v", report, err)
		}
	}
	if sweeps < 3 {
		t.Errorf("%d sweeps meanwhile are no test", sweeps)
	}
	files := 0
	for _, err := range b.List(context.Background(), backend.ShelfCache, backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		files++
	}
	b.Close()
	checkSwept(t, dir, files)
}
