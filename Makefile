# One word per task: `make help` lists them. Needs Python 3.11 or newer and a package registry; no root, no Docker.
.DEFAULT_GOAL := help
.PHONY: help demo up test services check lint format bench faults chaos fuzz stripe clean uv

UV_VERSION := 0.13.9

# The first interpreter that really runs: a shim on the path may stand for one that is not installed.
ifndef UV_PYTHON
UV_PYTHON := $(shell for name in python3 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.version_info < (3, 11) and sys.exit(1); print(sys.executable)' 2>/dev/null && break; done)
endif
export UV_PYTHON
export UV_PYTHON_DOWNLOADS := never
# Where bytecode may not be kept, every start compiles everything, and the sandbox the workflow's module for each order.
unexport PYTHONDONTWRITEBYTECODE

# The `uv` of this machine if it runs, else one of our own.
OWN_UV := .tools/uv/bin/uv
UV := $(if $(shell uv --version 2>/dev/null),uv,$(OWN_UV))
RUN := $(UV) run --locked

help: ## List what can be done
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: uv ## Place orders over HTTP and follow each to the door (ORDERS=file for your own)
	$(RUN) fulfillment demo $(if $(ORDERS),--orders '$(ORDERS)')

up: uv ## Run the whole service on this machine until Ctrl-C
	$(RUN) fulfillment dev

# Those that take a machine for themselves run by themselves: see `check`, `bench`, `faults`, `chaos`, `fuzz` and `stripe`.
ALONE := faults chaos fuzz bench stripe demo/test_demo.py docs/test_documents.py
# Those that start, kill and stop the service's own processes, or run its commands.
SERVICES := cli local recovery worker demo/test_one_order.py

test: uv ## Run the tests, but for those of `make services` (ARGS for pytest)
	$(RUN) --group test pytest -n auto $(addprefix --ignore=tests/,$(ALONE) $(SERVICES)) $(ARGS)

services: uv ## Test its processes and commands: started, killed, taken over, stopped (ARGS for pytest)
	$(RUN) --group test pytest -n auto $(addprefix tests/,$(SERVICES)) $(ARGS)

check: uv ## Run everything that CI runs
	PATH="$(abspath $(dir $(OWN_UV))):$$PATH" bash .ci/run

lint: uv ## Check style, types and import rules
	$(RUN) --group test --group quality ruff check
	$(RUN) --group test --group quality ruff format --check
	$(RUN) --group test --group fuzz --group stripe --group quality mypy
	$(RUN) --group test --group quality lint-imports

format: uv ## Put the code into its standard form
	$(RUN) --group quality ruff format
	$(RUN) --group quality ruff check --fix

bench: uv ## Measure this service against textbook sagas (ARGS=--help for options)
	$(RUN) --group test python -m tests.bench $(ARGS)

faults: uv ## Let every step and every undo fail in every way, check what becomes of the orders (ARGS=--help)
	$(RUN) --group test python -m tests.faults $(ARGS)

chaos: uv ## Kill processes in the middle of orders and check that everything adds up (ARGS=--help)
	$(RUN) --group test python -m tests.chaos $(ARGS)

fuzz: uv ## Send random requests, judged by the service's own OpenAPI document (ARGS=--help)
	$(RUN) --group test --group fuzz python -m tests.fuzz $(ARGS)

stripe: uv ## Test the Stripe adapter against a stateful stand-in of Stripe (ARGS for pytest)
	$(RUN) --group test --group stripe pytest -n auto tests/stripe $(ARGS)

clean: ## Remove what running, testing and checking left behind
	rm -rf .local .venv .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .ci/openapi/node_modules .coverage* dist build
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

uv: $(if $(filter $(OWN_UV),$(UV)),$(OWN_UV))
	@test -n "$(UV_PYTHON)" || { echo "Python 3.11 or newer is needed (python3 on the path, or UV_PYTHON=...)." >&2; exit 1; }

# Debian ships Python without what `venv` needs for pip; pip may be there all the same.
$(OWN_UV):
	@test -n "$(UV_PYTHON)" || { echo "Python 3.11 or newer is needed (python3 on the path, or UV_PYTHON=...)." >&2; exit 1; }
	@echo "There is no uv here: installing uv $(UV_VERSION) into .tools/"
	@rm -rf .tools/uv
	@{ "$(UV_PYTHON)" -m venv .tools/uv >/dev/null 2>&1 && .tools/uv/bin/pip install -q 'uv==$(UV_VERSION)'; } \
		|| { rm -rf .tools/uv && "$(UV_PYTHON)" -m pip install -q --target .tools/uv 'uv==$(UV_VERSION)'; } \
		|| { rm -rf .tools/uv; echo "Neither venv nor pip works here: apt-get install python3-venv, or install uv yourself." >&2; exit 1; }
