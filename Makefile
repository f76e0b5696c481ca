# Everything runs in .venv, which `make install` creates from python3 and the package index.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-deps
# Only files whose hashes are listed are installed. Source distributions are refused, since no hash covers the tools that build
# them. `make install ONLY_WHEELS=` accepts them, on a platform for which a package has no wheel.
ONLY_WHEELS = --only-binary :all:
LOCKED = $(PIP) --require-hashes $(ONLY_WHEELS)
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock"
STAMP := .venv/.installed
DEMO_STAMP := .venv/.installed-for-demo
# Two workers per processor, since many tests wait for processes. The long tests are spread over the workers.
WORKERS = -n $$(($$(getconf _NPROCESSORS_ONLN) * 2)) --dist worksteal
# pip's output as one line per package, so that there is progress to see
PROGRESS := sed -nu 's/^Collecting \([^ ;(]*\).*/  \1/p; /^ERROR/,$$p'

.DEFAULT_GOAL := help
.PHONY: help install demo serve test quick check bench bench-peers soak compare-clients contract docs-tables mutants clean lock audit

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## create .venv with everything the tests need, and install the pre-commit hook

$(STAMP): pyproject.toml constraints.txt | .venv/bin/pip
	@echo "Installing the test dependencies (1 to 2 minutes):"
	@$(LOCKED) -r constraints.txt 2>&1 | $(PROGRESS)
	@$(PIP) --quiet --no-build-isolation -e .
	@if [ -e .git ]; then $(BIN)/pre-commit install || echo "The pre-commit hook was not installed."; fi
	@touch $@ $(DEMO_STAMP)

$(DEMO_STAMP): pyproject.toml constraints-build.txt constraints-server.txt | .venv/bin/pip
	@echo "Installing the fake server and the client:"
	@$(LOCKED) -r constraints-build.txt -r constraints-server.txt 2>&1 | $(PROGRESS)
	@$(PIP) --quiet --no-build-isolation -e .
	@touch $@

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "netmind-testkit needs Python 3.11 or newer; try: make PYTHON=python3.12 install")'
	@echo "Creating .venv"
	@$(PYTHON) -m venv .venv
	@$(LOCKED) --quiet -r constraints-build.txt

demo: $(DEMO_STAMP) ## create the generation of the vendor documentation on the fake, and save its picture
	@$(BIN)/python examples/demo.py

serve: $(STAMP) ## start the fake on http://127.0.0.1:8000 (options: make serve ARGS="--port 9000")
	@$(BIN)/netmind-mock serve $(ARGS)

test: $(STAMP) ## run all tests, in random order (ARGS="--cov --cov-report=term" measures branch coverage)
	@$(BIN)/python -m pytest $(WORKERS) $(ARGS)

quick: $(STAMP) ## run the tests that take milliseconds (30 seconds), for the loop while working
	@$(BIN)/python -m pytest -n auto -m "not slow" $(ARGS)

check: $(STAMP) ## format, lint, terms, types, layers, wheel
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/codespell
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/openapi-spec-validator contracts/netmind_contracts/data/openapi.json
	@$(BIN)/python scripts/check_wheel.py

bench: $(STAMP) ## measure the contract suite, the client, the fixtures, the stores and the server
	@$(BIN)/python benchmarks/client.py
	@$(BIN)/python benchmarks/contracts.py
	@$(BIN)/python benchmarks/in_tests.py
	@$(BIN)/python benchmarks/stores.py
	@$(BIN)/python benchmarks/server.py $(ARGS)

soak: $(STAMP) ## kill workers, use many clients, send hostile inputs and fill the disk (10 minutes), into docs/reliability.md
	@$(BIN)/python benchmarks/soak.py $(ARGS)

bench-peers: $(STAMP) ## compare the fake with other servers that users could choose (10 minutes), into docs/performance.md
	@$(BIN)/python benchmarks/peers.py $(ARGS)

compare-clients: $(STAMP) ## compare the client with openai's and fal's when connections break (3 minutes), into docs/client.md
	@$(BIN)/python benchmarks/compare_clients.py

contract: export NETMIND_API_KEY := $(or $(API_KEY),$(NETMIND_API_KEY))
contract: $(STAMP) ## check an endpoint (make contract BASE_URL=… API_KEY=…); without one, fuzz the fake with the OpenAPI file
ifdef BASE_URL
	@$(BIN)/netmind-contracts verify --base-url "$(BASE_URL)" $(ARGS)
else
	@$(BIN)/python -m pytest -n 0 --no-cov tests/together/test_openapi.py $(ARGS)
endif

docs-tables: $(STAMP) ## write the generated tables of the docs
	@$(BIN)/python scripts/docs_tables.py

mutants: $(STAMP) ## check deliberately broken fakes, and print which are detected
	@PYTHONPATH=tests $(BIN)/python -m mutants

lock: $(STAMP) ## pin versions and hashes of what `make install` and the image install (ARGS=--upgrade takes newer versions)
	@$(LOCK) $(ARGS) --all-extras --group dev -o constraints.txt pyproject.toml
	@$(LOCK) -c constraints.txt --extra mock --extra postgresql -o constraints-server.txt pyproject.toml
	@$(LOCK) -c constraints.txt --group build -o constraints-build.txt

# It asks PyPI for advisories. Where only a mirror without advisories can be reached, it fails; so .ci/run does not run it.
audit: $(STAMP) ## look for known vulnerabilities in the versions that constraints.txt pins
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes -r constraints.txt $(ARGS)

clean: ## remove what these commands created
	rm -rf .venv .venv-peers .peers-npm .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis .coverage .coverage.* build dist demo-output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
