# Everything here needs python3 >= 3.11 with venv, and the package index. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

.PHONY: help demo test check lint types docs site pages api package dist wheel check-minimum check-rivals bench dev clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: $(VENV)/demo  ## a real classifier made honest: prints a table, writes report.html
	$(BIN)/temperance demo

test: $(VENV)/test  ## run the tests, in parallel, without the simulations
	$(BIN)/python -m pytest -n auto -q -m "not slow"

dev: $(VENV)/dev  ## install all extras and the tools of `make check`

# The tests fill all processors; what keeps one busy runs beside something else.
check: $(VENV)/dev  ## all that CI runs: lint, types, spelling, all tests, docs
	$(MAKE) -j2 --output-sync lint types
	$(BIN)/python -m pytest -n auto -q
	$(MAKE) dist
	$(MAKE) -j2 --output-sync pages wheel

lint: $(VENV)/dev  ## ruff (lint and format) and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell src tests docs examples README.md CHANGELOG.md CONTRIBUTING.md

types: $(VENV)/dev  ## mypy --strict on the library and on the README's example
	$(BIN)/mypy

docs: $(VENV)/dev  ## redraw the pictures, run the examples, write the pages of names and files
	$(BIN)/python docs/draw.py
	$(BIN)/python docs/api.py
	$(BIN)/python docs/formats.py
	$(BIN)/python docs/diagrams.py
	$(BIN)/python docs/gallery.py

site: $(VENV)/dev  ## build the pages as a web site, build/site/index.html; a warning is an error
	$(BIN)/python -m sphinx -q -W --keep-going -d build/site-cache docs build/site

pages:
	$(MAKE) docs
	$(MAKE) site

api: $(VENV)/dev  ## accept the public names and signatures as they are: tests hold them to the file
	$(BIN)/python tests/house/public_api.py

package:  ## build sdist and wheel, try the wheel in empty environments, of each Python that is here
	$(MAKE) dist
	$(MAKE) wheel

dist: $(VENV)/dev
	rm -rf dist && $(BIN)/python -m build --quiet

wheel:
	bash tests/package.sh dist $(VENV)/wheel $(PYTHON)

check-minimum: $(VENV)/minimum/ready  ## run the tests with the lowest versions that pyproject.toml allows
	$(VENV)/minimum/bin/python -m pytest -n auto -q -p no:cacheprovider -W ignore::DeprecationWarning -m "not slow" tests

check-rivals: $(VENV)/rivals/ready  ## compare our measures with other packages' (installs them, and torch for the CPU)
	$(VENV)/rivals/bin/python -m pytest -n auto -q -p no:cacheprovider tests/outside/test_rivals.py tests/outside/test_measure_rivals.py \
	  tests/house/test_site.py::test_other_packages_and_ours \
	  tests/readers/test_inspect_ai_itself.py tests/llm/test_pass_rate.py

bench:  ## time a fit beside other packages and write docs/benchmarks.md (about half an hour)
	$(PYTHON) -m venv $(VENV)/bench
	$(VENV)/bench/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bench/bin/python -m pip install --quiet torch==2.13.0
	$(VENV)/bench/bin/python -m pip install --quiet -e ".[bench]"
	$(VENV)/bench/bin/python benchmarks/fit.py
	$(VENV)/bench/bin/python benchmarks/waiting.py
	$(VENV)/bench/bin/python benchmarks/kernels.py
	$(VENV)/bench/bin/python benchmarks/decisions.py
	$(VENV)/bench/bin/python benchmarks/start.py
	$(VENV)/bench/bin/python benchmarks/serving.py

clean:  ## remove what the other targets made
	rm -rf $(VENV) dist build

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("temperance needs Python >= 3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e ".[test]"
	@touch $@

$(VENV)/dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet torch==2.13.0  # the small build, for the CPU alone
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	@touch $@

$(VENV)/minimum/ready: pyproject.toml tests/minimum.txt
	$(PYTHON) -m venv --clear $(VENV)/minimum
	$(VENV)/minimum/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/minimum/bin/python -m pip install --quiet -e ".[test]" -c tests/minimum.txt
	@touch $@

$(VENV)/rivals/ready: pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)/rivals
	$(VENV)/rivals/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/rivals/bin/python -m pip install --quiet torch==2.13.0
	$(VENV)/rivals/bin/python -m pip install --quiet -e ".[rivals]"
	@touch $@
