package catalog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

// probes begin so, and what a killed copy left of them is removed when it is a day old.
const (
	probePrefix = "copy/"
	probeAge    = 24 * time.Hour
)

// ErrSamePlace: a store was to be copied into itself.
var ErrSamePlace = errors.New("source and destination are one store")

// ready makes sure that one store may be copied into the other.
//
// That they are two is not to be seen from their URLs: of symbolic links, mounts, and buckets with several names none tells.
// So a small entry is put into the destination, and looked for in the source.
func (c *copier) ready(ctx context.Context) error {
	switch c.Prefer {
	case PreferNone, PreferNewer, PreferOurs, PreferTheirs:
	default:
		return fmt.Errorf("prefer %q: known are %s, %s and %s", c.Prefer, PreferNewer, PreferOurs, PreferTheirs)
	}
	if c.dst == c.src || c.to == c.from {
		return ErrSamePlace
	}
	name, err := sameKeys(ctx, c.dst, c.src)
	if err != nil {
		return err
	}
	if _, err := c.from.Stat(ctx, recordKey); err == nil {
		c.record = true
	} else if !errors.Is(err, larder.ErrNotFound) && !errors.Is(err, larder.ErrCorrupt) {
		return fmt.Errorf("the source: %w", err)
	}
	if c.DryRun {
		return nil
	}
	c.probe = backend.Key{Shelf: backend.ShelfStore, Name: probePrefix + strings.ToLower(rand.Text())}
	if _, err := backend.PutBytes(ctx, c.to, c.probe, nil, backend.PutOptions{}); err != nil {
		return fmt.Errorf("the destination: %w", err)
	}
	switch _, err := c.from.Stat(ctx, c.probe); {
	case err == nil:
		err = ErrSamePlace
		fallthrough
	case !errors.Is(err, larder.ErrNotFound):
		return errors.Join(err, c.leave(ctx))
	}
	if name != "" {
		if err := c.dst.AdoptKeys(ctx, name); err != nil {
			return errors.Join(fmt.Errorf("the destination: %w", err), c.leave(ctx))
		}
	}
	return nil
}

// sameKeys returns the name of the generator of the keys in src, and refuses stores of two.
func sameKeys(ctx context.Context, dst, src *larder.Store) (string, error) {
	theirs, err := src.KeysName(ctx)
	if err != nil {
		return "", fmt.Errorf("the source: %w", err)
	}
	ours, err := dst.KeysName(ctx)
	if err != nil {
		return "", fmt.Errorf("the destination: %w", err)
	}
	if ours != "" && theirs != "" && ours != theirs {
		return "", fmt.Errorf("%w: the destination has keys of %q, the source of %q, and no result of one would be found in the other; copy to a store of its own", larder.ErrKeys, ours, theirs)
	}
	return theirs, nil
}

// leave removes the probe, also when ctx has ended, and what killed copies left.
func (c *copier) leave(ctx context.Context) error {
	if c.probe.Name == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err := c.to.Delete(ctx, c.probe)
	for info, listing := range c.to.List(ctx, c.probe.Shelf, backend.ListOptions{Prefix: probePrefix}) {
		if err != nil || listing != nil {
			return errors.Join(err, listing)
		}
		if time.Since(info.ModTime) > probeAge {
			err = c.to.Delete(ctx, info.Key)
		}
	}
	return err
}
