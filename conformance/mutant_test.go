package conformance_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/conformance/law"
)

var errUnsupported = errors.ErrUnsupported

// A mutant is the reference, broken in one way, mostly one in which a real store
// was broken once. The suite is good for nothing if it lets one live.
type mutant struct {
	law    string // the one that has to catch it
	did    string // how it is broken
	breaks func(r *ref)

	open  func(ctx context.Context, loc string) (backend.Backend, error) // instead of breaks
	tier  law.Tier                                                       // where the law looks harder than in its own tier
	hangs bool                                                           // it is caught because it does not come back
}

// mutants are all there are, law by law.
func mutants() []mutant {
	return slices.Concat(handleMutants, putMutants, bodyMutants, getMutants, infoMutants, keyMutants, conditionMutants,
		deleteMutants, deleteMatchMutants, listMutants, shelvesMutants, scanMutants, rangeMutants, viewMutants, stageMutants, batchMutants, cancelMutants, stormMutants,
		leaseMutants, sweepMutants, findMutants, leakMutants, newerMutants, siblings(), trialMutants)
}

// TestMutants lets the law that should catch each mutant catch it, and for the right
// reason: not by running out of patience, unless it is one that hangs.
func TestMutants(t *testing.T) {
	laws := map[string]law.Law{}
	for _, l := range law.Laws() {
		laws[l.Name] = l
	}
	for _, m := range mutants() {
		l, ok := laws[m.law]
		if !ok {
			t.Errorf("the mutant that %s should be caught by %q, and there is no such law", m.did, m.law)
			continue
		}
		t.Run(m.law, func(t *testing.T) {
			if !l.Alone {
				t.Parallel()
			}
			r := law.Try(t.Context(), m.config(), l, max(l.Tier, m.tier))
			late := strings.Contains(r.Why, "not done after") || strings.Contains(r.Why, "hangs")
			switch {
			case r.Status != law.Failed:
				t.Errorf("%s is %s by a backend that %s %s", m.law, r.Status, m.did, r.Why)
			case late != m.hangs:
				t.Errorf("a backend that %s is caught by %s with %q", m.did, m.law, r.Why)
			default:
				t.Logf("a backend that %s:\n%s", m.did, r.Why)
			}
		})
	}
}

func (m mutant) config() law.Config {
	cfg := refConfig(m.breaks)
	if m.open != nil {
		cfg.Open = m.open
	}
	cfg.Patience = time.Minute
	if m.hangs {
		cfg.Patience = 500 * time.Millisecond
	}
	return cfg
}

// TestEveryLawCanFail makes sure that no law is a sentence only: each has a mutant.
func TestEveryLawCanFail(t *testing.T) {
	caught := map[string]bool{}
	for _, m := range mutants() {
		caught[m.law] = true
	}
	for _, m := range processMutants {
		caught[m.law] = true
	}
	for _, l := range law.Laws() {
		if !caught[l.Name] {
			t.Errorf("no mutant breaks %s: %s", l.Name, l.Rule)
		}
	}
}
