package session

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/internal/packname"
	"github.com/larder-store/larder/internal/sums"
	"github.com/larder-store/larder/internal/temp"
)

const (
	// fanIn packs of about the same count of flushes are merged into one, so that a session of n flushes has some
	// 15 log16(n) packs, and each item is stored again log16(n) times.
	fanIn = 16

	// maxMerged bounds a merged pack: what is larger is read well enough by itself, and costs much to store anew.
	maxMerged = 64 << 20

	// inMemory is what a merged pack may have without a temporary file.
	inMemory = 8 << 20
)

// compact merges packs: all that are small, or as many as there are too many of. A failure is no harm, and logged: the
// packs that there were are all there.
func (k *packKeeper) compact(ctx context.Context, all bool) {
	runs := tooMany
	if all {
		runs = smallOnes
	}
	for {
		from, to := runs(k.packs)
		if to-from < 2 {
			return
		}
		merged, err := k.merge(ctx, k.packs[from:to], from == 0)
		if err != nil {
			if ctx.Err() == nil {
				k.s.m.opts.Logger.Warn("larder: packs of a session were not merged", "session", k.s.name, "err", err)
			}
			return
		}
		old := slices.Clone(k.packs[from:to])
		k.packs = slices.Replace(k.packs, from, to, merged)
		k.discard(ctx, old)
	}
}

// level is how often the flushes of a pack were merged, at least.
func (r packRef) level() (n int) {
	for span := r.last - r.first + 1; span >= fanIn; span /= fanIn {
		n++
	}
	return n
}

// tooMany returns the last packs, if they are fanIn of one level.
func tooMany(packs []packRef) (from, to int) {
	if len(packs) < fanIn {
		return 0, 0
	}
	from, to = len(packs)-fanIn, len(packs)
	size := int64(0)
	for _, r := range packs[from:to] {
		size += r.size
		if r.level() != packs[from].level() {
			return 0, 0
		}
	}
	if size > maxMerged {
		return 0, 0
	}
	return from, to
}

// smallOnes returns the first neighbours that are small enough to be one pack.
func smallOnes(packs []packRef) (from, to int) {
	for from = range packs {
		size := packs[from].size
		for to = from + 1; to < len(packs) && size+packs[to].size <= maxMerged; to++ {
			size += packs[to].size
		}
		if to-from > 1 {
			return from, to
		}
	}
	return 0, 0
}

// merge stores one pack of the records of several. Where none is older, nothing is left of what was deleted.
func (k *packKeeper) merge(ctx context.Context, packs []packRef, oldest bool) (packRef, error) {
	var sources []source
	size := int64(0)
	for _, r := range packs {
		sources = append(sources, ofPack(ctx, k.s.m.reader(k.s.shelf, r, len(packs)), query{}))
		size += r.size
	}
	var body interface {
		io.ReadSeeker
		io.Writer
	} = &memory{}
	if size > inMemory {
		f, err := temp.Create("", "larder-session-*")
		if err != nil {
			return packRef{}, err
		}
		defer f.Close()
		body = f
	}
	summer := sums.NewSummer(body)
	w := newPackWriter(summer)
	for r, err := range merge(sources) {
		if err != nil {
			return packRef{}, err
		}
		if !r.deleted || !oldest {
			w.add(r)
		}
	}
	if err := w.end(); err != nil {
		return packRef{}, err
	}
	if err := k.s.hold.held(); err != nil {
		return packRef{}, err
	}
	digest, sum, n := summer.Sums()
	first, last := packs[0].first, packs[len(packs)-1].last
	ref := packRef{packname.Of(first, last), first, last, n}
	err := k.s.putPack(ctx, ref, body, digest, sum)
	if errors.Is(err, backend.ErrExists) {
		err = nil // made of the same packs, by a process that died before it deleted them
		if info, statErr := k.s.m.backend.Stat(ctx, backend.Key{Shelf: k.s.shelf, Name: ref.name}); statErr != nil {
			err = statErr
		} else {
			ref.size = info.Size
		}
	}
	if err == nil {
		err = k.s.hold.held()
	}
	return ref, err
}

// discard deletes packs that a merged one replaced. What stays is passed over by readers, and deleted when the session
// is opened again.
func (k *packKeeper) discard(ctx context.Context, packs []packRef) {
	if len(packs) == 0 || k.s.hold.held() != nil {
		return
	}
	keys := make([]backend.Key, len(packs))
	for i, r := range packs {
		keys[i] = backend.Key{Shelf: k.s.shelf, Name: r.name}
	}
	if err := backend.DeleteBatch(ctx, k.s.m.backend, keys); err != nil && ctx.Err() == nil {
		k.s.m.opts.Logger.Warn("larder: packs of a session that are in another one now were not deleted", "session", k.s.name, "err", err)
	}
}

// metaPack is the metadata key that says that an entry is a pack.
const metaPack = "pack"

// putPack stores a pack under a number that is free.
func (s *Session) putPack(ctx context.Context, ref packRef, body io.ReadSeeker, digest [32]byte, sum uint32) error {
	_, err := s.m.backend.Put(ctx, backend.Key{Shelf: s.shelf, Name: ref.name}, body, backend.PutOptions{
		Size: ref.size, Digest: digest, Sum: sum, IfAbsent: s.m.limits.AtomicIfAbsent,
		Meta: backend.Meta{codec.MetaKey: codec.Raw, metaPack: "1"},
	})
	return err
}

// memory is a file in memory.
type memory struct {
	b []byte
	r bytes.Reader
}

func (m *memory) Write(p []byte) (int, error) {
	m.b = append(m.b, p...)
	m.r.Reset(m.b)
	return len(p), nil
}
func (m *memory) Read(p []byte) (int, error)                { return m.r.Read(p) }
func (m *memory) Seek(off int64, whence int) (int64, error) { return m.r.Seek(off, whence) }
