#!/usr/bin/env bash
# Installs what the tests use beside Go, where it is missing and can be installed: NumPy,
# which must open what package codec writes, Node with npm, on which Azurite runs, the
# emulator of Azure's storage, and PostgreSQL and PgBouncer, which the tests start for themselves. Without them those tests say loudly that they were skipped; in CI they fail.
set -euo pipefail

have_numpy() {
	for python in python3 /usr/bin/python3; do # a version manager's may hide the system's
		if "$python" -c 'import numpy' 2>/dev/null; then return 0; fi
	done
	return 1
}

packages=()
have_numpy || packages+=(python3-numpy)
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
[ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null || packages+=(pgbouncer)
if [ ${#packages[@]} = 0 ]; then exit 0; fi

skipped="${packages[*]} missing and not installed; the tests that need them will be skipped"
if ! command -v apt-get >/dev/null; then
	echo "deps: $skipped" >&2
	exit 0
fi
as_root=
if [ "$(id -u)" != 0 ]; then as_root='sudo -n'; fi
export DEBIAN_FRONTEND=noninteractive
{ $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >&2 ||
	echo "deps: $skipped" >&2
