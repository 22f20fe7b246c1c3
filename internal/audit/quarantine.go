package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/sums"
	"github.com/larder-store/larder/internal/temp"
)

// quarantine saves what can be read of an entry, and then removes it; unless another process
// stored another value meanwhile. version is that of what was read; empty if it could not even be opened.
func (a *auditor) quarantine(ctx context.Context, listed backend.Info, version string, description bool) (saved, removed bool, err error) {
	key, seen := listed.Key, cmp.Or(version, listed.Version)
	saved, err = a.save(ctx, key)
	if err != nil {
		return saved, false, err
	}
	info, err := a.b.Stat(ctx, key)
	if err == nil && version == "" { // only reading shows whether this is another one
		seen = info.Version
		if _, err = a.read(ctx, key, description); err == nil || errors.Is(err, backend.ErrNewer) {
			return saved, false, nil
		}
	}
	switch {
	case errors.Is(err, backend.ErrNotFound):
		return saved, saved, nil
	case err != nil && !errors.Is(err, backend.ErrCorrupt):
		return saved, false, err
	case err == nil && info.Version != version: // healed
		return saved, false, nil
	}
	err = a.remove(ctx, key, seen)
	if errors.Is(err, backend.ErrChanged) { // healed, or gone
		return saved, false, nil
	}
	return saved, err == nil, err
}

// remove deletes an entry, while it is the one that was seen where the backend can compare that.
func (a *auditor) remove(ctx context.Context, key backend.Key, version string) error {
	if d, ok := backend.As[backend.MatchDeleter](a.b); ok && version != "" {
		err := backend.ItemError(d.DeleteMatch(ctx, []backend.Seen{{Key: key, Version: version}}), 0)
		if !errors.Is(err, backend.ErrCorrupt) { // a bucket that has to look before it deletes
			return err
		}
	}
	return a.b.Delete(ctx, key)
}

// save copies the bytes of a corrupt entry, as far as there are any, to the quarantine.
func (a *auditor) save(ctx context.Context, key backend.Key) (saved bool, err error) {
	body, info, err := a.b.Get(ctx, key)
	if errors.Is(err, backend.ErrNotFound) || errors.Is(err, backend.ErrCorrupt) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer body.Close()
	f, err := temp.Create("", "larder-quarantine-*")
	if err != nil {
		return false, err
	}
	defer f.Close()
	summer := sums.NewSummer(f)
	if _, err := io.Copy(summer, body); err != nil && !errors.Is(err, backend.ErrCorrupt) {
		return false, err
	}
	opts := backend.PutOptions{Meta: info.Meta}
	opts.Digest, opts.Sum, opts.Size = summer.Sums()
	if opts.Size == 0 {
		return false, nil
	}
	_, err = a.b.Put(ctx, quarantined(key), f, opts)
	return err == nil, err
}

// quarantined returns where an entry goes: shelf and name, or a digest of them where they are too long
// together.
func quarantined(key backend.Key) backend.Key {
	q := backend.Key{Shelf: Quarantine, Name: key.String()}
	if q.Validate() != nil {
		digest := sha256.Sum256([]byte(key.String()))
		q.Name = fmt.Sprintf("%s/%s", key.Shelf, hex.EncodeToString(digest[:]))
	}
	return q
}
