package interop_test

import (
	"path/filepath"
	"testing"

	_ "github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/backend/tier"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/interop/servers"
)

const resent = "the time of a value that was sent is that of the sending"

// A shelf before a bucket, in the modes that write there.
func TestTierBeforeS3(t *testing.T) {
	for mode, skip := range map[tier.Mode]map[string]string{
		tier.Through: nil,
		tier.Back: {
			"sweep/dry-run": "what is sent between two dry runs leaves leftovers",
			"sweep/twice":   "what is sent between two sweeps leaves leftovers",
			"sweep/spares":  resent,
			"matrix/stored": resent,
			"matrix/any":    resent,
			"matrix/crowd":  resent,
		},
	} {
		t.Run(string(mode), func(t *testing.T) {
			conformance.Run(t, conformance.Config{
				New: func(t testing.TB) string {
					s := servers.GoFakeS3(t)
					far := s3URL(t, s, s.URL)
					return tier.URL("shelve://"+filepath.ToSlash(t.TempDir()), far) + "&write=" + string(mode)
				},
				Open:  openURL,
				Quick: true,
				Skip:  skip,
				Crash: conformance.Self,
			})
		})
	}
}
