# Every target sets up what it needs in .venv; nothing is installed outside this folder.
PYTHON ?= python3
BIN := .venv/bin
LOCK := requirements/lock.txt

# Where it is set, every process compiles all of its modules again, which takes longer than the rest of its start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test campaign lint bench clean lock setup
.DEFAULT_GOAL := demo

# uv comes from its own hashed lock, then installs the rest from theirs: ten times faster than pip.
.venv/ready: $(LOCK) requirements/uv.txt pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Interlock needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@echo 'setting up .venv from $(LOCK) …'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python $(LOCK) requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	@touch $@

setup: .venv/ready

demo: setup
	@$(BIN)/interlock demo $(ARGS)

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
endif

# The long form of every test that has one, one after the other: docs/testing.md says what each proves.
campaign: setup
	$(BIN)/python -m pytest --campaign -m campaign -s $(ARGS)

lint: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	@$(BIN)/python -m bench all $(ARGS)

# Hashes and no index addresses: the file works with any mirror.
lock:
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	  --extra all --group dev --output-file $(LOCK) pyproject.toml requirements/build.in
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	  --extra server --extra registry --extra fast --constraints $(LOCK) --output-file requirements/server.txt \
	  pyproject.toml requirements/build.in
	echo uv | $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --output-file requirements/uv.txt -

clean:
	rm -rf .venv .interlock build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
