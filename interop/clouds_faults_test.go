package interop_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/interop/proxy"
)

var (
	lost    = proxy.Fault{DropResponse: true}
	never   = proxy.Fault{DropRequest: true}
	busy    = proxy.Fault{Refuse: 503, Code: "ServerBusy"}
	broken  = proxy.Fault{Refuse: 500, Code: "InternalError"}
	after   = proxy.Fault{RefuseAfter: 500, Code: "InternalError"}
	unmet   = proxy.Fault{Refuse: 412, Code: "ConditionNotMet"}
	gone    = proxy.Fault{Refuse: 404, Code: "BlobNotFound"}
	exclude = proxy.Fault{Refuse: 403, Code: "AuthorizationPermissionMismatch"}
)

// The faults of one write, and what the caller is told.
func TestCloudFaultsOfAPut(t *testing.T) {
	const old, fresh = "an older value", "the value"
	absent, match := backend.PutOptions{IfAbsent: true}, backend.PutOptions{IfMatch: "old"}
	denied := errors.New("permission denied")
	for _, c := range []struct {
		name   string
		n      int
		fault  proxy.Fault
		opts   backend.PutOptions
		before bool // an older value is there
		want   error
		stored bool
		asked  int // PUTs; 0: not counted
	}{
		{"lost response, plain", 1, lost, backend.PutOptions{}, true, nil, true, 2},
		{"lost response, IfAbsent", 1, lost, absent, false, nil, true, 2},
		{"lost response, IfMatch", 1, lost, match, true, nil, true, 2},
		{"lost request, IfAbsent", 1, never, absent, false, nil, true, 2},
		{"500 after the effect, IfAbsent", 1, after, absent, false, nil, true, 2},
		{"500 after the effect, IfMatch", 1, after, match, true, nil, true, 2},
		{"500, plain", 2, broken, backend.PutOptions{}, false, nil, true, 3},
		{"503, IfAbsent", 2, busy, absent, false, nil, true, 3},
		{"503, IfAbsent, exists", 2, busy, absent, true, backend.ErrExists, false, 3},
		{"503 for long, IfMatch", 100, busy, match, true, backend.ErrUnavailable, false, 7},
		{"412, IfAbsent", 1, unmet, absent, false, backend.ErrExists, false, 1},
		{"412, IfMatch", 1, unmet, match, true, backend.ErrChanged, false, 1},
		{"gone, IfMatch", 1, gone, match, true, backend.ErrChanged, false, 1},
		{"lost response to a refusal, IfAbsent", 1, lost, absent, true, backend.ErrUnavailable, false, 2},
		{"never an answer", 100, never, absent, false, backend.ErrUnavailable, false, 7},
		{"never an answer, stored", 100, lost, absent, false, nil, true, 7},
		{"no permission", 1, exclude, absent, false, denied, false, 1},
	} {
		for _, s := range []service{gcs, azure} {
			t.Run(s.name+", "+c.name, func(t *testing.T) {
				t.Parallel()
				b, w := behind(t, s, "")
				left := "" // what is there if nothing is stored
				opts := c.opts
				if c.before {
					left = old
					info, err := tryPut(b, "a", old, backend.PutOptions{})
					if err != nil {
						t.Fatal(err)
					}
					if opts.IfMatch != "" {
						opts.IfMatch = info.Version
					}
				}
				w.counted()
				w.faults(first(c.n, "PUT", c.fault))
				info, err := tryPut(b, "a", fresh, opts)
				w.faults(nil)
				if got := w.counted()["PUT"]; got != c.asked {
					t.Errorf("Put asks %d times, want %d", got, c.asked)
				}
				ended(t, err, c.want)
				if c.stored {
					left = fresh
				}
				leaves(t, b, left, info, err)
			})
		}
	}
}

// told checks that all who tell of a value name the version that its Put returned.
func told(t testing.TB, b backend.Backend, name string, put backend.Info) {
	t.Helper()
	ctx := context.Background()
	if put.Version == "" {
		t.Error("Put returns no Version")
	}
	if found, err := b.Stat(ctx, key(name)); err != nil || found.Version != put.Version {
		t.Errorf("Stat = Version %q, %v; Put returned %q", found.Version, err, put.Version)
	}
	body, found, err := b.Get(ctx, key(name))
	if err != nil || found.Version != put.Version {
		t.Fatalf("Get = Version %q, %v; Put returned %q", found.Version, err, put.Version)
	}
	body.Close()
	for found, err := range b.List(ctx, "s", backend.ListOptions{Prefix: name}) {
		if err != nil || found.Version != put.Version {
			t.Errorf("List = Version %q, %v; Put returned %q", found.Version, err, put.Version)
		}
	}
}

// The faults of a value that takes several requests. The last of them decides.
func TestCloudFaultsOfAnUploadInParts(t *testing.T) {
	value := strings.Repeat("sixteen bytes...", 20*mebi/16)
	for _, s := range []service{gcs, azure} {
		for _, c := range []struct {
			name  string
			n     int
			kind  string
			fault proxy.Fault
			want  error
		}{
			{"a part fails once", 1, s.part, broken, nil},
			{"a part is lost", 1, s.part, lost, nil},
			{"parts are refused", 100, s.part, exclude, errors.New("permission denied")},
			{"the last answer is lost", 1, s.store, lost, nil},
			{"the last is refused twice", 2, s.store, busy, nil},
			{"the last says exists", 100, s.store, unmet, backend.ErrExists},
			{"the last never arrives", 100, s.store, never, backend.ErrUnavailable},
		} {
			t.Run(s.name+", "+c.name, func(t *testing.T) {
				t.Parallel()
				b, w := behind(t, s, "")
				w.faults(first(c.n, c.kind, c.fault))
				info, err := tryPut(b, "a", value, backend.PutOptions{IfAbsent: true})
				w.faults(nil)
				ended(t, err, c.want)
				if c.want == nil {
					wants(t, b, "a", value)
					told(t, b, "a", info)
				} else if _, err := b.Stat(context.Background(), key("a")); !errors.Is(err, backend.ErrNotFound) {
					t.Errorf("Stat after a Put that failed = %v, want %v", err, backend.ErrNotFound)
				}
			})
		}
	}
}

// A read that breaks off goes on with the same version, or fails.
func TestCloudFaultsOfAGet(t *testing.T) {
	const size = 3 * mebi
	value := func(c string) string { return strings.Repeat(c, size) }
	for _, s := range []service{gcs, azure} {
		for name, fault := range map[string]proxy.Fault{"cut": {Cut: size / 3}, "lost": lost, "503": busy} {
			t.Run(s.name+", "+name, func(t *testing.T) {
				t.Parallel()
				b, w := behind(t, s, "")
				if _, err := tryPut(b, "a", value("x"), backend.PutOptions{}); err != nil {
					t.Fatal(err)
				}
				w.faults(first(2, "GET", fault))
				wants(t, b, "a", value("x"))
			})
		}
		t.Run(s.name+", overwritten and cut", func(t *testing.T) {
			t.Parallel()
			b, w := behind(t, s, "")
			if _, err := tryPut(b, "a", value("x"), backend.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			w.faults(first(1, "GET", proxy.Fault{Cut: size / 3}))
			body, _, err := b.Get(context.Background(), key("a"))
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			if _, err := tryPut(b, "a", value("y"), backend.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			if !errors.Is(err, backend.ErrUnavailable) || strings.Contains(string(got), "y") {
				t.Errorf("reading on = %d bytes, of the new value: %v, error %v; want %v and nothing of the new value",
					len(got), strings.Contains(string(got), "y"), err, backend.ErrUnavailable)
			}
		})
		t.Run(s.name+", another version", func(t *testing.T) {
			t.Parallel()
			b, w := behind(t, s, "")
			was, err := tryPut(b, "a", "an older value", backend.PutOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tryPut(b, "a", "the value", backend.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			w.counted()
			w.faults(func(_ string, r *http.Request) proxy.Fault { // the service itself is asked
				if r.Method == http.MethodGet && r.Header.Get("If-Match") == "" && r.Header.Get("X-Goog-If-Generation-Match") == "" {
					t.Errorf("%s without a condition", r.Method)
				}
				return proxy.Fault{}
			})
			if _, _, err := backend.GetRange(context.Background(), b, key("a"), was.Version, 1, 3); !errors.Is(err, backend.ErrChanged) {
				t.Errorf("GetRange of an older version = %v, want %v", err, backend.ErrChanged)
			}
			costs := map[string]int{"GET": 1}
			if s.name == "azure" { // it says the same where there is nothing, and so is asked
				costs["HEAD"] = 1
			}
			w.costs(t, "a range of an older version", costs)
			w.faults(first(1, "GET", unmet)) // fake-gcs-server does not look at the condition
			if _, _, err := backend.GetRange(context.Background(), b, key("a"), was.Version, 1, 3); !errors.Is(err, backend.ErrChanged) {
				t.Errorf("GetRange of a version that the service refuses = %v, want %v", err, backend.ErrChanged)
			}
		})
	}
}

// A request that was not sent whole stored nothing: what the next one is told holds.
func TestCloudPutThatWasNotSent(t *testing.T) {
	for _, s := range []service{gcs, azure} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			b, w := behind(t, s, "")
			if _, err := tryPut(b, "a", "an older value", backend.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			cut := first(1, "PUT", never)
			w.faults(func(kind string, r *http.Request) proxy.Fault {
				f := cut(kind, r)
				if f.DropRequest {
					r.Body = http.NoBody // it hangs up before it has the body
				}
				return f
			})
			if _, err := tryPut(b, "a", strings.Repeat("x", 15*mebi), backend.PutOptions{IfAbsent: true}); !errors.Is(err, backend.ErrExists) {
				t.Errorf("Put = %v, want %v", err, backend.ErrExists)
			}
			wants(t, b, "a", "an older value")
		})
	}
}

// An empty value has no last byte by which its request is known to be sent.
func TestCloudLostResponseToAnEmptyValue(t *testing.T) {
	for _, s := range []service{gcs, azure} {
		b, w := behind(t, s, "")
		w.faults(first(1, "PUT", lost))
		info, err := tryPut(b, "a", "", backend.PutOptions{IfAbsent: true})
		if err != nil {
			t.Fatalf("%s: Put = %v", s.name, err)
		}
		told(t, b, "a", info)
	}
}
