# GNU make, Linux x86-64, Python 3.11 to 3.13. `make` alone says what there is.
PYTHON ?= python3
VENV := .venv
RUN := . $(VENV)/bin/activate && PYTHONPATH=$(CURDIR)
READY := $(VENV)/.ready
# two tests at a time, a file's tests one after the other; each computes on one core, unless it asks for more (threads
# that wait for each other on cores that others use take most of their time for nothing)
PYTEST := OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

help: ## what each target does
	@grep -E '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

env: $(READY) ## the environment in .venv, from requirements.lock (2 to 4 minutes and 6 GB)

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 wanted, this is {v[0]}.{v[1]}: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

demo: $(READY) ## the whole workflow on a synthetic cohort (minutes on two cores)
	$(RUN) snakemake all --cores all --quiet rules --configfile config/demo.yaml
	@echo; sed "/^## Pooled/,\$$d" results/demo/report/table1.md; echo "Report: $(CURDIR)/results/demo/report/report.html"

lint: $(READY) ## ruff, mypy --strict, snakefmt
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) snakefmt --check workflow

test: lint ## lint, types, unit, golden and workflow tests (about 12 minutes on two cores)
	tests/install dicom browser
	$(RUN) $(PYTEST) -m "not long and not slurm"

test-long: $(READY) ## what takes long: shuffled labels, the demo twice, growing cohorts
	tests/install dicom browser
	$(RUN) $(PYTEST) -m long

test-slurm: $(READY) ## the workflow on a SLURM of its own, with what goes wrong in a queue (Debian's packages and root are wanted)
	tests/install slurm
	$(RUN) python -m pytest -v -m slurm tests/slurm

bench-%: $(READY) ## bench-demo, -adapt, -tiles, -ingest, -headers, -train, -precision, -wu2019, -coverage, -evaluate, -report, -tables, -predict, -drift: print a table and write bench/<name>.json
	$(RUN) python bench/$*.py

lock: ## resolve pyproject.toml into requirements.lock (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make lock" --group dev pyproject.toml -o requirements.lock

.PHONY: help env demo lint test test-long test-slurm lock
