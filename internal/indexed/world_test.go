package indexed_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
)

// A world is an index and data in memory, and what outlives the processes that use it.
//
// It has two kinds of index, as there are in truth. With kernel locks (bbolt and a
// directory) a claim is what a living process holds, and what is free may be removed at
// once. With records (Postgres and a bucket) a claim is a record with a lease, what is
// free is condemned, and only a sweep removes, after a grace.
type world struct {
	records bool

	mu       sync.Mutex
	now      time.Time
	serial   int
	entries  map[backend.Key]indexed.Entry
	data     map[string][]byte
	whole    map[string]bool // data that was stored to its end
	held     map[string]*process
	recorded map[string]record
}

type record struct {
	state string // pending, live or condemned
	since time.Time
}

const (
	leaseTime = time.Minute
	graceTime = time.Hour
)

func newWorld(records bool) *world {
	return &world{
		records:  records,
		now:      time.Unix(1e9, 0),
		entries:  map[backend.Key]indexed.Entry{},
		data:     map[string][]byte{},
		whole:    map[string]bool{},
		held:     map[string]*process{},
		recorded: map[string]record{},
	}
}

// A fault is what happens at one step of a process.
type fault int

const (
	none        fault = iota
	errorBefore       // the step fails and has no effect
	errorAfter        // the step has its effect and fails
	kill              // the process is killed before the step
	killAfter         // the process is killed after the step
	interrupt         // others run before the step
)

var faultNames = [...]string{"none", "error before", "error after", "kill before", "kill after", "interrupted before"}

func (f fault) String() string { return faultNames[f] }

var errInjected = errors.New("injected")

// A process uses a world, and meets one fault at one of its steps.
type process struct {
	*world
	at     int // the step of the fault, from 1 on
	fault  fault
	others func()

	steps int
	names []string // of the steps
	dead  bool
}

// begin counts a step; end must follow. It ends the goroutine of a killed process.
func (p *process) begin(name string) (fault, error) {
	p.mu.Lock()
	if p.dead {
		p.mu.Unlock()
		runtime.Goexit()
	}
	p.steps++
	p.names = append(p.names, name)
	if p.steps != p.at {
		return none, nil
	}
	switch p.fault {
	case errorBefore:
		p.mu.Unlock()
		return p.fault, errInjected
	case kill:
		p.die()
	case interrupt:
		p.mu.Unlock()
		p.others()
		p.mu.Lock()
	}
	return p.fault, nil
}

// end ends a step that begin began without an error.
func (p *process) end(f fault) error {
	if f == killAfter {
		p.die()
	}
	p.mu.Unlock()
	if f == errorAfter {
		return errInjected
	}
	return nil
}

// die ends the process: the kernel takes its locks, records stay.
func (p *process) die() {
	p.dead = true
	maps.DeleteFunc(p.held, func(_ string, holder *process) bool { return holder == p })
	p.mu.Unlock()
	runtime.Goexit()
}

// run runs f as p. It reports whether p lives.
func (p *process) run(f func(s *indexed.Store)) (alive bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(&indexed.Store{Index: p, Data: p, Inline: 4})
	}()
	<-done
	return !p.dead
}

func (p *process) Lookup(_ context.Context, key backend.Key, bodies bool) (indexed.Entry, error) {
	f, err := p.begin("lookup")
	if err != nil {
		return indexed.Entry{}, err
	}
	e, ok := p.entries[key]
	if err := p.end(f); err != nil {
		return indexed.Entry{}, err
	}
	if !ok {
		return e, backend.ErrNotFound
	}
	if e.Inline = bytes.Clone(e.Inline); !bodies {
		e.Inline = nil
	}
	return e, nil
}

func (p *process) Page(_ context.Context, shelf string, opts backend.ListOptions, _ *indexed.Room) (indexed.Page, error) {
	f, err := p.begin("page")
	if err != nil {
		return indexed.Page{}, err
	}
	var page indexed.Page
	all := slices.SortedFunc(maps.Values(p.entries), func(a, b indexed.Entry) int { return cmp.Compare(a.Key.Name, b.Key.Name) })
	for _, e := range all {
		if e.Key.Shelf != shelf || e.Key.Name <= opts.After || !strings.HasPrefix(e.Key.Name, opts.Prefix) {
			continue
		}
		if len(page.Entries) == 2 || opts.Limit > 0 && len(page.Entries) == opts.Limit {
			page.Next = page.Entries[len(page.Entries)-1].Key.Name
			break
		}
		page.Entries = append(page.Entries, e)
	}
	return page, p.end(f)
}

func (p *process) Claim(_ context.Context, n int) ([]string, error) {
	f, err := p.begin("claim")
	if err != nil {
		return nil, err
	}
	names := make([]string, n)
	for i := range names {
		p.serial++
		names[i] = fmt.Sprintf("data-%d", p.serial)
		if p.records {
			p.recorded[names[i]] = record{"pending", p.now}
		} else {
			p.held[names[i]] = p
		}
	}
	if err := p.end(f); err != nil {
		p.mu.Lock()
		p.release(names) // a lock that was not handed out is given back
		p.mu.Unlock()
		return nil, err
	}
	return names, nil
}

func (p *process) Abandon(names []string) {
	if f, err := p.begin("abandon"); err == nil {
		p.release(names)
		_ = p.end(f)
	}
}

func (w *world) release(names []string) {
	for _, name := range names {
		delete(w.held, name)
	}
}

func (p *process) Commit(_ context.Context, changes []indexed.Change) []indexed.Outcome {
	f, err := p.begin("commit")
	outcomes := make([]indexed.Outcome, len(changes))
	if err != nil { // certainly nothing happened
		p.mu.Lock()
		defer p.mu.Unlock()
		for i, c := range changes {
			outcomes[i].Err = err
			if c.Name != "" {
				outcomes[i].Free = p.free(c.Name)
			}
		}
		return outcomes
	}
	for i, c := range changes {
		outcomes[i] = p.apply(c)
		p.release([]string{c.Name})
	}
	if err := p.end(f); err != nil && !p.records {
		for i := range outcomes { // something happened or not: never delete on doubt
			outcomes[i] = indexed.Outcome{Err: err}
		}
	}
	// With records the lost answer is looked up by name, and found.
	return outcomes
}

func (p *process) apply(c indexed.Change) indexed.Outcome {
	old, exists := p.entries[c.Key]
	if c.Name != "" && p.records && p.recorded[c.Name].state != "pending" {
		return indexed.Outcome{Free: c.Name, Err: indexed.ErrClaimLost}
	}
	switch {
	case c.Options.IfAbsent && exists:
		return indexed.Outcome{Free: p.free(c.Name), Err: backend.ErrExists}
	case c.Options.IfMatch != "" && c.Options.IfMatch != old.Version:
		return indexed.Outcome{Free: p.free(c.Name), Err: backend.ErrChanged}
	}
	o := indexed.Outcome{Free: p.free(old.Name)}
	if c.Delete {
		delete(p.entries, c.Key)
		return o
	}
	p.serial++
	o.Info = backend.Info{Key: c.Key, Size: c.Options.Size, Version: fmt.Sprint("v", p.serial), ModTime: p.now}
	p.entries[c.Key] = indexed.Entry{Info: o.Info, Inline: c.Inline, Name: c.Name}
	if c.Name != "" && p.records {
		p.recorded[c.Name] = record{"live", p.now}
	}
	return o
}

// free returns a name that may be removed at once, or condemns it.
func (w *world) free(name string) string {
	if name != "" && w.records {
		w.recorded[name] = record{"condemned", w.now}
		return ""
	}
	return name
}

func (p *process) Garbage(_ context.Context, grace time.Duration, dry bool) iter.Seq2[[]indexed.Garbage, error] {
	return func(yield func([]indexed.Garbage, error) bool) {
		f, err := p.begin("garbage")
		if err != nil {
			yield(nil, err)
			return
		}
		var found []indexed.Garbage
		if p.records {
			found = p.condemned(grace, dry)
		} else {
			found = p.orphans()
		}
		if err := p.end(f); err != nil {
			yield(nil, err)
			return
		}
		for two := range slices.Chunk(found, 2) {
			if !yield(two, nil) {
				return
			}
		}
	}
}

// orphans are data that neither an entry nor a living process has. A sweep of files waits
// for the writers; here it spares what they hold.
func (w *world) orphans() (found []indexed.Garbage) {
	named := map[string]bool{}
	for _, e := range w.entries {
		named[e.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(w.data)) {
		if !named[name] {
			found = append(found, indexed.Garbage{Name: name, Size: int64(len(w.data[name])), Kept: w.held[name] != nil})
		}
	}
	return found
}

// condemned condemns pending names whose lease ran out, and returns what was condemned
// longer ago than grace.
func (w *world) condemned(grace time.Duration, dry bool) (found []indexed.Garbage) {
	for _, name := range slices.Sorted(maps.Keys(w.recorded)) {
		r := w.recorded[name]
		if r.state == "pending" && w.now.Sub(r.since) > leaseTime {
			r = record{"condemned", w.now}
			if !dry {
				w.recorded[name] = r
			}
		}
		if r.state == "condemned" {
			found = append(found, indexed.Garbage{Name: name, Size: int64(len(w.data[name])), Kept: w.now.Sub(r.since) <= grace})
		}
	}
	return found
}

func (p *process) Forget(_ context.Context, names ...string) error {
	f, err := p.begin("forget")
	if err != nil {
		return err
	}
	for _, name := range names {
		delete(p.recorded, name)
	}
	return p.end(f)
}

func (p *process) Create(_ context.Context, name string, body io.ReadSeeker, opts backend.PutOptions) error {
	f, err := p.begin("create half")
	if err != nil {
		return err
	}
	b, readErr := backend.ReadBody(body, opts.Size)
	p.data[name] = b[:len(b)/2]
	if err := errors.Join(readErr, p.end(f)); err != nil {
		return err
	}
	if f, err = p.begin("create whole"); err != nil {
		return err
	}
	p.data[name], p.whole[name] = b, true
	return p.end(f)
}

func (p *process) Open(_ context.Context, name string, size, off, n int64) (io.ReadCloser, error) {
	f, err := p.begin("open")
	if err != nil {
		return nil, err
	}
	b, ok := p.data[name]
	if err := p.end(f); err != nil {
		return nil, err
	}
	if !ok {
		return nil, fs.ErrNotExist
	}
	if int64(len(b)) != size {
		return nil, backend.ErrCorrupt
	}
	if b = b[min(off, size):]; n >= 0 {
		b = b[:min(n, int64(len(b)))]
	}
	return backend.NewBody(bytes.Clone(b)), nil
}

func (p *process) Check(ctx context.Context, name string, size int64) error {
	_, err := p.Open(ctx, name, size, 0, -1)
	return err
}

func (p *process) Remove(_ context.Context, names ...string) error {
	f, err := p.begin("remove")
	if err != nil {
		return err
	}
	for _, name := range names {
		delete(p.data, name)
	}
	return p.end(f)
}
