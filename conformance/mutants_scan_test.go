package conformance_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

// rescanned is a Scan of what change makes of all entries.
func (r *ref) rescanned(change func(entries []backend.Entry) []backend.Entry) {
	r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
		return func(yield func(backend.Entry, error) bool) {
			entries, err := all(r.Backend.Scan(ctx, shelf, o))
			for _, e := range change(entries) {
				if !yield(e, nil) {
					return
				}
			}
			if err != nil {
				yield(backend.Entry{}, err)
			}
		}
	}
}

var scanMutants = []mutant{
	{law: "scan/like-list", did: "knows no After when it scans", breaks: func(r *ref) {
		r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
			if o.Validate(shelf) == nil {
				o.After = ""
			}
			return r.Backend.Scan(ctx, shelf, o)
		}
	}},
	{law: "scan/unread", did: "reads all bodies from one stream", breaks: func(r *ref) {
		r.rescanned(func(entries []backend.Entry) []backend.Entry {
			var bodies []io.Reader
			for _, e := range entries {
				bodies = append(bodies, e.Body)
			}
			stream := io.MultiReader(bodies...)
			for i := range entries {
				entries[i].Body = io.LimitReader(stream, entries[i].Size)
			}
			return entries
		})
	}},
	{law: "scan/callback", did: "holds its lock while the loop body runs", hangs: true, breaks: func(r *ref) {
		r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
			return func(yield func(backend.Entry, error) bool) {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				r.Backend.Scan(ctx, shelf, o)(yield)
			}
		}
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			return r.Backend.Get(ctx, k)
		}
	}},
	{law: "scan/many", did: "loses the entry between two pages", breaks: func(r *ref) {
		r.rescanned(func(entries []backend.Entry) []backend.Entry {
			if len(entries) > 100 {
				entries = slices.Delete(entries, 100, 101)
			}
			return entries
		})
	}},
	{law: "scan/whole", did: "tells what it listed and delivers what it gets", breaks: func(r *ref) {
		r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
			return func(yield func(backend.Entry, error) bool) {
				for i, err := range r.Backend.List(ctx, shelf, o) {
					time.Sleep(moment / 4)
					text, _, gerr := r.load(ctx, i.Key)
					if !yield(backend.Entry{Info: i, Body: strings.NewReader(text)}, errors.Join(err, gerr)) {
						return
					}
				}
			}
		}
	}},
}

var rangeMutants = []mutant{
	{law: "range/parts", did: "cannot satisfy a range at the end", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			if i, err := r.Backend.Stat(ctx, k); err == nil && off >= i.Size {
				return nil, i, &backend.Error{Op: "get range", Backend: "ref", Key: k, Err: errors.New("416 range not satisfiable")}
			}
			return r.Backend.GetRange(ctx, k, version, off, n)
		}
	}},
	{law: "range/refused", did: "counts a negative offset from the end", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			if i, err := r.Backend.Stat(ctx, k); err == nil && off < 0 {
				off = max(0, i.Size+off)
			}
			return r.Backend.GetRange(ctx, k, version, off, n)
		}
	}},
	{law: "range/version", did: "passes over the version of a range", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, _ string, off, n int64) (io.ReadCloser, info, error) {
			return r.Backend.GetRange(ctx, k, "", off, n)
		}
	}},
	{law: "range/version", did: "says that nothing is left before it looks at the version", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			if i, err := r.Backend.Stat(ctx, k); err == nil && off >= i.Size {
				version = ""
			}
			return r.Backend.GetRange(ctx, k, version, off, n)
		}
	}},
	{law: "range/one-value", did: "compares the version first and reads later", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			if err != nil {
				return b, i, err
			}
			b.Close()
			time.Sleep(moment / 20)
			b, _, err = r.Backend.GetRange(ctx, k, "", off, n)
			return b, i, err
		}
	}},
}
