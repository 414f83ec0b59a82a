# slurm-azure: everything a person or CI runs. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
RUN := $(VENV)/bin
ARGS ?=

.PHONY: help setup demo demo-stop shell test test-fast fuzz lint fmt bench scale chaos clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.ready  ## Make the virtual environment with everything tests and linters need

$(VENV)/.demo: setup.cfg constraints.txt packaging/prepare
	@packaging/prepare $(VENV) simulator
	@touch $@

$(VENV)/.ready: setup.cfg constraints.txt packaging/prepare
	@packaging/prepare $(VENV) test,lint
	@touch $(VENV)/.demo $@

demo: $(VENV)/.demo  ## A whole site on this machine: an animation rendered on cloud nodes (KEEP=1 leaves it running)
	@$(RUN)/python -m slurm_azure.demo run $(if $(KEEP),--keep) $(ARGS)

demo-stop: $(VENV)/.demo  ## End a site that KEEP=1 left running
	@$(RUN)/python -m slurm_azure.demo stop

shell: $(VENV)/.demo  ## A shell on the head node of a site that KEEP=1 left running
	@$(RUN)/python -m slurm_azure.demo exec -- bash

test: $(VENV)/.ready  ## All tests, end to end included (root; needs namespaces)
	@$(RUN)/python -m slurm_azure.demo prepare
	@$(RUN)/pytest -m 'not endtoend' -n 2 --dist loadfile $(ARGS)
	@$(RUN)/pytest -m endtoend -n 4 --dist loadfile --durations 12 $(ARGS)

test-fast: $(VENV)/.ready  ## All tests but those that boot a site
	@$(RUN)/pytest -m 'not endtoend' $(ARGS)

fuzz: $(VENV)/.ready  ## Shoot at the simulated Azure for a quarter of an hour, elsewhere each time (TIMES=20)
	@SLURM_AZURE_FUZZ=$(or $(TIMES),20) $(RUN)/pytest tests/contracts/test_fuzz.py tests/contracts/test_attacks.py $(ARGS)

lint: $(VENV)/.ready  ## ruff, mypy --strict, import-linter
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check --quiet . || { echo 'run: make fmt'; exit 1; }
	@$(RUN)/mypy
	@PYTHONPATH=. $(RUN)/lint-imports --no-cache

fmt: $(VENV)/.ready  ## Format the code
	@$(RUN)/ruff format --quiet .
	@$(RUN)/ruff check --fix --quiet . || true

scale: $(VENV)/.ready  ## 200 nodes in one job, then 5,000 VMs up and down under Azure's documented budgets (half an hour)
	@$(RUN)/python -m slurm_azure.demo prepare
	@$(RUN)/pytest -s tests/endtoend/scale.py $(ARGS)

chaos: $(VENV)/.ready  ## Kill everything while everything fails, then look what is lost (SECONDS=600, NODES=600, SEED=any)
	@$(RUN)/python -m slurm_azure.demo prepare
	@$(RUN)/python -m tests.chaos --seconds $(or $(SECONDS),600) --nodes $(or $(NODES),600) $(if $(SEED),--seed $(SEED)) $(ARGS)

bench: $(VENV)/.ready  ## The benchmarks, beside their targets
	@$(RUN)/python -m bench $(ARGS)

clean:  ## Remove what was built here (the cached root file system too)
	@rm -rf $(VENV) .cache build dist demo-output .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
