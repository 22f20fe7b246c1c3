package conformance

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/conformance/law"
)

// shrunk is the law model/walk once more, by a library that shrinks what it finds.
var shrunk = law.Law{
	Name:  "model/shrunk",
	Rule:  "Any sequence of calls, over two handles and across reopening, is answered as the reference in memory answers it.",
	Needs: []law.Need{law.SharedPlace},
	Fn:    func(context.Context, *law.Env) error { return nil }, // the needs are all that is tried
}

// scripts draws calls: in several pieces, each of which shrinks to nothing, because one
// list alone comes out short.
var scripts = rapid.Custom(func(t *rapid.T) law.Script {
	var script law.Script
	for range 4 {
		script = append(script, rapid.SliceOfN(steps, 0, 12).Draw(t, "steps")...)
	}
	return script
})

var steps = rapid.Custom(func(t *rapid.T) law.Step {
	return law.Step{
		Method: uint8(rapid.IntRange(0, len(law.Methods)-1).Draw(t, "method")),
		Key:    rapid.Uint8Range(0, 11).Draw(t, "key"),
		Size:   rapid.Uint8Range(0, 5).Draw(t, "size"),
		Choice: rapid.Uint8Range(0, 31).Draw(t, "choice"),
	}
})

// model compares a backend with the reference on random scripts, and shrinks a script
// that tells them apart.
func model(t *testing.T, cfg law.Config, tier law.Tier) {
	r := law.Try(t.Context(), cfg, shrunk, tier)
	report(t, r)
	if r.Status != law.Passed {
		return
	}
	st, err := stage(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	enough := map[law.Tier]int{law.Quick: 8, law.Full: 50, law.Soak: 100}[tier] // rapid itself stops at 100
	tries, differed := 0, false
	rapid.Check(t, func(t *rapid.T) {
		if tries++; tries > enough && !differed {
			return
		}
		st.Mark = fmt.Sprintf("try-%d-", tries)
		diff, err := st.Differ(context.Background(), scripts.Draw(t, "script"))
		if err != nil {
			t.Fatal(err)
		}
		if diff != "" {
			differed = true
			t.Fatalf("%s\nlaw:    %s", diff, shrunk.Rule)
		}
	})
}

// stage makes a new place to play scripts on.
func stage(t testing.TB, cfg law.Config) (law.Stage, error) {
	ctx := t.Context()
	loc, err := cfg.New(ctx)
	if err != nil {
		return law.Stage{}, err
	}
	st := law.Stage{Open: func(ctx context.Context) (backend.Backend, error) { return cfg.Open(ctx, loc) }}
	b, err := st.Open(ctx)
	if err != nil {
		return st, err
	}
	st.Limits = backend.LimitsOf(b)
	return st, b.Close()
}

// Fuzz lets the fuzzer choose the calls that a backend and the reference in memory have to
// answer alike:
//
//	func FuzzConformance(f *testing.F) { conformance.Fuzz(f, config) }
//
// Without -fuzz it tries a few seeds.
func Fuzz(f *testing.F, c Config) {
	f.Helper()
	for i, method := range law.Methods {
		// Put on both handles, do the one thing, look, reopen, look again.
		n := byte(i)
		f.Add([]byte{0, 0, 2, 0, 0, 1, 5, 1, n, 0, 3, n, 4, 0, 0, 1, 13, 0, 0, 0, 7, 0, 0, 0, n, 1, byte(len(method)), 2, 8, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 64 // steps; more make no other kinds of history, only slower ones
		script := law.ParseScript(data)
		st, err := stage(t, in(t, law.Config{Open: c.Open}, c))
		if err != nil {
			t.Fatal(err)
		}
		diff, err := st.Differ(t.Context(), script[:min(len(script), most)])
		if err != nil {
			t.Fatal(err)
		}
		if diff != "" {
			t.Errorf("%s\nlaw:    %s", diff, shrunk.Rule)
		}
	})
}
