#!/usr/bin/env bash
# Runs every fuzz target of the module for a short time: ./internal/ci/fuzz.sh 5s
set -euo pipefail
for_time=${1:-5s}
grep -rl --include='*_test.go' '^func Fuzz' . | grep -v '^./interop/' | xargs -n1 dirname | sort -u | while read -r dir; do
	for target in $(grep -h --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | cut -c6-); do
		echo "fuzz $dir $target"
		go test -run='^$' -fuzz="^$target\$" -fuzztime="$for_time" "$dir"
	done
done
