// Package tier joins a near store and a far one: reads come from the near one where they can, and
// fill it; writes reach the far one, which the near one is a cache of.
//
// Importing it registers the scheme "tier", as in
//
//	tier:?near=shelve:///var/cache/lab&far=s3%3A%2F%2Flab%2Fresults
//
// where the URL that has parameters of its own is percent-encoded, or stands last. The packages of both schemes must be
// linked too. Its parameters are those of [Options]. docs/tiers.md says what holds in which mode.
package tier

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/calls"
	"github.com/larder-store/larder/internal/lease"
)

const scheme = "tier"

func init() { backend.Register(scheme, openURL, "near", "far", "write", "queue", "drain", "near_max") }

// A Mode says where writes go.
type Mode string

// The modes.
const (
	// Through: a Put is done when the far store has it. Conditions and lists are the far store's.
	Through Mode = "through"
	// Back: a Put is done when the near store has it; the far one gets it in the background, also after a
	// kill. While the far store is away, work goes on with what is near.
	Back Mode = "back"
	// Near: the far store is only read, and what is written stays near.
	Near Mode = "near"
)

// Options change how a handle works; nil and the zero value mean the defaults.
type Options struct {
	Write Mode // where writes go ("write"); the default is Through

	// Queue bounds the bytes that wait for the far store in the mode Back ("queue"): a Put beyond it waits, and fails
	// with [backend.ErrUnavailable] where the far store is away. 0 is DefaultQueue.
	Queue int64

	// Drain is how long Close goes on sending what waits ("drain"), as long as the far store takes it. 0 is
	// DefaultDrain, a negative one sends nothing more: a request that is under way comes to its end, within seconds.
	Drain time.Duration

	// NearMax bounds the bytes of copies in the near store ("near_max"), by some percent: what was copied first is evicted. 0
	// is no bound. Values that wait for the far store are no copies.
	NearMax int64

	// ReadOnly opens both stores to read: nothing is filled either.
	ReadOnly bool

	// Source names the far store for messages, and makes sure that a near store serves one far store only: its
	// URL without parameters. Empty is no check.
	Source string
}

// Defaults of [Options].
const (
	DefaultQueue = 1 << 30
	DefaultDrain = 30 * time.Second
)

// Backend is a handle on both stores. It has the methods of [backend.Backend], and abilities beside them.
type Backend struct {
	near, far backend.Backend
	opts      Options
	calls     *calls.Counter
	leases    *lease.Client // of the near store
	sender    *sender       // nil but in the mode Back
	limiter   *limiter      // nil without NearMax

	hits, misses, absences, failures atomic.Int64
}

var (
	_ backend.Backend      = (*Backend)(nil)
	_ backend.Describer    = (*Backend)(nil)
	_ backend.RangeGetter  = (*Backend)(nil)
	_ backend.BatchPutter  = (*Backend)(nil)
	_ backend.BatchDeleter = (*Backend)(nil)
	_ backend.MatchDeleter = (*Backend)(nil)
	_ backend.Sweeper      = (*Backend)(nil)
	_ backend.Informer     = (*Backend)(nil)
	_ backend.Stager       = (*Backend)(nil)
	_ backend.Mapper       = (*Backend)(nil)
)

func openURL(ctx context.Context, u *url.URL, p *backend.Params) (backend.Backend, error) {
	o := Options{
		Write:    Mode(p.Choice("write", string(Through), string(Through), string(Back), string(Near))),
		Queue:    p.Size("queue", DefaultQueue),
		Drain:    p.Duration("drain", DefaultDrain, 0),
		NearMax:  p.Size("near_max", 0),
		ReadOnly: p.ReadOnly(),
	}
	near, far := p.String("near", ""), p.String("far", "")
	if err := p.Err(); err != nil {
		return nil, err
	}
	if o.Drain == 0 {
		o.Drain = -1
	}
	if near == "" || far == "" || u.Host != "" || u.Opaque != "" || u.Path != "" {
		return nil, backend.InvalidURL("write tier:?near=URL&far=URL, the second percent-encoded or last")
	}
	var err error
	if o.Source, err = placeOf(far); err != nil {
		return nil, err
	}
	here, err := placeOf(near)
	if err != nil {
		return nil, err
	}
	if here == o.Source {
		return nil, backend.InvalidURL("near= and far= are the same store: %s", backend.Redact(far))
	}
	var nearly, farther []backend.OpenOption
	if o.ReadOnly {
		nearly = append(nearly, backend.ReadOnly())
	}
	if o.ReadOnly || o.Write == Near {
		farther = append(farther, backend.ReadOnly())
	} else if p.MustExist() {
		farther = append(farther, backend.MustExist())
	}
	f, err := backend.OpenWith(ctx, far, farther...)
	if err != nil {
		return nil, fmt.Errorf("far=: %w", err)
	}
	n, err := backend.OpenWith(ctx, near, nearly...)
	if errors.Is(err, fs.ErrNotExist) && o.ReadOnly {
		return f, nil // nothing is near yet
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("near=: %w", err), f.Close())
	}
	b, err := Open(ctx, n, f, &o)
	if err != nil {
		return nil, errors.Join(err, n.Close(), f.Close())
	}
	return b, nil
}

// Open joins two stores, which belong to the handle from now on if it succeeds. The near one must have atomic conditions
// and [backend.MatchDeleter], as shelve, file and mem have, and belong to nobody else: what is in it is a cache.
func Open(ctx context.Context, near, far backend.Backend, opts *Options) (backend.Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Write == "" {
		o.Write = Through
	}
	if o.Queue == 0 {
		o.Queue = DefaultQueue
	}
	if o.Drain == 0 {
		o.Drain = DefaultDrain
	}
	b := &Backend{near: near, far: far, opts: o, calls: calls.New(), leases: lease.New(near, objectTTL)}
	if err := b.suits(ctx); err != nil {
		return nil, wrap("open", backend.Key{}, err)
	}
	if o.NearMax > 0 && !o.ReadOnly {
		b.limiter = &limiter{b: b}
	}
	if o.Write == Back && !o.ReadOnly {
		b.sender = newSender(b)
	}
	return b.able(), nil
}

// suits makes sure that near can be, and is, a cache of far.
func (b *Backend) suits(ctx context.Context) error {
	limits := backend.LimitsOf(b.near)
	_, matches := backend.As[backend.MatchDeleter](b.near)
	switch {
	case b.near == b.far:
		return backend.InvalidURL("the near store is the far store")
	case b.opts.ReadOnly:
	case !limits.AtomicIfAbsent || !limits.AtomicIfMatch || !matches:
		return backend.InvalidURL("the near store cannot be one: it takes a store of this machine, such as shelve: or file:")
	case b.opts.Write == Back && !limits.Lasting:
		return backend.InvalidURL("write=back takes a near store that lasts, such as shelve: or file:")
	}
	return b.claim(ctx)
}

// acquire takes a lease among the processes that share the near store, by whatever means that has.
func (b *Backend) acquire(ctx context.Context, name string) (backend.Lease, error) {
	if leaser, ok := backend.As[backend.Leaser](b.near); ok {
		return leaser.Acquire(ctx, name, leaseTTL)
	}
	return b.leases.Acquire(ctx, name)
}

// overlays reports whether the near store holds values that the far one lacks.
func (b *Backend) overlays() bool { return b.opts.Write != Through }

// Limits implements [backend.Describer].
func (b *Backend) Limits() backend.Limits {
	l := backend.LimitsOf(b.far)
	if !b.overlays() {
		return l
	}
	near := backend.LimitsOf(b.near)
	// What is near is not seen from elsewhere, and so no condition could hold among all writers.
	l.AtomicIfAbsent, l.AtomicIfMatch, l.Shared = false, false, false
	l.Durable, l.Lasting = near.Durable, near.Lasting
	if b.opts.Write == Near || near.MaxValue != 0 && (l.MaxValue == 0 || near.MaxValue < l.MaxValue) {
		l.MaxValue = near.MaxValue
	}
	return l
}

// Close implements [backend.Backend]. In the mode Back it sends what waits, for a while.
func (b *Backend) Close() error {
	if !b.calls.Close() {
		return nil
	}
	if b.sender != nil {
		b.sender.close()
	}
	return wrap("close", backend.Key{}, errors.Join(b.near.Close(), b.far.Close()))
}

// wrap makes the error of a method. Those of the stores below are unwrapped: who called this one knows its keys
// alone.
func wrap(op string, key backend.Key, err error) error {
	if err == nil {
		return nil
	}
	var e *backend.Error
	if errors.As(err, &e) {
		if e.Backend == scheme {
			return err
		}
		err = fmt.Errorf("%s: %w", e.Backend, e.Err)
	}
	return &backend.Error{Op: op, Backend: scheme, Key: key, Err: err}
}

// notice counts a failure of the far store that only came of its being away.
func (b *Backend) notice(err error) error {
	if errors.Is(err, backend.ErrUnavailable) {
		b.absences.Add(1)
	}
	return err
}

// count counts a failure of the near store that is no failure of the call.
func (b *Backend) count(err error) {
	if err != nil {
		b.failures.Add(1)
	}
}
