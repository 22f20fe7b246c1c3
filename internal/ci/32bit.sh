#!/usr/bin/env bash
# Tests on 32 bits the packages in which the size of numbers matters: as 386, where the kernel runs such
# programs; else as arm by Debian's qemu-user, where that is there or can be installed (its qemu-i386
# crashes in Go's threads); else they are skipped, loudly.
set -euo pipefail
go=${1:-go}
if [ "$("$go" env GOOS)/$("$go" env GOARCH)" != linux/amd64 ]; then exit 0; fi

probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
printf 'package main\n\nfunc main() { println(^uint(0) == 1<<32-1) }\n' >"$probe/main.go"

# runs ARCH [EMULATOR]: a program for ARCH runs here
runs() {
	GOARCH=$1 CGO_ENABLED=0 "$go" build -o "$probe/probe" "$probe/main.go"
	[ "$("${@:2}" "$probe/probe" 2>&1)" = true ]
}
emulator() { command -v qemu-arm || command -v qemu-arm-static; }

arch=386 how=()
if ! runs 386; then
	if ! emulator >/dev/null && command -v apt-get >/dev/null; then
		as_root=
		if [ "$(id -u)" != 0 ]; then as_root='sudo -n'; fi
		{ $as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends qemu-user; } >&2 || true
	fi
	if ! emulator >/dev/null || ! runs arm "$(emulator)"; then
		echo "32bit: THE TESTS ON 32 BITS ARE SKIPPED: this kernel runs no 32-bit programs, and there is no qemu-arm" >&2
		exit 0
	fi
	arch=arm how=(-exec "$(emulator)")
fi
GOARCH=$arch CGO_ENABLED=0 "$go" test "${how[@]}" ./keying ./component ./codec ./readers
