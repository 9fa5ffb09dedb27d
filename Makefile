# `make run` drills on the local stack; `make test` checks everything. Both need Python 3.11+ only.
PYTHON ?= python3
BIN := .venv/bin
SPEED ?= 60

# Workflows are loaded again for each run; without compiled modules they are compiled each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-all lint types imports tests soak kills step-kills isolation worker-away worker-death no-worker hang chaos histories lock clean bench bench-real page-lag notify-lag notify-kills readiness-bench portfolio-bench screenshots references sbom audit

help: ## Show what there is.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(BIN)/drs-waves ## Two recovery drills on the embedded local stack, with live progress.
	@exec $(BIN)/drs-waves sandbox run examples/recorded-drill.yaml examples/shop.yaml \
		--scenario examples/recorded-drill.scenario.yaml --scenario examples/shop.scenario.yaml \
		--speed $(SPEED)

# The checks run beside the tests, each one's output in one piece; what fails stops nothing else.
test: $(BIN)/drs-waves ## Everything that must pass: lint, types, imports, tests.
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target --keep-going tests lint types imports

# More examples of what property-based tests draw, then kills and chaos on stacks of their own.
test-all: test ## The same, then all that is slow: about an hour.
	@$(BIN)/pytest -n $(PROCESSES) -o addopts="-q --strict-markers" -m slow
	@EXAMPLES_TIMES=5 $(BIN)/pytest -n $(PROCESSES) $(MORE_EXAMPLES)
	@$(BIN)/pytest -o addopts="-q --strict-markers" -m soak
	@$(BIN)/python -m bench.kills --launches 40
	@$(BIN)/python -m bench.chaos --drills 60

MORE_EXAMPLES = $(shell grep -lr "^ *@examples(" tests)

lint: $(BIN)/drs-waves
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(BIN)/drs-waves
	@$(BIN)/mypy

imports: $(BIN)/drs-waves ## The packages import in one direction only.
	@$(BIN)/lint-imports

# The end-to-end tests mostly wait for DRS's clock, so more of them run than there are cores.
PROCESSES ?= 5

# `+` has make show their progress, which it would hold back until the end. A test of real servers
# may be late beside others on a busy machine, so what fails runs once more, alone, and is named.
tests: $(BIN)/drs-waves
	+@$(BIN)/pytest -n $(PROCESSES) || { code=$$?; [ $$code = 1 ] || exit $$code; \
		echo "These failed beside other tests, and run once more, alone:"; \
		exec $(BIN)/pytest -v -n 0 --last-failed --last-failed-no-failures none; }

soak: $(BIN)/drs-waves ## Slow tests: a plan of 1,000 waves and the like.
	@exec $(BIN)/pytest -m soak -o addopts= -v

# These run for minutes, on a stack of their own that is gone afterwards.
LAUNCHES ?= 100
KILLS ?= 100
ROUNDS ?= 10
DRILLS ?= 200
SEED ?=

kills: $(BIN)/drs-waves ## Kill the worker between acceptance and recording, 100 times: 100 jobs.
	@exec $(BIN)/python -m bench.kills --launches $(LAUNCHES)

step-kills: $(BIN)/drs-waves ## Kill the worker between a step's acceptance and its recording, 100 times.
	@exec $(BIN)/python -m bench.step_kills --kills $(KILLS)

isolation: $(BIN)/drs-waves ## Isolated drills under chaos: none in production, everything put back.
	@exec $(BIN)/python -m bench.isolation --drills $(DRILLS)

worker-away: $(BIN)/drs-waves ## No worker for an hour of AWS's clock while a drill has the templates.
	@exec $(BIN)/pytest -m slow -o addopts= -v tests/end_to_end/test_worker_away.py

worker-death: $(BIN)/drs-waves ## By how much a worker's death delays the next wave or plan.
	@exec $(BIN)/python -m bench.worker_death --rounds $(ROUNDS)

no-worker: $(BIN)/drs-waves ## How soon commands and the API say that no worker runs.
	@exec $(BIN)/python -m bench.no_worker

hang: $(BIN)/drs-waves ## By how much a hanging DynamoDB or Region delays other launches.
	@exec $(BIN)/python -m bench.hang

chaos: $(BIN)/drs-waves ## 200 random drills with seeded faults; about 25 minutes.
	@exec $(BIN)/python -m bench.chaos --drills $(DRILLS) $(if $(SEED),--seed $(SEED))

RUNS ?= 3

bench: $(BIN)/drs-waves ## How close to the limit plans come up, beside simpler ways; about 80 minutes.
	@exec $(BIN)/python -m bench.speed --runs $(RUNS) --chart docs/speed.svg

bench-real: $(BIN)/drs-waves ## A hundred short plans at real time: lag, calls, CPU, memory.
	@exec $(BIN)/python -m bench.speed --runs 1 --speed 1

screenshots: $(BIN)/drs-waves ## Pictures of the pages, into docs/.
	@exec $(BIN)/python -m bench.screenshots

references: $(BIN)/drs-waves ## The references in docs/ that are made from the models.
	@$(BIN)/python -m recovery.plan.file.reference > docs/plan.md
	@$(BIN)/python -m recovery.readiness.reference > docs/findings.md
	@$(BIN)/drs-waves schema > docs/json-output.schema.json
	@$(BIN)/drs-waves schema plan > docs/plan.schema.json

page-lag: $(BIN)/drs-waves ## How late a page shows a change; needs Chromium.
	@exec $(BIN)/python -m bench.page_lag

readiness-bench: $(BIN)/drs-waves ## What looks at the readiness of 300 plans cost, and whether drills are late for them.
	@exec $(BIN)/python -m bench.readiness

portfolio-bench: $(BIN)/drs-waves ## A portfolio of 300 plans over 40 accounts, one worker; about 10 minutes.
	@exec $(BIN)/python -m bench.portfolio

notify-lag: $(BIN)/drs-waves ## How soon a channel hears of decisions: a hundred at once, at real time.
	@exec $(BIN)/python -m bench.notify_lag

notify-kills: $(BIN)/drs-waves ## Kill the worker at each point of a decision's way to people: none is missed.
	@exec $(BIN)/python -m bench.notify_kills

RECORD = --record-histories tests/workflows/histories

histories: $(BIN)/drs-waves ## Record histories of the kinds of runs that the replay tests lack.
	@exec $(BIN)/pytest -m "" tests/end_to_end $(RECORD) -k "$$($(BIN)/python -m tests.workflows.recorded_kinds)"

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --group build \
	--no-emit-index-url --no-header --no-emit-package drs-waves

lock: $(BIN)/drs-waves ## Pin the newest versions, with the hashes of their files.
	@$(BIN)/python -m pip install --quiet uv
	@$(COMPILE) --upgrade --extra dev -o requirements.lock pyproject.toml
	@$(COMPILE) --no-annotate --extra api --extra otel -c requirements.lock -o deploy/requirements.lock pyproject.toml

BUILD ?= build
SBOM = $(BIN)/python -W ignore -m cyclonedx_py requirements $(SBOM_FLAGS) --pyproject pyproject.toml --output-reproducible

sbom: $(BIN)/drs-waves ## What the image is made of, and what development uses too, as CycloneDX, into build/.
	@mkdir -p $(BUILD)
	@$(SBOM) -o $(BUILD)/sbom-image.json deploy/requirements.lock
	@$(SBOM) -o $(BUILD)/sbom-all.json requirements.lock

audit: $(BIN)/drs-waves ## Ask OSV for known vulnerabilities of what is pinned: 1 there are, 5 it does not answer.
	@exec $(BIN)/python -m bench.audit $(if $(OSV_URL),--osv-url $(OSV_URL))

PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(BIN)/drs-waves: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed")'
	@echo "Installing into .venv (once)…"
	@$(PYTHON) -m venv .venv
	@$(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --quiet --no-deps --no-build-isolation -e .
	@touch $@

clean: ## Remove what the commands above made.
	@rm -rf .venv .sandbox build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
