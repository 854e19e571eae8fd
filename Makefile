# On a fresh clone: `make demo` trains, `make test` tests. Both make .venv first; nothing else is needed but Python 3.11+.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SHARDS := data/mnist5k
RUN := runs/demo
METRICS := label_accuracy,frechet_distance,precision,memorization
TEST_WORKERS ?= 2
export PATH := $(CURDIR)/$(BIN):$(PATH)
export NO_MKDOCS_2_WARNING := 1

.PHONY: help setup demo demo-fresh bench docs docs-serve test test-long test-slurm \
	test-browser gpu lint types format check clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(INSTALLED)  ## Make .venv with everything that demo and tests need

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,dev]'
	@touch $@

demo: setup $(SHARDS)/manifest.json  ## Train on 5,000 real digits for a few minutes, or go on with it
	launch/local.sh --config configs/demo.yaml
	@cgan-dist evaluate $(RUN) --features classifier --metrics $(METRICS) --count 10000
	@cgan-dist neighbours $(RUN) --out $(RUN)/neighbours.png
	@cgan-dist film $(RUN) --out $(RUN)/film.gif
	@echo "A page of all this, to play with: cgan-dist demo $(RUN) (after: source $(VENV)/bin/activate)"
	@echo "Sample grid: $(CURDIR)/$$(ls $(RUN)/samples/random_z-*.png | tail -n 1)"

demo-fresh:  ## Start the demo over
	rm -rf $(RUN)
	@$(MAKE) demo

$(SHARDS)/manifest.json: | $(INSTALLED)
	cgan-dist prepare mnist5k --out $(SHARDS)

test: setup  ## Run the tests, but those that take minutes each
	python -m pytest --numprocesses $(TEST_WORKERS) --dist loadfile -m "not long and not slurm and not browser and not gpu"

test-long: setup  ## Run the tests that take minutes: kills, signals to many, ...
	python -m pytest -m long

test-slurm: setup  ## Run the tests on a Slurm cluster that they start here
	python -m pytest -m slurm

test-browser: setup  ## Drive the playground in Debian's Chromium
	python -m pytest -m browser

gpu: setup  ## Test and measure on this machine's GPU; writes gpu.json (docs/benchmarks.md)
	python -m pytest -m gpu tests/gpu
	python bench/step.py --device cuda --iterations 30 --json gpu.json

bench: setup  ## Measure loader, decoders, iteration, draws, memory, scaling, start and metrics (docs/benchmarks.md)
	python bench/loader.py
	python bench/millions.py
	python bench/decoders.py
	python bench/conditioning.py
	python bench/step.py
	python bench/draws.py
	python bench/heap.py
	python bench/approximate_penalties.py
	python bench/scaling.py
	python bench/resume.py
	python bench/metrics.py

docs: setup  ## Build the site of the documents into site/, warnings being errors
	python docs/reference.py
	mkdocs build
	@echo "Open $(CURDIR)/site/index.html; make docs-serve has the search too."

docs-serve: setup  ## Serve it on http://127.0.0.1:8000, made anew at every change
	mkdocs serve --dev-addr 127.0.0.1:8000

lint: setup  ## Check style and spelling
	ruff check .
	ruff format --check .
	codespell

types: setup  ## Check types
	mypy

format: setup  ## Bring the code into shape
	ruff check --fix .
	ruff format .

check: lint types test  ## Lint, types and the quick tests

clean:  ## Remove what was made, data and runs excepted
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache
