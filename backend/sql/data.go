package sql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strings"
	"sync"

	"github.com/larder-store/larder/backend"
)

// data is a backend as [indexed.Data]: large values on one shelf of it, under names that are used
// once.
type data struct {
	b      backend.Backend
	place  string // its URL without parameters and secrets
	store  string // the id of the store that it belongs to
	costly bool

	readOnly bool

	mu   sync.Mutex // guards ours, and lets one look
	ours bool       // it was found to belong to the store
}

const (
	dataShelf  = "data"
	ownerShelf = "owner" // holds the id of the store
)

// openData opens the backend of the data.
func openData(ctx context.Context, rawURL string, readOnly bool) (*data, error) {
	place, err := placeOf(rawURL)
	if err != nil {
		return nil, err
	}
	var opts []backend.OpenOption
	if readOnly {
		opts = append(opts, backend.ReadOnly())
	}
	b, err := backend.OpenWith(ctx, rawURL, opts...)
	if err != nil {
		return nil, fmt.Errorf("data=: %w", err)
	}
	return &data{b: b, place: place, costly: backend.LimitsOf(b).CostlyRequests, readOnly: readOnly}, nil
}

// placeOf returns what of a URL says where something is, and not how to get there.
func placeOf(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", backend.InvalidURL("data= is no URL; write one such as s3://bucket/prefix, percent-encoded")
	}
	if u.Scheme == scheme || u.Scheme == alias {
		return "", backend.InvalidURL("data= names a database; it takes a bucket or a directory, such as s3://bucket/prefix")
	}
	if u.Scheme == "" {
		return "", backend.InvalidURL("data= has no scheme; write a URL such as s3://bucket/prefix or file:///dir")
	}
	return (&url.URL{Scheme: strings.ToLower(u.Scheme), Opaque: u.Opaque, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}).String(), nil
}

// key returns where the data of a name is: in one of 256 parts, so that it can be a directory too.
func (d *data) key(name string) backend.Key {
	return backend.Key{Shelf: dataShelf, Name: name[:2] + "/" + name}
}

// belongs makes sure that the place of the data is the store's: its id is written there, so that no two
// stores share a place, and no other bucket of the same name passes for the store's.
func (d *data) belongs(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ours {
		return nil
	}
	if d.store == "" {
		return errors.New("the schema was not there when this handle was opened; open it again")
	}
	key := backend.Key{Shelf: ownerShelf, Name: "id"}
	id := []byte(d.store + "\n")
	found, _, err := backend.GetVerified(ctx, d.b, key)
	if errors.Is(err, backend.ErrNotFound) && d.readOnly {
		return nil // nothing was stored there yet
	}
	if errors.Is(err, backend.ErrNotFound) {
		_, err = backend.PutBytes(ctx, d.b, key, id, backend.PutOptions{IfAbsent: backend.LimitsOf(d.b).AtomicIfAbsent})
		found = id
		if errors.Is(err, backend.ErrExists) {
			found, _, err = backend.GetVerified(ctx, d.b, key)
		}
	}
	if err != nil {
		return fmt.Errorf("look whose data is in %s: %w", d.place, err)
	}
	if !bytes.Equal(found, id) {
		return backend.InvalidURL("%s holds the data of another store, or of one restored apart from it; give each store a prefix of its own", d.place)
	}
	d.ours = true
	return nil
}

// Create implements [indexed.Data].
func (d *data) Create(ctx context.Context, name string, body io.ReadSeeker, opts backend.PutOptions) error {
	_, err := d.b.Put(ctx, d.key(name), body, backend.PutOptions{Size: opts.Size, Digest: opts.Digest, Sum: opts.Sum})
	return err
}

// Stage implements [indexed.Stager].
func (d *data) Stage(ctx context.Context) (backend.Draft, error) {
	s, ok := backend.As[backend.Stager](d.b)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return s.Stage(ctx)
}

// Map implements [indexed.Mapper].
func (d *data) Map(ctx context.Context, name string, size int64) (*backend.View, error) {
	m, ok := backend.As[backend.Mapper](d.b)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	v, info, err := m.Map(ctx, d.key(name))
	if err != nil {
		return nil, err
	}
	if err := d.checkSize(name, info.Size, size); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// Open implements [indexed.Data].
func (d *data) Open(ctx context.Context, name string, size, off, n int64) (body io.ReadCloser, err error) {
	var info backend.Info
	if off == 0 && (n < 0 || n >= size) {
		body, info, err = d.b.Get(ctx, d.key(name))
	} else {
		body, info, err = backend.GetRange(ctx, d.b, d.key(name), "", off, n)
	}
	if err != nil {
		return nil, err
	}
	if err := d.checkSize(name, info.Size, size); err != nil {
		body.Close()
		return nil, err
	}
	return body, nil
}

func (d *data) checkSize(name string, got, want int64) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%w: %s of %s has %d bytes of %d; store the value again", backend.ErrCorrupt, name, d.place, got, want)
}

// Check implements [indexed.Data].
func (d *data) Check(ctx context.Context, name string, size int64) error {
	if d.costly {
		return nil
	}
	info, err := d.b.Stat(ctx, d.key(name))
	if err != nil {
		return err
	}
	return d.checkSize(name, info.Size, size)
}

// Remove implements [indexed.Data].
func (d *data) Remove(ctx context.Context, names ...string) error {
	if err := d.belongs(ctx); err != nil {
		return err
	}
	keys := make([]backend.Key, len(names))
	for i, name := range names {
		keys[i] = d.key(name)
	}
	return backend.DeleteBatch(ctx, d.b, keys)
}

// noData is where there is no place for large values.
type noData struct{}

func errNoData(size int64) error {
	return fmt.Errorf("%w: a value of %d bytes; without data= at most %d are kept: add data= with the URL of a bucket or directory",
		backend.ErrTooLarge, size, MaxValueAlone)
}

// fitsAlone refuses a value that is too large to be kept without data.
func fitsAlone(item backend.Item) error {
	if item.Size > MaxValueAlone {
		return errNoData(item.Size)
	}
	return nil
}

func (noData) Create(_ context.Context, _ string, _ io.ReadSeeker, opts backend.PutOptions) error {
	return errNoData(opts.Size)
}

func (noData) Open(context.Context, string, int64, int64, int64) (io.ReadCloser, error) {
	return nil, fs.ErrNotExist
}

func (noData) Check(context.Context, string, int64) error { return fs.ErrNotExist }

// Remove refuses to forget what another handle keeps elsewhere.
func (noData) Remove(_ context.Context, names ...string) error {
	if len(names) == 0 {
		return nil
	}
	return errors.New("the store keeps data elsewhere; open it with data=")
}
