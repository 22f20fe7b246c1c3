//go:build race

package catalog_test

// raceEnabled: the race detector makes a million values slow.
const raceEnabled = true
