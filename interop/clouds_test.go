package interop_test

import (
	"testing"

	_ "github.com/larder-store/larder/backend/blob/azure"
	_ "github.com/larder-store/larder/backend/blob/gcs"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/interop/servers"
)

func TestGCS(t *testing.T) {
	quick(t)
	conformance.Run(t, conformance.Config{
		New: func(t testing.TB) string {
			return "gs://" + servers.GCSBucket(t) + "/some/prefix?anonymous=true&endpoint=" + servers.FakeGCS(t).URL + "/storage/v1/"
		},
		Open: openURL,
	})
}

func TestAzure(t *testing.T) {
	quick(t)
	conformance.Run(t, conformance.Config{
		New: func(t testing.TB) string {
			return "azblob://" + servers.AzureContainer(t) + "/some/prefix?endpoint=" + servers.Azurite(t).URL + "/" + servers.AzureAccount
		},
		Open: openURL,
	})
}
