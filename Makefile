# make build && make run: a server on this machine. make test: everything that needs Go alone.

GO       ?= go
ARGS     ?=
FUZZTIME ?= 20s

version  := $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
built    := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
ldflags  := -s -w -X main.version=$(version) -X main.built=$(built)

# Each optional feature is left out by a tag of its own; all of them together are the smallest program.
none     := $(shell grep -hoE 'omit_[a-z0-9_]+' appliance/features/*.go | sort -u | paste -sd, -)

# The race detector needs a C compiler; the tests themselves do not.
race     := $(shell command -v $${CC:-cc} >/dev/null 2>&1 && $(GO) env GOARCH | grep -qE '^(amd64|arm64|ppc64le|s390x|riscv64)$$' && echo -race)

.PHONY: help build run test test-all test-none bench interop fuzz cover clean

help: ## print this
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

build: ## build bin/linnet
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(ldflags)' -o bin/linnet ./cmd/linnet

run: build ## serve localhost with data in var/linnet; more flags in ARGS
	bin/linnet run -data var/linnet -domain localhost $(ARGS)

test: test-all test-none ## unit tests, scenarios, floors and budgets, with all features and with none

test-all:
	@$(if $(race),echo "race detector: on",echo "race detector: off (no C compiler: $${CC:-cc} is not there)")
	$(GO) vet ./...
	$(if $(race),CGO_ENABLED=1) $(GO) test $(race) ./...

test-none:
	@echo "without optional features: $(none)"
	$(GO) vet -tags '$(none)' ./...
	$(GO) test -tags '$(none)' ./appliance/... ./cmd/... ./tinytests/scenario/...

bench: build ## measure against a floor and other servers (about an hour; ARGS=-quick for a first look)
	$(GO) run ./tinytests/bench $(ARGS)
	$(GO) run ./tinytests/bench/transfers
	$(GO) run ./tinytests/bench/relays
	$(GO) run ./tinytests/bench/snmp

interop: build ## drive clients written by others against bin/linnet; installs them where apt-get is
	tinytests/interop/run bin/linnet

fuzz: ## run each fuzz target for FUZZTIME
	tinytests/fuzz $(FUZZTIME)

cover: ## line coverage of the tests, in var/cover.html
	mkdir -p var
	$(GO) test -coverpkg=./netsvc/...,./store/...,./appliance/...,./cmd/... -coverprofile=var/cover.out ./...
	$(GO) tool cover -func=var/cover.out | tail -1
	$(GO) tool cover -html=var/cover.out -o var/cover.html

clean: ## remove what was built; data stays
	rm -rf bin var/cover.*
