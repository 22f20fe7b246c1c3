package larder_test

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

// A place that processes share, which tells by what ttl leases are taken.
var leasing = struct{ acquired atomic.Int64 }{}

type leasingBackend struct{ *tap }

func (b leasingBackend) Acquire(_ context.Context, _ string, ttl time.Duration) (backend.Lease, error) {
	leasing.acquired.Store(int64(ttl))
	return granted{}, nil
}

type granted struct{}

func (granted) Epoch() uint64                 { return 1 }
func (granted) Renew(context.Context) error   { return nil }
func (granted) Release(context.Context) error { return nil }

func init() {
	backend.Register("leasing", func(_ context.Context, _ *url.URL, p *backend.Params) (backend.Backend, error) {
		p.Int("n", 0, 1)
		return leasingBackend{apart()}, p.Err()
	}, "n")
}

// The URL says whether leases are taken, and for how long.
func TestLeaseByURL(t *testing.T) {
	for _, c := range []struct {
		url  string
		opts *larder.Options
		ttl  time.Duration // 0: none was taken
	}{
		{"leasing://place", nil, time.Minute},
		{"leasing://place?lease=none", nil, 0},
		{"leasing://place?lease=2s", nil, 2 * time.Second},
		{"leasing://place?n=1&lease=2s", &larder.Options{LeaseTTL: time.Hour}, 2 * time.Second},
		{"leasing://place?lease=2s&n=1#f", &larder.Options{NoLease: true}, 2 * time.Second},
		{"leasing://place?n=1", &larder.Options{NoLease: true}, 0},
	} {
		leasing.acquired.Store(0)
		var opts larder.Options
		if c.opts != nil {
			opts = *c.opts
		}
		opts.Logger = quiet
		given := opts
		s, err := larder.Open(t.Context(), c.url, &opts)
		if err != nil {
			t.Errorf("Open(%q): %v", c.url, err)
			continue
		}
		claim, err := s.Claim(t.Context(), fit(1), "x")
		if err != nil {
			t.Fatal(err)
		}
		claim.Release()
		if got := time.Duration(leasing.acquired.Load()); got != c.ttl {
			t.Errorf("Open(%q, %+v): a lease for %v, want %v", c.url, c.opts, got, c.ttl)
		}
		if opts != given {
			t.Errorf("Open(%q) changed the caller's options", c.url)
		}
	}
	for _, bad := range []string{
		"leasing://place?lease=", "leasing://place?lease=0", "leasing://place?lease=9", "leasing://place?lease=1ms", "leasing://place?lease=-1s",
		"leasing://place?lease=2s&lease=3s", "leasing://place?lease=none&lease=none",
		"leasing://place?lease=none&other=1", // the backend's own
	} {
		if _, err := larder.Open(t.Context(), bad, nil); !errors.Is(err, backend.ErrInvalidURL) {
			t.Errorf("Open(%q) = %v, want %v", bad, err, backend.ErrInvalidURL)
		}
	}
}

// A near store by itself is refused: its marks would be read as values.
func TestOpenOfNearStore(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	b, err := backend.Open(ctx, "file://"+filepath.ToSlash(dir))
	if err != nil {
		t.Fatal(err)
	}
	_, err = backend.PutBytes(ctx, b, backend.NearOf, []byte("s3://lab/results\n"), backend.PutOptions{})
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	store, err := larder.Open(ctx, "file://"+filepath.ToSlash(dir), nil)
	if err == nil {
		store.Close()
	}
	if !errors.Is(err, backend.ErrInvalidURL) || !strings.Contains(err.Error(), "near store of s3://lab/results;") {
		t.Errorf("Open = %v, want %v that names the far store", err, backend.ErrInvalidURL)
	}
}
