.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
TOOLS := .venv/.tools
# one more than cores: some tests wait for servers
WORKERS := $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)')

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(INSTALLED): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(TOOLS): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,notebook]'
	touch $@

setup: $(TOOLS)  ## create .venv and install everything; quick when nothing changed

run: $(INSTALLED)  ## a year of flights, from CSV files to an evaluated model with a report
	$(BIN)/levada pipeline=flights

test: lint type  ## lint, types and all tests, below five minutes
	$(BIN)/python -m pytest -m "not soak" -n $(WORKERS) --dist loadfile --no-loadscope-reorder

soak: $(TOOLS)  ## the long tests
	$(BIN)/python -m pytest -m soak
	LEVADA_EXAMPLES=500 $(BIN)/python -m pytest -m "not soak and not service" -n $(WORKERS) tests/plugins tests/engine

lint: $(TOOLS)  ## style and the rules of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache

type: $(TOOLS)  ## types
	$(BIN)/mypy

bench: $(INSTALLED)  ## the measured claims, each against its alternative in the same run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/python -m benchmarks

.PHONY: help setup run test soak lint type bench
