.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

# Where there is no home that can be written to, what uv keeps goes into .venv.
ifeq ($(UV_CACHE_DIR)$(XDG_CACHE_HOME)$(shell test -w "$$HOME" && echo home),)
export UV_CACHE_DIR := $(CURDIR)/.venv/cache
endif

# Many processes are started here, all of the same modules: to compile them once is enough.
unexport PYTHONDONTWRITEBYTECODE

# One more than two cores: many tests wait for a disk or for processes of their own, a quarter of the time in all.
TESTS_AT_ONCE ?= 3

.PHONY: help
help: ## What one can do here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/.done: requirements/dev.txt pyproject.toml
	$(PYTHON) requirements/venv.py
	$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes --requirement requirements/dev.txt
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

PROTOS := $(shell find proto -name '*.proto')

kernel/wire/.done: $(PROTOS) .venv/.done Makefile
	@mkdir -p kernel/wire && PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc --proto_path=kernel/wire=proto --python_out=. --mypy_out=. --grpc_python_out=. \
		--mypy_grpc_out=. $(PROTOS:proto/%=kernel/wire/%) && find kernel/wire -type d -exec touch {}/__init__.py \; && touch $@

.PHONY: setup
setup: .venv/.done kernel/wire/.done ## Everything that is needed, into .venv

.PHONY: proto
proto: kernel/wire/.done ## Python from proto/, into kernel/wire (ignored by git)

.PHONY: check
check: setup ## Read-only: lint, types, architecture
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo

.PHONY: fix
fix: setup ## Format, and mend what can be mended mechanically
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

# `make run LEDGER=kurrentdb`: every service on the log as it is served over KurrentDB's protocol.
WITH_LEDGER = $(if $(LEDGER),--ledger $(LEDGER))

.PHONY: run
run: setup ## The platform on loopback, until Ctrl-C; LEDGER=kurrentdb: on its log as it is served
	$(BIN)/meterloop up $(WITH_LEDGER)

.PHONY: demo
demo: setup ## A season from spreadsheets to balances, on a platform of its own
	$(BIN)/meterloop demo $(WITH_LEDGER)

.PHONY: test
test: setup ## Every test; TESTS=...: those files
	$(BIN)/python -m pytest -n $(TESTS_AT_ONCE) --dist worksteal $(TESTS)

.PHONY: bench
bench: setup ## Every measurement, with its limit
	for part in $(patsubst bench/%/__main__.py,%,$(wildcard bench/*/__main__.py)) $(patsubst bench/%.py,%,$(shell grep -l __main__ bench/*.py)); do $(BIN)/python -m bench.$$part || exit 1; done

.PHONY: wheel
wheel: setup ## The program as one file to install, into dist/
	$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist

.PHONY: docs
docs: setup ## The reference pages, from the code
	$(BIN)/python -m cli.reference && $(BIN)/python -m tests.proto_lock && $(BIN)/ruff format --quiet client/types.py

.PHONY: lock
lock: ## Pin requirements/*.in again
	for f in run dev; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements/$$f.in -o requirements/$$f.txt; done
