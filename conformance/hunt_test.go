package conformance_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/conformance/law"
)

// huntVariable makes TestHunt try mutants by every law: those whose law and deed, as in "get/owned: gives its
// own memory away", match this regular expression.
const huntVariable = "LARDER_TEST_HUNT"

// TestHunt lists which laws catch each mutant, for whoever writes one: a law is worth the
// most where it alone catches something. It is no part of the tests, as it takes many minutes.
func TestHunt(t *testing.T) {
	which := os.Getenv(huntVariable)
	if which == "" {
		t.Skip("set " + huntVariable + " to hunt")
	}
	pattern, err := regexp.Compile(which)
	if err != nil {
		t.Fatal(err)
	}
	tier := law.Quick
	if os.Getenv("LARDER_CONFORMANCE") == "full" {
		tier = law.Full
	}
	for _, m := range mutants() {
		if !pattern.MatchString(m.law + ": " + m.did) {
			continue
		}
		t.Run(m.did, func(t *testing.T) {
			t.Parallel()
			cfg := m.config()
			cfg.Patience = 5 * time.Second
			cfg.Skip = map[string]string{"leak/calls": "looks at the whole process", "leak/handles": "looks at the whole process"}
			report, err := law.Check(t.Context(), cfg, tier)
			if err != nil {
				t.Fatal(err)
			}
			var by []string
			for _, r := range report.Results {
				if r.Status == law.Failed {
					name := r.Name
					if strings.Contains(r.Why, "not done after") || strings.Contains(r.Why, "hangs") {
						name += "(late)"
					}
					by = append(by, name)
				}
			}
			t.Logf("HUNT %q %q %s", m.law, m.did, strings.Join(by, " "))
			if len(by) == 0 {
				t.Errorf("nobody catches a backend that %s", m.did)
			}
		})
	}
}
