//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package mapped

const atOnce = 0
