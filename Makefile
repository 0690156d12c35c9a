# The commands of this project. `make help` lists them.

CARGO ?= cargo
TRUNKLINE := $(abspath $(or $(CARGO_TARGET_DIR),target))/release/trunkline
# In release too, because its dependencies are built like that already.
LAB := $(CARGO) test --quiet --release -p trunkline-tests --test lab --

.PHONY: help demo test lab lab-full lab-install bench bench-openflow doc fuzz release

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: release ## an emulated fabric and two routers on the real controller: needs no root
	$(TRUNKLINE) demo

test: ## everything: format, lints, tests, documentation, hygiene, fuzzing, and as root on Debian the lab
	tests/all.sh

lab: release lab-install ## real Open vSwitch, BIRD and Prometheus: shows what happens (root on Debian)
	TRUNKLINE_BIN=$(TRUNKLINE) $(LAB) --show

lab-full: release lab-install ## the same at length: every link cut, twenty restarts, two labs at once
	TRUNKLINE_BIN=$(TRUNKLINE) $(LAB) --full

lab-install: ## install what the lab needs; no service is started
	tests/lab/install.sh

bench: ## microbenchmarks
	$(CARGO) bench --workspace --benches

bench-openflow: release ## the OpenFlow channel beside a floor: throughput, latency, connecting, attacks (ten minutes)
	$(TRUNKLINE) bench openflow --workload known,new
	$(TRUNKLINE) bench openflow --mode connect,attack

doc: ## the documentation of all crates, in target/doc
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --all-features

fuzz: ## every fuzz target for a short time, from its seeds
	tests/fuzz/run.sh

release:
	$(CARGO) build --release -p trunkline-controller
