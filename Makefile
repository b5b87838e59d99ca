# What people and CI run. `make test` passes on a machine that has only Go, git
# and make: what else it needs it installs.

GO ?= go
SHELL := /bin/bash

# Tests that run whole programs, for long or very often: the race detector would
# only slow their processes, or see nothing of them.
LONG := ./test/... ./examples/... ./cmd/...

.PHONY: measure test race long corruption lint fmt vet staticcheck bench bench-growth bench-hot bench-peers sbom build needs needs-peers flood fuzz

## test: everything that must hold before a change lands
test: lint race long
	@echo "make test: all passed"

## race: the suite under the race detector
race: needs
	CGO_ENABLED=1 $(GO) test -race -timeout 45m $$($(GO) list ./... | grep -v -e /test/ -e /examples/ -e /cmd/)
	cd bench && CGO_ENABLED=1 $(GO) test -race -timeout 10m ./...

## long: real processes killed under load, power cuts, memory, every snippet of the docs,
##       all random programs of contract row 99 and of the stores, and the peers of
##       bench-peers as far as they need no server
long: needs
	$(GO) test -timeout 20m $(LONG)
	$(GO) test -timeout 20m -run TestH99 ./internal/engine
	$(GO) test -timeout 20m -run '/Random' ./internal/store/...
	cd bench/peers && $(GO) test ./...

## corruption: every kind of damage to every file of a store and of its host, of which long
##       tries a sample, and tables of what came of it
corruption:
	$(GO) test -timeout 3h -v ./test/corrupt -full

## flood: the table of floods, in full size
flood:
	$(GO) test -count 1 -timeout 20m -v ./test/flood -full

## fuzz: every fuzz target whose name matches FUZZ, one after the other, for FUZZTIME each; what
##       fails is kept in testdata/fuzz beside the target, and tried by its tests from then on
FUZZ ?= .
FUZZTIME ?= 10m
fuzz:
	@failed=; \
	for at in $$(git grep -oE 'func Fuzz\w+' -- '*_test.go' | sed 's,[^/]*:func ,:,' | grep -E ':.*($(FUZZ))'); do \
	  echo "$$at"; \
	  $(GO) test -run '^$$' -fuzz "^$${at#*:}$$" -fuzztime $(FUZZTIME) -timeout 0 "./$${at%:*}" || failed="$$failed $$at"; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

## lint: format, vet, staticcheck
lint: fmt vet staticcheck

fmt:
	@bad=$$(git ls-files '*.go' | xargs gofmt -l); if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi

vet:
	$(GO) vet ./...
	cd bench && $(GO) vet ./...
	cd bench/peers && $(GO) vet ./...

staticcheck:
	@mkdir -p bin && $(GO) build -C tools -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	bin/staticcheck ./...
	cd bench && ../bin/staticcheck ./...
	cd bench/peers && ../../bin/staticcheck ./...

## bench: one JSON line a result, see docs/performance.md
bench:
	@cd bench && $(GO) run .

## bench-peers: Perdure, the floor and other systems in turn, and a table of them
bench-peers: needs-peers
	@cd bench/peers && $(GO) run ./compare

## bench-growth: curves against what grows, as JSON lines and as pictures in docs/images
bench-growth:
	@cd bench && $(GO) run . -runs 1 -growth ../docs/images

## bench-hot: Go benchmarks of the hot paths, with allocations
bench-hot:
	$(GO) test -run '^$$' -bench . $$(git grep -l 'func Benchmark' -- '*_test.go' ':!bench' | xargs -n1 dirname | sort -u | sed 's,^,./,')
	cd bench && $(GO) test -run '^$$' -bench .

## sbom: what is linked into the programs, as CycloneDX, and all licences, in bin/
sbom:
	@mkdir -p bin && $(GO) build -C tools/sbom -o ../../bin/cyclonedx-gomod github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
	bin/cyclonedx-gomod app -json -licenses -std -main cmd/perdure -output bin/perdure.cdx.json .
	rm -rf bin/licences && tools/sbom/licences bin/licences

## measure: lines of functions, methods of interfaces, exported names, comments
measure:
	@$(GO) run -C tools ./measure ..

build:
	$(GO) build -buildvcs=auto -o bin/perdure ./cmd/perdure

# A C compiler for the race detector, curl for the docs' examples, Node.js and npm
# for the JavaScript client, Python that can make environments for the Python one.
# The tests fetch the clients themselves, pinned, into folders that git ignores.
needs:
	@missing=; \
	command -v gcc >/dev/null || command -v clang >/dev/null || missing="gcc libc6-dev"; \
	command -v curl >/dev/null || missing="$$missing curl ca-certificates"; \
	command -v node >/dev/null && command -v npm >/dev/null || missing="$$missing nodejs npm"; \
	python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3 python3-venv"; \
	if [ -n "$$missing" ]; then \
	  echo "installing $$missing"; \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq $$missing; \
	fi

# PostgreSQL for DBOS, and the server of Restate, which npm keeps in its own folder.
needs-peers:
	@missing=; \
	command -v node >/dev/null && command -v npm >/dev/null || missing="nodejs npm"; \
	command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	if [ -n "$$missing" ]; then \
	  echo "installing $$missing" >&2; \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -qq >&2 && $$sudo apt-get install -y -qq $$missing >&2; \
	fi
	@npm ci --prefix bench/peers/restate --no-audit --no-fund --ignore-scripts >&2
