package tier_test

import (
	"context"
	"net/url"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/blob/file"
	_ "github.com/larder-store/larder/backend/shelve"
	_ "github.com/larder-store/larder/backend/tier"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/internal/ramdisk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a fresh pair of stores.
func place(t testing.TB, near, far, more string) string {
	t.Helper()
	dir := filepath.ToSlash(ramdisk.Dir(t))
	made, err := backend.Open(context.Background(), far+dir+"/far") // write=near makes none
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	return "tier:?near=" + url.QueryEscape(near+dir+"/near") + "&far=" + url.QueryEscape(far+dir+"/far") + more
}

func openURL(ctx context.Context, loc string) (backend.Backend, error) { return backend.Open(ctx, loc) }

const resent = "the time of a value that was sent is that of the sending"

// All laws hold in every mode.
func TestConformance(t *testing.T) {
	for name, tc := range map[string]struct {
		near, far, more string
		skip            map[string]string
	}{
		"through": {"shelve://", "file://", "", nil},
		"back": {"shelve://", "file://", "&write=back", map[string]string{
			"sweep/dry-run": "what is sent between two dry runs leaves leftovers",
			"sweep/twice":   "what is sent between two sweeps leaves leftovers",
			"sweep/spares":  resent,
			"matrix/stored": resent,
			"matrix/any":    resent,
			"matrix/crowd":  resent,
		}},
		"back from a file store": {"file://", "shelve://", "&write=back", map[string]string{
			"sweep/dry-run": "what is sent between two dry runs leaves leftovers",
			"sweep/twice":   "what is sent between two sweeps leaves leftovers",
			"sweep/spares":  resent,
			"matrix/stored": resent,
			"matrix/any":    resent,
			"matrix/crowd":  resent,
		}},
		"near": {"shelve://", "shelve://", "&write=near", nil},
	} {
		t.Run(name, func(t *testing.T) {
			conformance.Run(t, conformance.Config{
				New: func(t testing.TB) string {
					return place(t, tc.near, tc.far, tc.more)
				},
				Open:  openURL,
				Quick: true,
				Crash: conformance.Self,
				Skip:  tc.skip,
			})
		})
	}
}
