//go:build !linux

package mapped

// Huge has nothing to ask here.
func Huge([]byte) {}
