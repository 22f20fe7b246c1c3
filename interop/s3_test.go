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

// What versitygw v1.8.0 does over a file system. The laws that it breaks by this are tried on the
// other servers.
const (
	undone = "it looks at the ETag and then renames: a DELETE in between is undone"
	torn   = "it reads the ETag by the object's path and then opens that path: an overwrite in between gives the new bytes the old ETag"
	cutOff = "it keeps, now and then, what it got of a PUT that broke off: 80,011 bytes of 80,012"
	asJSON = "it keeps metadata as JSON in an extended attribute of 4 KiB, where a quote takes two bytes and a < six"
)

func TestVersityGW(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New: func(t testing.TB) string { // with parts small enough that large values go in parts
			s := servers.VersityGW(t)
			return s3URL(t, s, s.URL) + "&multipart_above=8MiB&part_size=5MiB"
		},
		Open:  openURL,
		Crash: conformance.Self,
		Skip: map[string]string{
			"if-match/race-delete": undone,
			"history/linear":       undone,
			"range/one-value":      torn,
			"storm/one-key":        torn,
			"storm/one-put":        torn,
			"storm/stays":          torn,
			"put/meta":             asJSON,
			"matrix/stored":        cutOff,
			"matrix/any":           cutOff,
			"matrix/crowd":         cutOff,
		},
	})
}

// For longer runs: LARDER_MINIO=1 go -C interop test -run MinIO .
func TestMinIO(t *testing.T) {
	servers.MinIO(t) // or it is skipped as a whole
	conformance.Run(t, conformance.Config{
		New: func(t testing.TB) string {
			s := servers.MinIO(t)
			return s3URL(t, s, s.URL) + "&multipart_above=8MiB&part_size=5MiB"
		},
		Open:  openURL,
		Crash: conformance.Self,
		Skip: map[string]string{
			"storm/last-entry": "MinIO answers AccessDenied to a PUT whose directory is just being removed with its last object",
			"if-absent/waits":  "MinIO locks the key from the beginning of a conditional PUT on, and lets the second one fail with HTTP 499 after half a minute",
			"shelves/after":    "MinIO refuses to list what comes after a name with a component \".\"",
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
	})
}
