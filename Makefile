# Everything a person does with this project. `make help` lists it.

VENV := .venv
PY := $(VENV)/bin/python
PORT ?= 8000
TEST_WORKERS ?= 2
EACH ?= 25
SEQUENCES ?= 5000
export PORT

.DEFAULT_GOAL := help
.PHONY: help install run test check bench clean crash crash-embedded fuzz screenshots lock

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.runtime ## Create the virtual environment with what the system needs to run

run: $(VENV)/.runtime ## Start everything in one process; honours PORT and AUTOTRADER_DATA
	@exec $(PY) manage.py serve

test: $(VENV)/.dev ## Run all tests on SQLite, then those of database and broker on PostgreSQL and Redis
	$(PY) -m pytest -n $(TEST_WORKERS) --dist loadgroup --cov --cov-report=
	$(PY) -m coverage report
	$(PY) -m pytest -n $(TEST_WORKERS) --dist loadgroup --services

check: $(VENV)/.dev ## Lint, types, import rules, migrations, templates
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PY) manage.py makemigrations --check --dry-run
	$(VENV)/bin/djlint --lint --quiet templates

bench: $(VENV)/.dev ## Measure, print a table, write bench.json into the data folder
	$(PY) -m bench

crash-embedded: $(VENV)/.dev ## Kill the running system 50 times and check its books each time
	$(PY) -m tests.crash.embedded

crash: $(VENV)/.dev ## Kills, ambiguous submits, outages, a week on paper, AI spending; counts in var/crash.json
	$(PY) -m tests.crash.matrix --kind apart --each $(EACH)
	$(PY) -m tests.crash.matrix --kind embedded --each $(EACH)
	$(PY) -m tests.crash.ambiguous --cases 100
	$(PY) -m tests.crash.ambiguous --real-time 48
	$(PY) -m tests.crash.outages --lanes 3
	$(PY) -m tests.crash.week --days 7
	$(PY) -m tests.crash.spending --cap 1 --charts 120 --kills 12

fuzz: $(VENV)/.dev ## Play random sequences over the pure core; counts add up in var/crash.json
	$(PY) -m tests.crash.fuzz --sequences $(SEQUENCES)

screenshots: $(VENV)/.dev ## Take pictures of the console's pages into var/screenshots
	$(PY) -m tests.browser.screenshots --out var/screenshots

clean: ## Remove the virtual environment and caches; data stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './node_modules/*' -prune -exec rm -rf {} +

lock: $(VENV)/.dev ## Resolve the dependencies of pyproject.toml into requirements/
	$(VENV)/bin/uv pip compile pyproject.toml -o requirements/runtime.txt $(LOCK_OPTIONS)
	$(VENV)/bin/uv pip compile pyproject.toml --group dev -c requirements/runtime.txt \
	  -o requirements/dev.txt $(LOCK_OPTIONS)

LOCK_OPTIONS := --quiet --universal --generate-hashes --no-emit-index-url --no-header -p 3.11

# The stamps remember which lock was installed, so a repeated `make run` starts at once.
$(VENV)/bin/python:
	@for python in python3.11 python3 python3.12 python3.13; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    $$python -m venv $(VENV) && exit 0; \
	    rm -rf $(VENV); \
	    echo "Python could not make a virtual environment; on Debian: apt-get install python3-venv"; \
	    exit 1; \
	  fi; \
	done; \
	echo "Autotrader needs Python 3.11 or newer and finds none; on Debian: apt-get install python3.11 python3.11-venv"; \
	exit 1

$(VENV)/.runtime: requirements/runtime.txt | $(VENV)/bin/python
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@touch $@

# The path file lets `.venv/bin/pytest` import the project, as an editable install would.
$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@echo "$(CURDIR)" > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/autotrader.pth"
	@touch $@
