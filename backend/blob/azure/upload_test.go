package azure_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"github.com/larder-store/larder/backend/blob/azure"
)

// service answers each request, and keeps its body as a transport may.
type service struct {
	status int
	bodies []io.Reader
}

func (s *service) Do(r *http.Request) (*http.Response, error) {
	s.bodies = append(s.bodies, r.Body)
	return &http.Response{StatusCode: s.status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// client sends a request of one upload, with a body.
func client(t *testing.T, s *service) func(url string) error {
	ctx := azure.Watched(t.Context())
	pipeline := runtime.NewPipeline("test", "v0", runtime.PipelineOptions{PerCall: []policy.Policy{azure.Watch}}, &policy.ClientOptions{Transport: s})
	return func(url string) error {
		req, err := runtime.NewRequest(ctx, http.MethodPut, url)
		if err != nil {
			t.Fatal(err)
		}
		if err := req.SetBody(streaming.NopCloser(bytes.NewReader([]byte("the body"))), "text/plain"); err != nil {
			t.Fatal(err)
		}
		_, err = pipeline.Do(req)
		return err
	}
}

// The client frees the memory of a body when its request is over.
func TestBodyIsTakenBack(t *testing.T) {
	for _, url := range []string{"http://127.0.0.1/c/b", "http://127.0.0.1/c/b?comp=block", "http://127.0.0.1/c/b?comp=blocklist"} {
		s := &service{status: http.StatusCreated}
		if err := client(t, s)(url); err != nil || len(s.bodies) != 1 {
			t.Fatalf("%s: %d requests, %v", url, len(s.bodies), err)
		}
		if late, err := io.ReadAll(s.bodies[0]); len(late) > 0 || err == nil {
			t.Errorf("%s: a body yields %q, %v after its request", url, late, err)
		}
	}
}

// Blocks of which one is missing are never made a value.
func TestNothingIsStoredInPart(t *testing.T) {
	s := &service{status: http.StatusForbidden}
	send := client(t, s)
	if err := send("http://127.0.0.1/c/b?comp=block"); err != nil {
		t.Fatal(err)
	}
	if err := send("http://127.0.0.1/c/b?comp=blocklist"); err == nil || !strings.Contains(err.Error(), "could not be stored") || len(s.bodies) != 1 {
		t.Errorf("the list of blocks after one was refused = %v, and %d requests; want an error and 1", err, len(s.bodies))
	}
}
