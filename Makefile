# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
  $$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
  && echo $$p && break; done)
BIN := .venv/bin
STORE ?= sqlite:///$(CURDIR)/outputs/mlflow.db
PORT ?= 5000

.PHONY: demo ui test test-all lint lock wheel clean

demo: .venv/installed  ## compare three variants on three tasks, offline
	$(BIN)/python -m experiments.train experiment=quickstart

ui: .venv/installed  ## open the MLflow UI on the store
	@mkdir -p outputs
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow server \
	  --backend-store-uri "$(STORE)" --default-artifact-root "file://$(CURDIR)/outputs/artifacts" --workers 1 --port $(PORT)

test: .venv/installed  ## everything but the slow tests
	$(BIN)/python -m pytest -m "not slow"

test-all: .venv/installed  ## the slow tests too
	$(BIN)/python -m pytest

lint: .venv/installed  ## style, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: .venv/installed  ## the library alone, for other projects: dist/gatelab-*.whl
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

lock:  ## compile requirements.lock anew, for all supported Pythons
	uv pip compile --universal --upgrade --extra lab --extra dev pyproject.toml --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --output-file requirements.lock

clean:
	rm -rf .venv dist

.venv/installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "gatelab needs Python 3.11, 3.12 or 3.13 with venv. Install one, or say which: make PYTHON=/path/to/python"; exit 1; }
	@echo "Installing into .venv (3 GB on disk, a minute or two on a fast line)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@
