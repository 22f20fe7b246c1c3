package servers

import (
	"fmt"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// FakeGCS is fake-gcs-server in memory.
var FakeGCS = once(func() (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		Scheme: "http", Host: "127.0.0.1", Port: uint16(port), PublicHost: fmt.Sprintf("127.0.0.1:%d", port),
	})
	if err != nil {
		return nil, err
	}
	fakeGCS = s
	atStop(s.Stop)
	return &Server{Name: "fake-gcs-server", URL: s.URL()}, nil
})

var fakeGCS *fakestorage.Server

// GCSBucket makes a fresh bucket on FakeGCS and returns its name.
func GCSBucket(t testing.TB) string {
	t.Helper()
	FakeGCS(t)
	name := fmt.Sprintf("larder-%d", buckets.Add(1))
	fakeGCS.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: name})
	return name
}
