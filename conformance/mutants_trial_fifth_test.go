package conformance_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/conformance/law"
)

// A fifth trial, of 248 backends broken in as many ways, written before anybody looked at the laws. These are
// those that lived; the laws for them were made or sharpened after.
var fifthTrial = []mutant{
	{law: "put/bytes", did: "gives documents back without their blanks", breaks: func(r *ref) {
		r.gets(func(text string, i info) (io.Reader, info) {
			var compact bytes.Buffer
			if json.Compact(&compact, []byte(text)) == nil {
				text = compact.String()
			}
			return strings.NewReader(text), i
		})
	}},
	{law: "put/meta", did: "decodes metadata that says it is encoded", breaks: func(r *ref) {
		r.metas(func(m backend.Meta, _ int64) {
			for k, v := range m {
				if packed, ok := strings.CutPrefix(v, "base64:"); ok {
					plain, _ := base64.StdEncoding.DecodeString(packed)
					m[k] = string(plain)
				}
			}
		})
	}},
	{law: "put/overwrite", did: "reads the file of a large value under the small one that took its place", breaks: func(r *ref) {
		r.puts(func(_ context.Context, k key, text string, _ *put) string {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if len(text) > 64<<10 {
				r.place.texts[k] = text
			}
			return text
		})
		r.gets(func(text string, i info) (io.Reader, info) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if old, ok := r.place.texts[i.Key]; ok && 32<<10 < len(text) && len(text) <= 64<<10 {
				text = old
			}
			return strings.NewReader(text), i
		})
	}},
	{law: "put/max-value", did: "bounds values in Put alone", breaks: func(r *ref) {
		large := r.twin()
		bounded(r)
		r.doPutBatch = large.PutBatch
	}},
	{law: "put/kept", did: "lists 5,000 entries and no more", tier: law.Full, breaks: func(r *ref) {
		r.doList = r.relisted(func(infos []info, _ opts) []info { return infos[:min(len(infos), 5000)] })
	}},
	{law: "get/owned", did: "reads into buffers that take turns", breaks: func(r *ref) {
		var ring [16][]byte
		n := 0
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			text, i, err := r.load(ctx, k)
			if err != nil {
				return nil, i, err
			}
			n = (n + 1) % len(ring)
			ring[n] = append(ring[n][:0], text...)
			return backend.NewBody(ring[n]), i, nil
		}
	}},
	{law: "body/left-open", did: "still reads the body when the condition has failed", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if _, err := r.Backend.Stat(ctx, k); err == nil && o.IfAbsent {
				go func() {
					for p := make([]byte, 1); err == nil; { // for as long as it takes
						_, err = b.Read(p)
					}
				}()
				return info{}, backend.Wrap("put", "ref", k, backend.ErrExists)
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "body/unfinished", did: "makes the row of a large value first", tier: law.Full, breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if _, err := r.Backend.Stat(ctx, k); err == nil || o.Size <= 1<<20 {
				return r.Backend.Put(ctx, k, b, o)
			}
			r.place.mu.Lock()
			r.place.infos[k] = info{Key: k, Size: o.Size, ModTime: time.Now()}
			r.place.mu.Unlock()
			defer func() {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				delete(r.place.infos, k)
			}()
			return r.Backend.Put(ctx, k, b, o)
		}
		r.doList = r.relisted(func(infos []info, _ opts) []info {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			return slices.AppendSeq(infos, maps.Values(r.place.infos))
		})
	}},
	{law: "body/many-wait", did: "lets DeleteMatch wait for a Put that reads its body", hangs: true, breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.place.lock.RLock()
			defer r.place.lock.RUnlock()
			return r.Backend.Put(ctx, k, b, o)
		}
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			for !r.place.lock.TryLock() {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				time.Sleep(time.Millisecond)
			}
			defer r.place.lock.Unlock()
			return r.Backend.DeleteMatch(ctx, seen)
		}
	}},
	{law: "body/many-wait", did: "keeps the metadata of a Put in the handle while it reads the body", breaks: func(r *ref) {
		var scratch backend.Meta
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if o.Meta == nil {
				return r.Backend.Put(ctx, k, b, o)
			}
			r.place.mu.Lock()
			scratch = o.Meta
			r.place.mu.Unlock()
			text, err := slurp(b)
			if err != nil {
				return r.Backend.Put(ctx, k, b, o)
			}
			r.place.mu.Lock()
			o.Meta = scratch
			r.place.mu.Unlock()
			return r.Backend.Put(ctx, k, strings.NewReader(text), o)
		}
	}},
	{law: "info/modtime-overwrite", did: "moves the ModTime of what IfAbsent found", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if errors.Is(err, backend.ErrExists) {
				r.place.mu.Lock()
				r.place.infos[k] = info{ModTime: time.Now()}
				r.place.mu.Unlock()
			}
			return i, err
		}
		r.tells = func(i info) info {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if touched := r.place.infos[i.Key].ModTime; touched.After(i.ModTime) {
				i.ModTime = touched
			}
			return i
		}
	}},
	{law: "info/modtime-slow", did: "tells when a Put began", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			began := time.Now()
			i, err := r.Backend.Put(ctx, k, b, o)
			r.place.mu.Lock()
			r.place.infos[key{Name: i.Version}] = info{ModTime: began}
			r.place.mu.Unlock()
			return i, err
		}
		r.tells = func(i info) info {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if put, ok := r.place.infos[key{Name: i.Version}]; ok {
				i.ModTime = put.ModTime
			}
			return i
		}
	}},
	{law: "if-match/race", did: "checks IfMatch before it reads the body", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if i, err := r.Backend.Stat(ctx, k); err == nil && o.IfMatch == i.Version {
				o.IfMatch = ""
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "if-absent/race", did: "says ErrChanged to who came a moment too late", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			_, before := r.Backend.Stat(ctx, k)
			i, err := r.Backend.Put(ctx, k, b, o)
			if errors.Is(before, backend.ErrNotFound) && errors.Is(err, backend.ErrExists) {
				err = &backend.Error{Op: "put", Backend: "ref", Key: k, Err: backend.ErrChanged}
			}
			return i, err
		}
	}},
	{law: "error/typed", did: "calls Stat get", breaks: func(r *ref) {
		r.doStat = func(ctx context.Context, k key) (info, error) {
			_, i, err := r.Backend.Get(ctx, k)
			return i, err
		}
	}},
	{law: "handle/closed", did: "answers from memory what needs no bytes", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if known, ok := r.place.infos[k]; ok && n == 0 && errors.Is(err, backend.ErrClosed) {
				return hooked{Reader: strings.NewReader("")}, known, nil
			}
			if err == nil {
				r.place.infos[k] = i
			}
			return b, i, err
		}
	}},
	{law: "cancel/list", did: "ends Shelves without a word when its caller gave up", breaks: func(r *ref) {
		r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				n := 0
				for s, err := range r.Backend.Shelves(ctx, o) {
					if n++; err != nil && n > 1 || !yield(s, err) {
						return
					}
				}
			}
		}
	}},
	{law: "scan/like-list", did: "counts what a prefix leaves out into the Limit of a Scan", breaks: func(r *ref) {
		r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
			if o.Validate(shelf) != nil || o.Limit == 0 {
				return r.Backend.Scan(ctx, shelf, o)
			}
			prefix := o.Prefix
			o.Prefix = ""
			return func(yield func(backend.Entry, error) bool) {
				for e, err := range r.Backend.Scan(ctx, shelf, o) {
					if strings.HasPrefix(e.Key.Name, prefix) && !yield(e, err) {
						return
					}
				}
			}
		}
	}},
	{law: "scan/whole", did: "lists first, and reads each body when its turn comes", breaks: func(r *ref) {
		r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
			return func(yield func(backend.Entry, error) bool) {
				for i, err := range r.Backend.List(ctx, shelf, o) {
					text, _, lerr := r.load(ctx, i.Key)
					if errors.Is(lerr, backend.ErrNotFound) {
						continue
					}
					if !yield(backend.Entry{Info: i, Body: strings.NewReader(text)}, errors.Join(err, lerr)) {
						return
					}
				}
			}
		}
	}},
	{law: "view/snapshot", did: "keeps what it mapped, by key and size", breaks: func(r *ref) {
		r.doMap = func(ctx context.Context, k key) (*backend.View, info, error) {
			text, i, err := r.load(ctx, k)
			if err != nil {
				return nil, i, err
			}
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if old := r.place.texts[k]; len(old) == len(text) {
				text = old
			}
			r.place.texts[k] = text
			return backend.NewView([]byte(text), nil), i, nil
		}
	}},
	{law: "view/snapshot", did: "brings what it mapped up to date in its place", breaks: func(r *ref) {
		maps := map[key][]byte{}
		r.doMap = func(ctx context.Context, k key) (*backend.View, info, error) {
			text, i, err := r.load(ctx, k)
			if err != nil {
				return nil, i, err
			}
			if len(maps[k]) != len(text) {
				maps[k] = make([]byte, len(text))
			}
			copy(maps[k], text)
			return backend.NewView(maps[k], nil), i, nil
		}
	}},
	{law: "view/whole", did: "asks for the Info when it has mapped the bytes", breaks: func(r *ref) {
		r.doMap = func(ctx context.Context, k key) (*backend.View, info, error) {
			v, _, err := r.view(ctx, k)
			if err != nil {
				return nil, info{}, err
			}
			time.Sleep(20 * time.Microsecond)
			i, err := r.Backend.Stat(ctx, k)
			return v, i, err
		}
	}},
	{law: "stage/unseen", did: "makes an entry for a draft", breaks: func(r *ref) {
		r.doStage = func(ctx context.Context) (backend.Draft, error) {
			k := key{Shelf: "staging", Name: "draft"}
			_, err := r.honest(ctx, k, "", put{})
			return &refDraft{close: func() error { return r.Backend.Delete(ctx, k) }}, err
		}
	}},
	{law: "stage/places", did: "writes a draft where it was read", breaks: func(r *ref) { r.staged(func(d *refDraft) backend.Draft { return draftInPlace{d} }) }},
	{law: "stage/places", did: "goes where ReadAt reads", breaks: func(r *ref) { r.staged(func(d *refDraft) backend.Draft { return draftThatGoes{d} }) }},
	{law: "stage/places", did: "takes a draft from where it was read to", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if d, ok := b.(*refDraft); ok && 0 < d.pos && d.pos < int64(len(d.text)) {
				b = strings.NewReader(d.text[d.pos:])
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "stage/refused", did: "seals a draft that it refuses", breaks: func(r *ref) {
		sealed := map[*refDraft]bool{}
		r.staged(func(d *refDraft) backend.Draft { return draftWithSeal{d, sealed} })
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if d, ok := b.(draftWithSeal); ok {
				sealed[d.refDraft] = true
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "batch/put", did: "sends equal bodies of a batch once, with the metadata of the first", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			items, first := slices.Clone(items), map[[32]byte]backend.Meta{}
			for n, it := range items {
				if m, ok := first[it.Digest]; ok {
					items[n].Meta = m
				}
				first[it.Digest] = items[n].Meta
			}
			return r.Backend.PutBatch(ctx, items)
		}
	}},
	{law: "batch/put-fails", did: "calls an item put batch", breaks: func(r *ref) {
		r.batches(func(ctx context.Context, _ int, it backend.Item) (info, error) {
			i, err := r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
			if e := (*backend.Error)(nil); errors.As(err, &e) {
				e.Op = "put batch"
			}
			return i, err
		})
	}},
	{law: "batch/put-race", did: "asks for IfMatch before the body of an item was read", breaks: func(r *ref) {
		r.batches(func(ctx context.Context, _ int, it backend.Item) (info, error) {
			if i, err := r.Backend.Stat(ctx, it.Key); err == nil && it.IfMatch == i.Version {
				it.IfMatch = ""
			}
			return r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
		})
	}},
	{law: "delete-match/seen", did: "takes any Version of the batch for that of a key", breaks: func(r *ref) {
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			seen = slices.Clone(seen)
			for n, s := range seen {
				i, err := r.Backend.Stat(ctx, s.Key)
				if err == nil && slices.ContainsFunc(seen, func(s backend.Seen) bool { return s.Version == i.Version }) {
					seen[n].Version = i.Version
				}
			}
			return r.Backend.DeleteMatch(ctx, seen)
		}
	}},
	{law: "lease/context", did: "takes a lease for who gave up", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			l, err := r.Backend.Acquire(context.WithoutCancel(ctx), name, ttl)
			if err == nil && ctx.Err() != nil {
				return nil, backend.Wrap("acquire", "ref", key{}, ctx.Err())
			}
			return l, err
		}
	}},
	{law: "lease/context", did: "gives a lease up with the context of Acquire", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			l, err := r.Backend.Acquire(ctx, name, ttl)
			if err == nil {
				context.AfterFunc(ctx, func() { l.Release(context.WithoutCancel(ctx)) })
			}
			return l, err
		}
	}},
	{law: "lease/unseen", did: "makes an entry for a lease", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			l, err := r.Backend.Acquire(ctx, name, ttl)
			if err == nil {
				_, err = r.honest(ctx, key{Shelf: "leases", Name: name}, fmt.Sprint(l.Epoch()), put{})
			}
			return l, err
		}
	}},
	{law: "sweep/spares", did: "compacts in a dry run", breaks: func(r *ref) {
		r.doSweep = func(ctx context.Context, o sweep) (found, error) {
			if !o.DryRun || !o.Compact {
				return found{}, nil
			}
			for shelf := range r.Backend.Shelves(ctx, opts{}) {
				for i := range r.Backend.List(ctx, shelf, opts{}) {
					if text, i, err := r.load(ctx, i.Key); err == nil {
						r.honest(ctx, i.Key, text, put{Digest: i.Digest, Sum: i.Sum, Meta: i.Meta, IfMatch: i.Version})
					}
				}
			}
			return found{}, nil
		}
	}},
	{law: "find/queries", did: "takes an underscore of a prefix for any letter", breaks: func(r *ref) {
		r.foundBy(func(c component.Condition, d component.Description) bool {
			if p, ok := c.Value.(string); ok && c.Op == component.HasPrefix && c.Field == component.FieldType {
				for n := range min(len(p), len(d.Type)) {
					if p[n] != '_' && p[n] != d.Type[n] {
						return false
					}
				}
				return len(d.Type) >= len(p)
			}
			return c.Match(d, nil)
		})
	}},
	{law: "find/queries", did: "takes large letters for small ones", breaks: func(r *ref) {
		r.searched(func(c component.Condition) component.Condition {
			if s, ok := c.Value.(string); ok && c.Field == component.FieldType {
				c.Value = strings.ToLower(s)
			}
			return c
		})
	}},
	{law: "find/queries", did: "compares numbers with their text", breaks: func(r *ref) {
		r.foundBy(func(c component.Condition, d component.Description) bool {
			v, ok := component.Lookup(d.Parameters, c.Path)
			if s, text := c.Value.(string); ok && text && c.Field == component.FieldParam && c.Op == component.Equal {
				return fmt.Sprint(v) == s
			}
			return c.Match(d, nil)
		})
	}},
	{law: "find/changes", did: "leaves what DeleteMatch removed in its index", breaks: func(r *ref) {
		var gone []component.Description
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			for d, err := range backend.Find(ctx, r.Backend, component.Query{}, decode) {
				if err == nil && slices.ContainsFunc(seen, func(s backend.Seen) bool { return s.Key.Name == d.Key }) {
					gone = append(gone, d)
				}
			}
			return r.Backend.DeleteMatch(ctx, seen)
		}
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return func(yield func(component.Description, error) bool) {
				ds, err := all(backend.Find(ctx, r.Backend, q, decode))
				if err != nil {
					yield(component.Description{}, err)
					return
				}
				ds = append(ds, gone...)
				slices.SortFunc(ds, func(a, b component.Description) int { return strings.Compare(a.Key, b.Key) })
				for _, d := range ds {
					if !yield(d, nil) {
						return
					}
				}
			}
		}
	}},
}

// staged makes drafts of another kind.
func (r *ref) staged(wrap func(d *refDraft) backend.Draft) {
	r.doStage = func(context.Context) (backend.Draft, error) { return wrap(&refDraft{}), nil }
}

// draftInPlace is written where it stands, unless that is an end.
type draftInPlace struct{ *refDraft }

func (d draftInPlace) Write(p []byte) (int, error) {
	tail := ""
	if 0 < d.pos && d.pos < int64(len(d.text)) {
		d.text, tail = d.text[:d.pos], d.text[d.pos:]
	}
	d.text += string(p) + tail[min(len(p), len(tail)):]
	return len(p), nil
}

// draftThatGoes has one place for Read and ReadAt.
type draftThatGoes struct{ *refDraft }

func (d draftThatGoes) ReadAt(p []byte, off int64) (int, error) {
	d.pos = off
	return io.ReadFull(d.refDraft, p)
}

// draftWithSeal cannot be written to once it is sealed.
type draftWithSeal struct {
	*refDraft
	sealed map[*refDraft]bool
}

func (d draftWithSeal) Write(p []byte) (int, error) {
	if d.sealed[d.refDraft] {
		return 0, errors.New("the draft is sealed")
	}
	return d.refDraft.Write(p)
}

// foundBy finds by another test of what is compared; conditions that are joined are not its affair.
func (r *ref) foundBy(match func(c component.Condition, d component.Description) bool) {
	r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
		if len(q.Where.Of) > 0 || q.Where.Field == "" {
			return backend.Find(ctx, r.Backend, q, decode)
		}
		where := q.Where
		q.Where = component.Condition{}
		return func(yield func(component.Description, error) bool) {
			for d, err := range backend.Find(ctx, r.Backend, q, decode) {
				if (err != nil || match(where, d)) && !yield(d, err) {
					return
				}
			}
		}
	}
}
