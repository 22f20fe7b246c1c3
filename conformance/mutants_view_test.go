package conformance_test

import (
	"context"
	"strings"

	"github.com/larder-store/larder/backend"
)

var viewMutants = []mutant{
	{law: "view/bytes", did: "maps whole pages", breaks: func(r *ref) {
		r.doMap = func(ctx context.Context, k key) (*backend.View, info, error) {
			v, i, err := r.view(ctx, k)
			if err == nil && i.Size > 4096 {
				v = backend.NewView(v.Bytes()[:i.Size/4096*4096], nil)
			}
			return v, i, err
		}
	}},
	{law: "view/bytes", did: "shows nothing of an absent key", breaks: func(r *ref) {
		r.doMap = func(ctx context.Context, k key) (*backend.View, info, error) {
			v, i, err := r.view(ctx, k)
			if err != nil {
				return backend.NewView(nil, nil), info{Key: k}, nil
			}
			return v, i, err
		}
	}},
	{law: "view/snapshot", did: "overwrites files in their place while they are shown", breaks: func(r *ref) {
		r.doMap = func(ctx context.Context, k key) (*backend.View, info, error) {
			v, i, err := r.view(ctx, k)
			if err == nil {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				r.place.views = append(r.place.views, shownView{k, v})
			}
			return v, i, err
		}
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if err != nil {
				return r.Backend.Put(ctx, k, b, o)
			}
			r.place.mu.Lock()
			for _, s := range r.place.views {
				if s.key == k {
					copy(s.view.Bytes(), text)
				}
			}
			r.place.mu.Unlock()
			return r.Backend.Put(ctx, k, strings.NewReader(text), o)
		}
	}},
	{law: "view/snapshot", did: "ends its views with the handle", breaks: func(r *ref) {
		var views []*backend.View
		r.doMap = func(ctx context.Context, k key) (*backend.View, info, error) {
			v, i, err := r.view(ctx, k)
			if err == nil {
				views = append(views, v)
			}
			return v, i, err
		}
		r.doClose = func() error {
			for _, v := range views {
				v.Close()
			}
			return r.Backend.Close()
		}
	}},
}

// shownView is what was shown under a key.
type shownView struct {
	key  key
	view *backend.View
}

var stageMutants = []mutant{
	{law: "stage/draft", did: "leaves what it took open to writes", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if d, ok := b.(*refDraft); ok && err == nil {
				d.wrote = func(text string) { r.honest(ctx, k, text, o) }
			}
			return i, err
		}
	}},
	{law: "stage/draft", did: "removes the value with the draft", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if d, ok := b.(*refDraft); ok && err == nil {
				d.close = func() error { return r.Backend.Delete(ctx, k) }
			}
			return i, err
		}
	}},
	{law: "stage/draft", did: "takes a draft once", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if d, ok := b.(*refDraft); ok && err == nil {
				d.text = ""
			}
			return i, err
		}
	}},
	{law: "stage/refused", did: "takes a draft whatever its size is said to be", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if d, ok := b.(*refDraft); ok {
				o.Size = int64(len(d.text))
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "stage/refused", did: "uses up a draft that it refuses", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if d, ok := b.(*refDraft); ok && err != nil {
				d.text = ""
			}
			return i, err
		}
	}},
	{law: "stage/sweep", did: "sweeps drafts as what is left of dead writers", breaks: func(r *ref) {
		var drafts []*refDraft
		r.doStage = func(context.Context) (backend.Draft, error) {
			d := &refDraft{}
			drafts = append(drafts, d)
			return d, nil
		}
		r.doSweep = func(ctx context.Context, o sweep) (found, error) {
			for _, d := range drafts {
				d.text = ""
			}
			drafts = nil
			return backend.Sweep(ctx, r.Backend, o)
		}
	}},
}
