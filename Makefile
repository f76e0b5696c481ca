# Everything runs in .venv, which `make install` builds from python3 and the package index alone.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo serve test check bench bench-peers soak compare-clients contract docs-tables mutants clean lock

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv with everything that the tests need

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "netmind-testkit needs Python 3.11 or newer; try: make PYTHON=python3.12 install")'
	@echo "Setting up .venv (once; about a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,media]' --group dev
	@touch $@

demo: $(STAMP) ## create the page's own generation on the fake, and download its picture
	@$(BIN)/python examples/demo.py

serve: $(STAMP) ## start the fake on http://127.0.0.1:8000 (options: make serve ARGS="--port 9000")
	@$(BIN)/netmind-mock serve $(ARGS)

test: $(STAMP) ## run all tests, in random order, with branch coverage
	@$(BIN)/python -m pytest -n auto --cov --cov-report=term $(ARGS)

check: $(STAMP) ## format, lint, types, layers, wheel
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/openapi-spec-validator contracts/netmind_contracts/data/openapi.json
	@$(BIN)/python scripts/check_wheel.py

bench: $(STAMP) ## measure the contract suite, the client, the fixtures, the stores, and the fake beside a bare ASGI function
	@$(BIN)/python benchmarks/client.py
	@$(BIN)/python benchmarks/contracts.py
	@$(BIN)/python benchmarks/in_tests.py
	@$(BIN)/python benchmarks/stores.py
	@$(BIN)/python benchmarks/server.py $(ARGS)

soak: $(STAMP) ## kill workers, call from many clients at once, and send a million requests (20 minutes), into docs/reliability.md
	@$(BIN)/python benchmarks/soak.py $(ARGS)

bench-peers: $(STAMP) ## measure the fake beside what a user would pick instead (10 minutes), into docs/performance.md
	@$(BIN)/python benchmarks/peers.py $(ARGS)

compare-clients: $(STAMP) ## hold the client beside openai's and fal's where connections break (3 minutes), into docs/client.md
	@$(BIN)/python benchmarks/compare_clients.py

contract: export NETMIND_API_KEY := $(or $(API_KEY),$(NETMIND_API_KEY))
contract: $(STAMP) ## judge an endpoint (make contract BASE_URL=… API_KEY=…); without one, fuzz the fake by the OpenAPI file
ifdef BASE_URL
	@$(BIN)/netmind-contracts verify --base-url "$(BASE_URL)" $(ARGS)
else
	@$(BIN)/python -m pytest -n 0 --no-cov tests/together/test_openapi.py $(ARGS)
endif

docs-tables: $(STAMP) ## write the tables of the docs that are generated from the code
	@$(BIN)/python scripts/docs_tables.py

mutants: $(STAMP) ## let fakes that each break one claim be judged, and print which are noticed
	@PYTHONPATH=tests $(BIN)/python -m mutants

lock: $(STAMP) ## pin what `make install` installs
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/python -m uv pip compile --quiet --universal --no-header --no-annotate --all-extras --group dev --python-version 3.11 -o constraints.txt pyproject.toml

clean: ## remove what the commands above made
	rm -rf .venv .venv-peers .peers-npm .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis .coverage .coverage.* build dist demo-output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
