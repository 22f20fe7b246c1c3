package conformance

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/conformance/law"
)

// Compare plays the same random calls on several backends, or on one with several
// options, and wants them all to answer alike. Of conditions it asks for what all promise.
func Compare(t *testing.T, configs map[string]Config) {
	t.Helper()
	names := slices.Sorted(maps.Keys(configs))
	if len(names) < 2 {
		t.Fatalf("conformance: Compare needs two backends, not %d", len(names))
	}
	seed := chosenSeed(t)
	rnd := rand.New(rand.NewPCG(seed, 0))
	stages := map[string]law.Stage{}
	var common backend.Limits
	for i, name := range names {
		st, err := stage(t, in(t, law.Config{Open: configs[name].Open}, configs[name]))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if i == 0 {
			common = st.Limits
		}
		common.AtomicIfAbsent = common.AtomicIfAbsent && st.Limits.AtomicIfAbsent
		common.AtomicIfMatch = common.AtomicIfMatch && st.Limits.AtomicIfMatch
		if m := st.Limits.MaxValue; m > 0 && (common.MaxValue == 0 || m < common.MaxValue) {
			common.MaxValue = m
		}
		stages[name] = st
	}
	for i := range map[law.Tier]int{law.Quick: 5, law.Full: 30, law.Soak: 1000}[configs[names[0]].chosenTier(t)] {
		script := law.RandomScript(rnd, 40)
		var first []string
		for k, name := range names {
			st := stages[name]
			st.Mark, st.Limits = fmt.Sprintf("script-%d-", i), common
			history, err := st.Play(context.Background(), script)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if k == 0 {
				first = history
				continue
			}
			for step := range history {
				if history[step] != first[step] {
					t.Fatalf("after these calls\n  %s\n%s answers\n  %s\nand %s\n  %s\nreplay: %s=%d go test -run '^%s$'", strings.Join(first[:step], "\n  "),
						names[0], first[step], name, history[step], seedVariable, seed, t.Name())
				}
			}
		}
	}
}
