# What people and CI run. `make test` passes on a machine that has only Go and
# make: what else it needs (a C compiler, for the race detector) it installs.

GO ?= go
SHELL := /bin/bash

.PHONY: test race lint fmt vet bench build cc crash

## test: everything that must hold before a change lands
test: lint race crash
	@echo "make test: all passed"

## race: the suite under the race detector
race: cc
	CGO_ENABLED=1 $(GO) test -race -timeout 15m ./...
	cd bench && CGO_ENABLED=1 $(GO) test -race -timeout 5m ./...

## crash: real processes, killed at random moments; not slowed by the race detector
crash:
	$(GO) test -timeout 15m -count=1 -run 'Crash|Kill' -tags crash ./test/...

## lint: format, vet, staticcheck; each exception has its reason on its line
lint: fmt vet
	$(GO) -C tools tool staticcheck -version >/dev/null
	d=$$(mktemp -d) && $(GO) build -C tools -o $$d/staticcheck honnef.co/go/tools/cmd/staticcheck && $$d/staticcheck ./... && rm -rf $$d

fmt:
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi

vet:
	$(GO) vet ./...
	cd bench && $(GO) vet ./...

## bench: one JSON line a result, see docs/performance.md
bench:
	cd bench && $(GO) run . 

build:
	$(GO) build -o bin/perdure ./cmd/perdure

# The race detector needs a C compiler.
cc:
	@command -v $${CC:-cc} >/dev/null || command -v gcc >/dev/null || { \
	  echo "installing gcc for the race detector"; \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq gcc libc6-dev; }
