# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
ARGS ?=
# two workers: the tests start real servers and browsers
WORKERS ?= 2

.PHONY: help setup pages demo test check bench chaos cover mutants fuzz hostile browser train-corners clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
	@echo 'ARGS="…" is handed on: make demo ARGS="--vehicles 3 --json", make test ARGS="-k journal"'

setup: $(STAMP) ## environment in .venv, from hash-pinned locks
$(STAMP): deploy/locks/dev.txt deploy/locks/emulators.txt deploy/locks/weights.txt pyproject.toml
	@bash deploy/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@

pages: setup ## build the web pages (quick when nothing changed)
	@$(BIN)/python hatch_build.py

demo: setup pages ## the whole system with a virtual site: make demo ARGS="--vehicles 3 --json"
	@$(BIN)/chayan demo $(ARGS)

browser: ## Chromium for the page tests
	@bash deploy/browser.sh

test: setup pages browser ## all tests
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

check: setup ## format, lint, types, floors, fast tests
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports
	@$(BIN)/python -m pytest -q -n $(WORKERS) -m "not slow" $(ARGS)

bench: setup ## benchmarks, each a ratio against a peer of the same run: make bench ARGS="NAME --json"
	@$(BIN)/python -m benchmarks $(ARGS)

chaos: setup ## kill -9 of every process at random moments: make chaos ARGS="--faults 20 --seed 1 --json"
	@$(BIN)/python -m benchmarks.chaos $(ARGS)

cover: setup ## every branch of lanes is taken by its own tests, or it fails (some minutes)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --cov=lanes --cov-branch --cov-fail-under=100 \
	  --cov-report=term-missing:skip-covered $(ARGS) tests/test_lanes_*.py tests/test_forms.py tests/test_rules_told.py

mutants: setup ## changes of the deciding modules that no test finds (an hour or more): make mutants ARGS="'lanes.limits*'"
	@$(BIN)/mutmut run --max-children $(WORKERS) $(ARGS)
	@$(BIN)/mutmut results

fuzz: setup ## millions of inputs for every codec of a device: make fuzz ARGS="--inputs 10000000 --only jx"
	@$(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r deploy/locks/fuzz.txt
	@$(BIN)/python -m tests.fuzz $(ARGS)

hostile: setup ## hostile photos and questions put to a real review process: make hostile ARGS="--images 10000"
	@$(BIN)/python -m tests.hostile_images $(ARGS)

train-corners: setup ## the corner finder, from photos: make train-corners ARGS="--photos DIR --work DIR"; needs torch
	@$(BIN)/python -m models.training.corners_net $(ARGS)

clean: ## remove what was built
	rm -rf $(VENV) web/dist web/node_modules build dist
