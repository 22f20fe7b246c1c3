//go:build race

package keying_test

// raceEnabled: the race detector makes pools forget at random.
const raceEnabled = true
