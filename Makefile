# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
  $$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
  && echo $$p && break; done)
BIN := .venv/bin
STORE ?= sqlite:///$(CURDIR)/outputs/mlflow.db
PORT ?= 5000

# Further backends, and the oldest Keras of pyproject.toml. All other versions come from requirements.lock. Keras nightly
# is tried on JAX, as TensorFlow would bring the package `keras` too.
JAX := jax==0.10.2
TORCH := torch==2.13.0
OLDEST_KERAS := keras==3.12.0
KERAS := $(shell grep '^keras==' requirements.lock)
BACKENDS := test-tensorflow test-jax test-torch test-oldest-keras test-nightly-keras
BACKEND_TESTS := $(patsubst %,tests/variants/test_%.py,contract parity cells masks switches initializers trace)

# One more process than cores, as some tests wait, and at most 4.
PARALLEL := -n $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --dist worksteal --maxprocesses 4

.PHONY: demo ui test test-all test-backends $(BACKENDS) contract docs lint lock wheel clean

demo: .venv/installed  ## compare three variants on three tasks, offline
	$(BIN)/python -m experiments.train experiment=quickstart

ui: .venv/installed  ## open the MLflow UI on the store
	@mkdir -p outputs
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow server \
	  --backend-store-uri "$(STORE)" --default-artifact-root "file://$(CURDIR)/outputs/artifacts" --workers 1 \
	  --host 127.0.0.1 --port $(PORT)

test: .venv/installed  ## everything but the slow tests
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL)

test-all: .venv/installed  ## the slow tests too
	$(BIN)/python -m pytest $(PARALLEL)

# More than half an hour on 2 cores. On Linux the usual torch wheel brings CUDA, gigabytes of it; pip's own variables, such as
# PIP_INDEX_URL or PIP_FIND_LINKS, choose a place with a CPU build.
test-backends: $(BACKENDS)  ## the contract on TensorFlow, JAX and PyTorch, on the oldest Keras and the next one

test-tensorflow: .venv/installed
	@echo "== TensorFlow"
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -q $(BACKEND_TESTS)

test-jax: .venv-jax/installed
	@echo "== JAX"
	JAX_COMPILATION_CACHE_DIR=$(CURDIR)/.venv-jax/cache JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 \
	  KERAS_BACKEND=jax .venv-jax/bin/python -m pytest -q $(BACKEND_TESTS)

test-torch: .venv-torch/installed
	@echo "== PyTorch"
	KERAS_BACKEND=torch .venv-torch/bin/python -m pytest -q $(BACKEND_TESTS)

test-oldest-keras: .venv-oldest-keras/installed
	@echo "== $(OLDEST_KERAS) on TensorFlow"
	KERAS_BACKEND=tensorflow .venv-oldest-keras/bin/python -m pytest -q $(BACKEND_TESTS)

test-nightly-keras: .venv-nightly-keras/installed
	.venv-nightly-keras/bin/python -m pip install --quiet --upgrade --pre --no-deps keras-nightly
	@echo "== Keras nightly on JAX"
	KERAS_BACKEND=jax .venv-nightly-keras/bin/python -m pytest -q $(BACKEND_TESTS)

contract: .venv/installed  ## write docs/contract.md: which variant keeps which promise
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -q tests/variants/test_contract.py --contract-table docs/contract.md

docs: .venv/installed  ## all pages as a site, with search and a reference: site/index.html
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --doctree-dir site/.doctrees docs site
	@echo "site/index.html"

lint: .venv/installed  ## style, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: .venv/installed  ## the library alone, for other projects: dist/gatelab-*.whl
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

lock:  ## compile requirements.lock anew, for all supported Pythons
	uv pip compile --universal --upgrade --extra lab --extra dev --extra docs pyproject.toml --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --output-file requirements.lock

clean:
	rm -rf .venv .venv-* dist site

.venv/installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "gatelab needs Python 3.11, 3.12 or 3.13 with venv. Install one, or say which: make PYTHON=/path/to/python"; exit 1; }
	@echo "Installing into .venv (3 GB on disk, a minute or two on a fast line)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

.venv-jax/installed: PACKAGES = $(KERAS) $(JAX)
.venv-torch/installed: PACKAGES = $(KERAS) $(TORCH)
.venv-oldest-keras/installed: PACKAGES = $(OLDEST_KERAS) tensorflow
.venv-nightly-keras/installed: PACKAGES = keras-nightly $(JAX)
.venv-jax/installed .venv-torch/installed .venv-oldest-keras/installed .venv-nightly-keras/installed: requirements.lock Makefile
	@test -n "$(PYTHON)" || { echo "gatelab needs Python 3.11, 3.12 or 3.13 with venv"; exit 1; }
	@echo "Installing $(PACKAGES) into $(@D)"
	$(PYTHON) -m venv $(@D)
	grep -v '^keras==' requirements.lock > $(@D)/constraints.txt
	$(@D)/bin/python -m pip install --quiet --constraint $(@D)/constraints.txt $(PACKAGES) \
	  hydra-core numpy onnx onnxruntime pytest
	touch $@
