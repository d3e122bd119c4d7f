# GNU make, Linux x86-64, Python 3.11 to 3.13. `make` alone says what there is.
PYTHON ?= python3
VENV := .venv
RUN := . $(VENV)/bin/activate && PYTHONPATH=$(CURDIR)
READY := $(VENV)/.ready

help: ## what each target does
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

env: $(READY) ## the environment in .venv, from requirements.lock (about 70 s and 5.4 GB)

$(READY): requirements.lock
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13), f"Python 3.11 to 3.13 wanted, this is {sys.version.split()[0]}: make PYTHON=python3.12"'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --require-hashes -r requirements.lock
	touch $@

lock: ## resolve pyproject.toml into requirements.lock (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command "make lock" --group dev pyproject.toml -o requirements.lock

.PHONY: help env lock
