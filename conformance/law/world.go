package law

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

// A world is what should be in a place, to the byte. A law changes it by one way of many and looks at it by
// another, so that what is kept for one way holds for all: most laws about single methods were written
// for the first way that came to mind, and what was caught last was broken in another one.
type world struct {
	e       *Env
	rnd     *rand.Rand
	mark    string   // begins the names of its shelves
	handles []*probe // the first one stays open
	kept    map[backend.Key]*kept
	past    map[backend.Key][]string // versions that key had and has no longer
	removed map[backend.Key]int      // the step at which it was removed last
	step    int                      // counts what was done, so that no two values are alike
	did     []string                 // for the report
}

// kept is what one key holds.
type kept struct {
	text string
	put  backend.Info // as it was stored
	at   time.Time    // its ModTime, once somebody looked
	step int          // at which it was stored
}

// newWorld returns the world of a fresh place with n handles.
func (e *Env) newWorld(ctx context.Context, n int) (*world, error) {
	w := &world{
		e: e, rnd: e.Rand,
		kept: map[backend.Key]*kept{}, past: map[backend.Key][]string{}, removed: map[backend.Key]int{},
	}
	shared, err := e.sharesPlace(ctx)
	if err != nil {
		return nil, err
	}
	w.handles = []*probe{e.handle(ctx)}
	for shared && len(w.handles) < n {
		w.handles = append(w.handles, e.open(ctx))
	}
	return w, nil
}

// err is the first thing that went wrong, with what was done before.
func (w *world) err() error {
	for _, p := range w.handles {
		if p.err != nil {
			return fmt.Errorf("%w\nthe last steps:\n%s", p.err, strings.Join(w.did[max(0, len(w.did)-20):], "\n"))
		}
	}
	return nil
}

// does notes a step, and returns its number.
func (w *world) does(p *probe, format string, args ...any) int {
	w.step++
	w.did = append(w.did, fmt.Sprintf("%d: handle %d: ", w.step, slices.Index(w.handles, p))+fmt.Sprintf(format, args...))
	return w.step
}

// names returns the names on a shelf, in order.
func (w *world) names(shelf string) []string {
	var names []string
	for key := range w.kept {
		if key.Shelf == shelf {
			names = append(names, key.Name)
		}
	}
	slices.Sort(names)
	return names
}

// stored notes that key holds text.
func (w *world) stored(p *probe, key backend.Key, text string, meta backend.Meta, info backend.Info) {
	if p.err != nil {
		return
	}
	p.about("what the Put returned", info, key, text)
	p.sameMeta("what the Put returned", info.Meta, meta)
	if p.err == nil && info.Version == "" {
		p.failf("the Put of %q returned no Version", key)
	}
	if old, ok := w.kept[key]; ok && old.put.Version != info.Version {
		w.past[key] = append(w.past[key], old.put.Version)
	}
	if len(text) > 0 && slices.Contains(w.past[key], info.Version) {
		p.failf("the Put of %q returned the Version %q, which another value of it had", key, info.Version)
	}
	if len(text) == 0 { // empty values are alike
		w.past[key] = slices.DeleteFunc(w.past[key], func(v string) bool { return v == info.Version })
	}
	put := info
	put.Meta = maps.Clone(meta)
	w.kept[key] = &kept{text: text, put: put, step: w.step}
	spoil(info.Meta) // which is the caller's
}

// gone notes that key holds nothing.
func (w *world) gone(key backend.Key) {
	if old, ok := w.kept[key]; ok {
		w.past[key] = append(w.past[key], old.put.Version)
		w.removed[key] = w.step
		delete(w.kept, key)
	}
}

// spoil changes a Meta, as a caller may with its own.
func spoil(m backend.Meta) {
	for k := range m {
		m[k] = "spoiled"
	}
	if m != nil {
		m["spoiled"] = "spoiled"
	}
}

// A way is one of the ways to store a value.
type way struct {
	name  string
	needs func(w *world, key backend.Key) bool // nil: always
	put   func(w *world, p *probe, key backend.Key, text string, meta backend.Meta) backend.Info
}

func createdOnly(w *world, key backend.Key) bool {
	return w.kept[key] == nil && w.e.Limits.AtomicIfAbsent
}

func replacedOnly(w *world, key backend.Key) bool {
	return w.kept[key] != nil && w.e.Limits.AtomicIfMatch
}

var ways = []way{
	{"Put", nil, func(w *world, p *probe, key backend.Key, text string, meta backend.Meta) backend.Info {
		return w.put(p, key, strings.NewReader(text), text, backend.PutOptions{Meta: meta})
	}},
	{"Put of memory used again", nil, func(w *world, p *probe, key backend.Key, text string, meta backend.Meta) backend.Info {
		memory := []byte(text)
		body := bytes.NewReader(memory)
		body.Seek(int64(len(text)/2), io.SeekStart)
		info := w.put(p, key, body, text, backend.PutOptions{Meta: meta})
		clear(memory)
		return info
	}},
	{"Put with IfAbsent", createdOnly, func(w *world, p *probe, key backend.Key, text string, meta backend.Meta) backend.Info {
		return w.put(p, key, newBody(text), text, backend.PutOptions{Meta: meta, IfAbsent: true})
	}},
	{"Put with IfMatch", replacedOnly, func(w *world, p *probe, key backend.Key, text string, meta backend.Meta) backend.Info {
		return w.put(p, key, strings.NewReader(text), text, backend.PutOptions{Meta: meta, IfMatch: w.kept[key].put.Version})
	}},
	{"PutBatch of one", nil, func(w *world, p *probe, key backend.Key, text string, meta backend.Meta) backend.Info {
		return w.batch(p, key, strings.NewReader(text), text, backend.PutOptions{Meta: meta}, false)
	}},
	{"PutBatch beside items that fail", nil, func(w *world, p *probe, key backend.Key, text string, meta backend.Meta) backend.Info {
		return w.batch(p, key, strings.NewReader(text), text, backend.PutOptions{Meta: meta}, true)
	}},
	{"PutBatch with IfAbsent", createdOnly, func(w *world, p *probe, key backend.Key, text string, meta backend.Meta) backend.Info {
		return w.batch(p, key, newBody(text), text, backend.PutOptions{Meta: meta, IfAbsent: true}, true)
	}},
	{"PutBatch with IfMatch", replacedOnly, func(w *world, p *probe, key backend.Key, text string, meta backend.Meta) backend.Info {
		return w.batch(p, key, strings.NewReader(text), text, backend.PutOptions{Meta: meta, IfMatch: w.kept[key].put.Version}, true)
	}},
	{"Put of a draft", nil, func(w *world, p *probe, key backend.Key, text string, meta backend.Meta) backend.Info {
		return w.draft(p, p, text, func(d io.ReadSeeker) backend.Info {
			return w.put(p, key, d, text, backend.PutOptions{Meta: meta})
		})
	}},
	{"Put of another handle's draft", nil, func(w *world, p *probe, key backend.Key, text string, meta backend.Meta) backend.Info {
		return w.draft(p, w.handles[w.rnd.IntN(len(w.handles))], text, func(d io.ReadSeeker) backend.Info {
			return w.put(p, key, d, text, backend.PutOptions{Meta: meta})
		})
	}},
	{"PutBatch of a draft", nil, func(w *world, p *probe, key backend.Key, text string, meta backend.Meta) backend.Info {
		return w.draft(p, p, text, func(d io.ReadSeeker) backend.Info {
			return w.batch(p, key, d, text, backend.PutOptions{Meta: meta}, true)
		})
	}},
}

// put stores body, which is text.
func (w *world) put(p *probe, key backend.Key, body io.ReadSeeker, text string, opts backend.PutOptions) backend.Info {
	if p.err != nil {
		return backend.Info{}
	}
	opts.Meta = maps.Clone(opts.Meta)
	info, err := p.b.Put(p.ctx, key, body, filled(text, opts))
	if err != nil {
		p.failf("Put(%q, %s) of %d bytes: %w", key, conditions(opts), len(text), err)
	}
	info.Meta = maps.Clone(info.Meta) // it may be that of opts
	spoil(opts.Meta)
	return info
}

// batch stores body as an item of a batch, the others of which fail if there are any.
func (w *world) batch(p *probe, key backend.Key, body io.ReadSeeker, text string, opts backend.PutOptions, beside bool) backend.Info {
	if p.err != nil {
		return backend.Info{}
	}
	opts.Meta = maps.Clone(opts.Meta)
	items := []backend.Item{{Key: key, Body: body, PutOptions: filled(text, opts)}}
	wrong := map[int]error{}
	if beside {
		bad := item(backend.Key{Shelf: key.Shelf, Name: key.Name + "/.."}, "bad", backend.PutOptions{})
		short := item(backend.Key{Shelf: key.Shelf, Name: "short"}, "short", backend.PutOptions{})
		short.Size++
		items = append([]backend.Item{bad}, append(items, short)...)
		wrong[0], wrong[2] = backend.ErrInvalidKey, io.ErrUnexpectedEOF
		if w.kept[key] == nil && opts.IfAbsent {
			items = append(items, item(key, "second", backend.PutOptions{IfAbsent: true}))
			wrong[3] = backend.ErrExists
		}
		if len(key.Name) > backend.MaxName-3 || strings.Count(key.Name, "/")+1 >= backend.MaxSegments {
			wrong[0] = backend.ErrTooLarge
			items[0].Key.Name = strings.Repeat("a/", backend.MaxSegments) + "a"
		}
	}
	infos, err := backend.PutBatch(p.ctx, p.b, items)
	if p.err == nil && len(infos) != len(items) {
		p.failf("PutBatch of %d items returns %d Infos and the error %v", len(items), len(infos), err)
		return backend.Info{}
	}
	var stored backend.Info
	for i, it := range items {
		ierr := backend.ItemError(err, i)
		switch want := wrong[i]; {
		case want == nil && ierr != nil:
			p.failf("PutBatch(%q, %s) of %d bytes: %w", it.Key, conditions(opts), len(text), ierr)
		case want == nil:
			stored = infos[i]
		default:
			p.fails("an item of a PutBatch that cannot be stored", ierr, want)
			p.typed("an item of a PutBatch that cannot be stored", it.Key, ierr)
			if p.err == nil && (infos[i].Key != backend.Key{} || infos[i].Size != 0 || infos[i].Version != "") {
				p.failf("PutBatch returns the Info %+v of an item that failed", infos[i])
			}
		}
	}
	stored.Meta = maps.Clone(stored.Meta)
	spoil(opts.Meta)
	clear(items)
	return stored
}

// draft writes text to a draft of maker and puts it.
func (w *world) draft(p, maker *probe, text string, put func(d io.ReadSeeker) backend.Info) backend.Info {
	d := maker.stage(text)
	if d == nil {
		p.failf("no draft: %w", errors.Join(maker.err))
		return backend.Info{}
	}
	info := put(d)
	if err := d.Close(); err != nil {
		p.failf("closing a draft that was put: %w", err)
	}
	return info
}

// removals are the ways to remove a key that is there.
var removals = []struct {
	name   string
	remove func(w *world, p *probe, key backend.Key)
}{
	{"Delete", func(w *world, p *probe, key backend.Key) { p.remove(key) }},
	{"DeleteBatch", func(w *world, p *probe, key backend.Key) { p.removeAll([]backend.Key{key}) }},
	{"DeleteBatch beside keys that fail", func(w *world, p *probe, key backend.Key) {
		if p.err != nil {
			return
		}
		keys := []backend.Key{{Shelf: key.Shelf, Name: "Bad"}, key, {Shelf: key.Shelf, Name: "absent-1"}, key}
		err := backend.DeleteBatch(p.ctx, p.b, keys)
		p.fails("DeleteBatch of an invalid key", backend.ItemError(err, 0), backend.ErrInvalidKey)
		for i := 1; i < len(keys); i++ {
			if err := backend.ItemError(err, i); err != nil {
				p.failf("DeleteBatch(%q) beside a key that fails: %w", keys[i], err)
			}
		}
		clear(keys)
	}},
	{"DeleteMatch", func(w *world, p *probe, key backend.Key) { p.removeSeenAs(key, w.kept[key].put.Version) }},
	{"DeleteMatch beside keys that fail", func(w *world, p *probe, key backend.Key) {
		if p.err != nil {
			return
		}
		seen := []backend.Seen{
			{Key: backend.Key{Shelf: key.Shelf, Name: "absent-1"}, Version: w.kept[key].put.Version}, {Key: key, Version: "none"},
			{Key: key, Version: w.kept[key].put.Version},
		}
		errs := w.deleteMatch(p, seen)
		for i := range 2 {
			w.changed(p, seen[i].Key, errs[i])
		}
		if err := errs[2]; err != nil && err != errTriedAgain {
			p.failf("DeleteMatch(%q), which is as it was seen, beside keys that fail: %w", key, err)
		}
		clear(seen)
	}},
}

// deleteMatch returns an error for each entry, which is [errTriedAgain] where it was nil and the handle tried again, so that
// nobody knows what the first attempt removed.
func (w *world) deleteMatch(p *probe, seen []backend.Seen) []error {
	before := w.e.unknown.Load()
	err := backend.DeleteMatch(p.ctx, p.b, seen)
	errs := make([]error, len(seen))
	for i := range seen {
		if errs[i] = backend.ItemError(err, i); errs[i] == nil && w.e.unknown.Load() > before {
			errs[i] = errTriedAgain
		}
	}
	return errs
}

var errTriedAgain = errors.New("it was tried again")

// changed wants the error of a DeleteMatch of key, which has not the Version that was named.
func (w *world) changed(p *probe, key backend.Key, err error) {
	if err == errTriedAgain {
		return
	}
	p.fails(fmt.Sprintf("DeleteMatch(%q) of another Version", key), err, backend.ErrChanged)
	if has[backend.MatchDeleter](p.b) {
		p.typed("DeleteMatch of another Version", key, err)
	}
}

// brief names a key in the report.
func brief(key backend.Key) string {
	const most = 60
	if s := key.String(); len(s) > most {
		return fmt.Sprintf("%.30s… of %d bytes", s, len(s))
	}
	return key.String()
}

// store does one way and notes it.
func (w *world) store(p *probe, by way, key backend.Key, text string, meta backend.Meta) {
	w.does(p, "%s: %s, %d bytes, %d metadata", by.name, brief(key), len(text), len(meta))
	info := by.put(w, p, key, text, meta)
	w.stored(p, key, text, meta, info)
}

// remove does one removal and notes it.
func (w *world) remove(p *probe, by int, key backend.Key) {
	w.does(p, "%s: %s", removals[by].name, brief(key))
	if w.kept[key] == nil {
		p.remove(key)
		return
	}
	removals[by].remove(w, p, key)
	w.gone(key)
}
