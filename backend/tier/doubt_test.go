package tier_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/backend/tier"
)

// slow is a far store whose network keeps one write of "a" and answers nothing; it lands later.
type slow struct {
	*away
	kept chan func() // the write that is kept
	hang bool        // its writer hangs for ever, else it is told that the store is away
}

func (s *slow) keep(key_ backend.Key, write func()) error {
	if key_ != key("a") {
		return nil
	}
	select {
	case s.kept <- write:
	default: // only one is kept
		return nil
	}
	if s.hang {
		fmt.Println("kept")
		select {}
	}
	return fmt.Errorf("no answer: %w", backend.ErrUnavailable)
}

func (s *slow) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return backend.Info{}, err
	}
	again := func() (backend.Info, error) {
		return s.away.Put(context.WithoutCancel(ctx), key, strings.NewReader(string(text)), opts)
	}
	if err := s.keep(key, func() { again() }); err != nil {
		return backend.Info{}, err
	}
	return again()
}

func (s *slow) Delete(ctx context.Context, key backend.Key) error {
	again := func() error { return s.away.Delete(context.WithoutCancel(ctx), key) }
	if err := s.keep(key, func() { again() }); err != nil {
		return err
	}
	return again()
}

// doing is a first write of "a", and the later one that must stay.
var doing = map[string]struct {
	first, then func(t testing.TB, b backend.Backend)
	want        string
}{
	"put, put":    {putA(1), putA(2), value(2, 80)},
	"put, delete": {putA(1), deleteA, ""},
	"delete, put": {deleteA, putA(2), value(2, 80)},
}

func putA(n int) func(testing.TB, backend.Backend) {
	return func(t testing.TB, b backend.Backend) { put(t, b, "a", value(n, 80)) }
}

func deleteA(t testing.TB, b backend.Backend) {
	if err := b.Delete(context.Background(), key("a")); err != nil {
		t.Error(err)
	}
}

func flush(t testing.TB, b backend.Backend) {
	t.Helper()
	if err := b.(interface{ Flush(context.Context) error }).Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// A write whose answer was lost may land after the next one of its key. What the later one made is read all the time, and once
// nothing can land any more the far store has it too.
func TestLostAnswer(t *testing.T) {
	for name, d := range doing {
		t.Run(name, func(t *testing.T) {
			far := &slow{away: newAway(), kept: make(chan func(), 1)}
			put(t, far.Backend, "a", value(0, 80))
			opts := tier.Options{Write: tier.Back}
			near := t.TempDir()
			b := over(t, near, far, opts)
			d.first(t, b)
			late := <-far.kept
			d.then(t, b)
			for b.(interface{ Flush(context.Context) error }).Flush(context.Background()) != nil {
			}
			lands(t, b, far, near, late, d.want)
		})
	}
}

// The same holds for the writes of a process that was killed.
func TestSenderKilled(t *testing.T) {
	if near := os.Getenv("LARDER_TEST_TIER_NEAR"); near != "" {
		far := &slow{away: newAway(), kept: make(chan func(), 1), hang: true}
		doing[os.Getenv("LARDER_TEST_TIER_DOING")].first(t, over(t, near, far, tier.Options{Write: tier.Back}))
		select {} // until it is killed
	}
	for name, d := range doing {
		t.Run(name, func(t *testing.T) {
			near := t.TempDir()
			cmd := exec.Command(os.Args[0], "-test.run=^TestSenderKilled$")
			cmd.Env = append(os.Environ(), "LARDER_TEST_TIER_NEAR="+near, "LARDER_TEST_TIER_DOING="+name)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			said, err := bufio.NewReader(out).ReadString('\n')
			cmd.Process.Kill()
			cmd.Wait()
			if said != "kept\n" {
				t.Fatalf("the process said %q, %v", said, err)
			}
			far := &slow{away: newAway()}
			b := over(t, near, far, tier.Options{Write: tier.Back})
			d.then(t, b)
			flush(t, b)
			late := func() { // what the killed one had sent
				if name == "delete, put" {
					deleteA(t, far.Backend)
				} else {
					put(t, far.Backend, "a", value(1, 80))
				}
			}
			lands(t, b, far, near, late, d.want)
		})
	}
}

// lands lets a late write land on the far store, and wants the key "a" to hold one value all the same, in the end there too.
func lands(t *testing.T, b backend.Backend, far *slow, near string, late func(), want string) {
	t.Helper()
	wants(t, far.Backend, "a", want) // it was sent
	put(t, b, "b", value(3, 80))
	flush(t, b)
	late()
	wants(t, b, "a", want)
	informer, _ := backend.As[backend.Informer](b)
	if facts, err := informer.Facts(context.Background()); err != nil || !strings.Contains(fmt.Sprint(facts), "{in doubt 1 keys") {
		t.Errorf("Facts = %v, %v; want one key in doubt", facts, err)
	}
	asksNothing(t, b, far)
	for round := range 2 { // a handle after the other: what is in doubt is so for all
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if round == 1 { // and a sender is killed that had nothing to send
			marked(t, near)
		}
		b = over(t, near, far, tier.Options{Write: tier.Back})
		asksNothing(t, b, far)
		wants(t, b, "a", want)
	}
	late() // and once more
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	tier.SetLanded(t, 0)
	b = over(t, near, far, tier.Options{Write: tier.Back})
	flush(t, b)
	wants(t, b, "a", want)
	wants(t, far.Backend, "a", want)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	n, err := shelve.Open(near, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for shelf, err := range n.Shelves(context.Background(), backend.ListOptions{}) {
		if err != nil || strings.HasPrefix(shelf, "larder.") {
			t.Errorf("near holds the shelf %q still, %v", shelf, err)
		}
	}
}

// asksNothing flushes what was sent already.
func asksNothing(t *testing.T, b backend.Backend, far *slow) {
	t.Helper()
	asked := far.asked.Load()
	flush(t, b)
	if n := far.asked.Load() - asked; n != 0 {
		t.Errorf("a flush with nothing to send asks the far store %d times", n)
	}
}

// marked leaves what a killed sender leaves.
func marked(t *testing.T, near string) {
	t.Helper()
	n, err := shelve.Open(near, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if _, err := backend.PutBytes(context.Background(), n, backend.Key{Shelf: "larder.tier.doubt", Name: "sending"}, nil, backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

// A handle that is closed while it sends lets what is under way arrive, so that nothing is in doubt afterwards.
func TestCloseWhileSending(t *testing.T) {
	for name, drain := range map[string]time.Duration{"drain": 0, "no drain": -1} {
		t.Run(name, func(t *testing.T) { closeWhileSending(t, tier.Options{Write: tier.Back, Drain: drain}) })
	}
}

func closeWhileSending(t *testing.T, opts tier.Options) {
	far := newAway()
	started, go_ := make(chan struct{}), make(chan struct{})
	far.after = func(string) {
		close(started)
		<-go_
		far.after = nil
	}
	b, near := pair(t, far, opts)
	opened := far.asked.Load()
	put(t, b, "a", value(1, 80))
	<-started
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	close(go_)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if n := far.asked.Load() - opened; n != 1 {
		t.Errorf("one value was sent by %d requests", n)
	}
	b = over(t, near, far, opts)
	asked := far.asked.Load()
	flush(t, b)
	if n := far.asked.Load() - asked; n != 0 {
		t.Errorf("it is sent again, by %d requests of the next handle", n)
	}
}
