package interop_test

import (
	"path/filepath"
	"testing"

	_ "github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/backend/tier"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/interop/servers"
)

// A shelf before a bucket, in the modes that write there.
func TestTierBeforeS3(t *testing.T) {
	for _, mode := range []tier.Mode{tier.Through, tier.Back} {
		t.Run(string(mode), func(t *testing.T) {
			conformance.Run(t, conformance.Config{
				New: func(t testing.TB) string {
					s := servers.GoFakeS3(t)
					far := s3URL(t, s, s.URL)
					return tier.URL("shelve://"+filepath.ToSlash(t.TempDir()), far) + "&write=" + string(mode)
				},
				Open:  openURL,
				Quick: true,
				Skip: map[string]string{
					"put/overwrite-info": merged,
					"matrix/stored":      merged,
					"matrix/any":         merged,
					"matrix/crowd":       merged,
					"sweep/dry-run":      "tried with write=through on shelves; what is sent between two dry runs leaves leftovers",
					"sweep/twice":        "tried with write=through on shelves; what is sent between two sweeps leaves leftovers",
					"sweep/spares":       "tried with write=through on shelves; the time of a value that was sent is that of the sending",
				},
				Crash: conformance.Self,
			})
		})
	}
}
