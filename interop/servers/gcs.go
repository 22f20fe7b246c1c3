package servers

import (
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// FakeGCS is fake-gcs-server in memory.
var FakeGCS = once(func() (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	s, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, Scheme: "http", PublicHost: address})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	fakeGCS = s
	h := &http.Server{Handler: heedsConditions(s.HTTPHandler())}
	go h.Serve(l)
	atStop(func() { h.Close(); s.Stop() })
	return &Server{Name: "fake-gcs-server", URL: "http://" + address}, nil
})

// heedsConditions makes a delete under a condition one of that generation, as fake-gcs-server 1.56 heeds no conditions of deletes.
func heedsConditions(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if wanted := q.Get("ifGenerationMatch"); r.Method == http.MethodDelete && wanted != "" {
			q.Set("generation", wanted)
			r.URL.RawQuery = q.Encode()
		}
		h.ServeHTTP(w, r)
	})
}

var fakeGCS *fakestorage.Server

// GCSBucket makes a fresh bucket on FakeGCS and returns its name.
func GCSBucket(t testing.TB) string {
	t.Helper()
	FakeGCS(t)
	name := fmt.Sprintf("larder-%d", buckets.Add(1))
	fakeGCS.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: name})
	return name
}
