//go:build unix && !linux

package mapped

const atOnce = 0
