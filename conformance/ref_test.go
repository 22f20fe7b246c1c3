package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/conformance/fault"
	"github.com/larder-store/larder/conformance/law"
	"github.com/larder-store/larder/keying"
)

// Shorter names for what mutants replace.
type (
	key   = backend.Key
	info  = backend.Info
	body  = io.ReadSeeker
	put   = backend.PutOptions
	sweep = backend.SweepOptions
	found = backend.SweepReport
	opts  = backend.ListOptions
	list  = iter.Seq2[backend.Info, error]
)

// ref is a handle on the reference in memory, with the abilities that it lacks, of which
// mutants replace one method or another.
type ref struct {
	*mem.Backend
	place *place

	doGet       func(ctx context.Context, k key) (io.ReadCloser, info, error)
	doStat      func(ctx context.Context, k key) (info, error)
	doPut       func(ctx context.Context, k key, b body, o put) (info, error)
	doDelete    func(ctx context.Context, k key) error
	doList      func(ctx context.Context, shelf string, o opts) list
	doShelves   func(ctx context.Context, o opts) iter.Seq2[string, error]
	doClose     func() error
	doRange     func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error)
	doMap       func(ctx context.Context, k key) (*backend.View, info, error)
	doStage     func(ctx context.Context) (backend.Draft, error)
	doScan      func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error]
	doPutBatch  func(ctx context.Context, items []backend.Item) ([]info, error)
	doDelBatch  func(ctx context.Context, keys []key) error
	doDelMatch  func(ctx context.Context, seen []backend.Seen) error
	doAcquire   func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error)
	doSweep     func(ctx context.Context, o sweep) (found, error)
	doFind      func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error]
	doLimits    func() backend.Limits
	tells       func(info) info // changes every Info that is returned
	understands func(key) key   // changes every key that is asked for

	// before, unless nil, is called ahead of most calls, and fails them.
	before func(ctx context.Context, op string) error
}

// meets tells what becomes of a call before it begins.
func (r *ref) meets(ctx context.Context, op string, k key) error {
	if r.before == nil {
		return nil
	}
	err := r.before(ctx, op)
	var e *backend.Error
	if errors.As(err, &e) {
		e.Key = k
	}
	return err
}

// place is what the handles on one place share, for mutants to remember things in.
type place struct {
	name string

	mu      sync.Mutex
	handles []*ref
	infos   map[key]info
	texts   map[key]string
	marked  map[key]bool
	count   int
	leases  map[string]backend.Lease
	views   []shownView
	litter  int // what interrupted Puts left, for the sweep
	slots   chan struct{}
	lock    sync.RWMutex
	puts    atomic.Int32
}

var (
	placesMu sync.Mutex
	byName   = map[string]*place{}
)

// openRef opens a handle on the reference.
func openRef(loc string) (*ref, error) {
	b, err := backend.Open(context.Background(), loc)
	if err != nil {
		return nil, err
	}
	placesMu.Lock()
	defer placesMu.Unlock()
	p, ok := byName[loc]
	if !ok {
		p = &place{name: loc, infos: map[key]info{}, texts: map[key]string{}, marked: map[key]bool{}, slots: make(chan struct{}, 4)}
		byName[loc] = p
	}
	r := &ref{Backend: b.(*mem.Backend), place: p}
	p.handles = append(p.handles, r)
	return r, nil
}

// forget lets go of a place and of what it holds: hundreds of rounds took 24 GB.
func forget(loc string) {
	placesMu.Lock()
	defer placesMu.Unlock()
	delete(byName, loc)
	mem.Forget(strings.TrimPrefix(loc, "mem://"))
}

// twin returns a further, honest handle on the same place.
func (r *ref) twin() *mem.Backend {
	b, err := backend.Open(context.Background(), r.place.name)
	if err != nil {
		panic(err)
	}
	return b.(*mem.Backend)
}

func (r *ref) key(k key) key {
	if r.understands != nil {
		return r.understands(k)
	}
	return k
}

func (r *ref) told(i info, err error) (info, error) {
	if err == nil && r.tells != nil {
		i = r.tells(i)
	}
	return i, err
}

func (r *ref) Get(ctx context.Context, k key) (io.ReadCloser, info, error) {
	if err := r.meets(ctx, "get", k); err != nil {
		return nil, info{}, err
	}
	get := r.Backend.Get
	if r.doGet != nil {
		get = r.doGet
	}
	b, i, err := get(ctx, r.key(k))
	i, err = r.told(i, err)
	return b, i, err
}

func (r *ref) Stat(ctx context.Context, k key) (info, error) {
	if err := r.meets(ctx, "stat", k); err != nil {
		return info{}, err
	}
	if r.doStat != nil {
		return r.told(r.doStat(ctx, r.key(k)))
	}
	return r.told(r.Backend.Stat(ctx, r.key(k)))
}

func (r *ref) Put(ctx context.Context, k key, b body, o put) (info, error) {
	if err := r.meets(ctx, "put", k); err != nil {
		return info{}, err
	}
	do := r.Backend.Put
	if r.doPut != nil {
		do = r.doPut
	}
	i, err := r.told(do(ctx, r.key(k), b, o))
	if err != nil && o.Size > 1000 {
		r.place.mu.Lock()
		r.place.litter++ // a large Put that failed leaves something, as files do
		r.place.mu.Unlock()
	}
	return i, err
}

func (r *ref) Delete(ctx context.Context, k key) error {
	if err := r.meets(ctx, "delete", k); err != nil {
		return err
	}
	if r.doDelete != nil {
		return r.doDelete(ctx, r.key(k))
	}
	return r.Backend.Delete(ctx, r.key(k))
}

func (r *ref) List(ctx context.Context, shelf string, o opts) list {
	seq := r.Backend.List(ctx, shelf, o)
	if r.doList != nil {
		seq = r.doList(ctx, shelf, o)
	}
	return func(yield func(info, error) bool) {
		if err := r.meets(ctx, "list", key{Shelf: shelf}); err != nil {
			yield(info{}, err)
			return
		}
		for i, err := range seq {
			if i, err := r.told(i, err); !yield(i, err) {
				return
			}
		}
	}
}

func (r *ref) Shelves(ctx context.Context, o opts) iter.Seq2[string, error] {
	if r.doShelves != nil {
		return r.doShelves(ctx, o)
	}
	return r.Backend.Shelves(ctx, o)
}

func (r *ref) Close() error {
	if r.doClose != nil {
		return r.doClose()
	}
	return r.Backend.Close()
}

func (r *ref) Limits() backend.Limits {
	if r.doLimits != nil {
		return r.doLimits()
	}
	return r.Backend.Limits()
}

func (r *ref) GetRange(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
	if err := r.meets(ctx, "get range", k); err != nil {
		return nil, info{}, err
	}
	if r.doRange != nil {
		return r.doRange(ctx, k, version, off, n)
	}
	b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
	i, err = r.told(i, err)
	return b, i, err
}

func (r *ref) Map(ctx context.Context, k key) (*backend.View, info, error) {
	if err := r.meets(ctx, "map", k); err != nil {
		return nil, info{}, err
	}
	if r.doMap != nil {
		return r.doMap(ctx, k)
	}
	return r.view(ctx, k)
}

// view shows a copy of what is stored.
func (r *ref) view(ctx context.Context, k key) (*backend.View, info, error) {
	text, i, err := r.load(ctx, k)
	i, err = r.told(i, err)
	if err != nil {
		return nil, i, err
	}
	return backend.NewView([]byte(text), nil), i, nil
}

func (r *ref) Stage(ctx context.Context) (backend.Draft, error) {
	if err := r.meets(ctx, "stage", key{}); err != nil {
		return nil, err
	}
	if r.doStage != nil {
		return r.doStage(ctx)
	}
	for _, err := range r.Backend.Shelves(ctx, opts{Limit: 1}) { // is it open?
		if err != nil {
			return nil, err
		}
	}
	return &refDraft{}, nil
}

// refDraft is a draft in memory.
type refDraft struct {
	text string
	pos  int64

	wrote func(text string)
	close func() error
}

func (d *refDraft) Write(p []byte) (int, error) {
	d.text += string(p)
	if d.wrote != nil {
		d.wrote(d.text)
	}
	return len(p), nil
}

func (d *refDraft) Read(p []byte) (int, error) {
	n, err := d.ReadAt(p, d.pos)
	d.pos += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (d *refDraft) ReadAt(p []byte, off int64) (int, error) {
	return strings.NewReader(d.text).ReadAt(p, off)
}

func (d *refDraft) Seek(off int64, whence int) (int64, error) {
	r := strings.NewReader(d.text)
	r.Seek(d.pos, io.SeekStart)
	pos, err := r.Seek(off, whence)
	d.pos = pos
	return pos, err
}

func (d *refDraft) Close() error {
	if d.close != nil {
		return d.close()
	}
	return nil
}

func (r *ref) Scan(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
	if r.doScan != nil {
		return r.doScan(ctx, shelf, o)
	}
	return r.Backend.Scan(ctx, shelf, o)
}

func (r *ref) PutBatch(ctx context.Context, items []backend.Item) ([]info, error) {
	if err := r.meets(ctx, "put batch", key{}); err != nil {
		return nil, err
	}
	if r.doPutBatch != nil {
		return r.doPutBatch(ctx, items)
	}
	return r.Backend.PutBatch(ctx, items)
}

func (r *ref) DeleteBatch(ctx context.Context, keys []key) error {
	if r.doDelBatch != nil {
		return r.doDelBatch(ctx, keys)
	}
	return r.Backend.DeleteBatch(ctx, keys)
}

func (r *ref) DeleteMatch(ctx context.Context, seen []backend.Seen) error {
	if r.doDelMatch != nil {
		return r.doDelMatch(ctx, seen)
	}
	if err := r.meets(ctx, "delete match", key{}); err != nil {
		return err
	}
	errs := make(backend.BatchError, len(seen)) // by the versions that r tells, which may not be those below it
	for i, s := range seen {
		now, err := r.Stat(ctx, s.Key)
		switch {
		case err == nil && now.Version == s.Version:
			errs[i] = r.Delete(ctx, s.Key)
		case err == nil || errors.Is(err, backend.ErrNotFound):
			errs[i] = &backend.Error{Op: "delete", Backend: "ref", Key: s.Key, Err: backend.ErrChanged}
		default:
			errs[i] = err
		}
	}
	return errs.OrNil()
}

func (r *ref) Acquire(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
	if err := r.meets(ctx, "acquire", key{}); err != nil {
		return nil, err
	}
	if r.doAcquire != nil {
		return r.doAcquire(ctx, name, ttl)
	}
	return r.Backend.Acquire(ctx, name, ttl)
}

// Sweep counts as removed what failed Puts left.
func (r *ref) Sweep(ctx context.Context, o sweep) (found, error) {
	for _, err := range r.Backend.Shelves(ctx, opts{}) {
		if err != nil {
			return found{}, err
		}
	}
	if r.doSweep != nil {
		return r.doSweep(ctx, o)
	}
	r.place.mu.Lock()
	defer r.place.mu.Unlock()
	report := found{Orphans: r.place.litter}
	if !o.DryRun {
		r.place.litter = 0
	}
	return report, nil
}

// Find reads and decodes every description.
func (r *ref) Find(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
	if r.doFind != nil {
		return r.doFind(ctx, q)
	}
	return backend.Find(ctx, r.Backend, q, decode)
}

func decode(key string, preimage []byte) (component.Description, error) {
	d, err := keying.Decode(preimage)
	d.Key = key
	return d, err
}

// refConfig is the Config of the reference with something done to each handle.
func refConfig(breaks func(*ref)) law.Config {
	return law.Config{
		New: func(context.Context) (string, error) { return fresh(), nil },
		Open: func(_ context.Context, loc string) (backend.Backend, error) {
			r, err := openRef(loc)
			if err != nil {
				return nil, err
			}
			breaks(r)
			return r, nil
		},
		Fresh: true,
		Seed:  1,
	}
}

// refusing takes the promise of conditions away.
func refusing(r *ref) {
	r.doLimits = func() backend.Limits { return backend.Limits{} }
	r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
		if o.IfAbsent || o.IfMatch != "" {
			return info{}, &backend.Error{Op: "put", Backend: "ref", Key: k, Err: fmt.Errorf("a condition: %w", errUnsupported)}
		}
		return r.Backend.Put(ctx, k, b, o)
	}
}

// bounded refuses large values.
func bounded(r *ref) {
	r.Backend = mem.Open(r.place.name[len("mem://"):], &mem.Options{MaxValue: 1 << 20})
}

// TestUnknownOutcomes lets a third of all calls fail, before their effect or after it: a
// history must find an order all the same, because nobody lied.
func TestUnknownOutcomes(t *testing.T) {
	cfg := inMemory
	var wrapped []*fault.Backend
	open := func(ctx context.Context, loc string) (backend.Backend, error) {
		b, err := cfg.Open(ctx, loc)
		if err != nil {
			return nil, err
		}
		f := fault.New(b, fault.Plan{
			Seed: 3,
			Rate: map[fault.Kind]float64{fault.Before: 0.15, fault.After: 0.15, fault.Slow: 0.05},
			Only: func(_ string, k key) bool { return strings.HasPrefix(k.Shelf, "history-") },
		})
		placesMu.Lock()
		defer placesMu.Unlock()
		wrapped = append(wrapped, f)
		return f, nil
	}
	for _, l := range law.Laws() {
		if l.Name != "history/linear" {
			continue
		}
		r := law.Try(t.Context(), law.Config{
			New:  func(context.Context) (string, error) { return fresh(), nil },
			Open: open, Fresh: true, Seed: 1,
		}, l, law.Full)
		if r.Status != law.Passed {
			t.Errorf("%v", r)
		}
	}
	kinds := map[fault.Kind]int{}
	for _, f := range wrapped {
		for _, fault := range f.Faults() {
			kinds[fault.Kind]++
		}
	}
	if kinds[fault.Before] < 500 || kinds[fault.After] < 500 {
		t.Errorf("the calls failed %v, want hundreds of each kind", kinds)
	}
}
