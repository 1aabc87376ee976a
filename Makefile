# Everything runs in .venv, which is made on first use and again when the pinned versions change.
#
#   make demo    cluster an embedded data set, from the file to the figures
#   make test    run the test suite
#   make check   all that continuous integration checks: style, types, layers, tests, coverage
#   make docs    build the documentation in site/ (needs no network once installed)
#   make wheel   build the wheel in dist/

.DEFAULT_GOAL := demo
.PHONY: demo test lint check docs wheel

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=
export MPLBACKEND := Agg
# Else every process that is started compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

demo: .venv/.run
	$(BIN)/python runSC.py --overwrite
	@echo "Results and figures: results/SC/pbmc68k_reduced/"

# In two processes with one thread each. Each begins with one half of the modules and takes over what
# the other one has left, so that what the tests of a module share is mostly made once.
test: export OMP_NUM_THREADS ?= 1
# Numba would take its number from the former each time, and refuses another once it runs.
test: export NUMBA_NUM_THREADS ?= 1
test: .venv/.dev
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

lint: .venv/.dev
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

check: lint
	$(MAKE) --no-print-directory test ARGS=--cov

# Two tutorials, their commands and the gallery run beside each other, with one thread each.
docs: export OMP_NUM_THREADS ?= 1
docs: export NUMBA_NUM_THREADS ?= 1
docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "Documentation: site/index.html"

wheel: .venv/.dev
	$(BIN)/python -m hatchling build --target wheel

# What is needed to run. An environment that is broken or half-made is made anew.
.venv/.run: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "Installing the pinned packages into .venv (once, some minutes) ..."
	$(PIP) install --requirement requirements.txt
	$(PIP) install --no-deps --editable .
	@touch $@

# What is needed on top to develop.
.venv/.dev: requirements-dev.txt .venv/.run
	$(PIP) install --requirement requirements-dev.txt
	@touch $@

# What is needed on top for the documentation.
.venv/.docs: requirements-docs.txt .venv/.run
	$(PIP) install --requirement requirements-docs.txt
	@touch $@
