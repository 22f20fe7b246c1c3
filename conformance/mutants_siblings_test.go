package conformance_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

// These mutants were written before anybody looked whether a law catches them, after what stores and
// engines were reported to do. The law is the one that does, or was made for them.

// puts replaces Put by one that changes options or body first.
func (r *ref) puts(change func(ctx context.Context, k key, text string, o *put) string) {
	r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
		text, err := slurp(b)
		if err != nil || int64(len(text)) != o.Size || backend.CheckPut(k, o) != nil {
			return r.Backend.Put(ctx, k, b, o)
		}
		return r.honest(ctx, k, change(ctx, k, text, &o), o)
	}
}

// metas changes the Meta of what is stored.
func (r *ref) metas(change func(m backend.Meta, size int64)) {
	r.puts(func(_ context.Context, _ key, text string, o *put) string {
		o.Meta = maps.Clone(o.Meta)
		change(o.Meta, int64(len(text)))
		return text
	})
}

// gets replaces the body of Get.
func (r *ref) gets(change func(text string, i info) (io.Reader, info)) {
	r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
		text, i, err := r.load(ctx, k)
		if err != nil {
			return nil, i, err
		}
		body, i := change(text, i)
		return io.NopCloser(body), i, nil
	}
}

// filtered lists without the entries that drop wants away.
func (r *ref) filtered(drop func(i info, o opts) bool) {
	r.doList = r.relisted(func(infos []info, o opts) []info {
		return slices.DeleteFunc(infos, func(i info) bool { return drop(i, o) })
	})
}

// asked changes the options of lists that are valid.
func (r *ref) asked(change func(o *opts)) {
	r.doList = func(ctx context.Context, shelf string, o opts) list {
		if o.Validate(shelf) == nil {
			change(&o)
		}
		return r.Backend.List(ctx, shelf, o)
	}
}

// batches puts the items one by one, by put.
func (r *ref) batches(put func(ctx context.Context, n int, it backend.Item) (info, error)) {
	r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
		infos, errs := make([]info, len(items)), make(backend.BatchError, len(items))
		for n, it := range items {
			infos[n], errs[n] = put(ctx, n, it)
		}
		return infos, errs.OrNil()
	}
}

var conditionSiblings = []mutant{
	{law: "if-absent/exists", did: "takes an empty value for none, where IfAbsent asks", breaks: func(r *ref) {
		r.puts(func(ctx context.Context, k key, text string, o *put) string {
			if i, err := r.Backend.Stat(ctx, k); err == nil && i.Size == 0 {
				o.IfAbsent = false
			}
			return text
		})
	}},
	{law: "if-absent/creates", did: "says that a exists where a/b does", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if o.IfAbsent && o.IfMatch == "" {
				for range r.Backend.List(ctx, k.Shelf, opts{Prefix: k.Name + "/", Limit: 1}) {
					return info{}, backend.Wrap("put", "ref", k, backend.ErrExists)
				}
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "if-match/wrong", did: "takes the beginning of a version for the version", breaks: func(r *ref) {
		r.puts(func(ctx context.Context, k key, text string, o *put) string {
			if i, err := r.Backend.Stat(ctx, k); err == nil && o.IfMatch != "" && strings.HasPrefix(o.IfMatch, i.Version) {
				o.IfMatch = i.Version
			}
			return text
		})
	}},
	{law: "if-match/wrong", did: "strips quotes and blanks from IfMatch", breaks: func(r *ref) {
		r.puts(func(_ context.Context, _ key, text string, o *put) string {
			if o.IfMatch != "" {
				o.IfMatch = strings.Trim(o.IfMatch, `" `) + ""
			}
			return text
		})
	}},
	{law: "if-absent/exists", did: "stores what it refuses, where only metadata differs", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if errors.Is(err, backend.ErrExists) {
				if now, serr := r.Backend.Stat(ctx, k); serr == nil && now.Digest == o.Digest {
					o.IfAbsent = false
					r.Backend.Put(ctx, k, b, o)
				}
			}
			return i, err
		}
	}},
	{law: "if-match/wrong", did: "gives a value a new version when it refuses to replace it", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if errors.Is(err, backend.ErrChanged) {
				if text, now, lerr := r.load(ctx, k); lerr == nil {
					r.honest(ctx, k, text, put{Digest: now.Digest, Sum: now.Sum, Meta: now.Meta})
				}
			}
			return i, err
		}
	}},
	{law: "if-absent/failed", did: "keeps a key reserved when a Put with IfAbsent failed", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.place.mu.Lock()
			reserved := r.place.marked[k]
			r.place.mu.Unlock()
			if o.IfAbsent && reserved {
				return info{}, backend.Wrap("put", "ref", k, backend.ErrExists)
			}
			i, err := r.Backend.Put(ctx, k, b, o)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if o.IfAbsent && backend.CheckPut(k, o) == nil && err != nil && !errors.Is(err, backend.ErrExists) && !errors.Is(err, backend.ErrClosed) {
				r.place.marked[k] = true
			}
			return i, err
		}
	}},
	{law: "if-absent/apart", did: "reserves names, whatever their shelves", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if !o.IfAbsent || o.IfMatch != "" {
				return r.Backend.Put(ctx, k, b, o)
			}
			busy := key{Name: k.Name}
			r.place.mu.Lock()
			taken := r.place.marked[busy]
			r.place.marked[busy] = true
			r.place.mu.Unlock()
			if taken {
				return info{}, backend.Wrap("put", "ref", k, backend.ErrExists)
			}
			time.Sleep(moment / 4)
			i, err := r.Backend.Put(ctx, k, b, o)
			r.place.mu.Lock()
			delete(r.place.marked, busy)
			r.place.mu.Unlock()
			return i, err
		}
	}},
	{law: "if-match/wrong", did: "is met by the version of any value on the shelf", breaks: func(r *ref) {
		r.puts(func(ctx context.Context, k key, text string, o *put) string {
			if o.IfMatch == "" {
				return text
			}
			for i := range r.Backend.List(ctx, k.Shelf, opts{}) {
				if now, err := r.Backend.Stat(ctx, k); err == nil && i.Version == o.IfMatch {
					o.IfMatch = now.Version
				}
			}
			return text
		})
	}},
	{law: "if-absent/creates", did: "says ErrExists to its own retry after a slow answer", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if err == nil && o.IfAbsent && o.Size > 70_000 {
				return info{}, backend.Wrap("put", "ref", k, backend.ErrExists)
			}
			return i, err
		}
	}},
	{law: "if-match/refused", did: "refuses a condition when it has stored the body of an overwrite", breaks: func(r *ref) {
		refusing(r)
		no := r.doPut
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := no(ctx, k, b, o)
			if errors.Is(err, errUnsupported) && o.IfMatch != "" {
				if _, serr := r.Backend.Stat(ctx, k); serr == nil {
					o.IfMatch = ""
					r.Backend.Put(ctx, k, b, o)
				}
			}
			return i, err
		}
	}},
}

// siblings are all of these.
func siblings() []mutant {
	return slices.Concat(conditionSiblings, versionSiblings, bodySiblings, metaSiblings, listSiblings, rangeSiblings, batchSiblings,
		sweepSiblings, leaseSiblings, findSiblings, timeSiblings, handleSiblings, cancelSiblings, raceSiblings, errorSiblings)
}
