# The two commands are `make demo` and `make test`; the others are for those who work on Vitalsign.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup ui demo shell test screenshots vm mutants bench cross fuzz fmt lint deny golden bindings openapi managed manual packages clean

cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/vitalsign
export PATH := $(cache)/tools/bin:$(PATH)
export RUST_BACKTRACE ?= 1
export CARGO_TERM_COLOR ?= auto
# Inputs for each fuzz target, and which.
ITER ?= 2000000
SEED ?= 1

step = @printf '\n== %s\n'

help: ## Show what can be made.
	@awk -F ':.*## ' '/^[a-z]+:.*## /{ printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what building and testing need.
	@scripts/setup.sh

ui: ## Build the app's pages.
	@ui/build.sh

demo: ## Show it working on this machine, with a verifier on loopback and its TPM, or a software TPM.
	@scripts/setup.sh demo
	@demo/run.sh

shell: ## Start a shell with a verifier, a software TPM and a simulated security key, to try the commands by hand.
	@scripts/setup.sh demo
	@demo/run.sh shell

test: setup lint deny ## Run everything that CI checks.
	$(step) programs, which the end-to-end tests run
	cargo build --workspace --bins
	$(step) "the app's pages in another browser"
	@scripts/pages.sh test
	$(step) examples in the documentation
	cargo test --quiet --doc --workspace
	$(step) tests
	cargo nextest run --workspace

screenshots: setup ui ## Write a picture of each screen, state, theme and language to target/screenshots.
	@scripts/pages.sh screenshots

vm: setup ui ## Install the package in a guest with UEFI, TPM and an encrypted disk, and show what it reports.
	cargo build --workspace --bins
	cargo nextest run --workspace --test guest --no-capture

mutants: setup ## Prove that the rows of the guest can fail, with probes that are broken on purpose: make mutants SET=missed.
	@tests/vm/mutants.sh $(SET)

bench: ## Measure, against limits measured in the same run.
	@scripts/setup.sh bench
	@ui/build.sh
	@tests/bench/run.sh

cross: ## Check the portable crates for Windows, macOS and Android, and run their tests under Wine.
	@tests/cross/run.sh

fuzz: ## Fuzz for longer: make fuzz ITER=2000000 SEED=7.
	VITALSIGN_FUZZ_ITER=$(ITER) VITALSIGN_FUZZ_SEED=$(SEED) cargo test -p vitalsign-fuzz --tests -- --nocapture

golden: ## Regenerate the byte-exact examples of docs/protocol.md, after a change of the wire format.
	cargo run -q -p vitalsign-protocol --example golden <docs/protocol.md >docs/protocol.md.new
	mv docs/protocol.md.new docs/protocol.md

bindings: ui ## Regenerate the types of the app's pages, after a change of src-tauri/src/view.rs.
	VITALSIGN_BINDINGS=1 cargo test -p vitalsign-app --lib the_pages_types_are_these

openapi: ## Regenerate docs/admin-api.json, after a change of the API for administrators.
	VITALSIGN_OPENAPI=1 cargo test -q --workspace --lib documented_description_is_this

managed: ## Regenerate the templates for device management, after a change of agent/service/src/config/settings.rs.
	VITALSIGN_MANAGED=1 cargo test -q --workspace --bins managed_files_are_these

manual: ## Write man pages and shell completions to target/manual, for packages.
	VITALSIGN_MANUAL=$(CURDIR)/target/manual cargo test -q --workspace --bins manual_is_complete

packages: ## Make deb and rpm packages, and repositories of them, in target/packages.
	@scripts/setup.sh packages
	@ui/build.sh
	@installers/linux/make.sh

fmt: ## Format the source.
	cargo fmt --all

lint: setup ui ## Check formatting, language, clippy and rustdoc, warnings as errors.
	$(step) language
	scripts/style.py check
	scripts/style.py measure
	$(cache)/python/$$(sha256sum tests/peers/requirements.txt | cut -c1-16)/bin/typos
	$(step) formatting
	cargo fmt --all --check
	$(step) clippy
	cargo clippy --workspace --all-targets -- -D warnings
	$(step) documentation
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps

# The advisories are in a separate repository, which a machine without a network cannot reach.
deny: setup ## Licences, sources and bans of dependencies; advisories where their database can be reached.
	$(step) dependencies
	cargo deny check bans licenses sources
	@if timeout 60 cargo deny fetch db >/dev/null 2>&1; then \
		cargo deny check advisories; \
	else \
		echo 'advisories: NOT CHECKED, because their database could not be reached'; \
	fi

clean: ## Remove what was built here. What is kept outside, in the cache folder, stays.
	cargo clean
