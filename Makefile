# Two commands for everyone: `make demo` and `make test`. The rest is for developers.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo test check pytest docs prerequisites test-prerequisites format bench bench-detection chaos soak bench-state bench-drills bench-labels bench-versions bench-performance bench-incidents bench-explain bench-pages clean

help: ## Show the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: prerequisites $(VENV)/.installed ## Flights of 2013 through Kafka, the monitor and ClickHouse; ends by itself (KEEP=1 leaves the servers and the web pages up)
	@$(BIN)/plumbline demo $(if $(filter 1,$(KEEP)),--keep)

test: test-prerequisites $(VENV)/.installed check pytest ## Every check: lint, types, imports, doctests, unit, contract and integration tests

check: $(VENV)/.installed ## Lint, types, import rules, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m schemas.generate --check
	$(BIN)/python -m monitor.cli.reference --check

pytest: $(VENV)/.installed ## The tests, doctests included: first those that need no server, in two processes
	@first=0; $(BIN)/pytest -m "not integration" --numprocesses 2 --dist loadfile --durations 15 || first=$$?; \
	$(BIN)/pytest -m integration --durations 25 && exit $$first

docs: $(VENV)/.installed ## The documents as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(VENV)/.installed ## Format the code and regenerate the generated files
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python -m schemas.generate
	$(BIN)/python -m monitor.cli.reference

bench: prerequisites $(VENV)/.installed ## Every figure of speed beside its control or its peers; 25 minutes, writes bench/RESULTS.md (ONLY=engine,latency: some)
	$(BIN)/python -m bench.suite $(if $(ONLY),--only $(ONLY))

bench-detection: prerequisites $(VENV)/.installed ## True and false alarms beside six peers from PyPI; long, writes bench/DETECTION.md
	$(BIN)/python -m bench.detection --jobs 2

chaos: prerequisites $(VENV)/.installed ## Workers, broker and ClickHouse killed by seed, and a recount; 20 minutes at most, writes bench/CHAOS.md
	$(BIN)/python -m bench.chaos --report bench/CHAOS.md

bench-drills: prerequisites $(VENV)/.installed ## Every fault on real flights: caught, when, by what name; writes bench/DRILLS.md
	$(BIN)/python -m bench.drills --jobs 2

bench-incidents: prerequisites $(VENV)/.installed ## Ten months of flights: how many incidents, and does each drill open its own; writes bench/INCIDENTS.md
	$(BIN)/python -m bench.incidents --report bench/INCIDENTS.md

soak: $(VENV)/.installed ## Memory under 5,000,000 events in which everything is always new; 15 minutes, writes bench/SOAK.md
	$(BIN)/python -m bench.soak --report bench/SOAK.md

bench-labels: $(VENV)/.installed ## How many labels a second one core joins
	$(BIN)/python -m bench.labels

bench-versions: $(VENV)/.installed ## 1,000 seeded comparisons of versions a row: bugs caught, equals mistaken
	$(BIN)/python -m bench.versions

bench-performance: $(VENV)/.installed ## The flights with their labels beside scikit-learn, NannyML and the bootstrap
	$(BIN)/python -m bench.flights_performance

bench-explain: prerequisites $(VENV)/.installed ## How long `explain` takes among 10,000,000 predictions
	$(BIN)/python -m bench.explain

bench-state: prerequisites $(VENV)/.installed ## How long the state of 1,000 models takes to restore, and what snapshots cost; writes bench/STATE.md
	$(BIN)/python -m bench.state --report bench/STATE.md

bench-pages: prerequisites $(VENV)/.installed ## Queries and first paint of every page among 10,000,000 predictions; writes bench/PAGES.md
	$(BIN)/python -m bench.pages --report bench/PAGES.md

prerequisites: ## Say what is missing on this machine
	@sh devstack/prerequisites.sh "$(PYTHON)"

test-prerequisites:
	@sh devstack/prerequisites.sh "$(PYTHON)" test

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -m venv $(VENV) || { echo "python venv failed: on Debian or Ubuntu install it with: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing what is needed into $(VENV): a minute or two, once"
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

clean: ## Remove the virtual environment and local data (stops the local servers first)
	@[ ! -x $(BIN)/plumbline ] || $(BIN)/plumbline stack down
	rm -rf $(VENV) .plumbline .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build site
