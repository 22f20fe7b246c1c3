package interop_test

import (
	"testing"

	_ "github.com/larder-store/larder/backend/blob/azure"
	_ "github.com/larder-store/larder/backend/blob/gcs"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/interop/servers"
)

// gcsURL names a fresh bucket of fake-gcs-server, with a prefix.
func gcsURL(t testing.TB) string { return gcsAt(t, servers.FakeGCS(t).URL) }

func gcsAt(t testing.TB, endpoint string) string {
	t.Helper()
	return "gs://" + servers.GCSBucket(t) + "/some/prefix?anonymous=true&endpoint=" + endpoint + "/storage/v1/"
}

// azureURL names a fresh container of Azurite, with a prefix.
func azureURL(t testing.TB) string { return azureAt(t, servers.Azurite(t).URL) }

func azureAt(t testing.TB, endpoint string) string {
	t.Helper()
	return "azblob://" + servers.AzureContainer(t) + "/some/prefix?endpoint=" + endpoint + "/" + servers.AzureAccount
}

func TestGCS(t *testing.T) {
	conformance.Run(t, conformance.Config{New: gcsURL, Open: openURL, Crash: conformance.Self})
}

func TestAzure(t *testing.T) {
	conformance.Run(t, conformance.Config{New: azureURL, Open: openURL, Crash: conformance.Self})
}
