# Entry point: `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export RESTWARD_CACHE ?= $(HOME)/.cache/restward

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: doctor
doctor: ## Say what this machine lacks, and how to get it
	@tests/doctor

.PHONY: dev
dev: ## Keycloak, Confluence stand-in and sidecar as plain processes (no root, no cluster)
	@tests/dev

.PHONY: demo
demo: ## The whole product on a real cluster on this machine (root)
	@tests/demo/up

.PHONY: demo-down
demo-down: ## Take the demo's cluster down, also after a killed run
	@tests/demo/down

.PHONY: check
check: ## fmt, clippy, unit and in-process suites (no root, no network)
	@tests/check

.PHONY: test
test: ## Everything, on a real cluster on this machine (root)
	@tests/all

.PHONY: fuzz
fuzz: ## Fuzz the sidecar's parsers, SECONDS_EACH=60 for each, and 100,000 spellings of paths against Tomcat
	@sidecar/fuzz/run --seconds $${SECONDS_EACH:-60}
	@PROPTEST_CASES=$${PROPTEST_CASES:-100000} PROPTEST_RNG_SEED=$${PROPTEST_RNG_SEED:-$$(date +%s)} \
		cargo test --package restward-sidecar --test standin -- --nocapture no_spelling_at_all

.PHONY: bench
bench: ## CPU time, latency and memory of the sidecar beside other proxies (root, two cores)
	@bench/run

.PHONY: bench-operator
bench-operator: ## The operator with 1,000 policies and 10,000 pods, on an API server of its own (root)
	@bench/operator/run

.PHONY: gen
gen: ## Write the generated files: CRDs, schemas, reference pages, golden charts
	@tests/gen

.PHONY: lint
lint: ## fmt, clippy, shellcheck, helm lint, cargo-deny, generated files
	@tests/lint

.PHONY: docs
docs: ## Build the pages of docs/ as a site (target/site) and look at its links
	@docs/book/build

.PHONY: package
package: ## What a release is made of: charts, images, checksums, SBOMs, notices (target/package)
	@release/build

.PHONY: images
images: ## Build the operator's and the sidecar's image as OCI archives
	@tests/images

.PHONY: cli
cli: ## Build kubectl-restward as one static binary
	@tests/cli

.PHONY: clean
clean: ## Remove what was built in the tree (the cache outside stays)
	cargo clean
