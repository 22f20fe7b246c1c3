package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
)

// moment is long enough for another goroutine to come in between.
const moment = 4 * time.Millisecond

// unless is a Put that decides its conditions first and writes later.
func (r *ref) unless(ctx context.Context, k key, b body, o put) (info, error) {
	i, err := r.Backend.Stat(ctx, k)
	switch {
	case o.IfAbsent && err == nil:
		return info{}, backend.Wrap("put", "ref", k, backend.ErrExists)
	case o.IfMatch != "" && (err != nil || i.Version != o.IfMatch):
		return info{}, backend.Wrap("put", "ref", k, backend.ErrChanged)
	}
	if o.IfAbsent || o.IfMatch != "" {
		time.Sleep(moment)
	}
	o.IfAbsent, o.IfMatch = false, ""
	return r.Backend.Put(ctx, k, b, o)
}

func checkFirst(r *ref) { r.doPut = r.unless }

// checkUnderOwnLock is fileblob's way: a mutex that no other handle shares.
func checkUnderOwnLock(r *ref) {
	var mu sync.Mutex
	r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
		mu.Lock()
		defer mu.Unlock()
		return r.unless(ctx, k, b, o)
	}
}

// unasked is a backend without conditions that passes over them.
func unasked(r *ref) {
	r.doLimits = func() backend.Limits { return backend.Limits{} }
	r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
		o.IfAbsent, o.IfMatch = false, ""
		return r.Backend.Put(ctx, k, b, o)
	}
}

var conditionMutants = []mutant{
	{law: "if-absent/creates", did: "takes a deleted key for one that exists", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if o.IfAbsent && r.place.marked[k] {
				return info{}, backend.Wrap("put", "ref", k, backend.ErrExists)
			}
			r.place.marked[k] = true
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "if-absent/exists", did: "writes the loser's metadata beside the winner's bytes", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if errors.Is(err, backend.ErrExists) {
				text, old, _ := r.load(ctx, k)
				r.honest(ctx, k, text, put{Digest: old.Digest, Sum: old.Sum, Meta: o.Meta})
			}
			return i, err
		}
	}},
	{law: "if-absent/exists", did: "passes over IfAbsent", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			o.IfAbsent = false
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "if-absent/race", did: "looks first and writes later", breaks: checkFirst},
	{law: "if-absent/race-handles", did: "guards IfAbsent by a lock of each handle", breaks: checkUnderOwnLock},
	{law: "if-absent/race-delete", did: "looks first and writes later", breaks: checkFirst},
	{law: "if-absent/refused", did: "passes over conditions", breaks: unasked},
	{law: "if-absent/refused", did: "refuses when it has written", breaks: func(r *ref) {
		unasked(r)
		ignore := r.doPut
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := ignore(ctx, k, b, o)
			if o.IfAbsent {
				err = backend.Wrap("put", "ref", k, errors.ErrUnsupported)
			}
			return i, err
		}
	}},
	{law: "if-match/right", did: "quotes the version in Stat and not elsewhere", breaks: func(r *ref) {
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			i.Version = `"` + i.Version + `"`
			return i, err
		}
	}},
	{law: "if-match/wrong", did: "takes * for any version", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if _, err := r.Backend.Stat(ctx, k); err == nil && o.IfMatch == "*" {
				o.IfMatch = ""
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "if-match/wrong", did: "passes over IfMatch", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			o.IfMatch = ""
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "if-match/stale", did: "counts versions from one again after a Delete", breaks: restarting},
	{law: "if-match/absent", did: "takes IfMatch for met where nothing is", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if _, err := r.Backend.Stat(ctx, k); err != nil {
				o.IfMatch = ""
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "if-match/race", did: "compares versions before it takes its lock", breaks: checkFirst},
	{law: "if-match/race-handles", did: "guards IfMatch by a lock of each handle", breaks: checkUnderOwnLock},
	{law: "if-match/counter", did: "tries again without the condition when it is refused", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if errors.Is(err, backend.ErrChanged) {
				o.IfMatch = ""
				return r.Backend.Put(ctx, k, b, o)
			}
			return i, err
		}
	}},
	{law: "if-match/race-delete", did: "guards Puts from each other and not from Delete", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			return r.unless(ctx, k, b, o)
		}
	}},
	{law: "if-match/refused", did: "passes over conditions", breaks: unasked},
	{law: "history/linear", did: "reads from a replica that lags behind", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, old, err := r.load(ctx, k)
			i, perr := r.Backend.Put(ctx, k, b, o)
			if err == nil && perr == nil {
				r.place.mu.Lock()
				r.place.texts[k], r.place.infos[k] = text, old
				r.place.mu.Unlock()
			}
			return i, perr
		}
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			r.place.mu.Lock()
			text, old := r.place.texts[k], r.place.infos[k]
			r.place.mu.Unlock()
			b, i, err := r.Backend.Get(ctx, k)
			if err == nil && old.Version != "" && time.Since(i.ModTime) < 2*moment {
				return io.NopCloser(strings.NewReader(text)), old, nil
			}
			return b, i, err
		}
	}},
	{law: "history/linear", did: "tries a Put again whose answer was lost, however late", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			i, perr := r.Backend.Put(ctx, k, b, o)
			if err != nil || perr != nil || o.IfAbsent || o.IfMatch != "" {
				return i, perr
			}
			r.place.mu.Lock()
			late, lost := r.place.texts[k]
			r.place.texts[k] = text
			r.place.mu.Unlock()
			if lost {
				r.honest(context.Background(), k, late, o)
			}
			return i, nil
		}
	}},
	{law: "model/walk", did: "deletes a directory with all below", breaks: deletesAllBelow},
}

func deletesAllBelow(r *ref) {
	r.doDelete = func(ctx context.Context, k key) error {
		for i, err := range r.Backend.List(ctx, k.Shelf, opts{Prefix: k.Name + "/"}) {
			if err == nil {
				r.Backend.Delete(ctx, i.Key)
			}
		}
		return r.Backend.Delete(ctx, k)
	}
}

// restarting counts the versions of each key by itself and forgets the count when the key
// is deleted.
func restarting(r *ref) {
	version := func(k key) string { return fmt.Sprint(len(r.place.texts[k])) }
	r.tells = func(i info) info {
		r.place.mu.Lock()
		defer r.place.mu.Unlock()
		i.Version = version(i.Key)
		return i
	}
	r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
		r.place.mu.Lock()
		defer r.place.mu.Unlock()
		if o.IfMatch != "" && o.IfMatch != version(k) {
			return info{}, backend.Wrap("put", "ref", k, backend.ErrChanged)
		}
		o.IfMatch = ""
		i, err := r.Backend.Put(ctx, k, b, o)
		if err == nil {
			r.place.texts[k] += "x"
		}
		return i, err
	}
	r.doDelete = func(ctx context.Context, k key) error {
		r.place.mu.Lock()
		defer r.place.mu.Unlock()
		delete(r.place.texts, k)
		return r.Backend.Delete(ctx, k)
	}
}
