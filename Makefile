# make test    everything that CI runs; installs what it needs where it can
# make check   the static part of it
# make fuzz    every fuzz target for a while
# make stress  every law of the conformance suite 200 times beside four busy loops
# make bench   tables of ratios in under 5 minutes: us, the raw engine, peers where they are installed
# make install the commands larder and larder-cloud into $GOBIN

GO ?= go

.PHONY: test deps check race interop cross fuzz stress bench install

test: deps check race interop cross

deps:
	./internal/ci/deps.sh

check:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'gofmt would change these'; exit 1; }
	$(GO) mod verify
	$(GO) vet ./...
	$(GO) -C interop vet ./...
	$(GO) tool staticcheck ./...

# A process with the race detector sleeps for a second before it ends, and many tests start processes.
race: export GORACE = atexit_sleep_ms=10
race:
	$(GO) test -race -parallel 4 -timeout 45m ./...

# On servers that others wrote, which the tests start. Half of its time is theirs, so it does without -race.
interop:
	$(GO) -C interop test -timeout 45m ./...

# Seeds and saved findings run with every `go test`; this looks for new ones, and so is no part of
# `make test`, which gives one answer for one tree.
fuzz:
	./internal/ci/fuzz.sh 20s

# A law that fails on a backend that breaks nothing is a false alarm, and a busy machine finds it.
stress:
	./internal/ci/stress.sh

# Type-checked alone: to compile all dependencies for three systems took four minutes longer.
cross:
	$(GO) run ./internal/ci/typecheck darwin/arm64 windows/amd64 linux/386
	./internal/ci/32bit.sh $(GO)

bench:
	$(GO) run ./bench

# Without cgo a hit of larder takes 0.7 of the time: nothing is linked when it starts.
install:
	CGO_ENABLED=0 $(GO) install ./cmd/larder
	$(GO) install ./cmd/larder-cloud
