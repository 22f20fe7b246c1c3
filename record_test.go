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
