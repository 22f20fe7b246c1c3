package interop_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/interop/proxy"
	"github.com/larder-store/larder/interop/servers"
)

// service is a cloud whose emulator is tried through a proxy.
type service struct {
	name  string
	start func(testing.TB) *servers.Server
	url   func(t testing.TB, endpoint string) string
	kind  func(*http.Request) string // what a request does, in S3's words
	// The requests of a value that is larger than what one request takes: the parts, and the
	// one by which the value comes to be.
	part, store string
}

var (
	gcs   = service{"gcs", servers.FakeGCS, gcsAt, gcsKind, "PUT PART", "PUT PART"}
	azure = service{"azure", servers.Azurite, azureAt, azureKind, "PUT PART", "COMPLETE UPLOAD"}
)

func gcsKind(r *http.Request) string {
	q := r.URL.Query()
	api, isAPI := strings.CutPrefix(r.URL.Path, "/storage/v1/b/")
	_, object, _ := strings.Cut(api, "/o")
	switch {
	case q.Has("upload_id"):
		return "PUT PART"
	case q.Get("uploadType") == "resumable":
		return "CREATE UPLOAD"
	case q.Get("uploadType") == "multipart":
		return "PUT"
	case isAPI && r.Method == http.MethodGet && object == "":
		return "LIST"
	case isAPI && r.Method == http.MethodGet:
		return "HEAD"
	}
	return r.Method
}

func azureKind(r *http.Request) string {
	switch r.URL.Query().Get("comp") {
	case "list":
		return "LIST"
	case "block":
		return "PUT PART"
	case "blocklist":
		return "COMPLETE UPLOAD"
	}
	return r.Method
}

// wire is the proxy before a cloud.
type wire struct {
	bucket string // or container

	mu     sync.Mutex // guards the rest
	counts map[string]int
	fault  func(kind string, r *http.Request) proxy.Fault
}

// behind opens a fresh bucket of a cloud through a proxy.
func behind(t testing.TB, s service, parameters string) (backend.Backend, *wire) {
	t.Helper()
	target, err := url.Parse(s.start(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	p := proxy.New(t, target.String())
	at := s.url(t, p.URL) + parameters
	bucket, _, _ := strings.Cut(at[strings.Index(at, "//")+2:], "/")
	w := &wire{bucket: bucket, counts: map[string]int{}}
	p.Faults(func(_ string, r *http.Request) proxy.Fault {
		w.mu.Lock()
		defer w.mu.Unlock()
		kind := s.kind(r)
		if kind == "GET" { // fake-gcs-server finds what is read by the host
			r.Host = target.Host
		}
		w.counts[kind]++
		if w.fault == nil {
			return proxy.Fault{}
		}
		return w.fault(kind, r)
	})
	b, err := backend.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, w
}

// faults chooses what happens to each request from now on; nil: nothing.
func (w *wire) faults(f func(kind string, r *http.Request) proxy.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// counted returns how many requests of each kind came since the last call.
func (w *wire) counted() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := w.counts
	w.counts = map[string]int{}
	return counts
}

// costs checks what was asked of the service since the last call.
func (w *wire) costs(t testing.TB, step string, want map[string]int) {
	t.Helper()
	if got := w.counted(); !maps.Equal(got, want) {
		t.Errorf("%s takes %v, want %v", step, got, want)
	}
}
