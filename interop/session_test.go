//go:build unix

package interop_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/internal/sessiontest"
	"github.com/larder-store/larder/interop/servers"
	"github.com/larder-store/larder/session"
)

// onBuckets are orders for workers on an S3 server, with leases that are short.
func onBuckets(t *testing.T, test func(t *testing.T, o sessiontest.Order)) {
	for name, server := range map[string]func(testing.TB) *servers.Server{"gofakes3": servers.GoFakeS3, "versitygw": servers.VersityGW} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := server(t)
			test(t, sessiontest.Order{URL: s3URL(t, s, s.URL), TTL: 15 * time.Second})
		})
	}
}

func TestSessionsOfKilledWriters(t *testing.T) {
	onBuckets(t, func(t *testing.T, o sessiontest.Order) {
		o.N, o.Flush = 300, 10
		sessiontest.Killing(t, o, 8, 4)
	})
}

func TestSessionOfADeadProcess(t *testing.T) {
	onBuckets(t, func(t *testing.T, o sessiontest.Order) { sessiontest.Dying(t, o, false) })
}

func TestSessionOfASleeper(t *testing.T) {
	onBuckets(t, func(t *testing.T, o sessiontest.Order) {
		sessiontest.Sleeping(t, o, "hold", false)
		sessiontest.Sleeping(t, o, "update", false)
	})
}

func TestIncrementsOnS3(t *testing.T) {
	t.Parallel()
	s := servers.GoFakeS3(t)
	sessiontest.Counting(t, sessiontest.Order{URL: s3URL(t, s, s.URL), N: 1000}, 8)
}

// A session of 1,000 small items costs its writer and its reader a handful of requests.
func TestRequestsOfASession(t *testing.T) {
	b, p := behindProxy(t, servers.GoFakeS3, "")
	ctx := context.Background()
	store := larder.New(b, nil)
	defer store.Close()
	m, err := session.Open(ctx, store, "budget", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Counts()
	s, err := m.Session(ctx, "one", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if err := s.Put(ctx, sessiontest.Key(i), make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	wrote := p.Counts()
	n := 0
	for _, err := range session.Matching[[]byte](ctx, m, session.All) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	read := p.Counts()
	if n != 1000 || !maps.Equal(wrote, wantWritten) || !maps.Equal(read, wantRead) {
		t.Errorf("1,000 items took %v to write, and to read %d of them %v; want %v and %v", wrote, n, read, wantWritten, wantRead)
	}
}

// What docs/sessions.md promises: the lease, the metadata twice and one pack; to find sessions and packs, and the pack.
var (
	wantWritten = map[string]int{"GET": 1, "LIST": 4, "PUT": 5}
	wantRead    = map[string]int{"GET": 1, "LIST": 3}
)
