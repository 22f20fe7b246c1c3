package interop_test

import (
	"context"
	"testing"

	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/blob/s3"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/interop/servers"
)

func openURL(ctx context.Context, url string) (backend.Backend, error) {
	return backend.Open(ctx, url)
}

// s3URL names a fresh bucket, with a prefix, behind an endpoint.
func s3URL(t testing.TB, s *servers.Server, endpoint string) string {
	t.Helper()
	return "s3://" + s.Bucket(t) + "/some/prefix?endpoint=" + endpoint
}

func TestVersityGW(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New: func(t testing.TB) string { // with parts small enough that large values go in parts
			s := servers.VersityGW(t)
			return s3URL(t, s, s.URL) + "&multipart_above=8MiB&part_size=5MiB"
		},
		Open:  openURL,
		Crash: conformance.Self,
		Skip: map[string]string{
			"if-match/race-delete": "versitygw v1.8.0 over a file system looks at the ETag and then renames; a DELETE in between is undone",
		},
	})
}

func TestGoFakeS3(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New: func(t testing.TB) string { // not in parts: conditions on them are ignored
			s := servers.GoFakeS3(t)
			return s3URL(t, s, s.URL)
		},
		Open:  openURL,
		Crash: conformance.Self,
		Skip: map[string]string{
			"put/overwrite-info": "gofakes3 v1.2.0 keeps metadata entries of the object that is overwritten",
		},
	})
}
