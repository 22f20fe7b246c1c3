package component

import (
	"context"
	"sync/atomic"
	"time"
)

// Qualify is qualify with a fixed path of the command.
func Qualify(name, command string) string {
	return qualify(name, func() string { return command })
}

// WalkUpTo is Walk with a limit of its own.
func WalkUpTo(ctx context.Context, root Component, limit int) error {
	return walk(ctx, root, limit, func(Component, []int) error { return nil })
}

// SearchedByHalves reports whether the list of In is.
func SearchedByHalves(c Condition) bool {
	list, _ := c.Value.([]any)
	return c.inAscent(list)
}

// Remedy is remedy.
func Remedy(err error) error { return remedy(err) }

// Digests is a cache of digests of its own, with a clock that can be set.
type Digests struct {
	c     *digestCache
	notes string
}

func NewDigests(limit int, now func() time.Time) Digests {
	return Digests{c: &digestCache{now: now, limit: limit, files: map[string]knownFile{}}}
}

// Read returns the digest of a file and whether it was known without reading.
func (d Digests) Read(path string) (digest [32]byte, known bool, err error) {
	var reads atomic.Int64
	clock := d.c.now
	d.c.now = func() time.Time { reads.Add(1); return clock() } // asked at each reading
	defer func() { d.c.now = clock }()
	digest, _, err = d.c.of(path, d.notes)
	return digest, err == nil && reads.Load() == 0, err
}

func (d Digests) Len() int { return len(d.c.files) }

// RememberIn returns the cache as it is used with the option of that name.
func (d Digests) RememberIn(dir string) Digests { return Digests{d.c, dir} }

// SweepNotes is sweepNotes.
func SweepNotes(dir string, before time.Time) { sweepNotes(dir, before) }
