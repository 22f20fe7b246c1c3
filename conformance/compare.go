package conformance

import (
	"testing"

	"github.com/larder-store/larder/conformance/law"
)

// Compare plays the same random calls on several backends, or on one with several
// options, and wants them all to answer alike. Of conditions it asks for what all promise.
func Compare(t *testing.T, configs map[string]Config) {
	t.Helper()
	seed, tier := chosenSeed(t), law.Soak
	places := map[string]law.Config{}
	for name, c := range configs {
		places[name] = in(t, c.law(t, seed), c)
		tier = min(tier, c.chosenTier(t))
	}
	if err := law.Compare(t.Context(), places, tier, seed); err != nil {
		t.Fatalf("conformance: %v\nreplay: %s", err, replay(t, tier, seed))
	}
}

// Fuzz lets the fuzzer choose the calls that a backend and the reference in memory have to
// answer alike:
//
//	func FuzzConformance(f *testing.F) { conformance.Fuzz(f, config) }
//
// Without -fuzz it tries a few seeds.
func Fuzz(f *testing.F, c Config) {
	f.Helper()
	for _, seed := range law.ReplaySeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		diff, err := law.Replay(t.Context(), in(t, c.law(t, 1), c), data)
		if err != nil {
			t.Fatal(err)
		}
		if diff != "" {
			t.Errorf("%s\nlaw:    Any sequence of calls is answered as the reference in memory answers it.", diff)
		}
	})
}
