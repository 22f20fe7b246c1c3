package conformance_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// Of the fourth trial, too: handles, batches, cancelled calls, leases, sweeps and finds.
var fourthTrialCalls = []mutant{
	{law: "get/reader", did: "takes a Read of nothing for the end", breaks: func(r *ref) {
		r.gets(func(text string, i info) (io.Reader, info) {
			b := strings.NewReader(text)
			return readFunc(func(p []byte) (int, error) {
				if len(p) == 0 {
					return 0, io.EOF
				}
				return b.Read(p)
			}), i
		})
	}},
	{law: "range/parts", did: "takes a length below -1 for a range from the end", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			if i, err := r.Backend.Stat(ctx, k); err == nil && n < -1 && n > math.MinInt64 && off >= 0 {
				off = max(0, i.Size+n)
			}
			return r.Backend.GetRange(ctx, k, version, off, n)
		}
	}},
	{law: "handle/close-body", did: "ends a range when its handle is closed", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			if err != nil {
				return b, i, err
			}
			return hooked{Reader: readFunc(func(p []byte) (int, error) {
				if _, err := r.Backend.Stat(context.Background(), k); errors.Is(err, backend.ErrClosed) {
					return 0, io.EOF
				}
				return b.Read(p)
			})}, i, nil
		}
	}},
	{law: "handle/close-others", did: "counts a second Close as that of another handle", breaks: func(r *ref) {
		r.place.mu.Lock()
		r.place.count++
		r.place.mu.Unlock()
		r.doClose = func() error {
			r.place.mu.Lock()
			r.place.count--
			r.place.mu.Unlock()
			return r.Backend.Close()
		}
		r.before = func(context.Context, string) error {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if r.place.count <= 0 {
				return &backend.Error{Op: "get", Backend: "ref", Err: backend.ErrClosed}
			}
			return nil
		}
	}},
	{law: "handle/close-others", did: "removes what Puts are about to store when it is opened", breaks: func(r *ref) {
		r.place.mu.Lock()
		r.place.count++
		r.place.mu.Unlock()
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.place.mu.Lock()
			opened := r.place.count
			r.place.mu.Unlock()
			text, err := slurp(b)
			r.place.mu.Lock()
			tidied := r.place.count > opened
			r.place.mu.Unlock()
			if err == nil && tidied {
				return info{}, backend.Wrap("put", "ref", k, errors.New("no such file"))
			}
			return r.Backend.Put(ctx, k, struct{ io.ReadSeeker }{strings.NewReader(text)}, o)
		}
	}},
	{law: "handle/last-close", did: "goes on counting versions after the greatest that it finds when it is opened", breaks: func(r *ref) {
		lasts(r)
		r.place.mu.Lock()
		defer r.place.mu.Unlock()
		if len(r.place.handles) == 1 {
			r.place.count = 0
			for shelf := range r.Backend.Shelves(context.Background(), opts{}) {
				for i := range r.Backend.List(context.Background(), shelf, opts{}) {
					r.place.count = max(r.place.count, len(r.place.infos[key{Name: i.Version}].Version))
				}
			}
		}
		r.doClose = func() error {
			r.place.mu.Lock()
			r.place.handles = slices.DeleteFunc(r.place.handles, func(h *ref) bool { return h == r })
			r.place.mu.Unlock()
			return r.Backend.Close()
		}
		r.tells = func(i info) info { // the version is so many x
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			told, ok := r.place.infos[key{Name: i.Version}]
			if !ok {
				r.place.count++
				told.Version = strings.Repeat("x", r.place.count)
				r.place.infos[key{Name: i.Version}] = told
			}
			i.Version = told.Version
			return i
		}
	}},
	{law: "batch/put-told", did: "remembers what Stat said across a batch", breaks: func(r *ref) {
		r.rememberStat(func(forget func(key)) {
			r.doDelete = func(ctx context.Context, k key) error {
				defer forget(k)
				return r.Backend.Delete(ctx, k)
			}
			r.doDelBatch = func(ctx context.Context, keys []key) error {
				err := r.Backend.DeleteBatch(ctx, keys)
				for _, k := range keys {
					forget(k)
				}
				return err
			}
		})
	}},
	{law: "batch/delete-told", did: "remembers what Stat said across the deletion of many", breaks: func(r *ref) {
		r.rememberStat(func(forget func(key)) {
			r.doDelete = func(ctx context.Context, k key) error {
				defer forget(k)
				return r.Backend.Delete(ctx, k)
			}
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				infos, err := r.Backend.PutBatch(ctx, items)
				for _, it := range items {
					forget(it.Key)
				}
				return infos, err
			}
		})
	}},
	{law: "batch/put", did: "keeps the metadata of a batch where its caller has it", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, err := r.Backend.PutBatch(ctx, items)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			for n, i := range infos {
				r.place.infos[key{Name: i.Version}] = info{Meta: items[n].Meta}
			}
			return infos, err
		}
		r.tells = func(i info) info {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if mine := r.place.infos[key{Name: i.Version}].Meta; mine != nil {
				i.Meta = maps.Clone(mine)
			}
			return i
		}
	}},
	{law: "batch/put-race", did: "checks IfMatch ahead of a batch", breaks: func(r *ref) {
		r.batches(func(ctx context.Context, _ int, it backend.Item) (info, error) {
			if i, err := r.Backend.Stat(ctx, it.Key); err == nil && it.IfMatch == i.Version {
				it.IfMatch = ""
				time.Sleep(50 * time.Microsecond)
			}
			return r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
		})
	}},
	{law: "delete-match/told", did: "still lists a shelf whose last entry DeleteMatch removed", breaks: func(r *ref) {
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			err := r.Backend.DeleteMatch(ctx, seen)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			for n, s := range seen {
				r.place.marked[s.Key] = backend.ItemError(err, n) == nil
			}
			return err
		}
		r.listMarked()
	}},
	{law: "delete-match/told", did: "counts the versions of a key anew once DeleteMatch removed it", breaks: func(r *ref) {
		told := map[string]string{}
		r.tells = func(i info) info {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if told[i.Version] == "" {
				now := r.place.infos[i.Key]
				now.Version += "x"
				r.place.infos[i.Key] = now
				told[i.Version] = now.Version
			}
			i.Version = told[i.Version]
			return i
		}
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			errs := make(backend.BatchError, len(seen))
			for n, s := range seen {
				errs[n] = r.Backend.Delete(ctx, s.Key)
				r.place.mu.Lock()
				delete(r.place.infos, s.Key)
				r.place.mu.Unlock()
			}
			return errs.OrNil()
		}
	}},
	{law: "delete-match/seen", did: "removes a key once though it is named twice", breaks: func(r *ref) {
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			errs, done := make(backend.BatchError, len(seen)), map[backend.Seen]error{}
			for n, s := range seen {
				if _, ok := done[s]; !ok {
					done[s] = backend.ItemError(r.Backend.DeleteMatch(ctx, []backend.Seen{s}), 0)
				}
				errs[n] = done[s]
			}
			return errs.OrNil()
		}
	}},
	{law: "handle/closed", did: "goes on with DeleteMatch when it is closed", breaks: func(r *ref) {
		r.doDelMatch = r.twin().DeleteMatch
	}},
	{law: "cancel/before", did: "says why the caller gave up in place of that it did", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			if ctx.Err() != nil {
				return nil, info{}, backend.Wrap("get", "ref", k, context.Cause(ctx))
			}
			return r.Backend.Get(ctx, k)
		}
	}},
	{law: "cancel/put", did: "leaves a Put that was cancelled to go on by itself", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			type result struct {
				info
				err error
			}
			done := make(chan result, 1)
			go func() {
				i, err := r.Backend.Put(ctx, k, b, o)
				done <- result{i, err}
			}()
			select {
			case got := <-done:
				return got.info, got.err
			case <-ctx.Done():
				return info{}, backend.Wrap("put", "ref", k, ctx.Err())
			}
		}
	}},
	{law: "cancel/body", did: "ends a body at its deadline as if it were whole", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			if err != nil {
				return b, i, err
			}
			return hooked{Reader: readFunc(func(p []byte) (int, error) {
				if errors.Is(ctx.Err(), context.DeadlineExceeded) {
					return 0, io.EOF
				}
				return b.Read(p)
			})}, i, nil
		}
	}},
	{law: "lease/exclusive", did: "grants a very long lease for no time", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			if now := time.Now().UnixNano(); ttl > math.MaxInt64-time.Duration(now) {
				ttl = 1
			}
			return r.Backend.Acquire(ctx, name, ttl)
		}
	}},
	{law: "lease/not-early", did: "counts a ttl in whole seconds", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			return r.Backend.Acquire(ctx, name, max(1, ttl.Truncate(time.Second)))
		}
	}},
	{law: "lease/long", did: "renews for a second at most", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			at := key{Name: name}
			if end := r.place.infos[at].ModTime; !end.IsZero() && time.Now().After(end) {
				r.place.leases[name].Release(ctx)
			}
			l, err := r.Backend.Acquire(ctx, name, ttl)
			if err != nil {
				return nil, err
			}
			r.place.leases = map[string]backend.Lease{name: l}
			return lease{Lease: l, renew: func(ctx context.Context) error {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				r.place.infos[at] = info{ModTime: time.Now().Add(min(ttl, time.Second))}
				return l.Renew(ctx)
			}}, nil
		}
	}},
	{law: "lease/renewed", did: "adds a ttl to the end of the lease at each Renew", hangs: true, breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			return r.Backend.Acquire(ctx, name, 100*ttl)
		}
	}},
	{law: "lease/beside", did: "loses its leases with the connection that a cancelled call closes", breaks: func(r *ref) {
		giveUp := r.keepsLeases()
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if ctx.Err() != nil {
				giveUp()
			}
			return i, err
		}
	}},
	{law: "sweep/spares", did: "removes empty values in a dry run", breaks: func(r *ref) {
		r.doSweep = func(ctx context.Context, o sweep) (found, error) {
			for shelf := range r.Backend.Shelves(ctx, opts{}) {
				for i := range r.Backend.List(ctx, shelf, opts{}) {
					if o.DryRun && i.Size == 0 {
						r.Backend.Delete(ctx, i.Key)
					}
				}
			}
			return found{}, nil
		}
	}},
	{law: "find/repeat", did: "looks when Find is called, not when it is ranged over", breaks: func(r *ref) {
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return early(backend.Find(ctx, r.Backend, q, decode))
		}
	}},
	{law: "find/stored-again", did: "says of a description when it was first stored", breaks: func(r *ref) {
		first := map[string]time.Time{}
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return func(yield func(component.Description, error) bool) {
				for d, err := range backend.Find(ctx, r.Backend, q, decode) {
					if _, ok := first[d.Key]; !ok {
						first[d.Key] = d.Stored
					}
					d.Stored = first[d.Key]
					if !yield(d, err) {
						return
					}
				}
			}
		}
	}},
}

// matched decides IfMatch by same, which is given the present version and the one that is wanted.
func (r *ref) matched(same func(now, want string) bool) {
	r.puts(func(ctx context.Context, k key, text string, o *put) string {
		if i, err := r.Backend.Stat(ctx, k); err == nil && o.IfMatch != "" && same(i.Version, o.IfMatch) {
			o.IfMatch = i.Version
		}
		return text
	})
}

// early is all of seq, taken now.
func early[T any](seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	vs, err := all(seq)
	return func(yield func(T, error) bool) {
		for _, v := range vs {
			if !yield(v, nil) {
				return
			}
		}
		if err != nil {
			var none T
			yield(none, err)
		}
	}
}

// rememberStat answers Stat from memory. Put forgets its key; what else does is for others to say.
func (r *ref) rememberStat(others func(forget func(key))) {
	forget := func(k key) {
		r.place.mu.Lock()
		defer r.place.mu.Unlock()
		delete(r.place.infos, k)
	}
	r.doStat = func(ctx context.Context, k key) (info, error) {
		r.place.mu.Lock()
		defer r.place.mu.Unlock()
		if i, ok := r.place.infos[k]; ok && ctx.Err() == nil {
			return i, nil
		}
		i, err := r.Backend.Stat(ctx, k)
		if err == nil {
			r.place.infos[k] = i
		}
		return i, err
	}
	r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
		defer forget(k)
		return r.Backend.Put(ctx, k, b, o)
	}
	others(forget)
}

// listMarked lists the shelves of marked keys, too, whether or not anything is there.
func (r *ref) listMarked() {
	r.doShelves = r.reshelved(func(shelves []string, _ opts) []string {
		r.place.mu.Lock()
		defer r.place.mu.Unlock()
		for k := range r.place.marked {
			shelves = append(shelves, k.Shelf)
		}
		slices.Sort(shelves)
		return slices.Compact(shelves)
	})
}
