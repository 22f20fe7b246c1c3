#!/bin/sh
# Tries every law many times beside four busy loops, on backends that break nothing: a law that fails here
# is a false alarm. Takes the number of rounds (default 200: about two hours on two cores), and the tier from
# LARDER_CONFORMANCE (default quick). It is no part of the tests.
set -eu
rounds=${1:-200}
dir=$(mktemp -d)
loops=
trap 'kill $loops 2>/dev/null; rm -rf "$dir"' EXIT INT TERM
for pkg in conformance backend/shelve examples/custombackend; do
	go test -c -o "$dir/$(basename $pkg).test" "./$pkg"
done
for _ in 1 2 3 4; do
	(while :; do :; done) &
	loops="$loops $!"
done
export LARDER_CONFORMANCE="${LARDER_CONFORMANCE:-quick}"
status=0
LARDER_TEST_STRESS=$rounds "$dir/conformance.test" -test.run '^TestStress$' -test.timeout 24h -test.v || status=1
for name in shelve custombackend; do
	echo "$name, $rounds rounds"
	(cd "$dir" && "./$name.test" -test.run '^TestConformance$' -test.count "$rounds" -test.timeout 24h) || status=1
done
exit $status
