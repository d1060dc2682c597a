# What one can do here. `make` alone prints the targets.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.ONESHELL:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Hundreds of programs start in the tests; none of them should compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
STAMPS := $(VENV)/.stamps
PACKAGES := postgresql-15 pgbouncer rabbitmq-server chromium curl jq gcc libc6-dev prometheus spin
# For measurements alone.
MEASURING := wrk
# For Kafka; not when others are in the PATH.
JAVA := $(if $(shell command -v java),,default-jre-headless) $(if $(shell command -v mvn),,maven)
KAFKA := build/kafka
CODE := legacy_monolith extracted proxy cdc migration_plan tests
STRICT := proxy cdc migration_plan
SPINE := tests/e2e tests/faults
WHOLE_SHOP := tests/shop tests/browser
DOCS := tests/docs
TESTS := $(BIN)/pytest --durations 15 --durations-min 4 -m "not full"
ORDINARY := legacy_monolith extracted tests

.PHONY: help setup packages kafka lint test model proof defects demo drill bench compose docs pictures lock clean

help: ## Print these lines.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: packages $(STAMPS)/project kafka ## Install what is missing: Debian packages, the virtual environment, the project, Kafka.

packages:
	@scripts/install-packages $(PACKAGES) $(JAVA)

# Every jar is compared with its checksum each time; only what differs is fetched.
kafka: packages
	@scripts/get-kafka $(KAFKA)

$(STAMPS)/dependencies: requirements.lock scripts/make-venv
	@PYTHON="$(PYTHON)" scripts/make-venv $(VENV) requirements.lock
	mkdir -p $(STAMPS)
	touch $@

# Compiles cdc/_tuples.c where it can; without a compiler the stream decodes in Python.
$(STAMPS)/project: pyproject.toml cdc/_tuples.c $(STAMPS)/dependencies
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --disable-pip-version-check -e .
	touch $@

lint: $(STAMPS)/project ## Check form, types and import rules.
	@$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy --strict $(addprefix -p ,$(STRICT))
	$(BIN)/mypy $(ORDINARY)
	$(BIN)/lint-imports

test: setup lint ## Install what is missing, check everything, run all tests (under 30 minutes on 2 cores).
	@failed=0
	# Whoever runs a whole stack has the machine to itself; the rest goes file by file, three at a time, long ones first.
	$(TESTS) $(SPINE) || failed=1
	$(TESTS) $(WHOLE_SHOP) || failed=1
	$(TESTS) $(DOCS) || failed=1
	$(TESTS) $(addprefix --ignore=,$(SPINE) $(WHOLE_SHOP) $(DOCS)) -n 3 --dist loadfile --no-loadscope-reorder || failed=1
	exit $$failed

proof: export FIG_PROOF := full
proof: setup lint ## The same suites at full size (hours).
	@failed=0
	$(BIN)/pytest -m "full or not full" --timeout 7200 $(SPINE) || failed=1
	$(BIN)/pytest -m "full or not full" --timeout 7200 $(WHOLE_SHOP) || failed=1
	$(BIN)/pytest -m "full or not full" --timeout 7200 $(DOCS) || failed=1
	$(BIN)/pytest -m "full or not full" --timeout 7200 $(addprefix --ignore=,$(SPINE) $(WHOLE_SHOP) $(DOCS)) || failed=1
	exit $$failed

model: setup ## Search the model of the switch at full bounds, and without each of its guards (minutes).
	@$(BIN)/python -m migration_plan.model

defects: export FIG_PROOF := full
defects: setup ## Spoil the services, one defect at a time, and list which difference gave each of them away.
	@$(BIN)/pytest -q --timeout 7200 tests/contract/defects

demo: setup ## The whole story with live traffic; the stack stays up until `fig down`.
	@$(BIN)/python -m tests.load.demo

drill: setup ## Every stage of one domain, with faults on purpose: what notices them, and that no user does.
	@$(BIN)/python -m tests.drill

bench: setup ## Measure; misses of time limits are reported, nothing is asserted away.
	@scripts/install-packages $(MEASURING)
	$(BIN)/python -m tests.bench

compose: setup ## The whole stack in containers, and a switch under load through its port; a report in var/report/compose.json.
	@command -v dockerd >/dev/null || docker version >/dev/null 2>&1 || scripts/install-packages docker.io debootstrap
	$(BIN)/python -m tests.compose

docs: ## The pages of docs/ as a site in build/site; every link is checked.
	@PYTHON="$(PYTHON)" scripts/make-venv build/docs-venv docs/requirements.lock
	build/docs-venv/bin/mkdocs build --strict --quiet
	echo "the site is in build/site: open build/site/index.html"

pictures: setup ## Take the pictures of the console that the docs show.
	@$(BIN)/python -m tests.browser.recording docs/pictures

lock: ## Take in new versions of all dependencies.
	@scripts/lock

clean: ## Stop the stack and remove everything that was made here.
	@if [ -x $(BIN)/fig ]; then $(BIN)/fig down --wipe; fi
	rm -rf $(VENV) var build cdc/_tuples*.so *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
