# Every target sets up .venv first; when nothing has changed that takes milliseconds.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin

# One BLAS thread: same bits everywhere, no busy second core beside the control cycle.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1

.PHONY: help setup demo test lint types rooms docs check-docs unit launch-test test-firmware campaign bench bench-compare bench-estop \
	compare compare-tools \
	lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: ## make or update .venv from the lock file
	@scripts/setup.sh >&2

demo: setup ## simulated Panda (or ARGS="--robot g1"), misbehaving agent, supervisor: make demo ARGS="--headless --seconds 40 --json"
	@$(BIN)/safety-supervisor demo $(ARGS)

test: setup ## everything that CI runs
	@status=0; \
	$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync lint types rooms check-docs || status=1; \
	$(MAKE) --no-print-directory --keep-going launch-test unit || status=1; \
	exit $$status

lint: setup ## ruff, style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup ## mypy, strict on the core
	$(BIN)/mypy

rooms: setup ## import-linter, who may import whom
	$(BIN)/lint-imports --no-logo

docs: setup ## write the generated documents
	$(BIN)/python scripts/docs.py

check-docs: setup ## are the generated documents current?
	$(BIN)/python scripts/docs.py --check

launch-test: setup ## the launch files under ros2 launch, where launch is installed
	@scripts/launch_test.sh

unit: setup ## pytest: unit, property, ROS and simulation tests; make unit ARGS="-k intake"
	@scripts/unit.sh $(ARGS)

test-firmware: setup ## the e-stop device's firmware: on this machine, under sanitizers, and its image on a simulated AVR
	@scripts/firmware_test.sh $(ARGS)

campaign: setup ## 1,520 runs of a Panda and 156 of a G1 by the core engine, resumable: make campaign ARGS="--runs 100 --out runs"
	@$(BIN)/safety-supervisor sim campaign sim/campaigns/panda.yaml sim/campaigns/g1.yaml $(ARGS)

bench: setup ## measure: make bench ARGS="--json"
	@$(BIN)/python -m bench $(ARGS)

compare-tools: setup ## install pink and mink into .compare/, for what compares with them
	@test .compare/mink -nt bench/requirements-compare.txt || { rm -rf .compare && .venv/bin/uv --no-config --system-certs \
		--quiet pip install --python $(BIN)/python --no-deps --require-hashes --target .compare \
		-r bench/requirements-compare.txt && touch .compare/mink; }

compare: compare-tools ## the same campaign with the supervisor, passed through, clamped, and by pink: make compare ARGS="--runs 20"
	@$(BIN)/safety-supervisor sim compare sim/campaigns/panda.yaml --out compared --runs 160 $(ARGS)

bench-compare: compare-tools ## decisions beside pink and mink
	@$(BIN)/python -m bench --only decision.full decision.margin trajectory startup compare $(ARGS)

bench-estop: setup ## reaction times of the e-stop against the node: make bench-estop ARGS="--presses 1000"
	@$(BIN)/python -m bench.estop_report $(ARGS)

lock: setup ## resolve the lock files again: make lock ARGS="--upgrade"
	scripts/lock.sh $(ARGS)

clean: ## remove .venv and everything that was built or cached
	rm -rf .venv .compare build install log *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
