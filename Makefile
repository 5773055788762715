# `make help` lists the targets. Each one installs what it needs into .venv; nothing outside this folder is changed,
# but for `tools`, which asks Debian's packager for what some tests use, where it may.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# The newest Python of 3.11 or later on the PATH; `make PYTHON=/path/to/python3 …` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	  command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test test-fast check format accept tools bench bench-small clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.run: pyproject.toml tools/make-venv
	@PYTHON="$(PYTHON)" tools/make-venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@$(BIN)/python -m compileall -q dsl compiler runtime cli  # as pip does for a package that is not editable
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@mkdir -p $(VENV)/typed && ln -sfn ../.. $(VENV)/typed/tapechain
	@touch $@

demo: $(VENV)/.run  ## check, compile, draw, back up with mirrors, restore, compare: see examples/demo
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo/run

test: $(VENV)/.dev tools  ## the whole test suite
	@$(BIN)/python -m pytest -n 2 --dist worksteal

test-fast: $(VENV)/.dev  ## the tests without the slow ones
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow'

check: $(VENV)/.dev  ## format, lint, types, layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@MYPYPATH=$(VENV)/typed $(BIN)/mypy -m tapechain -m tapechain.__main__ \
	  -p tapechain.dsl -p tapechain.compiler -p tapechain.runtime -p tapechain.cli
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

format: $(VENV)/.dev  ## format and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

accept: $(VENV)/.dev  ## rewrite the golden files (diagnostics, compiled plans, diagrams); read the diff
	@TCC_ACCEPT=1 $(BIN)/python -m pytest -n 2 -m 'not slow' || true
	@git --no-pager diff --stat

tools:  ## install what some tests use from Debian's packages, where that is allowed (tests skip, saying why, without)
	@tools/install-test-tools

bench: $(VENV)/.dev  ## all that was promised about speed, beside its peers: one table (bench/README.md; 15 minutes)
	@$(BIN)/python bench/run.py $(BENCH)

bench-small: $(VENV)/.dev  ## the same with tiny amounts: only shows that the bench works
	@$(BIN)/python bench/run.py --small

clean:  ## remove what the other targets made
	rm -rf $(VENV) build dist demo *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
