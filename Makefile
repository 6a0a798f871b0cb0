# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The one entry for people and CI. What a check does is in noxfile.py, what the lab does in tests/lab.
# Another Python: make PYTHON=python3.13 VENV=.venv-3.13 unit
PYTHON ?= python3
VENV ?= .venv
LAB ?= demo
# Where the demo's packages and images come from: official, mirror (built here), or auto.
SOURCE ?= auto

BIN := $(CURDIR)/$(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/requirements-$(shell sha256sum requirements-dev.txt | cut -c1-16).stamp
COLLECTIONS := $(CURDIR)/build/collections
CHECKOUT := $(COLLECTIONS)/ansible_collections/kubestead/cluster
NOX := $(BIN)/nox --session

export KUBESTEAD_LAB_HOME ?= $(HOME)/.cache/kubestead-lab
export PATH := $(BIN):$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(COLLECTIONS)
export PYTHONPATH := $(COLLECTIONS)
LAB_FILES := $(KUBESTEAD_LAB_HOME)/labs/$(LAB)

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-down test test-full bench checks lint unit sanity packages molecule e2e e2e_full docs build clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9_ -]+:.*## / { printf "  %-60s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) $(CHECKOUT) ## Create $(VENV) with everything that development needs

$(STAMP): requirements-dev.txt
	$(PYTHON) -m tests.lab provide venv
	$(PYTHON) -m venv --clear $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	touch $@

$(CHECKOUT):
	mkdir -p $(@D)
	ln -sfn ../../../.. $@

demo: venv ## Bring up five machines and make a cluster of them; it says first what it needs
	@echo 'make demo needs root on Debian or a container engine, Go, 4 GB of memory and 25 GB of disk below' \
	  '$(KUBESTEAD_LAB_HOME) and the caches of Go; about 15 minutes the first time on two cores, 4 later.'
	$(PY) -m tests.lab provide demo
	$(PY) -m tests.lab up $(LAB) --source $(SOURCE)
	$(BIN)/ansible-playbook playbooks/site.yml -i $(LAB_FILES)/hosts.yml
	@echo KUBECONFIG=$(LAB_FILES)/$(LAB).kubeconfig

demo-down: venv ## Remove what demo made
	$(PY) -m tests.lab down $(LAB)

test: E2E := e2e
test: ## Everything that CI runs: lint, unit, sanity, packages, molecule, e2e

test-full: E2E := e2e_full
test-full: ## test and the slow ones

# Programs that are missing on this computer are installed, or all of them named, before anything else. What the first labs
# on a computer wait for is compiled from then on, beside whatever leaves a processor idle.
test test-full: venv
	$(PY) -m tests.lab provide lint unit sanity packages molecule $(E2E)
	nice $(PY) -m tests.lab programs >build/programs.log 2>&1 & \
	$(NOX) checks molecule $(E2E); result=$$?; wait; exit $$result

bench: venv ## Speed against the hand-written parallel shell, into build/bench.json
	$(PY) -m tests.lab provide bench
	$(PY) -m tests.bench $(BENCH)

checks lint unit sanity packages molecule e2e e2e_full docs build: venv ## The single steps
	$(NOX) $@

clean: ## Remove what the targets above left in the checkout
	rm -rf build .venv* .nox .mypy_cache .ruff_cache .pytest_cache .ansible .cache
