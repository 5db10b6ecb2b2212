# Everything runs in .venv, which any target creates when it is missing.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests run in so many processes, a file in one of them: many wait for servers, for politeness or for each other's end.
JOBS ?= 2
PYTEST := $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1

.DEFAULT_GOAL := help
.PHONY: help demo deploy test test-slow check fix bench gpu-check sample clean

help: ## Show what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))" || { echo "Python 3.11 was not found: install it, or run make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "installing into $(VENV) (torch is large: a few minutes)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,dev]'
	@touch $@

demo: $(STAMP) ## The bundled sample, from a wiki to a page: crawl, build, publish, train, draw
	$(BIN)/pixelbytes demo

deploy: $(STAMP) ## Server, deployments and worker on loopback, until Ctrl-C (docs/operations.md)
	$(BIN)/pixelbytes deploy

test: $(STAMP) ## The fast tests
	$(PYTEST)

test-slow: $(STAMP) ## The slow ones: real servers, kill -9, whole runs
	$(PYTEST) -m "slow or wiki"

check: $(STAMP) ## Linters: ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(STAMP) ## Let ruff mend and format what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## Benchmarks, side by side, as ratios
	$(BIN)/python -m tests.bench

gpu-check: $(STAMP) ## With a GPU: kernels against our scan, tokens per second of each core
	$(BIN)/python -m tests.gpu_check

sample: $(STAMP) ## Draw the bestiary of data/sample again (same bytes)
	$(BIN)/python -m pipeline.sample.bestiary

clean: ## Remove the environment and everything the runs made (the sample stays)
	rm -rf $(VENV) data/raw data/builds data/releases data/runs data/evaluations data/reproductions data/prefect data/pages data/generated data/hub data/models data/exports data/announcing data/hub-server data/webhooks data/deploy data/champions data/locks data/backfills data/notices .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
