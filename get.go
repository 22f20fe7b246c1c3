package larder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/keying"
)

// Miss is the error of a lookup that found nothing it may return. It matches
// [ErrNotFound], and its Reason: ErrNotFound again, [ErrCorrupt] or [ErrStale].
type Miss struct {
	Key    backend.Key
	Reason error

	version string // of the entry that was found, for its replacement by IfMatch
}

// Error says what was looked for and why it is a miss.
func (m *Miss) Error() string { return fmt.Sprintf("miss %q: %v", m.Key, m.Reason) }

// Is makes every Miss an ErrNotFound.
func (m *Miss) Is(target error) bool { return target == ErrNotFound }

// Unwrap returns the reason.
func (m *Miss) Unwrap() error { return m.Reason }

// A GetOption narrows what a lookup may return.
type GetOption struct {
	maxAge    time.Duration
	hasMaxAge bool
}

// maxSkew is how far in the future a value's time may be by the caller's clock: clocks of
// a fleet under NTP agree far better; a value beyond it would never grow old.
const maxSkew = 5 * time.Minute

// MaxAge makes a value that was stored longer ago than d a miss, by the caller's clock
// against the store's, and so one from more than five minutes in the future.
// MaxAge(0) accepts none: Memo computes anew.
func MaxAge(d time.Duration) GetOption { return GetOption{d, true} }

// Get returns an attribute of c as a T, which must be able to hold what was stored:
// the same type, or one that its codec accepts (see package codec). Where nothing is found the
// error is a [Miss], which matches [ErrNotFound]; a stored nil is found.
func Get[T any](ctx context.Context, s *Store, c Component, attribute string, opts ...GetOption) (T, error) {
	var v T
	if err := s.GetInto(ctx, c, attribute, &v, opts...); err != nil {
		var none T
		return none, err
	}
	return v, nil
}

// GetInto is [Get] into what dst points to. Slices with room enough are filled
// without a new allocation. After an error dst may hold anything.
func (s *Store) GetInto(ctx context.Context, c Component, attribute string, dst any, opts ...GetOption) error {
	key, err := s.place(ctx, c, attribute)
	if err != nil {
		return err
	}
	return s.read(ctx, key, dst, opts)
}

// Reader returns an attribute of c as a stream of the stored bytes. It is verified
// as it is read: the last byte comes only if all were right, else [ErrCorrupt].
func (s *Store) Reader(ctx context.Context, c Component, attribute string, opts ...GetOption) (io.ReadCloser, Info, error) {
	key, err := s.place(ctx, c, attribute)
	if err != nil {
		return nil, Info{}, err
	}
	body, info, err := s.open(ctx, key, opts)
	if err != nil {
		s.countMiss(err)
		return nil, Info{}, err
	}
	s.hit(info)
	return body, info, nil
}

// read looks key up, verifies and decodes.
func (s *Store) read(ctx context.Context, key backend.Key, dst any, opts []GetOption) error {
	info, err := s.fetch(ctx, key, dst, opts)
	if err != nil {
		s.countMiss(err)
		return err
	}
	s.hit(info)
	return nil
}

// fetch is read without the counters of hits and misses.
func (s *Store) fetch(ctx context.Context, key backend.Key, dst any, opts []GetOption) (Info, error) {
	body, info, err := s.open(ctx, key, opts)
	if err != nil {
		return Info{}, err
	}
	defer body.Close()
	name := info.Meta[codec.MetaKey]
	if name == "" {
		name = codec.Raw // stored by other means than a Store
	}
	if whole, ok := body.(*backend.Body); ok {
		err = codec.DecodeBytes(name, whole.Take(), dst)
	} else {
		err = codec.Decode(name, body, info.Size, dst)
	}
	if errors.Is(err, ErrCorrupt) {
		return Info{}, s.foundCorrupt(key, info.Version, err)
	}
	if errors.Is(err, codec.ErrUnknownCodec) {
		err = fmt.Errorf("%w, or one that is built otherwise: %w", ErrNewer, err)
	}
	if err != nil {
		return Info{}, fmt.Errorf("decode %q: %w", key, err)
	}
	return info, nil
}

// open returns the verifying reader of key, or a Miss.
func (s *Store) open(ctx context.Context, key backend.Key, opts []GetOption) (io.ReadCloser, Info, error) {
	body, info, err := s.backend.Get(ctx, key)
	if err != nil {
		return nil, Info{}, s.missed(ctx, key, "", err)
	}
	if err := s.fresh(info, opts); err != nil {
		body.Close()
		return nil, Info{}, &Miss{Key: key, Reason: err, version: info.Version}
	}
	verified, err := backend.Verify(body, info)
	if err != nil {
		return nil, Info{}, s.foundCorrupt(key, info.Version, err)
	}
	return verified, info, nil
}

// missed makes a Miss of the error of a lookup, where it is one. version is that of the entry, if it is known.
func (s *Store) missed(ctx context.Context, key backend.Key, version string, err error) error {
	switch {
	case errors.Is(err, ErrNotFound):
		return &Miss{Key: key, Reason: ErrNotFound}
	case errors.Is(err, ErrCorrupt):
		return s.foundCorrupt(key, version, err)
	case errors.Is(err, ErrUnavailable) && ctx.Err() == nil:
		s.unreachable.add(key.String())
	}
	return err
}

func (s *Store) fresh(info Info, opts []GetOption) error {
	for _, o := range opts {
		if !o.hasMaxAge {
			continue
		}
		age := s.now().Sub(Stored(info))
		if age < -maxSkew {
			return fmt.Errorf("%w: stored %v in the future; compare the clocks", ErrStale, -age)
		}
		if age > o.maxAge || o.maxAge <= 0 {
			return fmt.Errorf("%w: stored %v ago, allowed are %v", ErrStale, age.Round(time.Second), o.maxAge)
		}
	}
	return nil
}

// foundCorrupt makes a Miss of corruption, once logged and counted.
func (s *Store) foundCorrupt(key backend.Key, version string, err error) error {
	if s.corrupt.add(key.String()) {
		s.counters.corrupt.Add(1)
		s.log.Warn("larder: value is corrupt; it counts as absent until it is stored anew", "key", key.String(), "err", err)
	}
	return &Miss{Key: key, Reason: err, version: version}
}

// Has reports whether an attribute of c is stored. It does not read the value, and so
// cannot know that it is sound.
func (s *Store) Has(ctx context.Context, c Component, attribute string) (bool, error) {
	_, err := s.Stat(ctx, c, attribute)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Stat returns size, digest and time of an attribute of c without reading it.
func (s *Store) Stat(ctx context.Context, c Component, attribute string) (Info, error) {
	key, err := s.place(ctx, c, attribute)
	if err != nil {
		return Info{}, err
	}
	return s.backend.Stat(ctx, key)
}

// Delete removes an attribute of c. Removing what is absent succeeds.
func (s *Store) Delete(ctx context.Context, c Component, attribute string) error {
	key, err := s.place(ctx, c, attribute)
	if err != nil {
		return err
	}
	return s.backend.Delete(ctx, key)
}

// Attributes yields the names of the attributes of c that are stored, as they were
// given, in the order of their escaped forms.
func (s *Store) Attributes(ctx context.Context, c Component) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		id, err := s.Key(ctx, c)
		if err != nil {
			yield("", err)
			return
		}
		prefix := id + "/"
		for info, err := range s.backend.List(ctx, backend.ShelfCache, backend.ListOptions{Prefix: prefix}) {
			if err != nil {
				yield("", err)
				return
			}
			name, err := keying.Unescape(strings.TrimPrefix(info.Key.Name, prefix))
			if err != nil {
				err = fmt.Errorf("%q was not stored by a Store: %w", info.Key, err)
			}
			if !yield(name, err) {
				return
			}
		}
	}
}
