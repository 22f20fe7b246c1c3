package main

import "math"

// Point is one simulation: what went in, and what came out.
type Point struct {
	Current float64 // nA
	Rate    float64 // Hz
}

// Neuron is a leaky integrate-and-fire neuron with usual values.
type Neuron struct{}

const (
	tau        = 20e-3 // s, of the membrane
	resistance = 20.0  // MΩ
	fires      = 15.0  // mV above rest
	refractory = 2e-3  // s
	dt         = 0.1e-3
	duration   = 2.0 // s
)

// Rate simulates two seconds of a constant current and returns how often the neuron fired, as the inverse of the
// mean interval.
func (Neuron) Rate(current float64) float64 {
	decay := math.Exp(-dt / tau)
	v, silentUntil := 0.0, 0.0
	first, last, spikes := 0.0, 0.0, 0
	for t := 0.0; t < duration; t += dt {
		if t < silentUntil {
			continue
		}
		v = resistance*current + (v-resistance*current)*decay
		if v < fires {
			continue
		}
		if v, silentUntil = 0, t+refractory; spikes == 0 {
			first = t
		}
		last = t
		spikes++
	}
	if spikes < 2 {
		return 0
	}
	return float64(spikes-1) / (last - first)
}

// threshold returns the least current for which the neuron fires.
func threshold(curve []Point) float64 {
	for _, p := range curve {
		if p.Rate > 0 {
			return p.Current
		}
	}
	return math.Inf(1)
}
