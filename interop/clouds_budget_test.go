package interop_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/interop/proxy"
)

// What each step costs in requests, as docs/buckets.md promises.
func TestCloudBudget(t *testing.T) {
	for _, s := range []service{gcs, azure} {
		t.Run(s.name, func(t *testing.T) {
			b, w := behind(t, s, "")
			put := func(name, text string, opts backend.PutOptions) func() error {
				return func() error {
					_, err := tryPut(b, name, text, opts)
					return err
				}
			}
			get := func(name string) func() error {
				return func() error {
					_, err := read(b, name)
					return err
				}
			}
			store := larder.New(b, &larder.Options{NoLease: true})
			memo := func(n int, attribute string) func() error {
				return func() error {
					_, err := larder.Memo(context.Background(), store, component.New("test/stage", "1", n), attribute,
						func(context.Context) (float64, error) { return 1.5, nil })
					return err
				}
			}
			whole := strings.Repeat("x", 16*mebi)
			large := map[string]int{s.part: 2}
			if s.store == s.part {
				large["CREATE UPLOAD"] = 1
			} else {
				large[s.store] = 1
			}
			var seen backend.Info
			deleteMatch := func() error {
				return backend.ItemError(backend.DeleteMatch(context.Background(), b, []backend.Seen{{Key: seen.Key, Version: seen.Version}}), 0)
			}
			one := func(kind string) map[string]int { return map[string]int{kind: 1} }
			for _, step := range []struct {
				name string
				do   func() error
				fail error
				want map[string]int
			}{
				{"a put", put("a", "small", backend.PutOptions{}), nil, one("PUT")},
				{"a put under IfAbsent", put("b", "small", backend.PutOptions{IfAbsent: true}), nil, one("PUT")},
				{"one that exists", put("b", "small", backend.PutOptions{IfAbsent: true}), backend.ErrExists, one("PUT")},
				{"a put of nothing", put("empty", "", backend.PutOptions{}), nil, one("PUT")},
				{"a put of what one request takes", put("whole", whole, backend.PutOptions{}), nil, one("PUT")},
				{"a put of more", put("large", whole+"x", backend.PutOptions{}), nil, large},
				{"a hit", get("a"), nil, one("GET")},
				{"a hit of nothing", get("empty"), nil, one("GET")},
				{"a miss", get("absent"), backend.ErrNotFound, one("GET")},
				{"the first miss in a new store", memo(1, "fit"), nil, map[string]int{"GET": 3, "LIST": 1, "PUT": 3}},
				{"a miss of a new component", memo(7, "fit"), nil, map[string]int{"GET": 1, "PUT": 2}},
				{"a miss of a described one", memo(7, "residual"), nil, map[string]int{"GET": 1, "PUT": 1}},
				{"a hit of a Memo", memo(7, "fit"), nil, one("GET")},
				{"a delete", func() error { return b.Delete(context.Background(), key("a")) }, nil, one("DELETE")},
				{"a put to delete", func() (err error) { seen, err = tryPut(b, "a", "small", backend.PutOptions{}); return err }, nil, one("PUT")},
				{"a delete by version", deleteMatch, nil, one("DELETE")},
				{"one of what is gone", deleteMatch, backend.ErrChanged, one("DELETE")},
			} {
				if err := step.do(); !errors.Is(err, step.fail) {
					t.Fatalf("%s: %v, want %v", step.name, err, step.fail)
				}
				w.costs(t, step.name, step.want)
			}
		})
	}
}

func TestCloudListBudget(t *testing.T) {
	ctx := context.Background()
	for s, pages := range map[*service]int{&gcs: 3, &azure: 1} {
		t.Run(s.name, func(t *testing.T) {
			b, w := behind(t, *s, "&concurrency=16")
			items := make([]backend.Item, 2500)
			for i := range items {
				items[i] = backend.Item{Key: key(fmt.Sprintf("%04d", i)), Body: empty{}, PutOptions: sums(nil)}
			}
			if _, err := backend.PutBatch(ctx, b, items); err != nil {
				t.Fatal(err)
			}
			w.counted()
			var sizes []string // what the pages ask for
			w.faults(func(_ string, r *http.Request) proxy.Fault {
				q := r.URL.Query()
				sizes = append(sizes, q.Get("maxResults")+q.Get("maxresults"))
				return proxy.Fault{}
			})
			list := func(opts backend.ListOptions) (n int) {
				for info, err := range b.List(ctx, "s", opts) {
					if err != nil {
						t.Fatal(err)
					}
					if want := items[n].Key; opts.After == "" && info.Key != want || info.Digest != items[0].Digest || info.Version == "" {
						t.Fatalf("entry %d is %+v, want %v with the digest and a version", n, info, want)
					}
					n++
				}
				return n
			}
			if n := list(backend.ListOptions{}); n != 2500 {
				t.Errorf("List yields %d entries, want 2500", n)
			}
			w.costs(t, "a list of 2500 entries", map[string]int{"LIST": pages})
			sizes = nil
			if n := list(backend.ListOptions{Limit: 10}); n != 10 {
				t.Errorf("List with a limit of 10 yields %d entries", n)
			}
			w.costs(t, "a list of 10", map[string]int{"LIST": 1})
			if len(sizes) != 1 || sizes[0] != "11" {
				t.Errorf("a list of 10 asks for pages of %q, want 11", sizes)
			}
			if n := list(backend.ListOptions{After: "2489"}); n != 10 {
				t.Errorf("List after 2489 yields %d entries, want 10", n)
			}
			if got := w.counted(); s == &gcs && !maps.Equal(got, map[string]int{"LIST": 1}) {
				t.Errorf("a list of the last 10 takes %v, want 1 request", got)
			}
		})
	}
}
