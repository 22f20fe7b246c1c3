//go:build !race

package conformance_test

func raceFlag() string { return "" }
