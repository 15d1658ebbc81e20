# Every verb does its own set-up. `make demo` and `make test` are the two to know.
PYTHON ?= python3.11
VENV := .venv
# Tests and demo start hundreds of processes. Each compiles the sources anew if none may keep them.
unexport PYTHONDONTWRITEBYTECODE
BIN := $(VENV)/bin
CLIENTS := .venv-clients
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help setup demo demos up test test-newer check coverage integration chaos fuzz cases docs bench bench-peers bench-train bench-drift bench-real lock wheels clean

help: ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.train ## Make the virtual environment and install the pinned dependencies.

demo: setup ## Run the whole loop on painted leaves and judge every claim.
	$(BIN)/tidemill demo

demos: setup ## Run the demo of the other recipes as well; a quarter of an hour.
	$(BIN)/tidemill demo --recipe plants
	$(BIN)/tidemill demo --recipe cora
	$(BIN)/tidemill demo --recipe sentiment
	$(BIN)/tidemill demo --recipe lucky

up: setup ## Train a champion if there is none, then serve it on port 8000.
	$(BIN)/tidemill up

test: check ## Lint, types, import rules and the hermetic tests.
	$(BIN)/pytest -n 2 --dist loadgroup --ignore=tests/cases -m "not slow and not chaos and not case"

test-newer: $(VENV)/.made ## The tests that need no training, on Python 3.12 and 3.13 where they are found.
	$(BIN)/python requirements/newer_python.py

# With the slow tests, but for those of the demo: its planted faults take half an hour.
coverage: $(VENV)/.dev ## Measure which branches of src the tests run; writes docs/coverage.json.
	$(BIN)/pytest -n 2 --dist loadgroup --ignore=tests/cases --ignore=tests/demo/test_planted_faults.py -m "not chaos and not case" --cov --cov-report=
	$(BIN)/coverage json -q -o .coverage.json
	$(BIN)/python docs/record_coverage.py .coverage.json

integration: $(VENV)/.dev $(CLIENTS)/.made ## The tests that take minutes, and those with clients of others.
	PATH="$$PATH:$(CURDIR)/$(CLIENTS)/bin" $(BIN)/pytest -m "slow or client"

chaos: $(VENV)/.dev ## Kill engine, trainer and server at every edge and 100 random moments.
	$(BIN)/pytest tests/chaos

fuzz: $(VENV)/.dev ## Ask the routes of each recipe 2,500 generated questions; ten minutes.
	FUZZ_CASES=2500 $(BIN)/pytest -m slow tests/web/test_api_cases.py

cases: $(VENV)/.dev ## Show what falls short today, one verdict a case; half an hour.
	$(BIN)/pytest -m case tests/cases

check: $(VENV)/.dev ## Everything that needs no test to run; under a minute.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.dev ## Write docs/cli.md anew from the commands' help.
	$(BIN)/python docs/generate_cli.py

bench: setup ## Measure on painted leaves; writes bench/out/*.json and pictures.
	$(BIN)/python -m bench.serving
	$(BIN)/python -m bench.attack
	$(BIN)/python -m bench.training
	$(BIN)/python -m bench.install

bench-peers: setup ## Measure beside BentoML, LitServe and the bare runtime; 25 minutes.
	$(BIN)/python -m bench.peers

bench-train: $(VENV)/.dev ## Fine-tuning beside the original's algorithm, on the data in TIDEMILL_REAL_DATA.
	$(BIN)/python -m bench.finetune

bench-drift: setup ## Simulate thousands of windows: false alarms and power; ten minutes.
	$(BIN)/python -m bench.drift

bench-real: $(VENV)/.dev ## Measure on the data in TIDEMILL_REAL_DATA.
	$(BIN)/python -m bench.leaves
	$(BIN)/python -m bench.nodes
	$(BIN)/python -m bench.upload
	$(BIN)/python -m bench.circle
	$(BIN)/python -m bench.texts

lock: $(VENV)/.dev ## Pin what is installed now into requirements/*.txt.
	$(BIN)/python requirements/lock.py

wheels: $(VENV)/.dev ## Show that each pin has a wheel for Python 3.12 and 3.13; three minutes.
	$(BIN)/python requirements/wheels.py

clean: ## Remove the workspace and what tools left behind; the environment stays.
	rm -rf .tidemill .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Tidemill needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(CLIENTS)/.made: $(VENV)/.made requirements/clients.txt
	$(VENV)/bin/python -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip --disable-pip-version-check --quiet install -r requirements/clients.txt
	@touch $@

# torch first and alone: its pin decides which build everything after it sees.
$(VENV)/.train: $(VENV)/.made requirements/train.txt pyproject.toml
	@echo "Installing what training and serving need (1 GB; several more where pip finds no PyTorch for the CPU) ..."
	$(PIP) install $$(grep '^torch==' requirements/train.txt)
	$(PIP) install -r requirements/train.txt
	$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.train requirements/dev.txt
	@echo "Installing what the tests need ..."
	$(PIP) install -r requirements/dev.txt
	@touch $@
