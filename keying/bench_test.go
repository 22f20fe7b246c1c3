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

// BenchmarkKey makes keys of Hash: of 20 parameters nested two deep with the keys of two
// inputs known (the case that is bounded to 3 µs), of the same in a struct, of
// three small parameters, and of graphs.
func BenchmarkKey(b *testing.B) {
	const typ = "github.com/larder-store/larder/examples/spikes.Detect"
	small := map[string]any{"order": 4, "low": 300.0, "kind": "butterworth"}
	recording := component.New("larder.File", "1", map[string]any{"sha256": make([]byte, 32), "size": 1 << 20})
	filtered := component.New("filter", "1", small, recording)
	chain := recording
	for i := range 1000 {
		chain = component.New("step", "1", i, chain)
	}
	for _, bm := range []struct {
		name string
		c    component.Component
		from []string
	}{
		{"20-from", component.New(typ, "1.2.0", twenty()), []string{inputA, inputB}},
		{"20-refs", component.New(typ, "1.2.0", twenty(), component.Ref(inputA), component.Ref(inputB)), nil},
		{"20-struct", component.New(typ, "1.2.0", twentyStruct), []string{inputA, inputB}},
		{"3", component.New(typ, "1.2.0", small), nil},
		{"pipeline-of-3", component.New(typ, "1.2.0", small, filtered), nil},
		{"chain-of-1000", chain, nil},
		{"diamonds-60-deep", diamonds(60), nil},
		{"floats-1000", component.New(typ, "1.2.0", make([]float64, 1000)), nil},
	} {
		b.Run(bm.name, func(b *testing.B) {
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if bm.from != nil {
					_, err = keying.Hash{}.KeyFrom(bm.c, bm.from...)
				} else {
					_, err = keying.Hash{}.Key(ctx, bm.c)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// twentyStruct is twenty as a struct.
var twentyStruct = struct {
	Dt       float64 `larder:"dt"`
	Duration int     `larder:"duration"`
	Seed     int     `larder:"seed"`
	Model    string  `larder:"model"`
	Record   bool    `larder:"record"`
	Filter   struct {
		Order     int     `larder:"order"`
		Low       float64 `larder:"low"`
		High      float64 `larder:"high"`
		Kind      string  `larder:"kind"`
		ZeroPhase bool    `larder:"zero_phase"`
	} `larder:"filter"`
	Detect struct {
		Threshold float64 `larder:"threshold"`
		DeadTime  float64 `larder:"dead_time"`
		Align     string  `larder:"align"`
		Window    int     `larder:"window"`
		Channels  int     `larder:"channels"`
	} `larder:"detect"`
	Synapse struct {
		GMax     float64 `larder:"g_max"`
		TauRise  float64 `larder:"tau_rise"`
		TauDecay float64 `larder:"tau_decay"`
		Reversal int     `larder:"reversal"`
		Kind     string  `larder:"kind"`
	} `larder:"synapse"`
}{Dt: 0.1, Duration: 1500, Seed: 42, Model: "AdEx", Record: true}

func BenchmarkReadable(b *testing.B) {
	c := component.New("spikes.Detect", "1.2.0", twenty())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (keying.Readable{}).KeyFrom(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	_, preimage, err := keying.Hash{}.Preimage(context.Background(), component.New("spikes.Detect", "1.2.0", twenty()))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keying.Decode(preimage); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEscape(b *testing.B) {
	for _, name := range []string{"spikes", "Trial 7"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := keying.Escape(name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
