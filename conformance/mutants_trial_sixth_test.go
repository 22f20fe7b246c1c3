package conformance_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// sixFail makes an error as the reference does.
func sixFail(op string, k key, err error) error {
	return &backend.Error{Op: op, Backend: "ref", Key: k, Err: err}
}

// sixLoad reads a value as it is stored.
func sixLoad(ctx context.Context, r *ref, k key) ([]byte, info, error) {
	b, i, err := r.Backend.Get(ctx, k)
	if err != nil {
		return nil, i, err
	}
	defer b.Close()
	text, err := io.ReadAll(b)
	return text, i, err
}

// sixGets changes what Get delivers.
func sixGets(r *ref, f func(i info, text []byte) []byte) {
	r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
		text, i, err := sixLoad(ctx, r, k)
		if err != nil {
			return nil, i, err
		}
		return backend.NewBody(f(i, text)), i, nil
	}
}

// sixPuts reads and checks the body of a Put ahead of do.
func sixPuts(r *ref, do func(ctx context.Context, k key, text []byte, o put) (info, error)) {
	r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
		if err := ctx.Err(); err != nil {
			return info{}, sixFail("put", k, err)
		}
		if err := backend.CheckPut(k, o); err != nil {
			return info{}, sixFail("put", k, err)
		}
		text, err := backend.ReadBody(b, o.Size)
		if err != nil {
			return info{}, sixFail("put", k, err)
		}
		return do(ctx, k, text, o)
	}
}

// sixStore puts a text as it is.
func sixStore(ctx context.Context, r *ref, k key, text []byte, o put) (info, error) {
	o.Size = int64(len(text))
	return r.Backend.Put(ctx, k, bytes.NewReader(text), o)
}

// sixHide leaves names out of lists.
func sixHide(r *ref, hide func(o opts, shelf, name string) bool) {
	r.doList = func(ctx context.Context, shelf string, o opts) list {
		if o.Limit < 0 {
			return r.Backend.List(ctx, shelf, o)
		}
		limit := o.Limit
		o.Limit = 0
		return func(yield func(info, error) bool) {
			n := 0
			for i, err := range r.Backend.List(ctx, shelf, o) {
				if err == nil && hide(o, shelf, i.Key.Name) {
					continue
				}
				if n++; !yield(i, err) || n == limit {
					return
				}
			}
		}
	}
}

// sixMetas changes the metadata that comes back.
func sixMetas(r *ref, f func(k, v string) (string, string, bool)) {
	r.tells = func(i info) info {
		m := backend.Meta{}
		for k, v := range i.Meta {
			if k, v, ok := f(k, v); ok {
				m[k] = v
			}
		}
		i.Meta = m
		return i
	}
}

// sixOneByOne makes a batch of Puts.
func sixOneByOne(r *ref) {
	r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
		infos := make([]info, len(items))
		errs := make(backend.BatchError, len(items))
		for i, it := range items {
			infos[i], errs[i] = r.Put(ctx, it.Key, it.Body, it.PutOptions)
		}
		return infos, errs.OrNil()
	}
}

// sixVersioned gives entries versions of another kind; next is called with the version that is replaced, "" if there is none.
func sixVersioned(r *ref, next func(prev string, k key, text []byte, o put) string) {
	p := r.place
	at := func(i info) key { return key{Shelf: i.Key.Shelf, Name: i.Key.Name + "\x00" + i.Version} }
	r.tells = func(i info) info {
		p.lock.RLock()
		defer p.lock.RUnlock()
		if v, ok := p.texts[at(i)]; ok {
			i.Version = v
		}
		return i
	}
	sixPuts(r, func(ctx context.Context, k key, text []byte, o put) (info, error) {
		p.lock.Lock()
		defer p.lock.Unlock()
		now, err := r.Backend.Stat(ctx, k)
		there, prev := err == nil, ""
		if there {
			prev = p.texts[at(now)]
		}
		if o.IfAbsent && there {
			return info{}, sixFail("put", k, backend.ErrExists)
		}
		if o.IfMatch != "" && prev != o.IfMatch {
			return info{}, sixFail("put", k, backend.ErrChanged)
		}
		o.IfAbsent, o.IfMatch = false, ""
		i, err := sixStore(ctx, r, k, text, o)
		if err == nil {
			p.texts[at(i)] = next(prev, k, text, o)
		}
		return i, err
	})
	r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
		b, i, err := r.Backend.GetRange(ctx, k, "", off, n)
		if err != nil {
			return nil, i, err
		}
		if i = r.tells(i); version != "" && i.Version != version {
			b.Close()
			return nil, info{}, sixFail("get range", k, backend.ErrChanged)
		}
		return b, i, nil
	}
	r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
		return func(yield func(backend.Entry, error) bool) {
			for e, err := range r.Backend.Scan(ctx, shelf, o) {
				if err == nil {
					e.Info = r.tells(e.Info)
				}
				if !yield(e, err) {
					return
				}
			}
		}
	}
	sixOneByOne(r)
}

// sixReader is a body made of functions.
type sixReader struct {
	read  func(p []byte) (int, error)
	close func() error
}

func (b sixReader) Read(p []byte) (int, error) { return b.read(p) }

func (b sixReader) Close() error {
	if b.close == nil {
		return nil
	}
	return b.close()
}

// sixLease is a lease of which methods are replaced.
type sixLease struct {
	backend.Lease
	epoch   func() uint64
	renew   func(ctx context.Context) error
	release func(ctx context.Context) error
}

func (l *sixLease) Epoch() uint64 {
	if l.epoch != nil {
		return l.epoch()
	}
	return l.Lease.Epoch()
}

func (l *sixLease) Renew(ctx context.Context) error {
	if l.renew != nil {
		return l.renew(ctx)
	}
	return l.Lease.Renew(ctx)
}

func (l *sixLease) Release(ctx context.Context) error {
	if l.release != nil {
		return l.release(ctx)
	}
	return l.Lease.Release(ctx)
}

// sixFind finds by another idea of comparisons.
func sixFind(r *ref, leaf func(c component.Condition, d component.Description) bool) {
	r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
		return func(yield func(component.Description, error) bool) {
			n := 0
			for d, err := range backend.Find(ctx, r.Backend, component.Query{After: q.After}, decode) {
				if err == nil && !sixEval(q.Where, d, leaf) {
					continue
				}
				if !yield(d, err) {
					return
				}
				if err == nil {
					if n++; n == q.Limit {
						return
					}
				}
			}
		}
	}
}

func sixEval(c component.Condition, d component.Description, leaf func(c component.Condition, d component.Description) bool) bool {
	holds := func(c component.Condition) bool { return sixEval(c, d, leaf) }
	switch c.Op {
	case component.All:
		return !slices.ContainsFunc(c.Of, func(c component.Condition) bool { return !holds(c) })
	case component.Any:
		return slices.ContainsFunc(c.Of, holds)
	case component.Not:
		return !slices.ContainsFunc(c.Of, holds)
	}
	return leaf(c, d)
}

// sixText returns the text that a comparison looks at.
func sixText(c component.Condition, d component.Description) (string, bool) {
	switch c.Field {
	case component.FieldKey:
		return d.Key, true
	case component.FieldType:
		return d.Type, true
	case component.FieldVersion:
		return d.Version, true
	case component.FieldParam:
		v, _ := component.Lookup(d.Parameters, c.Path)
		s, ok := v.(string)
		return s, ok
	}
	return "", false
}

// sixAll lists all keys of a place.
func sixAll(r *ref) []info {
	var all []info
	twin := r.twin()
	defer twin.Close()
	for shelf := range twin.Shelves(context.Background(), opts{}) {
		for i, err := range twin.List(context.Background(), shelf, opts{}) {
			if err == nil {
				all = append(all, i)
			}
		}
	}
	return all
}

var _ = []any{flate.NewWriter, gzip.NewReader, crc32.Checksum, math.MaxInt64, path.Base, strconv.Itoa, strings.Cut, fmt.Sprint, errors.Is, maps.Clone[backend.Meta], &sync.Mutex{}, time.Now}

// sixthTrialMutants are the mutants of the sixth trial, written before the laws were looked at.
var sixthTrialMutants = slices.Concat(sixConditions, sixVersions, sixBodies, sixMetadata, sixListing, sixRanges, sixBatches, sixDeletes, sixSweeps,
	sixLeases, sixFinds, sixHandles, sixCancels, sixErrors, sixLimits, sixRaces, sixDrafts, sixViews, sixScans)

var sixConditions = []mutant{
	{
		// "IfMatch ... are never ignored". The uploader of large bodies does not get the header (ministack#1435).
		did: "drops IfMatch when a body of more than 256 KiB goes in parts",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if o.Size > 256<<10 {
					o.IfMatch = ""
				}
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "IfAbsent stores only if key holds nothing; else ErrExists": an empty value is something.
		did: "takes a key with an empty value for absent",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if i, err := r.Backend.Stat(ctx, k); o.IfAbsent && err == nil && i.Size == 0 {
					o.IfAbsent, o.IfMatch = false, i.Version
				}
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "stores only if the present entry has this Version": a part of it is not it.
		did: "compares as much of a version as it was given",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if i, err := r.Backend.Stat(ctx, k); o.IfMatch != "" && err == nil && strings.HasPrefix(i.Version, o.IfMatch) {
					o.IfMatch = i.Version
				}
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "stores only if the present entry has this Version; else ErrChanged". HTTP's If-Match: * is any.
		did: "takes IfMatch * for any version",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if i, err := r.Backend.Stat(ctx, k); o.IfMatch == "*" && err == nil {
					o.IfMatch = i.Version
				}
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "else, also when the key is absent, ErrChanged". AWS answers 404.
		did: "says not found where IfMatch meets an absent key",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				i, err := r.Backend.Put(ctx, k, b, o)
				if errors.Is(err, backend.ErrChanged) {
					if _, missing := r.Backend.Stat(ctx, k); missing != nil {
						err = sixFail("put", k, backend.ErrNotFound)
					}
				}
				return i, err
			}
		},
	},
	{
		// "IfAbsent stores only if key holds nothing; else ErrExists": after a batch of deletions nothing is held.
		did: "keeps the marker of a batch deletion, which IfAbsent then meets",
		breaks: func(r *ref) {
			r.doDelBatch = func(ctx context.Context, keys []key) error {
				err := r.Backend.DeleteBatch(ctx, keys)
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				for _, k := range keys {
					r.place.marked[k] = true
				}
				return err
			}
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				r.place.mu.Lock()
				dead := r.place.marked[k]
				r.place.mu.Unlock()
				if dead && o.IfAbsent {
					return info{}, sixFail("put", k, backend.ErrExists)
				}
				i, err := r.Backend.Put(ctx, k, b, o)
				if err == nil {
					r.place.mu.Lock()
					delete(r.place.marked, k)
					r.place.mu.Unlock()
				}
				return i, err
			}
		},
	},
	{
		// "A Put that fails with ErrExists ... stored nothing": the sidecar is written first.
		did: "writes the metadata ahead of the condition",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				i, err := r.Backend.Put(ctx, k, b, o)
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				if errors.Is(err, backend.ErrExists) {
					r.place.infos[k] = info{Meta: maps.Clone(o.Meta)}
				} else if err == nil {
					delete(r.place.infos, k)
				}
				return i, err
			}
			r.tells = func(i info) info {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				if m, ok := r.place.infos[i.Key]; ok {
					i.Meta = maps.Clone(m.Meta)
				}
				return i
			}
		},
	},
	{
		// "A Put that fails with ErrExists ... stored nothing": the answer is lost, and the client's own retry meets its write.
		did: "retries a Put whose answer was lost, and says that the key exists",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				i, err := r.Backend.Put(ctx, k, b, o)
				if o.IfAbsent && err == nil && r.place.puts.Add(1)%5 == 0 {
					return info{}, sixFail("put", k, backend.ErrExists)
				}
				return i, err
			}
		},
	},
	{
		// "IfAbsent and IfMatch are atomic across processes and machines": what this handle wrote last may be gone.
		did: "does not ask the store where IfMatch is the version that the handle itself wrote last",
		breaks: func(r *ref) {
			var mu sync.Mutex
			mine := map[key]string{}
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				mu.Lock()
				if o.IfMatch != "" && mine[k] == o.IfMatch {
					o.IfMatch = ""
				}
				mu.Unlock()
				i, err := r.Backend.Put(ctx, k, b, o)
				if err == nil {
					mu.Lock()
					mine[k] = i.Version
					mu.Unlock()
				}
				return i, err
			}
		},
	},
	{
		// "never checked ahead of the write": what was absent when it was looked at may be there now.
		did: "puts without IfAbsent what it found absent before",
		breaks: func(r *ref) {
			var mu sync.Mutex
			absent := map[key]bool{}
			r.doStat = func(ctx context.Context, k key) (info, error) {
				i, err := r.Backend.Stat(ctx, k)
				mu.Lock()
				defer mu.Unlock()
				absent[k] = errors.Is(err, backend.ErrNotFound)
				return i, err
			}
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				mu.Lock()
				if absent[k] {
					o.IfAbsent = false
				}
				absent[k] = false
				mu.Unlock()
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "CheckPut does both. An implementation calls them first": the two conditions exclude each other.
		did: "takes IfMatch alone where both conditions are given",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if o.IfMatch != "" {
					o.IfAbsent = false
				}
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "IfAbsent ... else ErrExists"; a failing condition says the one thing that it is.
		did: "says changed meanwhile for every condition that fails, as 412 does not say which",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				i, err := r.Backend.Put(ctx, k, b, o)
				if errors.Is(err, backend.ErrExists) {
					err = sixFail("put", k, backend.ErrChanged)
				}
				return i, err
			}
		},
	},
	{
		// "IfMatch, unless empty, stores only if the present entry has this Version": not one of the past.
		did: "lets IfMatch pass with the version before the present one, of which it keeps a history",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				now, err := r.Backend.Stat(ctx, k)
				r.place.mu.Lock()
				last := r.place.texts[k]
				r.place.mu.Unlock()
				if err == nil && o.IfMatch != "" && o.IfMatch == last {
					o.IfMatch = now.Version
				}
				i, err2 := r.Backend.Put(ctx, k, b, o)
				if err == nil && err2 == nil {
					r.place.mu.Lock()
					r.place.texts[k] = now.Version
					r.place.mu.Unlock()
				}
				return i, err2
			}
		},
	},
}

var sixVersions = []mutant{
	{
		// "of two Puts of different bytes and Digests under a key, at any times, no two have the same".
		did: "counts versions from 1 again after a Delete",
		breaks: func(r *ref) {
			sixVersioned(r, func(prev string, _ key, _ []byte, _ put) string {
				n, _ := strconv.Atoi(strings.TrimPrefix(prev, "v"))
				return fmt.Sprint("v", n+1)
			})
		},
	},
	{
		// "no two have the same": file servers make ETags of size and time.
		did: "makes versions of size and whole seconds",
		breaks: func(r *ref) {
			sixVersioned(r, func(_ string, _ key, text []byte, _ put) string {
				return fmt.Sprintf("%x-%x", time.Now().Unix(), len(text))
			})
		},
	},
	{
		// "no two have the same": a sum of 32 bits may be the same for other bytes.
		did: "makes versions of Sum and size",
		breaks: func(r *ref) {
			sixVersioned(r, func(_ string, _ key, text []byte, o put) string {
				return fmt.Sprintf("%08x-%x", o.Sum, len(text))
			})
		},
	},
	{
		// "It is opaque, printable": a line end of a tool's output is not.
		did: "leaves the line end at a version that it read from a tool",
		breaks: func(r *ref) {
			sixVersioned(r, func(_ string, _ key, _ []byte, _ put) string {
				return fmt.Sprintf("rev-%d\n", r.place.puts.Add(1))
			})
		},
	},
	{
		// "Version distinguishes one stored value from another for IfMatch"; List gives ETags in quotes, as XML has them.
		did: "puts quotes around the versions in lists",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				return func(yield func(info, error) bool) {
					for i, err := range r.Backend.List(ctx, shelf, o) {
						if err == nil {
							i.Version = strconv.Quote(i.Version)
						}
						if !yield(i, err) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "Put returns the Info of what it stored": not of what it replaced.
		did: "returns from an overwriting Put the version that it read ahead",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				old, missing := r.Backend.Stat(ctx, k)
				i, err := r.Backend.Put(ctx, k, b, o)
				if err == nil && missing == nil && o.IfMatch == "" {
					i.Version = old.Version
				}
				return i, err
			}
		},
	},
	{
		// "of two Puts of different bytes ... under a key, at any times, no two have the same", in one batch too.
		did: "tells for all items of a batch under one key the version of the last",
		breaks: func(r *ref) {
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				infos, err := r.Backend.PutBatch(ctx, items)
				last := map[key]string{}
				for i := range infos {
					last[infos[i].Key] = infos[i].Version
				}
				for i := range infos {
					if backend.ItemError(err, i) == nil {
						infos[i].Version = last[infos[i].Key]
					}
				}
				return infos, err
			}
		},
	},
	{
		// "no two have the same": each handle counts for itself.
		did: "numbers versions by a counter of the handle",
		breaks: func(r *ref) {
			n := 0
			sixVersioned(r, func(string, key, []byte, put) string { n++; return fmt.Sprint(n) })
		},
	},
	{
		// "at any times, no two have the same": the counter starts again when the place is opened.
		did: "starts its counter of versions at the number of entries when it is opened",
		breaks: func(r *ref) {
			n := len(sixAll(r))
			if n == 0 {
				n = int(r.place.puts.Load())
			}
			sixVersioned(r, func(string, key, []byte, put) string { n++; r.place.puts.Store(int32(n)); return fmt.Sprint("s", n) })
		},
	},
	{
		// "Stat returns what Get would say about key": the same version.
		did: "says in Stat a weak version, W/ and all",
		breaks: func(r *ref) {
			r.doStat = func(ctx context.Context, k key) (info, error) {
				i, err := r.Backend.Stat(ctx, k)
				if err == nil {
					i.Version = "W/" + i.Version
				}
				return i, err
			}
		},
	},
}

var sixBodies = []mutant{
	{
		// "Put stores body, all of it from offset 0 (wherever the body stands ...)".
		did: "lets a body write itself, from where it stands, if it can",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				w, ok := b.(io.WriterTo)
				if !ok || ctx.Err() != nil {
					return r.Backend.Put(ctx, k, b, o)
				}
				var buf bytes.Buffer
				if _, err := w.WriteTo(&buf); err != nil {
					return info{}, sixFail("put", k, err)
				}
				return r.Backend.Put(ctx, k, bytes.NewReader(buf.Bytes()), o)
			}
		},
	},
	{
		// "Put stores body, all of it": a reader may deliver less than asked for.
		did: "reads a body by one call of Read",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if o.Size <= 0 || o.Size > 1<<20 {
					return r.Backend.Put(ctx, k, b, o)
				}
				if _, err := b.Seek(0, io.SeekStart); err != nil {
					return info{}, sixFail("put", k, err)
				}
				buf := make([]byte, o.Size+1)
				n, err := b.Read(buf)
				if err != nil && err != io.EOF {
					return info{}, sixFail("put", k, err)
				}
				return r.Backend.Put(ctx, k, bytes.NewReader(buf[:n]), o)
			}
		},
	},
	{
		// "Put stores body, all of it": the last bytes may come with io.EOF.
		did: "drops what a body delivers together with its end",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if o.Size < 0 || o.Size > 8<<20 {
					return r.Backend.Put(ctx, k, b, o)
				}
				if _, err := b.Seek(0, io.SeekStart); err != nil {
					return info{}, sixFail("put", k, err)
				}
				var all []byte
				buf := make([]byte, 32<<10)
				for int64(len(all)) <= o.Size {
					n, err := b.Read(buf)
					if err == io.EOF {
						break
					}
					if err != nil {
						return info{}, sixFail("put", k, err)
					}
					all = append(all, buf[:n]...)
				}
				return r.Backend.Put(ctx, k, bytes.NewReader(all), o)
			}
		},
	},
	{
		// "Put stores body, all of it": no bytes and no error is not the end.
		did: "takes a Read of nothing for the end of a body",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if o.Size < 0 || o.Size > 8<<20 {
					return r.Backend.Put(ctx, k, b, o)
				}
				if _, err := b.Seek(0, io.SeekStart); err != nil {
					return info{}, sixFail("put", k, err)
				}
				var all []byte
				buf := make([]byte, 32<<10)
				for int64(len(all)) <= o.Size {
					n, err := b.Read(buf)
					all = append(all, buf[:n]...)
					if err == io.EOF || n == 0 && err == nil {
						break
					}
					if err != nil {
						return info{}, sixFail("put", k, err)
					}
				}
				return r.Backend.Put(ctx, k, bytes.NewReader(all), o)
			}
		},
	},
	{
		// "a longer one with ErrTooLong": also a large one.
		did: "does not look for more at the end of a body of 64 KiB or more",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if end, err := b.Seek(0, io.SeekEnd); err == nil && o.Size >= 64<<10 && end > o.Size {
					text := make([]byte, o.Size)
					b.Seek(0, io.SeekStart)
					if _, err := io.ReadFull(b, text); err == nil {
						return r.Backend.Put(ctx, k, bytes.NewReader(text), o)
					}
				}
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "The body MUST hold exactly opts.Size bytes ... a longer one [fails] with ErrTooLong": zero is a size too.
		did: "does not touch the body where the size is 0",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if o.Size == 0 {
					b = bytes.NewReader(nil)
				}
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "A Put that fails ... because its body failed, stored nothing": a failed rewind removes the old value.
		did: "removes what is there when a body cannot be rewound",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if _, err := b.Seek(0, io.SeekStart); err != nil && ctx.Err() == nil {
					r.Backend.Delete(ctx, k)
					return info{}, sixFail("put", k, err)
				}
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "Put neither closes the body nor uses it, or the memory behind it, after it returned"; "Bodies are treated as by Put".
		did: "reads the bodies of a batch again after it returned, to audit them",
		breaks: func(r *ref) {
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				infos, err := r.Backend.PutBatch(ctx, items)
				bodies := make([]body, 0, len(items))
				for _, it := range items {
					bodies = append(bodies, it.Body)
				}
				go func() {
					for _, b := range bodies {
						if b != nil {
							b.Seek(0, io.SeekStart)
							io.Copy(io.Discard, b)
						}
					}
				}()
				return infos, err
			}
		},
	},
	{
		// "nor uses it, or the memory behind it, after it returned".
		did: "keeps the memory of a body of 64 KiB or more instead of a copy",
		breaks: func() func(r *ref) {
			var kept sync.Map
			return func(r *ref) {
				r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
					i, err := r.Backend.Put(ctx, k, b, o)
					if w, ok := b.(io.WriterTo); ok && err == nil && o.Size >= 64<<10 {
						b.Seek(0, io.SeekStart)
						w.WriteTo(sixWriter(func(p []byte) { kept.Store(r.place.name+i.Version, p) }))
					}
					return i, err
				}
				sixGets(r, func(i info, text []byte) []byte {
					if p, ok := kept.Load(r.place.name + i.Version); ok && len(p.([]byte)) == len(text) {
						return bytes.Clone(p.([]byte))
					}
					return text
				})
			}
		}(),
	},
	{
		// "The bytes delivered belong to the caller."
		did: "gives away the slice that its cache of small values holds",
		breaks: func() func(r *ref) {
			var cache sync.Map
			return func(r *ref) {
				sixGets(r, func(i info, text []byte) []byte {
					if len(text) > 4096 {
						return text
					}
					p, _ := cache.LoadOrStore(r.place.name+i.Key.String()+i.Version, text)
					return p.([]byte)
				})
			}
		}(),
	},
	{
		// "The bytes delivered belong to the caller": an append to a part writes over what follows it in the cache.
		did: "gives away parts of a cached value with the capacity of all of it",
		breaks: func() func(r *ref) {
			var cache sync.Map
			return func(r *ref) {
				r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
					b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
					if err != nil || n < 0 || n > 1<<20 || off >= i.Size {
						return b, i, err
					}
					b.Close()
					text, now, err := sixLoad(ctx, r, k)
					if err != nil || now.Version != i.Version {
						return r.Backend.GetRange(ctx, k, version, off, n)
					}
					p, _ := cache.LoadOrStore(r.place.name+i.Key.String()+i.Version, text)
					return backend.NewBody(p.([]byte)[off:min(off+n, i.Size)]), i, nil
				}
			}
		}(),
	},
	{
		// "what it holds is a snapshot": two readers of one value do not move each other.
		did: "shares one open file, position and all, among the readers of a large value",
		breaks: func(r *ref) {
			var mu sync.Mutex
			type file struct {
				r     *bytes.Reader
				users int
			}
			open := map[string]*file{}
			r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
				text, i, err := sixLoad(ctx, r, k)
				if err != nil || len(text) <= 4096 {
					return backend.NewBody(text), i, err
				}
				id := i.Key.String() + i.Version
				mu.Lock()
				defer mu.Unlock()
				f := open[id]
				if f == nil {
					f = &file{r: bytes.NewReader(text)}
					open[id] = f
				}
				f.users++
				f.r.Seek(0, io.SeekStart)
				closed := false
				return sixReader{
					read: func(p []byte) (int, error) { mu.Lock(); defer mu.Unlock(); return f.r.Read(p) },
					close: func() error {
						mu.Lock()
						defer mu.Unlock()
						if !closed {
							if f.users--; f.users == 0 {
								delete(open, id)
							}
						}
						closed = true
						return nil
					},
				}, i, nil
			}
		},
	},
	{
		// "it never ends early as if it were whole"; "Its body is like that of Get".
		did: "ends the body of a range without an error when its context ends",
		breaks: func(r *ref) {
			r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
				b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
				if err != nil {
					return b, i, err
				}
				return sixReader{
					read: func(p []byte) (int, error) {
						if ctx.Err() != nil {
							return 0, io.EOF
						}
						return b.Read(p)
					},
					close: b.Close,
				}, i, nil
			}
		},
	},
	{
		// "an overwrite or a Delete meanwhile either leaves it whole or makes reading fail, it never mixes".
		did: "reads large values page by page, 128 KiB each, of whatever is there",
		breaks: func(r *ref) {
			const page = 128 << 10
			r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
				first, i, err := sixLoad(ctx, r, k)
				if err != nil || len(first) <= page {
					return backend.NewBody(first), i, err
				}
				buf, at := first[:page], int64(page)
				return sixReader{read: func(p []byte) (int, error) {
					if len(buf) == 0 {
						if at >= i.Size {
							return 0, io.EOF
						}
						b, now, err := r.Backend.GetRange(context.WithoutCancel(ctx), k, "", at, page)
						if err != nil {
							return 0, err
						}
						buf, _ = io.ReadAll(b)
						b.Close()
						if at += page; now.Size != i.Size || len(buf) == 0 {
							return 0, sixFail("get", k, backend.ErrChanged)
						}
					}
					n := copy(p, buf)
					buf = buf[n:]
					return n, nil
				}}, i, nil
			}
		},
	},
	{
		// "Get returns the value of key": zeros at its end are part of it.
		did: "takes zero bytes at the end of a value for padding",
		breaks: func(r *ref) {
			sixGets(r, func(_ info, text []byte) []byte { return bytes.TrimRight(text, "\x00") })
		},
	},
	{
		// "Get returns the value of key": files that are opened as text lose carriage returns.
		did: "opens files as text and makes CR LF one line end",
		breaks: func(r *ref) {
			sixGets(r, func(_ info, text []byte) []byte { return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")) })
		},
	},
	{
		// "Get returns the value of key": JSON strings hold valid UTF-8 only.
		did: "keeps values in JSON strings, where what is not UTF-8 is replaced",
		breaks: func(r *ref) {
			sixGets(r, func(_ info, text []byte) []byte { return bytes.ToValidUTF8(text, []byte("\uFFFD")) })
		},
	},
	{
		// "Get returns the value of key".
		did: "strips a byte order mark",
		breaks: func(r *ref) {
			sixGets(r, func(_ info, text []byte) []byte { return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) })
		},
	},
	{
		// "Get returns the value of key": transports and GCS unpack what they take for packed.
		did: "unpacks a value that is gzip",
		breaks: func(r *ref) {
			sixGets(r, func(_ info, text []byte) []byte {
				z, err := gzip.NewReader(bytes.NewReader(text))
				if err != nil {
					return text
				}
				if plain, err := io.ReadAll(z); err == nil {
					return plain
				}
				return text
			})
		},
	},
	{
		// "Get returns the value of key": the loop over chunks ends one early where the last is full.
		did: "loses the last chunk of a value that is a multiple of 256 KiB long",
		breaks: func(r *ref) {
			sixGets(r, func(_ info, text []byte) []byte {
				if n := len(text); n > 0 && n%(256<<10) == 0 {
					return text[:n-256<<10]
				}
				return text
			})
		},
	},
	{
		// "Get returns the value of key": 256 pages do not fit in a byte.
		did: "counts the pages of 4 KiB of a value in one byte",
		breaks: func(r *ref) {
			sixGets(r, func(_ info, text []byte) []byte {
				pages := (len(text) + 4095) / 4096
				return text[:min(len(text), int(uint8(pages))*4096)]
			})
		},
	},
	{
		// "Each item succeeds or fails for itself, as by Put": its length has 16 bits in the log.
		did: "cuts off items of a batch at 65,535 bytes",
		breaks: func(r *ref) {
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				infos, err := r.Backend.PutBatch(ctx, items)
				for i, it := range items {
					if backend.ItemError(err, i) == nil && it.Size > 65535 {
						if text, now, err := sixLoad(ctx, r, it.Key); err == nil && now.Version == infos[i].Version {
							infos[i], _ = sixStore(ctx, r, it.Key, text[:65535], it.PutOptions)
						}
					}
				}
				return infos, err
			}
		},
	},
	{
		// "a key whose data is gone ... is ErrCorrupt", and here it need not be: a value of the threshold's size goes to neither place.
		did: "loses values of 8,192 bytes between those inline and those in files",
		breaks: func(r *ref) {
			r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
				b, i, err := r.Backend.Get(ctx, k)
				if err == nil && i.Size == 8192 {
					b.Close()
					return nil, info{}, sixFail("get", k, backend.ErrCorrupt)
				}
				return b, i, err
			}
		},
	},
	{
		// "The zero value of IfAbsent and IfMatch overwrites whatever is there": with nothing, too.
		did: "writes no bytes for an empty value, so that the old ones stay",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if old, i, err := sixLoad(ctx, r, k); err == nil && o.Size == 0 && len(old) > 0 {
					if _, err := backend.ReadBody(b, 0); err == nil && !o.IfAbsent && (o.IfMatch == "" || o.IfMatch == i.Version) {
						return sixStore(ctx, r, k, old, o)
					}
				}
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "Put stores body": data with the same CRC need not be the same.
		did: "stores no data that it has already, by Sum and size",
		breaks: func() func(r *ref) {
			var seen sync.Map
			return func(r *ref) {
				sixPuts(r, func(ctx context.Context, k key, text []byte, o put) (info, error) {
					p, _ := seen.LoadOrStore(fmt.Sprint(r.place.name, o.Sum, len(text)), text)
					return sixStore(ctx, r, k, p.([]byte), o)
				})
			}
		}(),
	},
	{
		// "Delete removes key", and no other: data that two keys share is counted by nobody.
		did: "removes with a key the data that another key of the same bytes shares",
		breaks: func(r *ref) {
			r.doDelete = func(ctx context.Context, k key) error {
				gone, missing := r.Backend.Stat(ctx, k)
				err := r.Backend.Delete(ctx, k)
				if err == nil && missing == nil && gone.Size > 100 {
					for _, i := range sixAll(r) {
						if i.Digest == gone.Digest {
							r.place.mu.Lock()
							r.place.texts[i.Key] = i.Version
							r.place.mu.Unlock()
						}
					}
				}
				return err
			}
			r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
				b, i, err := r.Backend.Get(ctx, k)
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				if err == nil && r.place.texts[k] == i.Version {
					b.Close()
					return nil, info{}, sixFail("get", k, backend.ErrCorrupt)
				}
				return b, i, err
			}
		},
	},
	{
		// "it never ends early as if it were whole", where the handle is closed before the body was read.
		did: "ends open bodies when the handle is closed, without an error",
		breaks: func(r *ref) {
			var mu sync.Mutex
			closed := false
			r.doClose = func() error { mu.Lock(); closed = true; mu.Unlock(); return r.Backend.Close() }
			r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
				b, i, err := r.Backend.Get(ctx, k)
				if err != nil || i.Size < 32<<10 {
					return b, i, err
				}
				return sixReader{read: func(p []byte) (int, error) {
					mu.Lock()
					defer mu.Unlock()
					if closed {
						return 0, io.EOF
					}
					return b.Read(p)
				}, close: b.Close}, i, nil
			}
		},
	},
	{
		// "The caller reads the body to its end or not, and closes it": Close waits for the rest of the body.
		did: "reports an error from closing a body that was not read to its end",
		breaks: func(r *ref) {
			r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
				b, i, err := r.Backend.Get(ctx, k)
				if err != nil {
					return b, i, err
				}
				left := i.Size
				return sixReader{
					read: func(p []byte) (int, error) { n, err := b.Read(p); left -= int64(n); return n, err },
					close: func() error {
						if left > 0 {
							return sixFail("get", k, io.ErrUnexpectedEOF)
						}
						return b.Close()
					},
				}, i, nil
			}
		},
	},
}

// sixWriter sees what a body writes.
type sixWriter func(p []byte)

func (w sixWriter) Write(p []byte) (int, error) { w(p); return len(p), nil }

var sixMetadata = []mutant{
	{
		// "Keys match [a-z][a-z0-9_]*": two underscores are as good as one (gocloud escapes them).
		did: "makes one underscore of two in keys of metadata",
		breaks: func(r *ref) {
			sixMetas(r, func(k, v string) (string, string, bool) { return strings.ReplaceAll(k, "__", "_"), v, true })
		},
	},
	{
		// "values are printable ASCII without blanks at their ends": blanks within stay; signers of headers collapse them.
		did: "makes one blank of several in values of metadata",
		breaks: func(r *ref) {
			sixMetas(r, func(k, v string) (string, string, bool) { return k, strings.Join(strings.Fields(v), " "), true })
		},
	},
	{
		// "Meta is a little text": a number in YAML is not the text that it was.
		did: "reads values of metadata that look like whole numbers as numbers",
		breaks: func(r *ref) {
			sixMetas(r, func(k, v string) (string, string, bool) {
				if n, err := strconv.ParseInt(v, 10, 64); err == nil {
					v = strconv.FormatInt(n, 10)
				}
				return k, v, true
			})
		},
	},
	{
		// "values are printable ASCII (0x20 to 0x7e)": % is one of them.
		did: "decodes %XX in values of metadata that it did not encode",
		breaks: func(r *ref) {
			sixMetas(r, func(k, v string) (string, string, bool) {
				for i := 0; i+2 < len(v); i++ {
					if n, err := strconv.ParseUint(v[i+1:i+3], 16, 8); v[i] == '%' && err == nil {
						v = v[:i] + string(rune(n)) + v[i+3:]
					}
				}
				return k, v, true
			})
		},
	},
	{
		// "values are printable ASCII": a comma separates nothing.
		did: "keeps the first of the values of metadata that commas separate",
		breaks: func(r *ref) {
			sixMetas(r, func(k, v string) (string, string, bool) { v, _, _ = strings.Cut(v, ", "); return k, v, true })
		},
	},
	{
		// "values are printable ASCII": a backslash is one.
		did: "takes backslashes in values of metadata for escapes",
		breaks: func(r *ref) {
			sixMetas(r, func(k, v string) (string, string, bool) { return k, strings.ReplaceAll(v, `\\`, `\`), true })
		},
	},
	{
		// "All of it has at most MaxMeta bytes": MaxMeta is allowed.
		did: "refuses metadata of exactly the bytes that are allowed",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				n := 0
				for k, v := range o.Meta {
					n += len(k) + len(v)
				}
				if n >= backend.MaxMeta {
					return info{}, sixFail("put", k, fmt.Errorf("%w: metadata", backend.ErrTooLarge))
				}
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "overwrites whatever is there"; "nil and empty mean the same".
		did: "keeps the old metadata where a Put brings none at all",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if old, err := r.Backend.Stat(ctx, k); err == nil && o.Meta == nil {
					o.Meta = old.Meta
				}
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "Meta is the caller's to keep".
		did: "uses one map for the metadata of all entries of a list",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				return func(yield func(info, error) bool) {
					m := backend.Meta{}
					for i, err := range r.Backend.List(ctx, shelf, o) {
						clear(m)
						maps.Copy(m, i.Meta)
						i.Meta = m
						if !yield(i, err) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "Meta" of a batch's item is stored as it is then: the map is the caller's.
		did: "keeps the maps of metadata that the items of a batch bring",
		breaks: func() func(r *ref) {
			var kept sync.Map
			return func(r *ref) {
				r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
					infos, err := r.Backend.PutBatch(ctx, items)
					for i, it := range items {
						if backend.ItemError(err, i) == nil && len(it.Meta) > 0 {
							kept.Store(r.place.name+it.Key.String()+infos[i].Version, it.Meta)
						}
					}
					return infos, err
				}
				r.tells = func(i info) info {
					if m, ok := kept.Load(r.place.name + i.Key.String() + i.Version); ok {
						i.Meta = maps.Clone(m.(backend.Meta))
					}
					return i
				}
			}
		}(),
	},
	{
		// "it keeps them and gives them back".
		did: "has no digest for an empty value",
		breaks: func(r *ref) {
			r.tells = func(i info) info {
				if i.Size == 0 {
					i.Digest = [32]byte{}
				}
				return i
			}
		},
	},
	{
		// "No backend computes or checks PutOptions.Digest or PutOptions.Sum: it keeps them and gives them back."
		did: "works out a Sum that is 0",
		breaks: func(r *ref) {
			sixPuts(r, func(ctx context.Context, k key, text []byte, o put) (info, error) {
				if o.Sum == 0 {
					o.Sum = crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli))
				}
				return sixStore(ctx, r, k, text, o)
			})
		},
	},
	{
		// "ModTime is when the value was stored": that value, not the first under the key.
		did: "tells when a key was first put",
		breaks: func(r *ref) {
			r.tells = func(i info) info {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				if first, ok := r.place.infos[i.Key]; ok {
					i.ModTime = first.ModTime
				} else if !i.ModTime.IsZero() {
					r.place.infos[i.Key] = i
				}
				return i
			}
		},
	},
	{
		// "ModTime is when the value was stored": not when it was last read.
		did: "tells when a value was last read",
		breaks: func(r *ref) {
			r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
				b, i, err := r.Backend.Get(ctx, k)
				if err == nil {
					r.place.mu.Lock()
					r.place.infos[k] = info{ModTime: time.Now(), Version: i.Version}
					r.place.mu.Unlock()
				}
				return b, i, err
			}
			r.tells = func(i info) info {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				if read, ok := r.place.infos[i.Key]; ok && read.Version == i.Version {
					i.ModTime = read.ModTime
				}
				return i
			}
		},
	},
	{
		// "Key, Size and ModTime are always set" in a list: each entry's own.
		did: "tells in lists when the shelf last changed, for every entry",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				return func(yield func(info, error) bool) {
					var last time.Time
					for i, err := range r.Backend.List(ctx, shelf, opts{}) {
						if err == nil && i.ModTime.After(last) {
							last = i.ModTime
						}
					}
					for i, err := range r.Backend.List(ctx, shelf, o) {
						if err == nil {
							i.ModTime = last
						}
						if !yield(i, err) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "Key, Size and ModTime are always set": the size of the value, not of what it takes on disk.
		did: "tells in lists the packed size of values that can be packed",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				return func(yield func(info, error) bool) {
					for i, err := range r.Backend.List(ctx, shelf, o) {
						if err == nil && i.Size > 256 {
							if text, _, err := sixLoad(ctx, r, i.Key); err == nil {
								var packed bytes.Buffer
								z, _ := flate.NewWriter(&packed, flate.BestSpeed)
								z.Write(text)
								z.Close()
								i.Size = min(i.Size, int64(packed.Len()))
							}
						}
						if !yield(i, err) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "ModTime is when the value was stored ... right to a second".
		did: "reads its times in the local zone of a machine that is 5:30 ahead, in lists",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				return func(yield func(info, error) bool) {
					for i, err := range r.Backend.List(ctx, shelf, o) {
						if err == nil {
							i.ModTime = i.ModTime.Add(-5*time.Hour - 30*time.Minute)
						}
						if !yield(i, err) {
							return
						}
					}
				}
			}
		},
	},
}

var sixListing = []mutant{
	{
		// "Prefix: only names that begin with it": a dot in it is a dot, not any byte.
		did: "makes a regular expression of a prefix without quoting it",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				if !strings.Contains(o.Prefix, ".") || o.Limit < 0 {
					return r.Backend.List(ctx, shelf, o)
				}
				like := func(name string) bool {
					if len(name) < len(o.Prefix) {
						return false
					}
					for i := range len(o.Prefix) {
						if o.Prefix[i] != '.' && o.Prefix[i] != name[i] {
							return false
						}
					}
					return true
				}
				return func(yield func(info, error) bool) {
					n := 0
					for i, err := range r.Backend.List(ctx, shelf, opts{After: o.After}) {
						if err == nil && !like(i.Key.Name) {
							continue
						}
						if n++; !yield(i, err) || n == o.Limit {
							return
						}
					}
				}
			}
		},
	},
	{
		// "After: only names greater than it in byte order": names below it as a directory are greater.
		did: "leaves out what lies below After, as if that were a directory that it is done with",
		breaks: func(r *ref) {
			sixHide(r, func(o opts, _, name string) bool { return o.After != "" && strings.HasPrefix(name, o.After+"/") })
		},
	},
	{
		// "After: only names greater than it in byte order; it need not exist", nor begin with the prefix.
		did: "ignores an After that does not begin with the prefix",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				if o.Validate(shelf) == nil && !strings.HasPrefix(o.After, o.Prefix) {
					o.After = ""
				}
				return r.Backend.List(ctx, shelf, o)
			}
		},
	},
	{
		// "each exactly once if it was there from the first step to the last": the page's last entry is the token.
		did: "ends a list where the last entry of a page of 100 was removed meanwhile",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				return func(yield func(info, error) bool) {
					n := 0
					var last key
					for i, err := range r.Backend.List(ctx, shelf, o) {
						if n > 0 && n%100 == 0 {
							if _, missing := r.Backend.Stat(ctx, last); errors.Is(missing, backend.ErrNotFound) {
								return
							}
						}
						n, last = n+1, i.Key
						if !yield(i, err) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "each exactly once if it was there from the first step to the last", under "the rules of List".
		did: "pages through shelves by OFFSET, 10 a page",
		breaks: func(r *ref) {
			r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
				if o.ValidateShelves() != nil {
					return r.Backend.Shelves(ctx, o)
				}
				return func(yield func(string, error) bool) {
					at := 0
					for {
						var page []string
						n := 0
						for s, err := range r.Backend.Shelves(ctx, o) {
							if err != nil {
								yield("", err)
								return
							}
							if n++; n > at && len(page) < 10 {
								page = append(page, s)
							}
						}
						for _, s := range page {
							if !yield(s, nil) {
								return
							}
						}
						if at += len(page); len(page) < 10 {
							return
						}
					}
				}
			}
		},
	},
	{
		// "Limit: at most so many": and as many as there are; max-keys above 1,000 is 1,000.
		did: "lists 1,000 entries where more are asked for by Limit",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				o.Limit = min(o.Limit, 1000)
				return r.Backend.List(ctx, shelf, o)
			}
		},
	},
	{
		// "Limit: at most so many": the entry After is not one of them.
		did: "counts the entry After against the limit",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				if o.Validate(shelf) == nil && o.After != "" && o.Limit > 1 {
					if _, err := r.Backend.Stat(ctx, key{Shelf: shelf, Name: o.After}); err == nil {
						o.Limit--
					}
				}
				return r.Backend.List(ctx, shelf, o)
			}
		},
	},
	{
		// "each exactly once": the next page begins at its token.
		did: "yields the last entry of a full page of 500 again as the first of the next",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				return func(yield func(info, error) bool) {
					n := 0
					for i, err := range r.Backend.List(ctx, shelf, o) {
						if !yield(i, err) {
							return
						}
						if n++; n%500 == 0 && err == nil && !yield(i, err) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "What List returns may be ranged over again, and looks anew each time."
		did: "goes on where the first loop over it ended",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				var mu sync.Mutex
				at := o.After
				return func(yield func(info, error) bool) {
					mu.Lock()
					p := o
					if o.Validate(shelf) == nil {
						p.After = at
					}
					mu.Unlock()
					for i, err := range r.Backend.List(ctx, shelf, p) {
						if err == nil {
							mu.Lock()
							at = i.Key.Name
							mu.Unlock()
						}
						if !yield(i, err) {
							return
						}
					}
					mu.Lock()
					at = o.After
					mu.Unlock()
				}
			}
		},
	},
	{
		// "A shelf that does not exist is empty", one that was emptied as well.
		did: "says not found in the list of a shelf whose last entry was deleted",
		breaks: func(r *ref) {
			r.doDelete = func(ctx context.Context, k key) error {
				_, missing := r.Backend.Stat(ctx, k)
				err := r.Backend.Delete(ctx, k)
				if err == nil && missing == nil {
					r.place.mu.Lock()
					r.place.marked[key{Shelf: k.Shelf}] = true
					r.place.mu.Unlock()
				}
				return err
			}
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				return func(yield func(info, error) bool) {
					any := false
					for range r.Backend.List(ctx, shelf, opts{Limit: 1}) {
						any = true
					}
					r.place.mu.Lock()
					was := r.place.marked[key{Shelf: shelf}]
					r.place.mu.Unlock()
					if was && !any {
						yield(info{}, sixFail("list", key{Shelf: shelf}, backend.ErrNotFound))
						return
					}
					r.Backend.List(ctx, shelf, o)(yield)
				}
			}
		},
	},
	{
		// "Prefix: only names that begin with it; it need not end at a segment": directories begin with it too.
		did: "finds by a prefix within a segment the files of that directory alone, no directories",
		breaks: func(r *ref) {
			sixHide(r, func(o opts, _, name string) bool {
				return o.Prefix != "" && !strings.HasSuffix(o.Prefix, "/") && strings.Contains(strings.TrimPrefix(name, o.Prefix), "/") && !strings.HasPrefix(name, o.Prefix+"/")
			})
		},
	},
	{
		// "Prefix: only names that begin with it": with its slash.
		did: "cleans a prefix as a path, so that its last slash is gone",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				if o.Prefix != "" {
					o.Prefix = path.Clean(o.Prefix)
				}
				return r.Backend.List(ctx, shelf, o)
			}
		},
	},
	{
		// "Prefix: only names that begin with it": a name begins with itself.
		did: "leaves out of a list the name that is the whole prefix",
		breaks: func(r *ref) {
			sixHide(r, func(o opts, _, name string) bool { return o.Prefix != "" && name == o.Prefix })
		},
	},
	{
		// "List yields the entries of one shelf": "MaxName = 600".
		did: "lists no names of more than 512 bytes",
		breaks: func(r *ref) {
			sixHide(r, func(_ opts, _, name string) bool { return len(name) > 512 })
		},
	},
	{
		// "List yields the entries of one shelf": "1 to MaxSegments segments".
		did: "walks no deeper than 32 directories",
		breaks: func(r *ref) {
			sixHide(r, func(_ opts, _, name string) bool { return strings.Count(name, "/") > 32 })
		},
	},
	{
		// "List yields the entries of one shelf": a name may end so.
		did: "takes names that end in .tmp for its own temporary files, and lists none",
		breaks: func(r *ref) {
			sixHide(r, func(_ opts, _, name string) bool { return strings.HasSuffix(name, ".tmp") })
		},
	},
	{
		// "List yields the entries of one shelf": a name may end so. gocloud keeps attributes beside values.
		did: "takes names that end in .attrs for sidecars, and lists none",
		breaks: func(r *ref) {
			sixHide(r, func(_ opts, _, name string) bool { return strings.HasSuffix(name, ".attrs") })
		},
	},
	{
		// "Delete removes key", and no other.
		did: "removes the entry a with the last of the entries a/...",
		breaks: func(r *ref) {
			r.doDelete = func(ctx context.Context, k key) error {
				err := r.Backend.Delete(ctx, k)
				if dir := path.Dir(k.Name); err == nil && dir != "." {
					for range r.Backend.List(ctx, k.Shelf, opts{Prefix: dir + "/", Limit: 1}) {
						return err
					}
					r.Backend.Delete(ctx, key{Shelf: k.Shelf, Name: dir})
				}
				return err
			}
		},
	},
	{
		// "each a map from names to immutable bodies": two names are two entries.
		did: "takes a = at the end of a name for padding of base64",
		breaks: func(r *ref) {
			r.understands = func(k key) key {
				if t := strings.TrimRight(k.Name, "="); t != "" && k.Validate() == nil && (key{Shelf: k.Shelf, Name: t}).Validate() == nil {
					k.Name = t
				}
				return k
			}
		},
	},
	{
		// "a set of named shelves": shelf a, name b.c is not shelf a.b, name c.
		did: "joins shelf and name by a dot",
		breaks: func(r *ref) {
			joined := func(k key) string { return k.Shelf + "." + k.Name }
			alias := func(k key) (key, bool) {
				for _, i := range sixAll(r) {
					if i.Key != k && joined(i.Key) == joined(k) {
						return i.Key, true
					}
				}
				return k, false
			}
			r.understands = func(k key) key {
				if !strings.Contains(joined(k), ".") {
					return k
				}
				k, _ = alias(k)
				return k
			}
		},
	},
	{
		// "Shelves yields the names of the shelves that hold at least one entry".
		did: "hides the shelves that begin with larder.",
		breaks: func(r *ref) {
			r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					for s, err := range r.Backend.Shelves(ctx, o) {
						if !strings.HasPrefix(s, backend.OwnShelves) && !yield(s, err) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "Shelves yields the names of the shelves that hold at least one entry".
		did: "goes on naming a shelf that DeleteMatch emptied",
		breaks: func(r *ref) {
			r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
				err := r.Backend.DeleteMatch(ctx, seen)
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				for i, s := range seen {
					if backend.ItemError(err, i) == nil {
						r.place.marked[key{Shelf: s.Key.Shelf}] = true
					}
				}
				return err
			}
			r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					var names []string
					for s, err := range r.Backend.Shelves(ctx, o) {
						if err != nil {
							yield("", err)
							return
						}
						names = append(names, s)
					}
					r.place.mu.Lock()
					for k := range r.place.marked {
						if strings.HasPrefix(k.Shelf, o.Prefix) && k.Shelf > o.After && !slices.Contains(names, k.Shelf) {
							names = append(names, k.Shelf)
						}
					}
					r.place.mu.Unlock()
					slices.Sort(names)
					for n, s := range names {
						if o.Limit > 0 && n >= o.Limit || !yield(s, nil) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "only names greater than it in byte order": a-b is greater than a, though a-b/ is less than a/.
		did: "compares shelves with After as directories with a slash",
		breaks: func(r *ref) {
			r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
				if o.ValidateShelves() != nil {
					return r.Backend.Shelves(ctx, o)
				}
				return func(yield func(string, error) bool) {
					n := 0
					for s, err := range r.Backend.Shelves(ctx, opts{Prefix: o.Prefix, After: o.After}) {
						if err == nil && o.After != "" && s+"/" <= o.After+"/" {
							continue
						}
						if n++; !yield(s, err) || n == o.Limit {
							return
						}
					}
				}
			}
		},
	},
	{
		// "Shelves yields the names of the shelves that hold at least one entry": beyond the first page of entries too.
		did: "looks for shelves among the first 1,000 entries",
		breaks: func(r *ref) {
			r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					n := 0
					for s, err := range r.Backend.Shelves(ctx, o) {
						if n >= 1000 || !yield(s, err) {
							return
						}
						for range r.Backend.List(ctx, s, opts{Limit: 1000}) {
							n++
						}
					}
				}
			}
		},
	},
	{
		// "in byte order".
		did: "sorts shelves as people sort numbers, 9 before 10",
		breaks: func(r *ref) {
			r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					var names []string
					for s, err := range r.Backend.Shelves(ctx, o) {
						if err != nil {
							yield("", err)
							return
						}
						names = append(names, s)
					}
					number := func(s string) int {
						n, _ := strconv.Atoi(strings.TrimLeft(s, "abcdefghijklmnopqrstuvwxyz.-_="))
						return n
					}
					slices.SortStableFunc(names, func(a, b string) int { return number(a) - number(b) })
					for _, s := range names {
						if !yield(s, nil) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "only names greater than it": also without entries of that name, in the middle of a page.
		did: "begins a list at the first name if After is not in it, as a token that it does not know",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				if k := (key{Shelf: shelf, Name: o.After}); o.After != "" && k.Validate() == nil && o.Validate(shelf) == nil {
					if _, err := r.Backend.Stat(ctx, k); errors.Is(err, backend.ErrNotFound) {
						o.After = ""
					}
				}
				return r.Backend.List(ctx, shelf, o)
			}
		},
	},
	{
		// "under the rules of List. The options choose among the names of shelves": a _ is a byte of them.
		did: "lets a _ in a prefix of shelves stand for any byte, as LIKE does",
		breaks: func(r *ref) {
			r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
				if o.ValidateShelves() != nil || !strings.Contains(o.Prefix, "_") {
					return r.Backend.Shelves(ctx, o)
				}
				return func(yield func(string, error) bool) {
					n := 0
				next:
					for s, err := range r.Backend.Shelves(ctx, opts{After: o.After}) {
						for i := range len(o.Prefix) {
							if err == nil && (i >= len(s) || o.Prefix[i] != '_' && o.Prefix[i] != s[i]) {
								continue next
							}
						}
						if n++; !yield(s, err) || n == o.Limit {
							return
						}
					}
				}
			}
		},
	},
}

var sixRanges = []mutant{
	{
		// "fewer where the value ends earlier": off+n may be beyond all numbers.
		did: "adds off and n of a range, which overflows, and delivers nothing",
		breaks: func(r *ref) {
			r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
				if off >= 0 && n > 0 && off+n < 0 {
					n = 0
				}
				return r.Backend.GetRange(ctx, k, version, off, n)
			}
		},
	},
	{
		// "none where off is at its end or beyond": an empty value's end is 0.
		did: "refuses every range of an empty value, as with 416",
		breaks: func(r *ref) {
			r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
				b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
				if err == nil && i.Size == 0 {
					b.Close()
					return nil, info{}, sixFail("get range", k, errors.New("416: range not satisfiable"))
				}
				return b, i, err
			}
		},
	},
	{
		// "n < 0 reads to the end": whatever n is below 0.
		did: "takes a negative n other than -1 for the last bytes of the value",
		breaks: func(r *ref) {
			r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
				if i, err := r.Backend.Stat(ctx, k); err == nil && n < -1 && off >= 0 {
					off, n = max(0, i.Size+n), -1
				}
				return r.Backend.GetRange(ctx, k, version, off, n)
			}
		},
	},
	{
		// "With a version that is not empty, any other version found is ErrChanged, wherever off is".
		did: "asks nobody about the version for a range of no bytes",
		breaks: func(r *ref) {
			r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
				if n == 0 {
					version = ""
				}
				return r.Backend.GetRange(ctx, k, version, off, n)
			}
		},
	},
	{
		// "any other version found is ErrChanged ... and none ErrNotFound".
		did: "says changed meanwhile for a range of an absent key with a version",
		breaks: func(r *ref) {
			r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
				b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
				if version != "" && errors.Is(err, backend.ErrNotFound) {
					err = sixFail("get range", k, backend.ErrChanged)
				}
				return b, i, err
			}
		},
	},
	{
		// "the Info is that of the whole value".
		did: "tells no digest and no sum with a part of a value",
		breaks: func(r *ref) {
			r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
				b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
				if err == nil && (off > 0 || n >= 0 && n < i.Size) {
					i.Digest, i.Sum = [32]byte{}, 0
				}
				return b, i, err
			}
		},
	},
	{
		// "returns the bytes [off, off+n)": not one more where blocks end.
		did: "delivers a byte more of a range that begins and ends at blocks of 4 KiB",
		breaks: func(r *ref) {
			r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
				if n > 0 && off >= 0 && off%4096 == 0 && n%4096 == 0 {
					n++
				}
				return r.Backend.GetRange(ctx, k, version, off, n)
			}
		},
	},
	{
		// "A method called after Close returns ErrClosed".
		did: "goes on reading ranges after Close",
		breaks: func(r *ref) {
			twin := r.twin()
			r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
				return twin.GetRange(ctx, k, version, off, n)
			}
		},
	},
	{
		// "visible to every reader when it returns": the block of a value that another handle replaced is read from a cache.
		did: "reads small ranges from a cache of values by key, which its own Puts and Deletes alone clear",
		breaks: func(r *ref) {
			var mu sync.Mutex
			type kept struct {
				text []byte
				i    info
			}
			cache := map[key]kept{}
			forget := func(k key) { mu.Lock(); delete(cache, k); mu.Unlock() }
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				defer forget(k)
				return r.Backend.Put(ctx, k, b, o)
			}
			r.doDelete = func(ctx context.Context, k key) error { defer forget(k); return r.Backend.Delete(ctx, k) }
			r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
				if off < 0 || n < 0 || n > 4096 || version != "" || ctx.Err() != nil {
					return r.Backend.GetRange(ctx, k, version, off, n)
				}
				mu.Lock()
				defer mu.Unlock()
				c, ok := cache[k]
				if !ok {
					var err error
					if c.text, c.i, err = sixLoad(ctx, r, k); err != nil {
						return r.Backend.GetRange(ctx, k, version, off, n)
					}
					cache[k] = c
				}
				off = min(off, int64(len(c.text)))
				return backend.NewBody(bytes.Clone(c.text[off:min(off+n, int64(len(c.text)))])), c.i, nil
			}
		},
	},
}

var sixBatches = []mutant{
	{
		// "Each item succeeds or fails for itself, as by Put in the order given": the second finds what the first stored.
		did: "looks at all conditions of a batch before it stores the first item",
		breaks: func(r *ref) {
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				ours := map[key]bool{}
				p := slices.Clone(items)
				for i, it := range p {
					if it.IfAbsent && ours[it.Key] {
						p[i].IfAbsent = false
					}
					if _, err := r.Backend.Stat(ctx, it.Key); errors.Is(err, backend.ErrNotFound) {
						ours[it.Key] = true
					}
				}
				return r.Backend.PutBatch(ctx, p)
			}
		},
	},
	{
		// "it has one error an item, in the order of the batch".
		did: "counts the failures of each chunk of 100 items from 0",
		breaks: func(r *ref) {
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				infos, err := r.Backend.PutBatch(ctx, items)
				var e backend.BatchError
				if !errors.As(err, &e) || len(items) <= 100 {
					return infos, err
				}
				moved := make(backend.BatchError, len(e))
				for i, err := range e {
					if err != nil {
						moved[i%100] = err
					}
				}
				return infos, moved
			}
		},
	},
	{
		// "The result has one Info an item, zero where it failed".
		did: "moves the Infos up over the items that failed",
		breaks: func(r *ref) {
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				infos, err := r.Backend.PutBatch(ctx, items)
				out := make([]info, 0, len(infos))
				for i := range infos {
					if backend.ItemError(err, i) == nil {
						out = append(out, infos[i])
					}
				}
				return append(out, make([]info, len(infos)-len(out))...), err
			}
		},
	},
	{
		// "Each item succeeds or fails for itself": those behind a broken body are neither stored nor reported.
		did: "ends a batch at the first body that fails, and reports that one alone",
		breaks: func(r *ref) {
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				infos := make([]info, len(items))
				errs := make(backend.BatchError, len(items))
				for i, it := range items {
					if infos[i], errs[i] = r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions); errs[i] != nil &&
						!errors.Is(errs[i], backend.ErrExists) && !errors.Is(errs[i], backend.ErrChanged) && ctx.Err() == nil {
						break
					}
				}
				return infos, errs.OrNil()
			}
		},
	},
	{
		// "stores the items": none is a number too. A statement with no rows is a syntax error.
		did: "fails for a batch of nothing",
		breaks: func(r *ref) {
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				if len(items) == 0 {
					return nil, sixFail("put batch", key{}, errors.New(`syntax error near ")"`))
				}
				return r.Backend.PutBatch(ctx, items)
			}
		},
	},
	{
		// "The result has one Info an item": and each is stored.
		did: "stores the first 1,000 items of a batch",
		breaks: func(r *ref) {
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				return r.Backend.PutBatch(ctx, items[:min(len(items), 1000)])
			}
		},
	},
	{
		// "Failures are reported as by PutBatch": the answer is 200, and what failed stands in its body.
		did: "does not look at the failures that the answer to DeleteBatch tells of",
		breaks: func(r *ref) {
			r.doDelBatch = func(ctx context.Context, keys []key) error {
				err := r.Backend.DeleteBatch(ctx, keys)
				var e backend.BatchError
				if errors.As(err, &e) && ctx.Err() == nil && !errors.Is(err, backend.ErrClosed) {
					return nil
				}
				return err
			}
		},
	},
	{
		// "removes the keys ... Failures are reported as by PutBatch": each for itself.
		did: "removes nothing by DeleteBatch where one key is invalid",
		breaks: func(r *ref) {
			r.doDelBatch = func(ctx context.Context, keys []key) error {
				errs := make(backend.BatchError, len(keys))
				for i, k := range keys {
					if err := k.Validate(); err != nil {
						errs[i] = sixFail("delete", k, err)
					}
				}
				if err := errs.OrNil(); err != nil {
					return err
				}
				return r.Backend.DeleteBatch(ctx, keys)
			}
		},
	},
	{
		// "Those that are absent count as removed": also if the batch itself removed them.
		did: "says not found for a key that stands twice in DeleteBatch",
		breaks: func(r *ref) {
			r.doDelBatch = func(ctx context.Context, keys []key) error {
				err := r.Backend.DeleteBatch(ctx, keys)
				if err != nil {
					return err
				}
				seen := map[key]bool{}
				errs := make(backend.BatchError, len(keys))
				for i, k := range keys {
					if seen[k] {
						errs[i] = sixFail("delete", k, backend.ErrNotFound)
					}
					seen[k] = true
				}
				return errs.OrNil()
			}
		},
	},
	{
		// "removes the keys, any number of them, and no others": shelf IN (...) AND name IN (...) is a product.
		did: "removes by DeleteBatch every name of the batch from every shelf of it",
		breaks: func(r *ref) {
			r.doDelBatch = func(ctx context.Context, keys []key) error {
				err := r.Backend.DeleteBatch(ctx, keys)
				if err == nil {
					shelves := map[string]bool{}
					for _, k := range keys {
						shelves[k.Shelf] = true
					}
					var more []key
					if len(shelves) > 1 {
						for s := range shelves {
							for _, k := range keys {
								more = append(more, key{Shelf: s, Name: k.Name})
							}
						}
					}
					err = r.Backend.DeleteBatch(ctx, more)
				}
				return err
			}
		},
	},
}

var sixDeletes = []mutant{
	{
		// "Removing what is absent succeeds": the second time too.
		did: "says not found when the same handle deletes a key twice",
		breaks: func(r *ref) {
			var mu sync.Mutex
			dead := map[key]bool{}
			r.doDelete = func(ctx context.Context, k key) error {
				_, missing := r.Backend.Stat(ctx, k)
				err := r.Backend.Delete(ctx, k)
				mu.Lock()
				defer mu.Unlock()
				if err == nil && dead[k] && errors.Is(missing, backend.ErrNotFound) {
					return sixFail("delete", k, backend.ErrNotFound)
				}
				dead[k] = err == nil
				return err
			}
		},
	},
	{
		// "Delete removes key": its metadata are not the next one's.
		did: "leaves metadata behind, which the next Put without any inherits",
		breaks: func(r *ref) {
			r.doDelete = func(ctx context.Context, k key) error {
				i, err := r.Backend.Stat(ctx, k)
				if err == nil {
					r.place.mu.Lock()
					r.place.infos[k] = i
					r.place.mu.Unlock()
				}
				return r.Backend.Delete(ctx, k)
			}
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				r.place.mu.Lock()
				if old, ok := r.place.infos[k]; ok && len(o.Meta) == 0 {
					o.Meta = old.Meta
				}
				r.place.mu.Unlock()
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "Delete removes key", and no other: sidecars go by key.*.
		did: "removes with a key all that are named like it with a dot and more",
		breaks: func(r *ref) {
			r.doDelete = func(ctx context.Context, k key) error {
				err := r.Backend.Delete(ctx, k)
				if err == nil {
					for i, err := range r.Backend.List(ctx, k.Shelf, opts{Prefix: k.Name + "."}) {
						if err == nil {
							r.Backend.Delete(ctx, i.Key)
						}
					}
				}
				return err
			}
		},
	},
	{
		// "One that has another, or is absent, fails with ErrChanged and stays as it is": the others are removed.
		did: "rolls a DeleteMatch back where one of its keys has changed, and reports that one alone",
		breaks: func(r *ref) {
			r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
				errs := make(backend.BatchError, len(seen))
				for i, s := range seen {
					now, err := r.Backend.Stat(ctx, s.Key)
					if errors.Is(err, backend.ErrNotFound) || err == nil && now.Version != s.Version {
						errs[i] = sixFail("delete", s.Key, backend.ErrChanged)
					}
				}
				if err := errs.OrNil(); err != nil && ctx.Err() == nil {
					return err
				}
				return r.Backend.DeleteMatch(ctx, seen)
			}
		},
	},
	{
		// "removes each key whose present entry has the Version given": present by the store, not by what the handle saw.
		did: "compares in DeleteMatch with the versions that the handle saw last",
		breaks: func(r *ref) {
			var mu sync.Mutex
			last := map[key]string{}
			r.tells = func(i info) info {
				mu.Lock()
				defer mu.Unlock()
				if i.Version != "" {
					last[i.Key] = i.Version
				}
				return i
			}
			r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
				p := slices.Clone(seen)
				mu.Lock()
				for i, s := range p {
					if last[s.Key] == s.Version {
						if now, err := r.Backend.Stat(ctx, s.Key); err == nil {
							p[i].Version = now.Version
						}
					}
				}
				mu.Unlock()
				return r.Backend.DeleteMatch(ctx, p)
			}
		},
	},
	{
		// "One that ... is absent, fails with ErrChanged".
		did: "says not found for an absent key in DeleteMatch",
		breaks: func(r *ref) {
			r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
				missing := map[int]bool{}
				for i, s := range seen {
					_, err := r.Backend.Stat(ctx, s.Key)
					missing[i] = errors.Is(err, backend.ErrNotFound)
				}
				err := r.Backend.DeleteMatch(ctx, seen)
				var e backend.BatchError
				if errors.As(err, &e) {
					for i := range e {
						if missing[i] && e[i] != nil {
							e[i] = sixFail("delete", seen[i].Key, backend.ErrNotFound)
						}
					}
				}
				return err
			}
		},
	},
	{
		// "removes each key whose present entry has the Version given", and no other: versions of contents repeat.
		did: "removes by DeleteMatch whatever has one of the versions, under any key",
		breaks: func(r *ref) {
			sixVersioned(r, func(_ string, _ key, _ []byte, o put) string { return fmt.Sprintf("%x", o.Digest[:8]) })
			r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
				errs := make(backend.BatchError, len(seen))
				hit := map[string]bool{}
				for i, s := range seen {
					now, err := r.Stat(ctx, s.Key)
					switch {
					case err == nil && now.Version == s.Version:
						hit[s.Version] = true
						errs[i] = r.Delete(ctx, s.Key)
					case err == nil || errors.Is(err, backend.ErrNotFound):
						errs[i] = sixFail("delete", s.Key, backend.ErrChanged)
					default:
						errs[i] = err
					}
				}
				for _, i := range sixAll(r) {
					if hit[r.tells(i).Version] {
						r.Backend.Delete(ctx, i.Key)
					}
				}
				return errs.OrNil()
			}
		},
	},
}

var sixSweeps = []mutant{
	{
		// "It never removes a value that can be read": an empty one can.
		did: "sweeps empty values as what interrupted Puts left",
		breaks: func(r *ref) {
			r.doSweep = func(ctx context.Context, o sweep) (found, error) {
				for _, i := range sixAll(r) {
					if i.Size == 0 && !o.DryRun {
						r.Backend.Delete(ctx, i.Key)
					}
				}
				return found{}, nil
			}
		},
	},
	{
		// "It never removes a value that can be read", whatever its name.
		did: "sweeps values whose names end in .tmp or .part",
		breaks: func(r *ref) {
			r.doSweep = func(ctx context.Context, o sweep) (found, error) {
				for _, i := range sixAll(r) {
					if (strings.HasSuffix(i.Key.Name, ".tmp") || strings.HasSuffix(i.Key.Name, ".part")) && !o.DryRun {
						r.Backend.Delete(ctx, i.Key)
					}
				}
				return found{}, nil
			}
		},
	},
	{
		// "nor changes what is known of it": not when it was stored.
		did: "stamps all values anew when it compacts",
		breaks: func(r *ref) {
			r.doSweep = func(ctx context.Context, o sweep) (found, error) {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				if o.Compact && !o.DryRun {
					r.place.infos[key{}] = info{ModTime: time.Now()}
				}
				return found{}, nil
			}
			r.tells = func(i info) info {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				if at := r.place.infos[key{}].ModTime; i.ModTime.Before(at) {
					i.ModTime = at
				}
				return i
			}
		},
	},
	{
		// "nor changes what is known of it".
		did: "loses the metadata of values that it moves when it compacts",
		breaks: func(r *ref) {
			r.doSweep = func(ctx context.Context, o sweep) (found, error) {
				if o.Compact && !o.DryRun {
					for _, i := range sixAll(r) {
						r.place.mu.Lock()
						r.place.infos[i.Key] = i
						r.place.mu.Unlock()
					}
				}
				return found{}, nil
			}
			r.tells = func(i info) info {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				if old, ok := r.place.infos[i.Key]; ok && old.Version == i.Version {
					i.Meta = nil
				}
				return i
			}
		},
	},
	{
		// "It takes nothing from a Put that is under way".
		did: "takes the data of a Put under way for an orphan where Grace is short",
		breaks: func(r *ref) {
			r.doSweep = func(_ context.Context, o sweep) (found, error) {
				if !o.DryRun && o.Grace > 0 && o.Grace < time.Second {
					r.place.puts.Add(1)
				}
				return found{}, nil
			}
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				before := r.place.puts.Load()
				i, err := r.Backend.Put(ctx, k, b, o)
				if err == nil && before != r.place.puts.Load() {
					r.Backend.Delete(ctx, k)
				}
				return i, err
			}
		},
	},
	{
		// "Grace spares leftovers younger than it ... never removes a value that can be read".
		did: "takes Grace for the age at which values go, if it compacts",
		breaks: func(r *ref) {
			r.doSweep = func(ctx context.Context, o sweep) (found, error) {
				if o.Compact && !o.DryRun && o.Grace > 0 {
					for _, i := range sixAll(r) {
						if time.Since(i.ModTime) > o.Grace {
							r.Backend.Delete(ctx, i.Key)
						}
					}
				}
				return found{}, nil
			}
		},
	},
	{
		// "DryRun: report, remove nothing"; a value that lost its name to an overwrite may still be read.
		did: "breaks off readers of overwritten values when it sweeps, and lets them end as if whole",
		breaks: func(r *ref) {
			r.doSweep = func(_ context.Context, o sweep) (found, error) {
				if !o.DryRun {
					r.place.puts.Add(1)
				}
				return found{}, nil
			}
			r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
				b, i, err := r.Backend.Get(ctx, k)
				if err != nil || i.Size <= 1024 {
					return b, i, err
				}
				swept := r.place.puts.Load()
				return sixReader{read: func(p []byte) (int, error) {
					if now, err := r.Backend.Stat(context.WithoutCancel(ctx), k); r.place.puts.Load() != swept && (err != nil || now.Version != i.Version) {
						return 0, io.EOF
					}
					return b.Read(p)
				}, close: b.Close}, i, nil
			}
		},
	},
}

// sixLeased changes the leases that are granted.
func sixLeased(r *ref, f func(ctx context.Context, name string, ttl time.Duration, l backend.Lease) backend.Lease) {
	r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
		l, err := r.Backend.Acquire(ctx, name, ttl)
		if err != nil {
			return nil, err
		}
		return f(ctx, name, ttl, l), nil
	}
}

var sixLeases = []mutant{
	{
		// "greater than that of every earlier holder of the same name".
		did: "counts epochs by handle",
		breaks: func(r *ref) {
			var mu sync.Mutex
			n := uint64(0)
			sixLeased(r, func(_ context.Context, _ string, _ time.Duration, l backend.Lease) backend.Lease {
				mu.Lock()
				defer mu.Unlock()
				n++
				at := n
				return &sixLease{Lease: l, epoch: func() uint64 { return at }}
			})
		},
	},
	{
		// "greater than that of every earlier holder of the same name".
		did: "takes whole seconds for epochs",
		breaks: func(r *ref) {
			sixLeased(r, func(_ context.Context, _ string, _ time.Duration, l backend.Lease) backend.Lease {
				at := uint64(time.Now().Unix())
				return &sixLease{Lease: l, epoch: func() uint64 { return at }}
			})
		},
	},
	{
		// "once another took it, Renew fails whatever happened since, also if that other gave it up".
		did: "takes a lost lease again by Renew if it is free",
		breaks: func(r *ref) {
			sixLeased(r, func(_ context.Context, name string, ttl time.Duration, l backend.Lease) backend.Lease {
				m := &sixLease{Lease: l}
				m.renew = func(ctx context.Context) error {
					err := m.Lease.Renew(ctx)
					if errors.Is(err, backend.ErrChanged) {
						if again, taken := r.Backend.Acquire(ctx, name, ttl); taken == nil {
							m.Lease, err = again, nil
						}
					}
					return err
				}
				return m
			})
		},
	},
	{
		// "Releasing a lost lease does no harm."
		did: "releases by name, whoever holds it",
		breaks: func(r *ref) {
			sixLeased(r, func(_ context.Context, name string, _ time.Duration, l backend.Lease) backend.Lease {
				r.place.mu.Lock()
				if r.place.leases == nil {
					r.place.leases = map[string]backend.Lease{}
				}
				r.place.leases[name] = l
				r.place.mu.Unlock()
				return &sixLease{Lease: l, release: func(ctx context.Context) error {
					r.place.mu.Lock()
					held := r.place.leases[name]
					r.place.mu.Unlock()
					return held.Release(ctx)
				}}
			})
		},
	},
	{
		// "takes the lease called name for about ttl": 1.9 seconds are about two, and 0.5 not nothing.
		did: "cuts a ttl off at whole seconds",
		breaks: func(r *ref) {
			r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
				if ttl > 0 {
					ttl = max(ttl.Truncate(time.Second), time.Nanosecond)
				}
				return r.Backend.Acquire(ctx, name, ttl)
			}
		},
	},
	{
		// "A ttl of zero or less is an error".
		did: "takes a negative ttl for a long one",
		breaks: func(r *ref) {
			r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
				if ttl < 0 {
					ttl = time.Hour
				}
				return r.Backend.Acquire(ctx, name, ttl)
			}
		},
	},
	{
		// "the lease called name (1 to MaxSegment bytes ...)": names that differ late differ.
		did: "cuts names of leases off at 63 bytes",
		breaks: func(r *ref) {
			r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
				if len(name) <= backend.MaxSegment {
					name = strings.TrimRight(name[:min(len(name), 63)], "._")
				}
				return r.Backend.Acquire(ctx, name, ttl)
			}
		},
	},
	{
		// "Shelves yields the names of the shelves that hold at least one entry": nobody put one there.
		did: "keeps leases as entries on a shelf that is listed",
		breaks: func(r *ref) {
			sixLeased(r, func(ctx context.Context, name string, _ time.Duration, l backend.Lease) backend.Lease {
				sixStore(ctx, r, key{Shelf: "leases", Name: name}, []byte("held"), put{})
				return l
			})
		},
	},
	{
		// "how long ctx lasts afterwards does not matter to the lease".
		did: "gives a lease up when the context of Acquire reaches its end",
		breaks: func(r *ref) {
			sixLeased(r, func(ctx context.Context, _ string, _ time.Duration, l backend.Lease) backend.Lease {
				context.AfterFunc(ctx, func() { l.Release(context.WithoutCancel(ctx)) })
				return l
			})
		},
	},
	{
		// "Renew prolongs the lease by its ttl from now": not from where it would have ended.
		did: "adds a ttl to a lease with each Renew",
		breaks: func(r *ref) {
			sixLeased(r, func(ctx context.Context, _ string, ttl time.Duration, l backend.Lease) backend.Lease {
				var mu sync.Mutex
				until, done := time.Now().Add(ttl), false
				return &sixLease{
					Lease: l,
					renew: func(ctx context.Context) error {
						err := l.Renew(ctx)
						mu.Lock()
						defer mu.Unlock()
						if until = until.Add(ttl); err == nil && !done && ttl < 5*time.Second {
							go func() {
								for {
									time.Sleep(ttl / 4)
									mu.Lock()
									over := done || time.Now().After(until.Add(-ttl))
									mu.Unlock()
									if over || l.Renew(context.WithoutCancel(ctx)) != nil {
										return
									}
								}
							}()
						}
						return err
					},
					release: func(ctx context.Context) error { mu.Lock(); done = true; mu.Unlock(); return l.Release(ctx) },
				}
			})
		},
	},
	{
		// "A Lease is held until it is released, expires or its holder dies, whatever else its handle does meanwhile."
		did: "gives up its own lease when it fails to take it again",
		breaks: func(r *ref) {
			var mu sync.Mutex
			mine := map[string]backend.Lease{}
			r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
				l, err := r.Backend.Acquire(ctx, name, ttl)
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, backend.ErrLocked) && mine[name] != nil {
					mine[name].Release(ctx)
				}
				if err != nil {
					return nil, err
				}
				mine[name] = l
				return l, nil
			}
		},
	},
	{
		// "A call whose ctx has ended before it begins does nothing."
		did: "renews a lease in spite of a context that has ended",
		breaks: func(r *ref) {
			sixLeased(r, func(_ context.Context, _ string, _ time.Duration, l backend.Lease) backend.Lease {
				return &sixLease{Lease: l, renew: func(ctx context.Context) error { return l.Renew(context.WithoutCancel(ctx)) }}
			})
		},
	},
	{
		// "Every error is an *Error".
		did: "returns bare errors from Renew",
		breaks: func(r *ref) {
			sixLeased(r, func(_ context.Context, _ string, _ time.Duration, l backend.Lease) backend.Lease {
				return &sixLease{Lease: l, renew: func(ctx context.Context) error {
					err := l.Renew(ctx)
					if errors.Is(err, backend.ErrChanged) {
						return backend.ErrChanged
					}
					return err
				}}
			})
		},
	},
}

var sixFinds = []mutant{
	{
		// "Numbers are compared exactly, whatever types held them."
		did: "compares whole numbers as floats",
		breaks: func(r *ref) {
			sixFind(r, func(c component.Condition, d component.Description) bool {
				v, _ := component.Lookup(d.Parameters, c.Path)
				a, ok := v.(int64)
				b, ok2 := c.Value.(int64)
				if c.Op == component.Equal && c.Field == component.FieldParam && ok && ok2 {
					return float64(a) == float64(b)
				}
				return c.Match(d, nil)
			})
		},
	},
	{
		// "neither x = 5 nor x != 5 holds where there is no x; Not is the way to say that": NULL is not true in SQL.
		did: "lets Not hold nowhere where the field is not there, as SQL does",
		breaks: func(r *ref) {
			r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
				unknown := func(c component.Condition, d component.Description) bool {
					_, ok := component.Lookup(d.Parameters, c.Path)
					return c.Field == component.FieldParam && !ok && len(c.Of) == 0 && c.Op != component.Exists
				}
				return func(yield func(component.Description, error) bool) {
					n := 0
					for d, err := range backend.Find(ctx, r.Backend, component.Query{Where: q.Where, After: q.After}, decode) {
						if err == nil && q.Where.Op == component.Not && slices.ContainsFunc(q.Where.Of, func(c component.Condition) bool { return unknown(c, d) }) {
							continue
						}
						if n++; !yield(d, err) || n == q.Limit {
							return
						}
					}
				}
			}
		},
	},
	{
		// "A comparison holds only where the field is there".
		did: "lets != hold where the parameter is not there, as IS DISTINCT FROM does",
		breaks: func(r *ref) {
			sixFind(r, func(c component.Condition, d component.Description) bool {
				if _, ok := component.Lookup(d.Parameters, c.Path); c.Field == component.FieldParam && c.Op == component.NotEqual && !ok {
					return true
				}
				return c.Match(d, nil)
			})
		},
	},
	{
		// "HasPrefix: of texts": A is not a; SQLite's LIKE thinks otherwise.
		did: "finds by prefix whatever the case of letters",
		breaks: func(r *ref) {
			sixFind(r, func(c component.Condition, d component.Description) bool {
				s, ok := sixText(c, d)
				p, ok2 := c.Value.(string)
				if c.Op == component.HasPrefix && ok && ok2 {
					return strings.HasPrefix(strings.ToLower(s), strings.ToLower(p))
				}
				return c.Match(d, nil)
			})
		},
	},
	{
		// "HasPrefix: of texts": a % is a %.
		did: "lets a % in a prefix to find stand for anything",
		breaks: func(r *ref) {
			sixFind(r, func(c component.Condition, d component.Description) bool {
				s, ok := sixText(c, d)
				p, ok2 := c.Value.(string)
				if head, tail, many := strings.Cut(p, "%"); c.Op == component.HasPrefix && ok && ok2 && many {
					return strings.HasPrefix(s, head) && strings.Contains(s[len(head):], tail)
				}
				return c.Match(d, nil)
			})
		},
	},
	{
		// "After: only components with a greater key", under "the rules of List".
		did: "forgets After where the query names the beginning of keys",
		breaks: func(r *ref) {
			r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
				if _, ok := q.Where.Fixed(component.FieldKey, component.HasPrefix); ok {
					q.After = ""
				}
				return backend.Find(ctx, r.Backend, q, decode)
			}
		},
	},
	{
		// "Equal: the same value" of times: a nanosecond is a difference; Postgres keeps microseconds.
		did: "compares moments by the microsecond",
		breaks: func(r *ref) {
			sixFind(r, func(c component.Condition, d component.Description) bool {
				if t, ok := c.Value.(time.Time); ok && c.Field == component.FieldAsOf {
					c.Value, d.AsOf = t.Truncate(time.Microsecond), d.AsOf.Truncate(time.Microsecond)
				}
				return c.Match(d, nil)
			})
		},
	},
	{
		// "A comparison holds only where the field is there": the zero time is none.
		did: "takes no moment for the earliest one",
		breaks: func(r *ref) {
			sixFind(r, func(c component.Condition, d component.Description) bool {
				if c.Field == component.FieldAsOf && d.AsOf.IsZero() && (c.Op == component.Less || c.Op == component.LessEqual) {
					return true
				}
				return c.Match(d, nil)
			})
		},
	},
	{
		// "Less: of numbers, texts": texts are ordered by bytes, not as people sort them.
		did: "orders texts by a collation that knows no case",
		breaks: func(r *ref) {
			sixFind(r, func(c component.Condition, d component.Description) bool {
				s, ok := sixText(c, d)
				p, ok2 := c.Value.(string)
				if ok && ok2 && (c.Op == component.Less || c.Op == component.Greater) {
					n := strings.Compare(strings.ToLower(s), strings.ToLower(p))
					return n < 0 == (c.Op == component.Less) && n != 0
				}
				return c.Match(d, nil)
			})
		},
	},
	{
		// "of the same kind: ... a text, bytes".
		did: "takes bytes and text for the same",
		breaks: func(r *ref) {
			sixFind(r, func(c component.Condition, d component.Description) bool {
				v, _ := component.Lookup(d.Parameters, c.Path)
				if s, ok := c.Value.(string); ok && c.Op == component.Equal && c.Field == component.FieldParam {
					if p, ok := v.([]byte); ok {
						return string(p) == s
					}
				}
				return c.Match(d, nil)
			})
		},
	},
	{
		// "of the same kind: a number, ... a truth value": SQLite has no truth values.
		did: "takes true for 1",
		breaks: func(r *ref) {
			sixFind(r, func(c component.Condition, d component.Description) bool {
				v, _ := component.Lookup(d.Parameters, c.Path)
				if b, ok := v.(bool); ok && b && c.Op == component.Equal && c.Value == any(int64(1)) {
					return true
				}
				return c.Match(d, nil)
			})
		},
	},
	{
		// "Exists: the field is there, if only as null".
		did: "says that a parameter which is null is not there",
		breaks: func(r *ref) {
			sixFind(r, func(c component.Condition, d component.Description) bool {
				if v, _ := component.Lookup(d.Parameters, c.Path); c.Op == component.Exists && c.Field == component.FieldParam && v == nil {
					return false
				}
				return c.Match(d, nil)
			})
		},
	},
	{
		// "FieldInput: the key of any direct input".
		did: "looks at the first input alone",
		breaks: func(r *ref) {
			sixFind(r, func(c component.Condition, d component.Description) bool {
				if c.Field == component.FieldInput && len(d.Inputs) > 1 {
					d.Inputs = d.Inputs[:1]
				}
				return c.Match(d, nil)
			})
		},
	},
	{
		// "A name that holds dots is found too".
		did: "finds no parameter whose name holds a dot",
		breaks: func(r *ref) {
			sixFind(r, func(c component.Condition, d component.Description) bool {
				if m, ok := d.Parameters.(map[any]any); ok && c.Field == component.FieldParam {
					for k := range m {
						if s, ok := k.(string); ok && strings.Contains(s, ".") && strings.HasPrefix(c.Path, s) {
							return false
						}
					}
				}
				return c.Match(d, nil)
			})
		},
	},
	{
		// "In: equal to one of a list": of none it is no one.
		did: "finds everything for In with an empty list",
		breaks: func(r *ref) {
			sixFind(r, func(c component.Condition, d component.Description) bool {
				if l, ok := c.Value.([]any); ok && c.Op == component.In && len(l) == 0 {
					return true
				}
				return c.Match(d, nil)
			})
		},
	},
	{
		// "under the rules of List": each exactly once; a join yields a row for each input that matches.
		did: "yields a component once for each of its inputs that a condition matches",
		breaks: func(r *ref) {
			r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
				return func(yield func(component.Description, error) bool) {
					n := 0
					for d, err := range backend.Find(ctx, r.Backend, component.Query{Where: q.Where, After: q.After}, decode) {
						times := 1
						if err == nil && q.Where.Uses(component.FieldInput) {
							times = 0
							for _, in := range d.Inputs {
								one := d
								if one.Inputs = []string{in}; q.Match(one, nil) {
									times++
								}
							}
							times = max(times, 1)
						}
						for range times {
							if n++; !yield(d, err) || n == q.Limit {
								return
							}
						}
					}
				}
			}
		},
	},
	{
		// "Find yields the descriptions on the shelf": what DeleteBatch removed is not on it.
		did: "leaves in its index what DeleteBatch removes",
		breaks: func() func(r *ref) {
			var ghosts sync.Map
			return func(r *ref) {
				r.doDelBatch = func(ctx context.Context, keys []key) error {
					for _, k := range keys {
						if text, _, err := sixLoad(ctx, r, k); k.Shelf == backend.ShelfComponents && err == nil {
							if d, err := decode(k.Name, text); err == nil {
								ghosts.Store(key{Shelf: r.place.name, Name: k.Name}, d)
							}
						}
					}
					return r.Backend.DeleteBatch(ctx, keys)
				}
				r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
					return func(yield func(component.Description, error) bool) {
						var all []component.Description
						for d, err := range backend.Find(ctx, r.Backend, component.Query{Where: q.Where, After: q.After}, decode) {
							if err != nil {
								yield(d, err)
								return
							}
							all = append(all, d)
						}
						ghosts.Range(func(k, v any) bool {
							d := v.(component.Description)
							_, err := r.Backend.Stat(ctx, key{Shelf: backend.ShelfComponents, Name: d.Key})
							if k.(key).Shelf == r.place.name && err != nil && d.Key > q.After && q.Match(d, nil) {
								all = append(all, d)
							}
							return true
						})
						slices.SortFunc(all, func(a, b component.Description) int { return strings.Compare(a.Key, b.Key) })
						for n, d := range all {
							if q.Limit > 0 && n >= q.Limit || !yield(d, nil) {
								return
							}
						}
					}
				}
			}
		}(),
	},
}

var sixHandles = []mutant{
	{
		// "Close releases the handle", and no other one.
		did: "closes the pool that all handles of the place share",
		breaks: func(r *ref) {
			r.doClose = func() error {
				r.place.mu.Lock()
				handles := slices.Clone(r.place.handles)
				r.place.mu.Unlock()
				for _, h := range handles {
					h.Backend.Close()
				}
				return nil
			}
		},
	},
	{
		// "A method called after Close returns ErrClosed": also the ranging over what List returned before.
		did: "yields nothing from a list that was made before Close",
		breaks: func(r *ref) {
			closed := false
			var mu sync.Mutex
			is := func() bool { mu.Lock(); defer mu.Unlock(); return closed }
			r.doClose = func() error { mu.Lock(); closed = true; mu.Unlock(); return r.Backend.Close() }
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				before := !is()
				return func(yield func(info, error) bool) {
					if before && is() {
						return
					}
					r.Backend.List(ctx, shelf, o)(yield)
				}
			}
		},
	},
	{
		// "A method called after Close returns ErrClosed".
		did: "answers Stat of a key that it knows to be absent after Close too",
		breaks: func(r *ref) {
			var mu sync.Mutex
			absent := map[key]bool{}
			r.doStat = func(ctx context.Context, k key) (info, error) {
				i, err := r.Backend.Stat(ctx, k)
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, backend.ErrClosed) && absent[k] {
					err = sixFail("stat", k, backend.ErrNotFound)
				}
				absent[k] = errors.Is(err, backend.ErrNotFound)
				return i, err
			}
		},
	},
	{
		// "visible to every reader when it returns": a reader that opened its snapshot before, too.
		did: "reads the snapshot of its first Stat until it writes itself",
		breaks: func(r *ref) {
			var mu sync.Mutex
			pinned := map[key]info{}
			r.doStat = func(ctx context.Context, k key) (info, error) {
				i, err := r.Backend.Stat(ctx, k)
				mu.Lock()
				defer mu.Unlock()
				if old, ok := pinned[k]; ok && !errors.Is(err, backend.ErrClosed) && ctx.Err() == nil {
					old.Meta = maps.Clone(old.Meta)
					return old, nil
				}
				if err == nil {
					pinned[k] = i
				}
				return i, err
			}
			unpin := func() { mu.Lock(); clear(pinned); mu.Unlock() }
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				defer unpin()
				return r.Backend.Put(ctx, k, b, o)
			}
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				defer unpin()
				return r.Backend.PutBatch(ctx, items)
			}
			r.doDelete = func(ctx context.Context, k key) error { defer unpin(); return r.Backend.Delete(ctx, k) }
			r.doDelBatch = func(ctx context.Context, keys []key) error { defer unpin(); return r.Backend.DeleteBatch(ctx, keys) }
		},
	},
	{
		// "Lasting: values survive Close and can be found by another Open of the same place": metadata and all.
		did: "rebuilds its index from the data when it opens again, without metadata",
		breaks: func(r *ref) {
			p := r.place
			p.mu.Lock()
			again := p.count == 0 && p.marked[key{}]
			p.marked[key{}] = true
			p.count++
			p.mu.Unlock()
			if again {
				for _, i := range sixAll(r) {
					p.mu.Lock()
					p.infos[i.Key] = i
					p.mu.Unlock()
				}
			}
			once := sync.Once{}
			r.doClose = func() error {
				once.Do(func() { p.mu.Lock(); p.count--; p.mu.Unlock() })
				return r.Backend.Close()
			}
			r.tells = func(i info) info {
				p.mu.Lock()
				defer p.mu.Unlock()
				if old, ok := p.infos[i.Key]; ok && old.Version == i.Version {
					i.Meta = nil
				}
				return i
			}
		},
	},
	{
		// "Close ... may be called again".
		did: "closes the handle that was opened after it when it is closed a second time",
		breaks: func(r *ref) {
			n := 0
			r.doClose = func() error {
				if n++; n == 1 {
					return r.Backend.Close()
				}
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				if i := slices.Index(r.place.handles, r); i+1 < len(r.place.handles) {
					r.place.handles[i+1].Backend.Close()
				}
				return nil
			}
		},
	},
}

var sixCancels = []mutant{
	{
		// "with an error that matches ctx.Err()": a deadline is no cancellation.
		did: "says canceled where a deadline passed",
		breaks: func(r *ref) {
			r.before = func(ctx context.Context, op string) error {
				if errors.Is(ctx.Err(), context.DeadlineExceeded) {
					return sixFail(op, key{}, context.Canceled)
				}
				return nil
			}
		},
	},
	{
		// "with an error that matches ctx.Err()": the cause need not.
		did: "returns the cause of a cancellation alone",
		breaks: func(r *ref) {
			r.before = func(ctx context.Context, op string) error {
				if ctx.Err() != nil {
					return sixFail(op, key{}, context.Cause(ctx))
				}
				return nil
			}
		},
	},
	{
		// "A call whose ctx has ended before it begins does nothing."
		did: "makes room for a new value before it looks at the context",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if ctx.Err() != nil && !o.IfAbsent && o.IfMatch == "" {
					r.Backend.Delete(context.WithoutCancel(ctx), k)
				}
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "A ctx that ends later ends the call soon, with an error that matches ctx.Err()".
		did: "ends a list without an error when its context ends",
		breaks: func(r *ref) {
			r.doList = func(ctx context.Context, shelf string, o opts) list {
				return func(yield func(info, error) bool) {
					n := 0
					for i, err := range r.Backend.List(ctx, shelf, o) {
						if n++; n > 1 && ctx.Err() != nil || !yield(i, err) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "Each item succeeds or fails for itself": what was not stored because the context ended failed.
		did: "leaves off a batch where its context ends, and reports no failure for what is left",
		breaks: func(r *ref) {
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				if err := ctx.Err(); err != nil {
					return nil, sixFail("put batch", key{}, err)
				}
				infos := make([]info, len(items))
				errs := make(backend.BatchError, len(items))
				for i, it := range items {
					if ctx.Err() != nil {
						break
					}
					infos[i], errs[i] = r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
				}
				return infos, errs.OrNil()
			}
		},
	},
	{
		// "A call whose ctx has ended before it begins does nothing."
		did: "deletes a batch in spite of a context that has ended",
		breaks: func(r *ref) {
			r.doDelBatch = func(ctx context.Context, keys []key) error {
				err := r.Backend.DeleteBatch(context.WithoutCancel(ctx), keys)
				if err == nil && ctx.Err() != nil {
					err = sixFail("delete batch", key{}, ctx.Err())
				}
				return err
			}
		},
	},
}

var sixErrors = []mutant{
	{
		// "Every error is an *Error, made once".
		did: "wraps its errors twice",
		breaks: func(r *ref) {
			r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
				b, i, err := r.Backend.Get(ctx, k)
				if err != nil {
					err = sixFail("get", k, err)
				}
				return b, i, err
			}
		},
	},
	{
		// "Key: zero where no single key is meant": an item of a batch has one.
		did: "leaves the key out of the errors of a batch's items",
		breaks: func(r *ref) {
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				infos, err := r.Backend.PutBatch(ctx, items)
				var e backend.BatchError
				if errors.As(err, &e) {
					for i := range e {
						var one *backend.Error
						if errors.As(e[i], &one) {
							e[i] = sixFail("put", key{}, one.Err)
						}
					}
				}
				return infos, err
			}
		},
	},
	{
		// "Op is the method in lower case: ... shelves".
		did: "says list in the errors of Shelves",
		breaks: func(r *ref) {
			r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					for s, err := range r.Backend.Shelves(ctx, o) {
						var e *backend.Error
						if errors.As(err, &e) {
							err = sixFail("list", e.Key, e.Err)
						}
						if !yield(s, err) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "Every error is an *Error".
		did: "yields bare errors from Scan",
		breaks: func(r *ref) {
			r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
				return func(yield func(backend.Entry, error) bool) {
					for e, err := range r.Backend.Scan(ctx, shelf, o) {
						if err != nil {
							err = fmt.Errorf("scan %s: %w", shelf, errors.Unwrap(err))
						}
						if !yield(e, err) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "ErrInvalidKey, or ErrTooLarge where only its length is" wrong.
		did: "says invalid key where a name is only too long",
		breaks: func(r *ref) {
			r.doStat = func(ctx context.Context, k key) (info, error) {
				i, err := r.Backend.Stat(ctx, k)
				if errors.Is(err, backend.ErrTooLarge) {
					err = sixFail("stat", k, backend.ErrInvalidKey)
				}
				return i, err
			}
		},
	},
	{
		// "Keys are checked by Key.Validate ... An implementation calls them first".
		did: "says not found for a range of an invalid key",
		breaks: func(r *ref) {
			r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
				b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
				if errors.Is(err, backend.ErrInvalidKey) {
					err = sixFail("get range", k, backend.ErrNotFound)
				}
				return b, i, err
			}
		},
	},
	{
		// "An implementation calls them first": "limit is negative" is wrong with the options of shelves as well.
		did: "takes a negative limit of shelves for none",
		breaks: func(r *ref) {
			r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
				o.Limit = max(o.Limit, 0)
				return r.Backend.Shelves(ctx, o)
			}
		},
	},
	{
		// "An implementation calls them first": removing what cannot be is an error too.
		did: "succeeds in deleting an invalid key",
		breaks: func(r *ref) {
			r.doDelete = func(ctx context.Context, k key) error {
				err := r.Backend.Delete(ctx, k)
				if errors.Is(err, backend.ErrInvalidKey) || errors.Is(err, backend.ErrTooLarge) {
					return nil
				}
				return err
			}
		},
	},
}

var sixLimits = []mutant{
	{
		// "MaxValue is the largest value in bytes": it can be stored.
		did: "refuses a value of exactly MaxValue",
		breaks: func(r *ref) {
			r.doLimits = func() backend.Limits { l := r.Backend.Limits(); l.MaxValue = 1 << 20; return l }
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if o.Size >= 1<<20 {
					return info{}, sixFail("put", k, fmt.Errorf("%w: a value", backend.ErrTooLarge))
				}
				return r.Backend.Put(ctx, k, b, o)
			}
			sixOneByOne(r)
		},
	},
	{
		// "A Put that fails with ... ErrTooLarge ... stored nothing": the old value stays. memcached drops it.
		did: "drops the old value where the new one is too large",
		breaks: func(r *ref) {
			bounded(r)
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				i, err := r.Backend.Put(ctx, k, b, o)
				if errors.Is(err, backend.ErrTooLarge) && k.Validate() == nil && o.Meta.Validate() == nil {
					r.Backend.Delete(ctx, k)
				}
				return i, err
			}
		},
	},
	{
		// "at least 1 MiB; 0 is no limit worth naming".
		did: "names no limit and refuses values of 1 MiB, for its own header must fit too",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if o.Size > 1<<20-64 {
					return info{}, sixFail("put", k, fmt.Errorf("%w: a value", backend.ErrTooLarge))
				}
				return r.Backend.Put(ctx, k, b, o)
			}
			sixOneByOne(r)
		},
	},
	{
		// "Without it a Put with the condition fails with errors.ErrUnsupported."
		did: "does not promise IfMatch and takes it all the same",
		breaks: func(r *ref) {
			r.doLimits = func() backend.Limits { l := r.Backend.Limits(); l.AtomicIfMatch = false; return l }
		},
	},
}

var sixRaces = []mutant{
	{
		// "All or nothing ... never a mix": two writers share a temporary file.
		did: "writes all Puts of a key to one temporary file",
		breaks: func() func(r *ref) {
			var files sync.Map
			type file struct {
				mu   sync.Mutex
				text []byte
			}
			return func(r *ref) {
				r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
					if err := backend.CheckPut(k, o); err != nil || ctx.Err() != nil || o.Size > 4<<20 {
						return r.Backend.Put(ctx, k, b, o)
					}
					v, _ := files.LoadOrStore(key{Shelf: r.place.name, Name: k.String()}, &file{})
					f := v.(*file)
					f.mu.Lock()
					f.text = nil
					f.mu.Unlock()
					at := 0
					err := backend.CopyBody(sixWriter(func(p []byte) {
						f.mu.Lock()
						defer f.mu.Unlock()
						for len(f.text) < at+len(p) {
							f.text = append(f.text, 0)
						}
						copy(f.text[at:], p)
						at += len(p)
					}), b, o.Size)
					if err != nil {
						return info{}, sixFail("put", k, err)
					}
					f.mu.Lock()
					text := bytes.Clone(f.text)
					f.mu.Unlock()
					return sixStore(ctx, r, k, text, o)
				}
			}
		}(),
	},
	{
		// "A Put that fails ... because its body failed, stored nothing and reserved nothing"; and it "keeps no other call waiting".
		did: "reserves the key for an IfAbsent that is still reading its body",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if !o.IfAbsent {
					return r.Backend.Put(ctx, k, b, o)
				}
				r.place.mu.Lock()
				taken := r.place.marked[k]
				if !taken {
					r.place.marked[k] = true
				}
				r.place.mu.Unlock()
				if taken {
					return info{}, sixFail("put", k, backend.ErrExists)
				}
				i, err := r.Backend.Put(ctx, k, b, o)
				r.place.mu.Lock()
				delete(r.place.marked, k)
				r.place.mu.Unlock()
				return i, err
			}
		},
	},
	{
		// "Bodies are treated as by Put: while one is waited for, no other call is."
		did:   "holds its lock while it reads the bodies of a batch",
		hangs: true,
		breaks: func(r *ref) {
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				r.place.lock.Lock()
				defer r.place.lock.Unlock()
				return r.Backend.PutBatch(ctx, items)
			}
			r.doStat = func(ctx context.Context, k key) (info, error) {
				r.place.lock.RLock()
				defer r.place.lock.RUnlock()
				return r.Backend.Stat(ctx, k)
			}
		},
	},
	{
		// "After a crash ... and visible to every reader": the old value stays until the new one is whole.
		did: "moves the old value away before it reads the body of a large new one",
		breaks: func(r *ref) {
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if backend.CheckPut(k, o) != nil || ctx.Err() != nil || o.Size < 16<<10 || o.IfAbsent || o.IfMatch != "" {
					return r.Backend.Put(ctx, k, b, o)
				}
				old, i, missing := sixLoad(ctx, r, k)
				if missing == nil {
					r.Backend.Delete(ctx, k)
				}
				done, err := r.Backend.Put(ctx, k, b, o)
				if err != nil && missing == nil {
					sixStore(context.WithoutCancel(ctx), r, k, old, put{Digest: i.Digest, Sum: i.Sum, Meta: i.Meta})
				}
				return done, err
			}
		},
	},
	{
		// "Every method is safe for concurrent use": one buffer of the handle for all metadata that it reads.
		did: "reads the Info of two calls at once into one variable of the handle",
		breaks: func(r *ref) {
			var mu sync.Mutex
			var last info
			r.doStat = func(ctx context.Context, k key) (info, error) {
				i, err := r.Backend.Stat(ctx, k)
				if err != nil {
					return i, err
				}
				mu.Lock()
				last = i
				mu.Unlock()
				time.Sleep(10 * time.Microsecond)
				mu.Lock()
				defer mu.Unlock()
				return last, nil
			}
		},
	},
}

// sixDraft is a draft of which methods are replaced.
type sixDraft struct {
	*refDraft
	readAt func(p []byte, off int64) (int, error)
	seek   func(off int64, whence int) (int64, error)
	write  func(p []byte) (int, error)
	read   func(p []byte) (int, error)
}

func (d *sixDraft) ReadAt(p []byte, off int64) (int, error) {
	if d.readAt != nil {
		return d.readAt(p, off)
	}
	return d.refDraft.ReadAt(p, off)
}

func (d *sixDraft) Seek(off int64, whence int) (int64, error) {
	if d.seek != nil {
		return d.seek(off, whence)
	}
	return d.refDraft.Seek(off, whence)
}

func (d *sixDraft) Write(p []byte) (int, error) {
	if d.write != nil {
		return d.write(p)
	}
	return d.refDraft.Write(p)
}

func (d *sixDraft) Read(p []byte) (int, error) {
	if d.read != nil {
		return d.read(p)
	}
	return d.refDraft.Read(p)
}

var sixDrafts = []mutant{
	{
		// "Write appends, wherever Read and Seek stand": ReadAt moves nothing.
		did: "reads at an offset of a draft by moving to it",
		breaks: func(r *ref) {
			r.doStage = func(context.Context) (backend.Draft, error) {
				d := &sixDraft{refDraft: &refDraft{}}
				d.readAt = func(p []byte, off int64) (int, error) {
					n, err := d.refDraft.ReadAt(p, off)
					d.pos = off + int64(n)
					return n, err
				}
				return d, nil
			}
		},
	},
	{
		// "it can be read from its start as often as needed, also after a Put took it": so it can be put again.
		did: "takes the bytes of a draft away with the first Put, so that a second finds none",
		breaks: func(r *ref) {
			r.doStage = func(context.Context) (backend.Draft, error) { return &sixDraft{refDraft: &refDraft{}}, nil }
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				i, err := r.Backend.Put(ctx, k, b, o)
				if d, ok := b.(*sixDraft); ok && err == nil {
					d.text = ""
				}
				return i, err
			}
		},
	},
	{
		// "it can be read from its start as often as needed, also after a Put took it or failed".
		did: "throws a draft away when the condition of its Put fails",
		breaks: func(r *ref) {
			r.doStage = func(context.Context) (backend.Draft, error) { return &sixDraft{refDraft: &refDraft{}}, nil }
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				i, err := r.Backend.Put(ctx, k, b, o)
				if d, ok := b.(*sixDraft); ok && (errors.Is(err, backend.ErrExists) || errors.Is(err, backend.ErrChanged)) {
					d.text = ""
				}
				return i, err
			}
		},
	},
	{
		// "a longer one with ErrTooLong": a draft is a body.
		did: "takes a draft over whole, whatever the size of its Put",
		breaks: func(r *ref) {
			r.doStage = func(context.Context) (backend.Draft, error) { return &sixDraft{refDraft: &refDraft{}}, nil }
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				if d, ok := b.(*sixDraft); ok && o.Size >= 0 {
					o.Size = int64(len(d.text))
				}
				return r.Backend.Put(ctx, k, b, o)
			}
		},
	},
	{
		// "Those that it took can be written to no longer."
		did: "lets a draft that a Put took be written to, and the value grow with it",
		breaks: func(r *ref) {
			r.doStage = func(context.Context) (backend.Draft, error) { return &sixDraft{refDraft: &refDraft{}}, nil }
			r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
				i, err := r.Backend.Put(ctx, k, b, o)
				if d, ok := b.(*sixDraft); ok && err == nil {
					d.write = func(p []byte) (int, error) {
						d.text += string(p)
						o := o
						o.IfAbsent, o.IfMatch = false, ""
						sixStore(context.WithoutCancel(ctx), r, k, []byte(d.text), o)
						return len(p), nil
					}
				}
				return i, err
			}
		},
	},
	{
		// "an empty Draft. ... It can be read from its start": all that was written, flushed or not.
		did: "measures a draft by the blocks of 4 KiB that it wrote out",
		breaks: func(r *ref) {
			r.doStage = func(context.Context) (backend.Draft, error) {
				d := &sixDraft{refDraft: &refDraft{}}
				d.seek = func(off int64, whence int) (int64, error) {
					if whence == io.SeekEnd {
						off, whence = off+int64(len(d.text))/4096*4096, io.SeekStart
					}
					return d.refDraft.Seek(off, whence)
				}
				return d, nil
			}
		},
	},
	{
		// "To every other call it is a body like any other": the second draft of a handle is not the first.
		did: "gives the drafts of a handle one file",
		breaks: func(r *ref) {
			shared := &refDraft{}
			r.doStage = func(context.Context) (backend.Draft, error) {
				shared.pos = 0
				return shared, nil
			}
		},
	},
}

var sixViews = []mutant{
	{
		// "what a View shows is a snapshot, which an overwrite or a Delete leaves whole".
		did: "writes a new value of the same size over the old one, which a View still shows",
		breaks: func() func(r *ref) {
			var pages sync.Map
			return func(r *ref) {
				at := func(k key) key { return key{Shelf: r.place.name, Name: k.String()} }
				r.doMap = func(ctx context.Context, k key) (*backend.View, info, error) {
					text, i, err := sixLoad(ctx, r, k)
					if err != nil {
						return nil, i, err
					}
					pages.Store(at(k), text)
					return backend.NewView(text, nil), i, nil
				}
				r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
					i, err := r.Backend.Put(ctx, k, b, o)
					if p, ok := pages.Load(at(k)); ok && err == nil && int64(len(p.([]byte))) == o.Size {
						text, _, _ := sixLoad(context.WithoutCancel(ctx), r, k)
						copy(p.([]byte), text)
					}
					return i, err
				}
			}
		}(),
	},
	{
		// "A value that cannot be shown, or is as well read, is refused with errors.ErrUnsupported".
		did: "fails to map an empty value, as mmap does, and says that it is unavailable",
		breaks: func(r *ref) {
			r.doMap = func(ctx context.Context, k key) (*backend.View, info, error) {
				if i, err := r.Backend.Stat(ctx, k); err == nil && i.Size == 0 {
					return nil, info{}, sixFail("map", k, fmt.Errorf("%w: invalid argument", backend.ErrUnavailable))
				}
				return r.view(ctx, k)
			}
		},
	},
}

var sixScans = []mutant{
	{
		// "Scan is List with bodies": whole ones.
		did: "scans at most 64 KiB of each value",
		breaks: func(r *ref) {
			r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
				return func(yield func(backend.Entry, error) bool) {
					for e, err := range r.Backend.Scan(ctx, shelf, o) {
						if err == nil && e.Size > 64<<10 {
							e.Body = io.LimitReader(e.Body, 64<<10)
						}
						if !yield(e, err) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "It need not be read."
		did: "gives what was not read of a body to the next entry",
		breaks: func(r *ref) {
			r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
				return func(yield func(backend.Entry, error) bool) {
					var stream bytes.Buffer
					for e, err := range r.Backend.Scan(ctx, shelf, o) {
						if err == nil {
							text, _ := io.ReadAll(e.Body)
							stream.Write(text)
							e.Body = io.LimitReader(&stream, e.Size)
						}
						if !yield(e, err) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "an overwrite ... never mixes": Info and body are of one value.
		did: "scans by a list made at its start and bodies got at each step, which may be of a newer value",
		breaks: func(r *ref) {
			r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
				return func(yield func(backend.Entry, error) bool) {
					var all []info
					for i, err := range r.Backend.List(ctx, shelf, o) {
						if err != nil {
							yield(backend.Entry{}, err)
							return
						}
						all = append(all, i)
					}
					for _, i := range all {
						text, _, err := sixLoad(ctx, r, i.Key)
						if errors.Is(err, backend.ErrNotFound) {
							continue
						}
						if !yield(backend.Entry{Info: i, Body: bytes.NewReader(text)}, err) || err != nil {
							return
						}
					}
				}
			}
		},
	},
	{
		// "Entries that come or go meanwhile may appear or not": not as something else.
		did: "scans an entry that was removed meanwhile with an empty body",
		breaks: func(r *ref) {
			r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
				return func(yield func(backend.Entry, error) bool) {
					var all []backend.Entry
					for e, err := range r.Backend.Scan(ctx, shelf, o) {
						if err != nil {
							yield(e, err)
							return
						}
						text, _ := io.ReadAll(e.Body)
						e.Body = bytes.NewReader(text)
						all = append(all, e)
					}
					for _, e := range all {
						if _, err := r.Backend.Stat(ctx, e.Key); errors.Is(err, backend.ErrNotFound) {
							e.Body = bytes.NewReader(nil)
						}
						if !yield(e, nil) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "Scan is List with bodies, under the same rules": in byte order of Name.
		did: "scans directory by directory, so that a/b comes before a-b",
		breaks: func(r *ref) {
			r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
				return func(yield func(backend.Entry, error) bool) {
					var all []backend.Entry
					for e, err := range r.Backend.Scan(ctx, shelf, o) {
						if err != nil {
							yield(e, err)
							return
						}
						text, _ := io.ReadAll(e.Body)
						e.Body = bytes.NewReader(text)
						all = append(all, e)
					}
					slices.SortStableFunc(all, func(a, b backend.Entry) int {
						return slices.Compare(strings.Split(a.Key.Name, "/"), strings.Split(b.Key.Name, "/"))
					})
					for _, e := range all {
						if !yield(e, nil) {
							return
						}
					}
				}
			}
		},
	},
	{
		// "List yields the entries of one shelf", and Scan with bodies: an empty body is one.
		did: "scans no empty values",
		breaks: func(r *ref) {
			r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
				return func(yield func(backend.Entry, error) bool) {
					for e, err := range r.Backend.Scan(ctx, shelf, o) {
						if err == nil && e.Size == 0 {
							continue
						}
						if !yield(e, err) {
							return
						}
					}
				}
			}
		},
	},
}
