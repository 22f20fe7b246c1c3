#!/usr/bin/env bash
# Installs what the tests use beside Go, where it is missing and can be installed:
# NumPy, which must open what package codec writes. Without it those tests say loudly that
# they were skipped; in CI they fail.
set -euo pipefail

have_numpy() {
	for python in python3 /usr/bin/python3; do # a version manager's may hide the system's
		if "$python" -c 'import numpy' 2>/dev/null; then return 0; fi
	done
	return 1
}

have_numpy && exit 0
if ! command -v apt-get >/dev/null; then
	echo 'deps: NumPy is missing (python3-numpy); the tests that need it will be skipped' >&2
	exit 0
fi
as_root=
if [ "$(id -u)" != 0 ]; then as_root='sudo -n'; fi
export DEBIAN_FRONTEND=noninteractive
{ $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends python3-numpy; } >&2 ||
	echo 'deps: NumPy could not be installed (python3-numpy); the tests that need it will be skipped' >&2
