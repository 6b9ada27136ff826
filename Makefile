# The checkout's commands. Each is a small script of tools/, so that it can be read and run by itself.
#   make up      from nothing to a private IPFS network that works (EDGE_PORT=8081, CONTROL_PORT=7601: other ports)
#   make down    stop the daemon; the networks' nodes keep running
#   make clean   remove all that `make up` made, after asking (YES=1: without asking)
#   make bench   the edge beside other proxies, for 20 minutes; writes docs/performance.md (ROUNDS=3 ONLY=small,jwt: less
#                of it; REPORT=1: writes the document again from the last results)
#   make conformance  hostile and odd messages through Nexus, HAProxy, nginx and Caddy; writes docs/conformance.md (3 minutes)
#   make fuzz    random lives of an edge (SECONDS=60; SEED=1: from that seed on)
#   make test    every test;  make test TESTS=tests.test_config: some;  .ci/run: tests and all other checks
SHELL := /bin/bash
PYTHON := .venv/bin/python
TESTS ?= tests

export EDGE_PORT CONTROL_PORT YES
# Another engine than the usual one, for all that is run from here.
ifneq ($(DOCKER_HOST),)
export NEXUS_CONTAINERS__SOCKET ?= $(DOCKER_HOST)
endif

.PHONY: up down clean test venv engine image lint types imports docs bench conformance fuzz

up: engine image
	@$(PYTHON) -m tools.daemon start
	@$(PYTHON) -m tools.demo

down:
	@[ ! -x $(PYTHON) ] || $(PYTHON) -m tools.daemon stop

clean:
	@tools/clean.sh

test: engine image
	@$(PYTHON) -m tools.run_tests $(TESTS)

venv:
	@tools/ensure_venv.sh

engine: venv
	@tools/ensure_engine.sh

image: engine
	@tools/ensure_image.sh

bench: venv
	@tools/ensure_bench.sh
	@$(PYTHON) -m benchmarks.edge $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ONLY),--only $(ONLY)) $(if $(REPORT),--report)

conformance: venv
	@tools/ensure_peers.sh
	@$(PYTHON) -m tools.conformance

fuzz: venv
	@$(PYTHON) -m tools.fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

lint: venv
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check

types: venv
	@.venv/bin/mypy

imports: venv
	@.venv/bin/lint-imports

docs: venv
	@.venv/bin/mkdocs build --quiet --strict --site-dir var/site
