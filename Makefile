# Every target that needs an environment makes it first; a second run finds it there.

TEXT ?= The birch canoe slid on the smooth planks.
OUT ?= hello.wav
CORPORA ?= corpora
WORKERS ?= 2

# The first interpreter that starts and is new enough.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)

SPEAK = .venv/bin
WORK = .venv-test/bin

.DEFAULT_GOAL := help
.PHONY: help say test check format golden bench experiment-pruning train-voice docs clean
.DELETE_ON_ERROR:

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

say: .venv/.installed ## Say TEXT with the voice in the package; writes OUT (hello.wav)
	@$(SPEAK)/sori say --out "$(OUT)" -- "$$SPOKEN"
# The value as the user typed it: "$3" in a text is money, not a variable of make.
say: export SPOKEN := $(value TEXT)

test: .venv-test/.installed ## Run every test; ARGS goes to pytest
	OMP_NUM_THREADS=1 $(WORK)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: .venv-test/.installed ## Lint, format, types, layers
	$(WORK)/ruff check .
	$(WORK)/ruff format --check .
	$(WORK)/pyright
	$(WORK)/lint-imports

format: .venv-test/.installed ## Format the code and mend what ruff can mend
	$(WORK)/ruff check --fix .
	$(WORK)/ruff format .

golden: .venv-test/.installed ## Write the golden files anew
	$(WORK)/python tests/golden/make.py

bench: ## Measure Sori beside its peers; fills the table of the README
	$(PYTHON) benchmarks/setup_judges.py
	$(PYTHON) benchmarks/setup_peers.py
	$(PYTHON) benchmarks/peers.py --update-readme $(ARGS)

experiment-pruning: .venv-test/.installed ## Clone people of CORPORA/mini-librispeech by every pipeline; judge them
	$(PYTHON) benchmarks/setup_judges.py
	OMP_NUM_THREADS=$(WORKERS) $(WORK)/python benchmarks/cloning.py \
		"$(CORPORA)/mini-librispeech" --threads $(WORKERS) $(ARGS)
	$(WORK)/python docs/fill.py
	$(WORK)/python docs/plot_masks.py

train-voice: .venv-test/.installed ## Train the English voice from CORPORA; resumes where it stopped
	PATH="$(CURDIR)/$(WORK):$$PATH" recipes/train_english.sh "$(CORPORA)" $(ARGS)

docs: .venv-test/.installed ## Fill the tables of the README and docs/sources.md
	$(WORK)/python docs/fill.py
	$(WORK)/python docs/plot_vocoders.py
	$(WORK)/python docs/plot_tortoise.py
	$(WORK)/python docs/plot_masks.py

clean: ## Remove both environments and what the tools left
	rm -rf .venv .venv-test build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/.installed: pyproject.toml
	$(call environment,.venv)
	.venv/bin/pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv-test/.installed: pyproject.toml constraints.txt
	$(call environment,.venv-test)
	.venv-test/bin/pip install --quiet --disable-pip-version-check \
		-e '.[train,tensorboard,serve,scale,dev]' -c constraints.txt
	@touch $@

# An environment that is there is kept: pip brings it up to date.
define environment
	@test -n "$(PYTHON)" || { echo "Sori needs Python 3.11 or newer; install it, or set PYTHON" >&2; exit 1; }
	@test -x $(1)/bin/pip || $(PYTHON) -m venv $(1)
endef
