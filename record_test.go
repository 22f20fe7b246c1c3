package larder_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob/file"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// directories opens stores of the two kinds that are directories, as often as asked, with options.
func directories(t *testing.T) map[string]func(*larder.Options) *larder.Store {
	t.Helper()
	shelf, files := t.TempDir(), t.TempDir()
	open := func(b backend.Backend, err error, o *larder.Options) *larder.Store {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		s := larder.New(b, o)
		t.Cleanup(func() { s.Close() })
		return s
	}
	return map[string]func(*larder.Options) *larder.Store{
		"shelve": func(o *larder.Options) *larder.Store {
			b, err := shelve.Open(shelf, nil)
			return open(b, err, o)
		},
		"file": func(o *larder.Options) *larder.Store {
			b, err := file.Open(files, nil)
			return open(b, err, o)
		},
	}
}

var (
	recordKey = backend.Key{Shelf: backend.ShelfStore, Name: "record"}
	readable  = &larder.Options{Keys: keying.Readable{}, Logger: quiet}
)

// A store is read with the generator that it was made with, and nothing else is stored in it, nor computed for it.
func TestStoreKnowsItsKeys(t *testing.T) {
	ctx, c := context.Background(), component.New("lab/fit", "v1", map[string]any{"tau": 0.02})
	compute := func(context.Context) (string, error) { return "computed", nil }
	for name, open := range directories(t) {
		t.Run(name, func(t *testing.T) {
			if _, err := open(readable).Put(ctx, c, "model", "first"); err != nil {
				t.Fatal(err)
			}
			record, _, err := backend.GetVerified(ctx, open(nil).Backend(), recordKey)
			if err != nil || !strings.Contains(string(record), `"format":1,"keys":"readable"`) {
				t.Errorf("the record is %s, %v", record, err)
			}
			adopting := open(nil)
			if got, err := larder.Get[string](ctx, adopting, c, "model"); err != nil || got != "first" {
				t.Errorf("without a generator: %q, %v; want that of the store", got, err)
			}
			if _, err := adopting.Put(ctx, c, "more", "second"); err != nil {
				t.Errorf("Put without a generator = %v", err)
			}
			other := open(&larder.Options{Keys: keying.Hash{}, Logger: quiet})
			_, put := other.Put(ctx, c, "model", "other")
			_, claim := other.Claim(ctx, c, "model")
			_, memo := larder.Memo(ctx, other, c, "model", func(ctx context.Context) (string, error) {
				t.Error("computed for a store of other keys")
				return compute(ctx)
			})
			for what, err := range map[string]error{"Put": put, "Claim": claim, "Memo": memo} {
				if !errors.Is(err, larder.ErrKeys) || !strings.Contains(err.Error(), `"readable", not "hash"`) {
					t.Errorf("%s with another generator = %v, want ErrKeys with both names", what, err)
				}
			}
			if got, err := larder.Memo(ctx, open(readable), c, "model", compute); err != nil || got != "first" {
				t.Errorf("afterwards: %q, %v", got, err)
			}
		})
	}
}

// A record of a newer format, or of a generator of somebody's own, is told; one that is damaged is written anew.
func TestOddRecords(t *testing.T) {
	ctx, c := context.Background(), component.New("lab/fit", "v1", nil)
	for name, open := range directories(t) {
		for _, odd := range []struct {
			text string
			want error
			says string
		}{
			{`{"format":2,"keys":"hash","by":"v9.1.0"}`, larder.ErrNewer, "v9.1.0"},
			{`{"format":1,"keys":"lab.Keys"}`, larder.ErrKeys, `"lab.Keys"`},
			{`no JSON`, nil, ""},
		} {
			b := open(nil).Backend()
			if _, err := backend.PutBytes(ctx, b, recordKey, []byte(odd.text), backend.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			_, err := open(nil).Put(ctx, c, "x", "value")
			if !errors.Is(err, odd.want) || err != nil && !strings.Contains(err.Error(), odd.says) {
				t.Errorf("%s: Put beside %s = %v, want %v and %q", name, odd.text, err, odd.want, odd.says)
			}
			if _, err := open(nil).Key(ctx, c); !errors.Is(err, odd.want) {
				t.Errorf("%s: Key beside %s = %v, want %v", name, odd.text, err, odd.want)
			}
		}
		record, _, err := backend.GetVerified(ctx, open(nil).Backend(), recordKey)
		if err != nil || !strings.Contains(string(record), `"keys":"hash"`) {
			t.Errorf("%s: the damaged record is %s, %v; want it written anew", name, record, err)
		}
	}
}

// Of many that store the first value at once all succeed, and write one record.
func TestRecordIsWrittenOnce(t *testing.T) {
	ctx := context.Background()
	for name, open := range directories(t) {
		var group sync.WaitGroup
		for i := range 8 {
			s := open(nil)
			group.Go(func() {
				if _, err := s.Put(ctx, fit(i), "x", "value"); err != nil {
					t.Errorf("%s: Put %d = %v", name, i, err)
				}
			})
		}
		group.Wait()
		b := open(nil).Backend()
		before, err := b.Stat(ctx, recordKey)
		if err != nil || time.Since(before.ModTime) > time.Hour {
			t.Fatalf("%s: the record = %+v, %v", name, before, err)
		}
		if _, err := open(nil).Put(ctx, fit(100), "x", "value"); err != nil {
			t.Fatal(err)
		}
		if after, err := b.Stat(ctx, recordKey); err != nil || after.Version != before.Version {
			t.Errorf("%s: a later Put wrote the record again", name)
		}
	}
}

// The first call with a context that has ended is an error like any other.
func TestFirstCallWithoutTime(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for name, open := range directories(t) {
		if _, err := larder.Get[string](ctx, open(nil), fit(1), "x"); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Get = %v, want the end of its context", name, err)
		}
	}
	s := larder.New(mem.New(nil), nil)
	defer s.Close()
	if _, err := larder.Get[string](ctx, s, fit(1), "x"); err == nil {
		t.Error("mem: Get without time finds something")
	}
}

// Of two that begin a store at once with two generators, and both looked before there was one, one is refused.
func TestTwoBeginAtOnce(t *testing.T) {
	ctx := context.Background()
	for name, open := range directories(t) {
		hash, words := open(&larder.Options{Keys: &keying.Hash{}, Logger: quiet}), open(readable)
		for _, s := range []*larder.Store{hash, words} {
			if _, err := s.Record(ctx); !errors.Is(err, larder.ErrNotFound) {
				t.Fatalf("%s: Record of a new store = %v", name, err)
			}
		}
		if _, err := hash.Put(ctx, fit(1), "x", "value"); err != nil {
			t.Fatal(err)
		}
		if _, err := words.Put(ctx, fit(2), "x", "value"); !errors.Is(err, larder.ErrKeys) {
			t.Errorf("%s: Put of the second = %v, want ErrKeys", name, err)
		}
		if _, err := open(&larder.Options{Keys: keying.Hash{}}).Put(ctx, fit(3), "x", "value"); err != nil {
			t.Errorf("%s: a generator and a pointer to it are two: %v", name, err)
		}
	}
}

// A store from before there were records, or whose record is damaged, is known by the names in it.
func TestStoreWithoutRecord(t *testing.T) {
	ctx := context.Background()
	for name, open := range directories(t) {
		if _, err := open(readable).Put(ctx, fit(1), "x", "value"); err != nil {
			t.Fatal(err)
		}
		b := open(nil).Backend()
		for what, spoil := range map[string]func() error{
			"no record": func() error { return b.Delete(ctx, recordKey) },
			"a damaged record": func() error {
				_, err := backend.PutBytes(ctx, b, recordKey, []byte(`{"format":`), backend.PutOptions{})
				return err
			},
		} {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			s := open(nil)
			if got, err := larder.Get[string](ctx, s, fit(1), "x"); err != nil || got != "value" {
				t.Errorf("%s, %s: Get = %q, %v", name, what, got, err)
			}
			if _, err := s.Put(ctx, fit(2), "x", "value"); err != nil {
				t.Errorf("%s, %s: Put = %v", name, what, err)
			}
			if r, err := open(nil).Record(ctx); err != nil || r.Keys != "readable" {
				t.Errorf("%s, %s: the record is %+v, %v; want readable", name, what, r, err)
			}
		}
		if _, err := backend.PutBytes(ctx, b, recordKey, []byte(`{"format":2,"keys":{"name":"x"},"by":"v9"}`), backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := open(nil).Put(ctx, fit(3), "x", "value"); !errors.Is(err, larder.ErrNewer) {
			t.Errorf("%s: Put beside a record of another form = %v, want ErrNewer", name, err)
		}
	}
}

// Where asking costs a request a store's own generator is learnt before the first Put or Claim; what was looked up before is looked up again.
func TestGeneratorIsLearntLate(t *testing.T) {
	ctx := context.Background()
	for name, open := range directories(t) {
		if _, err := open(readable).Put(ctx, fit(1), "x", "value"); err != nil {
			t.Fatal(err)
		}
		late := func() *larder.Store {
			return larder.New(costly{open(nil).Backend()}, &larder.Options{Logger: quiet, NoLease: true})
		}
		s := late()
		if _, err := larder.Get[string](ctx, s, fit(1), "x"); !errors.Is(err, larder.ErrNotFound) {
			t.Errorf("%s: Get = %v, want a miss: nothing is asked for a hit", name, err)
		}
		got, err := larder.Memo(ctx, s, fit(1), "x", func(context.Context) (string, error) { return "computed", nil })
		if err != nil || got != "value" {
			t.Errorf("%s: Memo = %q, %v; want what the store has", name, got, err)
		}
		claim, err := late().Claim(ctx, fit(1), "x")
		if err != nil || !claim.LookAgain {
			t.Errorf("%s: Claim = %+v, %v; want it to look again", name, claim, err)
		}
		s = late()
		if _, err := s.Put(ctx, fit(2), "x", "second"); err != nil {
			t.Fatal(err)
		}
		if got, err := larder.Get[string](ctx, open(readable), fit(2), "x"); err != nil || got != "second" {
			t.Errorf("%s: what was put late = %q, %v; want it under the store's own key", name, got, err)
		}
	}
}

// costly is a backend whose requests cost.
type costly struct{ backend.Backend }

func (c costly) Limits() backend.Limits {
	l := backend.LimitsOf(c.Backend)
	l.CostlyRequests = true
	return l
}

// A store that cannot be asked for its generator is no reason not to compute; and nothing goes in under a key of another.
func TestGeneratorCannotBeAsked(t *testing.T) {
	ctx := context.Background()
	for name, open := range directories(t) {
		if _, err := open(readable).Put(ctx, fit(1), "x", "value"); err != nil {
			t.Fatal(err)
		}
		for _, still := range []bool{false, true} { // silent when it is to store what was computed
			b := &away{Backend: open(nil).Backend(), silent: true}
			s := larder.New(b, &larder.Options{Logger: quiet, NoLease: true})
			got, err := larder.Memo(ctx, s, fit(2), "x", func(context.Context) (string, error) {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.silent = still
				return "computed", nil
			})
			if err != nil || got != "computed" {
				t.Errorf("%s: Memo = %q, %v", name, got, err)
			}
		}
		for info, err := range open(nil).Backend().List(ctx, backend.ShelfCache, backend.ListOptions{}) {
			if err != nil || !strings.HasPrefix(info.Key.Name, "fit_") {
				t.Errorf("%s: the store has %q, %v, under a key that is not its own", name, info.Key, err)
			}
		}
	}
}
