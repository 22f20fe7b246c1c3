package tier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/larder-store/larder/backend"
)

// placeOf returns what of a URL says where something is, and not how to get there.
func placeOf(rawURL string) (string, error) {
	if dir, ok := backend.LocalDir(rawURL); ok {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", err
		}
		if real, err := filepath.EvalSymlinks(abs); err == nil {
			abs = real
		}
		name := backend.SchemeOf(rawURL)
		if name == "" {
			name = backend.DefaultScheme
		}
		return name + ":" + filepath.ToSlash(abs), nil
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", backend.InvalidURL("near= or far= is no URL; percent-encode it")
	}
	if strings.EqualFold(u.Scheme, scheme) {
		return "", backend.InvalidURL("a tier of a tier: give near= and far= a store each")
	}
	return (&url.URL{Scheme: strings.ToLower(u.Scheme), Opaque: u.Opaque, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}).String(), nil
}

// URL returns the URL that joins two stores.
func URL(near, far string) string {
	return scheme + ":?near=" + url.QueryEscape(near) + "&far=" + url.QueryEscape(far)
}

// Stores returns the URLs that a URL of this package joins; none for others.
func Stores(rawURL string) (stores []string) {
	if backend.SchemeOf(rawURL) != scheme {
		return nil
	}
	for _, name := range []string{"near", "far"} {
		if one := backend.ParamOf(rawURL, name); one != "" {
			stores = append(stores, one)
		}
	}
	return stores
}

// source is where the near store says whose cache it is.
var source = backend.NearOf

// valid makes sure that a key may be asked for: what the near store notes for itself is nobody's.
func valid(key backend.Key) error {
	if key.Shelf == ownShelf || key.Shelf == doubtShelf || key.Shelf == source.Shelf {
		return fmt.Errorf("%w: the shelf %q belongs to the store itself", backend.ErrInvalidKey, key.Shelf)
	}
	return key.Validate()
}

func checkPut(key backend.Key, opts backend.PutOptions) error {
	if err := valid(key); err != nil {
		return err
	}
	return backend.CheckPut(key, opts)
}

// claim makes sure that the near store is a cache of this far store and of no other, and nothing beside.
func (b *Backend) claim(ctx context.Context) error {
	if !backend.LimitsOf(b.far).CostlyRequests {
		if place := backend.NearTo(ctx, b.far); place != "" {
			return backend.InvalidURL("far= is a near store itself, of %s; name that as far=", place)
		}
	}
	if err := b.nothingWaits(ctx); err != nil || b.opts.Source == "" {
		return err
	}
	want := []byte(b.opts.Source + "\n")
	found, _, err := backend.GetVerified(ctx, b.near, source)
	if errors.Is(err, backend.ErrNotFound) {
		if b.opts.ReadOnly {
			return nil
		}
		for shelf, err := range b.near.Shelves(ctx, backend.ListOptions{}) {
			if err != nil {
				return err
			}
			if shelf != source.Shelf {
				return backend.InvalidURL("the near store holds values of its own, and would hide those of %s or be hidden by them; name an empty one, or copy them with larder cp", b.opts.Source)
			}
		}
		if _, err = backend.PutBytes(ctx, b.near, source, want, backend.PutOptions{IfAbsent: true}); errors.Is(err, backend.ErrExists) {
			found, _, err = backend.GetVerified(ctx, b.near, source)
		} else {
			found = want
		}
	}
	if err != nil {
		return err
	}
	if !bytes.Equal(found, want) {
		return backend.InvalidURL("the near store is the cache of %s, not of %s; give each far store one of its own", bytes.TrimSpace(found), b.opts.Source)
	}
	return nil
}

// nothingWaits makes sure that a handle without own values has not to do with those of another: it would not see them, and they would be
// sent over newer ones.
func (b *Backend) nothingWaits(ctx context.Context) error {
	if b.overlays() {
		return nil
	}
	for _, err := range b.near.List(ctx, ownShelf, backend.ListOptions{Limit: 1}) {
		if err != nil {
			return err
		}
		return backend.InvalidURL("the near store holds values that the far store lacks, and write=through would hide them; write=back sends them (after a kill it keeps them for %s more), write=near keeps them", landed)
	}
	return nil
}
