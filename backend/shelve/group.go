package shelve

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
	"github.com/larder-store/larder/internal/turnstile"
)

// A group is what one transaction commits: all requests that came while the last
// was on its way to the disk. No request waits for a group to fill, so a lone writer is as fast
// as without, and 64 of them need one fsync together. These bound what a late comer waits
// for, and the memory of a transaction; a single request may exceed them.
const (
	groupChanges = 1000
	groupBytes   = 16 << 20
)

// A bbolt file grows by a quarter of its size, within these bounds: each time costs an fsync,
// but a file should not be mostly air, least of all the thousands of a sweep's sessions. (bbolt's own
// step is 16 MiB.)
const (
	minGrowth = 64 << 10
	maxGrowth = 16 << 20
)

// request is changes of one file that are committed together.
type request struct {
	changes  []indexed.Change
	outcomes []indexed.Outcome
	settled  func() // releases the claims on the data of the changes
	done     chan struct{}

	ids   []id // of the records, one a change
	fate  fate // when it is done
	asked int  // how often other processes did not do it

	guest  *guest // that it is of; nil: this process
	number uint64 // of the guest's ask
}

func newRequest(changes []indexed.Change, settled func()) *request {
	return &request{changes: changes, outcomes: make([]indexed.Outcome, len(changes)), settled: settled, done: make(chan struct{})}
}

// commit makes changes, all on shelves of this file. If ctx ends first they may be
// made all the same.
func (f *file) commit(ctx context.Context, p turnstile.WaitPolicy, changes []indexed.Change, settled func()) []indexed.Outcome {
	r := newRequest(changes, settled)
	for i := range changes { // which outlive the call if ctx ends it
		changes[i].Options.Meta = maps.Clone(changes[i].Options.Meta)
		v, ok := parseID(changes[i].Name)
		if !ok {
			v = newID()
		}
		r.ids = append(r.ids, v)
	}
	f.sem.Lock()
	f.enqueue(r)
	f.sem.Unlock()

	_, err := f.turnstile.Await(ctx, p, r.done)
	if err == nil {
		return r.outcomes
	}
	if f.withdraw(r) {
		r.fail(err)
		return r.outcomes
	}
	outcomes := make([]indexed.Outcome, len(changes)) // those of r are being written
	for i := range outcomes {
		outcomes[i].Err = fmt.Errorf("%w; it may have taken effect", err)
	}
	return outcomes
}

// enqueue queues a request. f.sem is held.
func (f *file) enqueue(r *request) {
	f.queue = append(f.queue, r)
	if !f.committing {
		f.committing = true
		go f.commitQueue()
	}
}

// withdraw takes a request back, if it is not being committed yet.
func (f *file) withdraw(r *request) bool {
	f.sem.Lock()
	defer f.sem.Unlock()
	i := slices.Index(f.queue, r)
	if i < 0 {
		return false
	}
	f.queue = slices.Delete(f.queue, i, i+1)
	return true
}

// fail ends a request of which nothing took effect.
func (r *request) fail(err error) {
	for i, c := range r.changes {
		r.outcomes[i] = indexed.Outcome{Free: c.Name, Err: err}
	}
	r.fate = refused
	r.end()
}

func (r *request) end() {
	r.settled()
	close(r.done)
}

// commitQueue commits until nothing is queued.
func (f *file) commitQueue() {
	for {
		f.commitSome()
		if f.rest() {
			return
		}
	}
}

// commitSome commits the next group, or lets the host of the file do that.
func (f *file) commitSome() {
	// What comes while we wait for the file goes into the same group.
	s, l, err := f.way(context.Background(), turnstile.WaitPolicy{}, true, f.mayAsk())
	switch {
	case err != nil:
		for _, r := range f.nextGroup(nil) {
			r.fail(err)
		}
	case l != nil:
		if group := f.nextGroup((*request).mayAsk); len(group) > 0 {
			f.commitBy(l, group)
		} else {
			f.keep(l)
		}
	default:
		if group := f.nextGroup(nil); len(group) > 0 {
			f.commitGroup(s, group)
		}
		f.mu.RUnlock()
	}
}

// mayAsk reports whether another process can commit what is first in the queue. Requests of guests do not count: without a session, which
// would take them, they are about to be told to ask elsewhere, and must not make this process stand at the gate.
func (f *file) mayAsk() bool {
	f.sem.Lock()
	defer f.sem.Unlock()
	own := slices.IndexFunc(f.queue, func(r *request) bool { return r.guest == nil })
	return own < 0 || f.queue[own].mayAsk()
}

// mayAsk reports whether another process can commit the request.
func (r *request) mayAsk() bool {
	return r.guest == nil && r.asked < asksBeforeTurn && shareable(r.changes)
}

// nextGroup takes requests off the queue, up to the first that does not fit; nil fits all.
func (f *file) nextGroup(fits func(*request) bool) []*request {
	f.sem.Lock()
	defer f.sem.Unlock()
	changes, size, n := 0, 0, 0
	for _, r := range f.queue {
		changes += len(r.changes)
		for _, c := range r.changes {
			size += len(c.Inline)
		}
		if n > 0 && (changes > groupChanges || size > groupBytes) || fits != nil && !fits(r) {
			break
		}
		n++
	}
	group := slices.Clone(f.queue[:n])
	f.queue = slices.Delete(f.queue, 0, n)
	return group
}

// rest ends the committing, unless something was queued meanwhile.
func (f *file) rest() bool {
	f.sem.Lock()
	defer f.sem.Unlock()
	f.committing = len(f.queue) > 0
	return !f.committing
}

// step is one change of a group.
type step struct {
	change  *indexed.Change
	outcome *indexed.Outcome
	id      id // of the record that it makes
}

// commitGroup makes the changes of a group in one transaction, and ends its requests.
func (f *file) commitGroup(s *session, group []*request) {
	var steps []step
	for _, r := range group {
		for i := range r.changes {
			steps = append(steps, step{&r.changes[i], &r.outcomes[i], r.ids[i]})
		}
	}
	// bbolt wants keys in order (100,000 at random cost 16 times as much). The order of
	// changes of one key stays.
	slices.SortStableFunc(steps, func(a, b step) int {
		return cmp.Or(cmp.Compare(a.change.Key.Shelf, b.change.Key.Shelf), cmp.Compare(a.change.Key.Name, b.change.Key.Name))
	})
	committing, err := f.update(s, group, steps)
	s.touch() // it may have taken longer than a slice
	s.wrote.Store(true)
	f.groups.Add(1)
	if err == nil {
		for _, r := range group {
			r.fate = done
			r.end()
		}
		return
	}
	for _, r := range group {
		f.forget(r) // no later note may tell of it
	}
	s.spoil() // what a failed write or fsync left in memory is not what is on the disk
	if !committing {
		for _, r := range group {
			r.fail(err)
		}
		return
	}
	// It may be on the disk all the same. The sweep finds out, by whether the index names
	// the data.
	endAll(group, fmt.Errorf("%w; it may have taken effect", err))
}

// update makes all steps in one transaction. After an error, committing reports whether they
// may have taken effect.
func (f *file) update(s *session, group []*request, steps []step) (committing bool, err error) {
	defer s.rescue(debug.SetPanicOnFault(true), &err)
	tx, err := s.db.Begin(true)
	if err != nil {
		return false, err
	}
	defer tx.Rollback() // does nothing after a Commit
	s.db.AllocSize = int(min(max(minGrowth, tx.Size()/4), maxGrowth))
	now := time.Now()
	changed := false
	for _, st := range steps {
		did, err := st.apply(tx, now)
		if err != nil {
			return false, err
		}
		changed = changed || did
	}
	if !changed {
		return false, nil // all conditions failed: no fsync for that
	}
	if asks := f.noteAsks(group, now); asks != nil {
		if err := f.leaveNote(tx, asks); err != nil {
			return false, err
		}
	}
	committing = true // also if it panics
	return committing, f.place.disk.step("commit", f.path, tx.Commit)
}

// apply makes one change, or notes why not. It reports whether the transaction changed; an
// error is one of the whole transaction.
func (st step) apply(tx *bbolt.Tx, now time.Time) (bool, error) {
	c, o := st.change, st.outcome
	b := tx.Bucket(bucket(c.Key.Shelf))
	var old []byte
	if b != nil {
		old = b.Get([]byte(c.Key.Name))
	}
	present, err := parsePresent(c.Key, old)
	switch {
	case c.Delete && c.Options.IfMatch != "" && (old == nil || err != nil || present.Version != c.Options.IfMatch):
		*o = indexed.Outcome{Err: backend.ErrChanged}
		return false, nil
	case c.Delete && old == nil:
		return false, nil
	case c.Delete:
		o.Free = present.Name
		return true, b.Delete([]byte(c.Key.Name))
	case c.Options.IfAbsent && old != nil:
		*o = indexed.Outcome{Free: c.Name, Err: backend.ErrExists}
		return false, nil
	case c.Options.IfMatch != "" && (old == nil || err != nil || present.Version != c.Options.IfMatch):
		*o = indexed.Outcome{Free: c.Name, Err: backend.ErrChanged}
		return false, nil
	}
	if b == nil {
		if b, err = tx.CreateBucket(bucket(c.Key.Shelf)); err != nil {
			return false, err
		}
	}
	o.Free = present.Name
	o.Info = infoOf(c, st.id, now)
	return true, b.Put([]byte(c.Key.Name), newRecord(c, st.id, now))
}

// infoOf returns what is known of an entry that was put.
func infoOf(c *indexed.Change, v id, mod time.Time) backend.Info {
	return backend.Info{
		Key: c.Key, Size: c.Options.Size, Digest: c.Options.Digest, Sum: c.Options.Sum,
		Version: v.String(), ModTime: time.Unix(0, mod.UnixNano()), Meta: c.Options.Meta,
	}
}

// parsePresent decodes the record that a change finds, if any. One that cannot be decoded
// is as good as none for all but conditions.
func parsePresent(key backend.Key, old []byte) (indexed.Entry, error) {
	if old == nil {
		return indexed.Entry{}, nil
	}
	return parseRecord(key, old)
}
