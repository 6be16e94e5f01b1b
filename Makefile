# A new machine needs Python 3.11 or newer and make.
#   make demo      install, run the demonstration study, say where the report is
#   make test      install what the tests need and run them
#   make test-all  the slow checks too
#   make bench     speed and accuracy beside peers, one table
#   make docs      the documentation as a site in site/
#   make validation  oracles, nulls and coverage, written to docs/reference/validation.md
#   make examples  the studies of examples/, and what the program says of them
#   make licences  what the dependencies are licensed under
#   make release-check   whether wheel and sdist install and run (PYTHONS="python3.11 python3.13")
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

PYTHONS ?= $(BIN)/python

.PHONY: demo test test-all bench docs validation examples licences release-check lint lock clean

# Two levels of one environment: what running needs, and what developing needs beside it.
$(VENV)/.run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Rechallenge needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.run
	$(BIN)/rechallenge demo demo --jobs 2

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# as many workers as the machine has cores
test: $(VENV)/.dev lint
	$(BIN)/pytest -n auto

test-all: $(VENV)/.dev lint
	$(BIN)/pytest -n auto -m ""

# Peers live in an environment of their own. A peer that cannot be installed is named and left out.
.venv-peers/.done: requirements-dev.lock benchmarks/peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements-dev.lock
	.venv-peers/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	-.venv-peers/bin/python -m pip --disable-pip-version-check install --quiet -r benchmarks/peers.txt
	@touch $@

bench: .venv-peers/.done
	.venv-peers/bin/python -m benchmarks

docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py
	$(BIN)/sphinx-build --fail-on-warning --keep-going -q -b html docs site

validation: $(VENV)/.dev
	$(BIN)/python -m benchmarks.validation

examples: $(VENV)/.run
	$(BIN)/python examples/make.py --answers

licences: $(VENV)/.run
	$(BIN)/python tools/licences.py

# New environments for every Python named; they and what is built lie in build/release.
release-check: $(VENV)/.run
	$(BIN)/python tools/release_check.py $(foreach p,$(PYTHONS),--python $(p))

# Versions and hashes, and no registry's address. Needs uv.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet --extra dask --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) .venv-peers demo site dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
