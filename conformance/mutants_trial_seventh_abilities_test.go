package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/conformance/law"
)

// The seventh trial, of the abilities beyond a Backend: leases, drafts, views and finders.

var seventhOfLeases = []mutant{
	{law: "lease/shorter", did: "grants no lease for less than eight seconds", tier: law.Full, breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			return r.Backend.Acquire(ctx, name, max(ttl, 8*time.Second))
		}
	}},
	{law: "lease/context", did: "renews, and then says that the context had ended", breaks: func(r *ref) {
		r.leased(func(l *lease) {
			under := l.Lease
			l.renew = func(ctx context.Context) error {
				if ctx.Err() != nil {
					under.Renew(context.WithoutCancel(ctx))
				}
				return under.Renew(ctx)
			}
		})
	}, hangs: true},
	{law: "lease/release", did: "takes a lease again that is renewed after its Release", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			under, err := r.Backend.Acquire(ctx, name, ttl)
			if err != nil {
				return nil, err
			}
			released := false
			l := lease{Lease: under, release: func(ctx context.Context) error {
				released = true
				return under.Release(ctx)
			}}
			l.renew = func(ctx context.Context) error {
				if released {
					_, err := r.Backend.Acquire(ctx, name, ttl)
					return err
				}
				return under.Renew(ctx)
			}
			return l, nil
		}
	}},
	{law: "lease/beside", did: "takes leases for what a sweep with a short Grace removes", breaks: func(r *ref) {
		r.remembersLeases()
		r.doSweep = func(ctx context.Context, o sweep) (found, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if o.Grace > 0 && o.Grace < time.Second && !o.DryRun {
				for _, l := range r.place.leases {
					l.Release(ctx)
				}
			}
			return found{}, nil
		}
	}},
	{law: "lease/exclusive", did: "says of a lease that is held by no *backend.Error", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			l, err := r.Backend.Acquire(ctx, name, ttl)
			if errors.Is(err, backend.ErrLocked) {
				err = fmt.Errorf("lease %q: %w", name, backend.ErrLocked)
			}
			return l, err
		}
	}},
}

var seventhOfDrafts = []mutant{
	{law: "stage/draft", did: "looks for the file of a draft under the name that it had before its Put", breaks: func(r *ref) {
		taken := map[*refDraft]bool{}
		r.staged(func(d *refDraft) backend.Draft { return draftMoved{d, taken} })
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if d, ok := b.(draftMoved); ok && err == nil {
				defer func() { taken[d.refDraft] = true }()
			}
			return i, err
		}
	}},
	{law: "stage/draft", did: "does not rewind a draft that was put", breaks: func(r *ref) {
		taken := map[*refDraft]bool{}
		r.staged(func(d *refDraft) backend.Draft { return draftAtEnd{d, taken} })
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			d, ok := b.(draftAtEnd)
			if !ok {
				return r.Backend.Put(ctx, k, b, o)
			}
			i, err := r.Backend.Put(ctx, k, d.refDraft, o)
			taken[d.refDraft] = taken[d.refDraft] || err == nil
			return i, err
		}
	}},
	{law: "stage/draft", did: "stores zeros of a draft that another handle made", breaks: func(r *ref) {
		var mine sync.Map
		r.doStage = func(context.Context) (backend.Draft, error) {
			d := &refDraft{}
			mine.Store(d, true)
			return d, nil
		}
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if d, ok := b.(*refDraft); ok && int64(len(d.text)) == o.Size {
				if _, ok := mine.Load(d); !ok {
					return r.honest(ctx, k, strings.Repeat("\x00", len(d.text)), o)
				}
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "stage/draft", did: "lets the next draft be written over the bytes of one that was put and closed", breaks: func(r *ref) {
		var last string // the Version of what the buffer holds
		var buffer *[]byte
		r.staged(func(d *refDraft) backend.Draft {
			p := buffer
			d.wrote = func(text string) {
				if p != nil {
					copy(*p, text)
				}
			}
			return d
		})
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if d, ok := b.(*refDraft); ok && err == nil && o.Meta != nil {
				text := []byte(d.text)
				buffer, last = &text, i.Version
			}
			return i, err
		}
		kept := map[string]*[]byte{}
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			text, i, err := r.load(ctx, k)
			if i.Version == last && buffer != nil {
				kept[last] = buffer
			}
			if p := kept[i.Version]; p != nil && err == nil {
				text = string(*p)
			}
			return io.NopCloser(strings.NewReader(text)), i, err
		}
	}},
	{law: "stage/places", did: "does not say where ReadAt of a draft comes to the end", breaks: func(r *ref) {
		r.staged(func(d *refDraft) backend.Draft { return draftWithoutEnd{d} })
	}},
	{law: "stage/batch", did: "removes what a batch stored of a draft when that is closed", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, err := r.Backend.PutBatch(ctx, items)
			for n, it := range items {
				if d, ok := it.Body.(*refDraft); ok && backend.ItemError(err, n) == nil {
					d.close = func() error { return r.Backend.Delete(ctx, it.Key) }
				}
			}
			return infos, err
		}
	}},
	{law: "stage/apart", did: "has one draft for all that are open", breaks: func(r *ref) {
		var open *refDraft
		r.doStage = func(context.Context) (backend.Draft, error) {
			if open == nil {
				open = &refDraft{}
				open.close = func() error { open = nil; return nil }
			}
			return open, nil
		}
	}},
	{law: "stage/sweep", did: "empties open drafts in a dry run", breaks: func(r *ref) {
		var drafts []*refDraft
		r.staged(func(d *refDraft) backend.Draft { drafts = append(drafts, d); return d })
		r.doSweep = func(_ context.Context, o sweep) (found, error) {
			for _, d := range drafts {
				if o.DryRun {
					d.text = ""
				}
			}
			return found{}, nil
		}
	}},
}

// draftMoved cannot be read at an offset once it was put.
type draftMoved struct {
	*refDraft
	taken map[*refDraft]bool
}

func (d draftMoved) ReadAt(p []byte, off int64) (int, error) {
	if d.taken[d.refDraft] {
		return 0, errors.New("no such file or directory")
	}
	return d.refDraft.ReadAt(p, off)
}

// draftAtEnd stays at its end once it was put.
type draftAtEnd struct {
	*refDraft
	taken map[*refDraft]bool
}

func (d draftAtEnd) Seek(off int64, whence int) (int64, error) {
	if d.taken[d.refDraft] {
		return 0, nil
	}
	return d.refDraft.Seek(off, whence)
}

// draftWithoutEnd reads less, and says nothing.
type draftWithoutEnd struct{ *refDraft }

func (d draftWithoutEnd) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.refDraft.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// sevenths are the bytes that Views show, of all handles on a place.
var sevenths shownBytes

type shownBytes struct {
	mu     sync.Mutex
	places map[*place]map[key][][]byte
}

func (s *shownBytes) of(r *ref) map[key][][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places == nil {
		s.places = map[*place]map[key][][]byte{}
	}
	if s.places[r.place] == nil {
		s.places[r.place] = map[key][][]byte{}
	}
	return s.places[r.place]
}

var seventhOfViews = []mutant{
	{law: "view/snapshot", did: "punches a hole where DeleteBatch removed what a View shows", breaks: func(r *ref) {
		mu, shown := &sevenths.mu, sevenths.of(r)
		r.doMap = func(ctx context.Context, k key) (*backend.View, info, error) {
			text, i, err := r.load(ctx, k)
			if err != nil {
				return nil, i, err
			}
			b := []byte(text)
			mu.Lock()
			defer mu.Unlock()
			shown[k] = append(shown[k], b)
			return backend.NewView(b, nil), i, nil
		}
		r.doDelBatch = func(ctx context.Context, keys []key) error {
			err := r.Backend.DeleteBatch(ctx, keys)
			mu.Lock()
			defer mu.Unlock()
			for _, k := range keys {
				for _, b := range shown[k] {
					clear(b)
				}
			}
			return err
		}
	}},
	{law: "view/snapshot", did: "unmaps for all who show a value when one of them is done", breaks: func(r *ref) {
		var mu sync.Mutex
		maps := map[string][]byte{}
		r.doMap = func(ctx context.Context, k key) (*backend.View, info, error) {
			text, i, err := r.load(ctx, k)
			if err != nil {
				return nil, i, err
			}
			mu.Lock()
			defer mu.Unlock()
			id := k.String() + i.Version
			if maps[id] == nil {
				maps[id] = []byte(text)
			}
			b := maps[id]
			return backend.NewView(b, func() error {
				mu.Lock()
				defer mu.Unlock()
				clear(b)
				delete(maps, id)
				return nil
			}), i, nil
		}
	}},
}

var seventhOfFinders = []mutant{
	{law: "find/queries", did: "compares a text of digits with a number as one", breaks: func(r *ref) {
		r.foundBy(func(c component.Condition, d component.Description) bool {
			text := c
			if n, ok := c.Value.(int64); ok && c.Op == component.Equal {
				text.Value = strconv.FormatInt(n, 10)
			}
			return c.Match(d, nil) || text.Match(d, nil)
		})
	}},
	{law: "find/queries", did: "takes numbers beyond int64 for the largest of those", breaks: func(r *ref) {
		r.searched(func(c component.Condition) component.Condition {
			if n, ok := c.Value.(uint64); ok && n > 1<<63-1 {
				c.Value = int64(1<<63 - 1)
			}
			return c
		})
	}},
	{law: "find/queries", did: "compares texts with bytes by what they hold", breaks: func(r *ref) {
		r.searched(func(c component.Condition) component.Condition {
			if b, ok := c.Value.([]byte); ok {
				text := c
				text.Value = string(b)
				return component.Condition{Op: component.Any, Of: []component.Condition{c, text}}
			}
			return c
		})
	}},
	{law: "find/queries", did: "orders texts of digits as numbers", breaks: func(r *ref) {
		r.foundBy(func(c component.Condition, d component.Description) bool {
			if s, ok := c.Value.(string); ok && c.Op == component.Less && c.Field == component.FieldParam {
				if _, err := strconv.Atoi(s); err == nil {
					return false
				}
			}
			return c.Match(d, nil)
		})
	}},
	{law: "find/queries", did: "keeps moments right to a second", breaks: func(r *ref) {
		r.foundBy(func(c component.Condition, d component.Description) bool {
			d.AsOf = d.AsOf.Truncate(time.Second)
			return c.Match(d, nil)
		})
	}},
	{law: "find/queries", did: "takes large numbers that are one apart for the same", breaks: func(r *ref) {
		r.searched(func(c component.Condition) component.Condition {
			n, ok := c.Value.(int64)
			if !ok || n <= 1<<53 || c.Op != component.Equal {
				return c
			}
			less, more := c, c
			less.Value, more.Value = n-1, n+1
			return component.Condition{Op: component.Any, Of: []component.Condition{c, less, more}}
		})
	}},
	{law: "find/changes", did: "finds in what it saw first, and what it stored itself", breaks: func(r *ref) {
		var mu sync.Mutex
		var known map[string]bool
		note := func(k key) {
			mu.Lock()
			defer mu.Unlock()
			if known != nil {
				known[k.Name] = true
			}
		}
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			defer note(k)
			return r.Backend.Put(ctx, k, b, o)
		}
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return func(yield func(component.Description, error) bool) {
				mu.Lock()
				if known == nil {
					known = map[string]bool{}
					for d := range backend.Find(ctx, r.Backend, component.Query{}, decode) {
						known[d.Key] = true
					}
				}
				there := maps.Clone(known)
				mu.Unlock()
				for d, err := range backend.Find(ctx, r.Backend, q, decode) {
					if (err != nil || there[d.Key]) && !yield(d, err) {
						return
					}
				}
			}
		}
	}},
	{law: "find/changes", did: "finds a description by what it said before it was overwritten, too", breaks: func(r *ref) {
		var mu sync.Mutex
		before := map[string]component.Description{}
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if text, _, err := r.load(ctx, k); err == nil {
				if d, err := decode(k.Name, []byte(text)); err == nil {
					mu.Lock()
					before[k.Name] = d
					mu.Unlock()
				}
			}
			return r.Backend.Put(ctx, k, b, o)
		}
		r.foundBy(func(c component.Condition, d component.Description) bool {
			mu.Lock()
			old, ok := before[d.Key]
			mu.Unlock()
			return c.Match(d, nil) || ok && c.Match(old, nil)
		})
		by := r.doFind
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			if len(q.Where.Of) == 1 {
				q.Where = q.Where.Of[0]
			}
			return by(ctx, q)
		}
	}},
	{law: "find/many", did: "forgets a Limit that is larger than a page of 100", tier: law.Full, breaks: func(r *ref) {
		r.finds(func(q component.Query) component.Query {
			if q.Limit > 100 {
				q.Limit = 0
			}
			return q
		})
	}},
}
