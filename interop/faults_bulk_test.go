package interop_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/interop/proxy"
	"github.com/larder-store/larder/interop/servers"
)

// A bit that flips on the way to the service is found by the checksums that go with every body.
func TestDamageOnTheWayToTheService(t *testing.T) {
	for kind, value := range map[string]string{"PUT": "a small value", "PUT PART": strings.Repeat("sixteen bytes...", 6*mebi/16)} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b, p := behindProxy(t, servers.VersityGW, "&multipart_above=5MiB&part_size=5MiB")
			if _, err := tryPut(b, "a", "an older value", backend.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			p.Faults(first(100, kind, proxy.Fault{CorruptRequest: 7}))
			if _, err := tryPut(b, "a", value, backend.PutOptions{}); !errors.Is(err, backend.ErrUnavailable) || !strings.Contains(err.Error(), "damaged on the way") {
				t.Errorf("Put of what is damaged on the way = %v, want %v that says so", err, backend.ErrUnavailable)
			}
			p.Faults(nil)
			wants(t, b, "a", "an older value")
		})
	}
}

// A list of several pages under each fault is whole, or ends in an error.
func TestFaultsOfAList(t *testing.T) {
	t.Parallel()
	const n = 1500
	server := servers.GoFakeS3(t)
	place := s3URL(t, server, server.URL)
	items := make([]backend.Item, n)
	for i := range items {
		items[i] = backend.Item{Key: key(fmt.Sprintf("%04d", i)), Body: empty{}, PutOptions: sums(nil)}
	}
	b, err := backend.Open(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := backend.PutBatch(context.Background(), b, items); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		n     int
		fault proxy.Fault
		want  error
	}{
		"cut":               {2, proxy.Fault{Cut: 50_000}, nil},
		"cut at once":       {2, proxy.Fault{Cut: 1}, nil},
		"lost":              {2, proxy.Fault{DropResponse: true}, nil},
		"SlowDown":          {2, proxy.Fault{Refuse: 503, Code: "SlowDown"}, nil},
		"500":               {2, proxy.Fault{Refuse: 500, Code: "InternalError"}, nil},
		"slow":              {2, proxy.Fault{Slow: 50 * time.Millisecond}, nil},
		"never":             {100, proxy.Fault{DropRequest: true}, backend.ErrUnavailable},
		"always cut":        {100, proxy.Fault{Cut: 50_000}, backend.ErrUnavailable},
		"SlowDown for ever": {100, proxy.Fault{Refuse: 503, Code: "SlowDown"}, backend.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, p := sameBehindProxy(t, server, place)
			p.Faults(first(c.n, "LIST", c.fault))
			if found, err := listed(t, b); !errors.Is(err, c.want) || c.want == nil && found != n {
				t.Errorf("List yields %d of %d and %v, want %v", found, n, err, c.want)
			}
		})
	}
	t.Run("no second page", func(t *testing.T) { // what came before stands, and the end is no end
		t.Parallel()
		b, p := sameBehindProxy(t, server, place)
		p.Faults(func(_ string, r *http.Request) proxy.Fault {
			return proxy.Fault{DropResponse: r.URL.Query().Has("continuation-token")}
		})
		if found, err := listed(t, b); !errors.Is(err, backend.ErrUnavailable) || found != 1000 {
			t.Errorf("List yields %d and %v, want 1000 and %v", found, err, backend.ErrUnavailable)
		}
	})
}

// sameBehindProxy opens a place of a server through a proxy of its own.
func sameBehindProxy(t *testing.T, s *servers.Server, place string) (backend.Backend, *proxy.Proxy) {
	t.Helper()
	p := proxy.New(t, s.URL)
	b, err := backend.Open(t.Context(), strings.Replace(place, s.URL, p.URL, 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, p
}

// listed counts the entries 0000, 0001 … of a list.
func listed(t *testing.T, b backend.Backend) (found int, err error) {
	for info, err := range b.List(context.Background(), "s", backend.ListOptions{}) {
		if err != nil {
			return found, err
		}
		if want := fmt.Sprintf("%04d", found); info.Key.Name != want {
			t.Errorf("List yields %q, want %q", info.Key.Name, want)
		}
		found++
	}
	return found, nil
}

// A batch of deletes tells of each key what became of it.
func TestFaultsOfABatchDelete(t *testing.T) {
	for name, c := range map[string]struct {
		n     int
		fault proxy.Fault
		want  error
		gone  bool
	}{
		"lost once":  {1, proxy.Fault{DropResponse: true}, nil, true},
		"cut once":   {1, proxy.Fault{Cut: 10}, nil, true},
		"500 after":  {1, proxy.Fault{RefuseAfter: 500, Code: "InternalError"}, nil, true},
		"SlowDown":   {2, proxy.Fault{Refuse: 503, Code: "SlowDown"}, nil, true},
		"never":      {100, proxy.Fault{DropRequest: true}, backend.ErrUnavailable, false},
		"no rights":  {100, proxy.Fault{Refuse: 403, Code: "AccessDenied"}, errors.New("s3:DeleteObject"), false},
		"one by one": {100, proxy.Fault{Refuse: 501, Code: "NotImplemented"}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, p := behindProxy(t, servers.VersityGW, "")
			keys := []backend.Key{key("a"), key("b/c"), key("never/there")}
			for _, k := range keys[:2] {
				if _, err := tryPut(b, k.Name, "1", backend.PutOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			p.Faults(first(c.n, "DELETE MANY", c.fault))
			err := backend.DeleteBatch(context.Background(), b, keys)
			p.Faults(nil)
			for i, k := range keys {
				err := backend.ItemError(err, i)
				if c.want == nil && err != nil || c.want != nil && (err == nil || !errors.Is(err, c.want) && !strings.Contains(err.Error(), c.want.Error())) {
					t.Errorf("deleting %v = %v, want %v", k, err, c.want)
				}
				if _, err := b.Stat(context.Background(), k); i < 2 && errors.Is(err, backend.ErrNotFound) != c.gone {
					t.Errorf("after the delete %v is gone: %v (%v), want %v", k, !c.gone, err, c.gone)
				}
			}
		})
	}
}

// A large value over a slow link comes in parts, some of which are lost, cut or refused.
func TestFaultsOfAParallelGet(t *testing.T) {
	value := make([]byte, 25*mebi+3)
	rand.NewChaCha8([32]byte{}).Read(value)
	for name, fault := range map[string]proxy.Fault{
		"cut":      {Cut: mebi},
		"lost":     {DropResponse: true},
		"SlowDown": {Refuse: 503, Code: "SlowDown"},
		"slow":     {Delay: 30 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, p := behindProxy(t, servers.VersityGW, "")
			if _, err := tryPut(b, "a", string(value), backend.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			p.Counts()
			n := 0
			p.Faults(func(_ string, r *http.Request) proxy.Fault {
				if r.Header.Get("Range") == "" {
					return proxy.Fault{Slow: 100 * time.Millisecond} // so that it is worth while to fetch parts
				}
				if r.Header.Get("If-Match") == "" {
					t.Errorf("%s is asked for without the version of the first", r.Header.Get("Range"))
				}
				if n++; n%2 == 0 {
					return fault
				}
				return proxy.Fault{}
			})
			wants(t, b, "a", string(value))
			if got := p.Counts()["GET"]; got < 7 {
				t.Errorf("%d GETs, want at least 7 for as many parts", got)
			}
			// A part that is damaged is found by the sum over all.
			p.Faults(func(_ string, r *http.Request) proxy.Fault {
				if strings.HasPrefix(r.Header.Get("Range"), "bytes=12582912-") {
					return proxy.Fault{Corrupt: 5}
				}
				return proxy.Fault{Slow: 100 * time.Millisecond}
			})
			if _, err := read(b, "a"); !errors.Is(err, backend.ErrCorrupt) {
				t.Errorf("Get with a damaged part = %v, want %v", err, backend.ErrCorrupt)
			}
		})
	}
}
