package keying_test

import (
	"context"
	"testing"

	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// twenty is 20 parameters nested two deep, as a pipeline stage may have.
func twenty() map[string]any {
	return map[string]any{
		"dt": 0.1, "duration": 1500, "seed": 42, "model": "AdEx", "record": true,
		"filter": map[string]any{
			"order": 4, "low": 300.0, "high": 3000.0, "kind": "butterworth", "zero_phase": true,
		},
		"detect": map[string]any{
			"threshold": -4.5, "dead_time": 0.001, "align": "min", "window": 32, "channels": 16,
		},
		"synapse": map[string]any{
			"g_max": 0.35e-9, "tau_rise": 0.002, "tau_decay": 0.0215, "reversal": -70, "kind": "GABA-A",
		},
	}
}

const inputA = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
const inputB = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"

func BenchmarkKeyFrom(b *testing.B) {
	c := component.New("github.com/larder-store/larder/examples/spikes.Detect", "1.2.0", twenty())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (keying.Hash{}).KeyFrom(c, inputA, inputB); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKeyRefs(b *testing.B) {
	c := component.New("github.com/larder-store/larder/examples/spikes.Detect", "1.2.0", twenty(), component.Ref(inputA), component.Ref(inputB))
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (keying.Hash{}).Key(ctx, c); err != nil {
			b.Fatal(err)
		}
	}
}
