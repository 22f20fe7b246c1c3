// Package audit goes through a store and reports what is wrong with it.
package audit

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/lease"
	"github.com/larder-store/larder/internal/sums"
	"github.com/larder-store/larder/keying"
)

// Options say how thorough an audit is.
type Options struct {
	// Read is the share of values, from 0 to 1, that are read to their end and held against their
	// checksum and digest. The others are only looked for, where that costs no request.
	// Descriptions are always read.
	Read float64
	// Quick reads nothing at all, whatever Read says: what is recorded with each entry, by one List and
	// one Stat, is held against what else the engine says of it. So the engine is trusted.
	Quick bool
	// Repair moves what is corrupt, and not what a newer version wrote, to [Quarantine], where it no longer counts as absent each
	// time it is looked up, and can be examined.
	Repair bool
	// Salvaged receives each part of the place that Repair rebuilt, or could not rebuild (nothing saved).
	Salvaged func(backend.Salvaged)
	// Found receives each finding, and Progress the report so far after each entry, unless nil.
	// They are called by one goroutine at a time.
	Found    func(Finding)
	Progress func(Report)
}

// Finding is something wrong with one entry.
type Finding struct {
	Key   backend.Key
	Err   error // matches backend.ErrCorrupt or backend.ErrNewer unless the entry could not be read at all
	Moved bool  // its bytes are in quarantine
	Gone  bool  // it was removed, since nothing of it could be read
}

// Report counts what was looked at.
type Report struct {
	Values       int   // entries that are there, but for descriptions
	Descriptions int   // each was read and verified, unless the audit was quick
	Read         int   // of the values, those that were read and verified
	ReadBytes    int64 // in those
	Findings     int
}

// Quarantine is the shelf that corrupt entries are moved to.
const Quarantine = "quarantine"

// workers is how many entries are looked at together: it hides the latency of a bucket, and keeps a
// disk busy.
const workers = 8

// Run audits a store. It may be in use. An error says that the audit did not get to its
// end; what is wrong with entries are findings.
func Run(ctx context.Context, b backend.Backend, o Options) (Report, error) {
	a := &auditor{Options: o, b: b, looks: o.Quick || !backend.LimitsOf(b).CostlyRequests}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := a.salvage(ctx); err != nil {
		return a.report, err
	}
	entries := make(chan backend.Info)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for info := range entries {
				if err := a.entry(ctx, info); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := a.list(ctx, entries)
	close(entries)
	group.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return a.report, err
}

type auditor struct {
	Options
	b     backend.Backend
	looks bool // for entries that are not read

	mu     sync.Mutex // guards report and the calls of Found and Progress
	report Report
}

// salvage rebuilds what is damaged, where that is asked for.
func (a *auditor) salvage(ctx context.Context) error {
	if !a.Repair {
		return nil
	}
	all, err := backend.Salvage(ctx, a.b)
	for _, s := range all {
		a.report.Findings++
		if a.Options.Salvaged != nil {
			a.Options.Salvaged(s)
		}
	}
	return err
}

// list sends all entries of all shelves. A shelf that is damaged is a finding, and the others follow.
func (a *auditor) list(ctx context.Context, entries chan<- backend.Info) error {
	for shelf, err := range a.b.Shelves(ctx, backend.ListOptions{}) {
		if err != nil && !errors.Is(err, backend.ErrCorrupt) {
			return err
		}
		if err != nil {
			a.found(Finding{Err: err})
			continue
		}
		if shelf == Quarantine || shelf == lease.Shelf { // leases come and go, and hold no results
			continue
		}
		for info, err := range a.b.List(ctx, shelf, backend.ListOptions{}) {
			if errors.Is(err, backend.ErrCorrupt) || errors.Is(err, backend.ErrNewer) {
				a.found(Finding{Key: backend.Key{Shelf: shelf}, Err: err})
				continue
			}
			if err != nil {
				return err
			}
			select {
			case entries <- info:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// entry looks at one entry.
func (a *auditor) entry(ctx context.Context, listed backend.Info) error {
	description := listed.Key.Shelf == backend.ShelfComponents
	read := !a.Quick && (description || rand.Float64() < a.Read)
	var info backend.Info
	var err error
	switch {
	case read:
		info, err = a.read(ctx, listed.Key, description)
	case a.looks:
		info, err = a.look(ctx, listed)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, backend.ErrNotFound) {
		return nil // removed meanwhile
	}
	f := Finding{Key: listed.Key, Err: err}
	// A misplaced value can be had back by its name, and a Put heals its place; a description is only stored where there is none.
	kept := errors.Is(err, backend.ErrMisplaced) && !description
	if errors.Is(err, backend.ErrCorrupt) && a.Repair && !kept {
		saved, removed, err := a.quarantine(ctx, listed, info.Version, description)
		if err != nil {
			return fmt.Errorf("repair %q: %w", listed.Key, err)
		}
		f.Moved, f.Gone = removed && saved, removed && !saved
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case description:
		a.report.Descriptions++
	case strings.HasPrefix(listed.Key.Shelf, backend.OwnShelves): // no result of anybody's
	default:
		a.report.Values++
		if read && err == nil {
			a.report.Read++
			a.report.ReadBytes += info.Size
		}
	}
	if err != nil {
		a.foundLocked(f)
	}
	if a.Progress != nil {
		a.Progress(a.report)
	}
	return nil
}

func (a *auditor) found(f Finding) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.foundLocked(f)
}

func (a *auditor) foundLocked(f Finding) {
	a.report.Findings++
	if a.Found != nil {
		a.Found(f)
	}
}

// look holds what is recorded with an entry against what else the engine says of it.
func (a *auditor) look(ctx context.Context, listed backend.Info) (backend.Info, error) {
	info, err := a.b.Stat(ctx, listed.Key)
	if err != nil {
		return info, err
	}
	same := listed.Version == info.Version // or it was overwritten between List and Stat
	switch {
	case info.Digest == [32]byte{}:
		return info, fmt.Errorf("%w: no digest is recorded with it", backend.ErrCorrupt)
	case same && info.Size != listed.Size:
		return info, fmt.Errorf("%w: it has %d bytes, listed as %d", backend.ErrCorrupt, info.Size, listed.Size)
	case listed.Key.Shelf == backend.ShelfComponents:
		return info, named(listed.Key, info.Digest)
	}
	return info, nil
}

// named makes sure that a description bears the name of its digest, if its name is one.
func named(key backend.Key, digest [32]byte) error {
	if name := key.Name; len(name) == hex.EncodedLen(len(digest)) && name != hex.EncodeToString(digest[:]) {
		return fmt.Errorf("%w: it describes the component %x", backend.ErrCorrupt, digest)
	}
	return nil
}

// read holds the bytes of an entry against everything that is known about them.
func (a *auditor) read(ctx context.Context, key backend.Key, description bool) (backend.Info, error) {
	body, info, err := a.b.Get(ctx, key)
	if err != nil {
		return info, err
	}
	defer body.Close()
	var text []byte
	var r io.Reader = body
	if description {
		// One that is longer than it may be is cut, and so fails its checksum.
		if text, err = io.ReadAll(io.LimitReader(body, keying.MaxPreimage)); err != nil {
			return info, err
		}
		r = bytes.NewReader(text)
	}
	summer := sums.NewSummer(nil)
	if _, err := io.Copy(summer, r); err != nil {
		return info, err
	}
	digest, sum, size := summer.Sums()
	switch {
	case size != info.Size:
		return info, fmt.Errorf("%w: it has %d bytes, stored as %d", backend.ErrCorrupt, size, info.Size)
	case sum != info.Sum:
		return info, fmt.Errorf("%w: its CRC-32C is %08x, stored as %08x", backend.ErrCorrupt, sum, info.Sum)
	case digest != info.Digest:
		return info, fmt.Errorf("%w: its SHA-256 is %x, stored as %x", backend.ErrCorrupt, digest, info.Digest)
	}
	if !description {
		return info, nil
	}
	if err := named(key, digest); err != nil {
		return info, err
	}
	_, err = keying.Decode(text)
	if errors.Is(err, backend.ErrNewer) {
		return info, err
	}
	if err != nil {
		return info, fmt.Errorf("%w: %w", backend.ErrCorrupt, err)
	}
	return info, nil
}
