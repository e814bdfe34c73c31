# The only door: people, hooks and CI run these targets and nothing else.
# Needs Python 3.11 or newer, git and make; everything else comes from the lock into .venv.

PYTHON ?= python3
BASE ?= HEAD
LOCK_OPTIONS ?=

BIN := .venv/bin
INSTALLED := .venv/.installed

export PATH := $(CURDIR)/$(BIN):$(PATH)
export BENTOML_DO_NOT_TRACK := True
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1

# DVC lists figures in no fixed order: keep the two lines of the head, sort the rest. The first look is at a few.
SORTED := awk 'NR < 3 {print; fflush()} NR > 2 && NF {print | "sort"}'
MAIN := awk 'NR < 3 || / (crf\.(precision|recall|f1|token_weighted_f1)|crf_f1\.[a-z_.]*|[a-z_]*_f1|treatment_links.f1|repeated_sentences|drift\.[a-z_]*) /'

# A row a figure instead of a column.
TRANSPOSED := awk -F ' *[|] *' 'NR == 1 {split($$0, name, / *[|] */)} \
	NR > 2 {for (i = 3; i < NF; i++) if ($$i != "-" && name[i] !~ /^(ablation|outputs|robustness)/) printf "%-31s %s\n", name[i], $$i}'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help repro figures readme methodology learning-curve cross-validate picture bench bench-population bench-service bench-batch \
	data test check format serve bento container test-container metrics-diff reproducible programs lock hooks clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' Makefile

# uv is installed by pip with its hash from the lock, and then installs the rest of the lock.
$(INSTALLED): requirements.txt pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: '$(PYTHON)' is not Python 3.11 or newer" >&2; \
		echo "  remedy: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > .venv/uv.txt
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r .venv/uv.txt
	$(BIN)/uv pip sync --system-certs --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

repro: $(INSTALLED) ## Build what is not up to date: patients, notes, model, figures, reports
	$(BIN)/dvc repro
	@$(MAKE) --silent figures
	@echo "Reports: reports/drift.html, reports/evaluation.json; plots: dvc plots show"

figures: $(INSTALLED) ## Print the main figures of the last run
	@$(BIN)/dvc metrics show --md metrics/evaluate.json metrics/drift.json | $(TRANSPOSED) | LC_ALL=C sort

# What the tests and the service read: built if it is not up to date.
data: $(INSTALLED)
	$(BIN)/dvc repro --quiet

test: data ## Run the tests, on the true model
	$(BIN)/pytest

# A test whose program cannot be had is skipped and says so.
APT := $(if $(filter-out 0,$(shell id -u)),sudo -n) env DEBIAN_FRONTEND=noninteractive apt-get -qq
programs: ## Install the programs that the tests meet: browser, gateway, database, Prometheus (Debian, Ubuntu)
	@$(APT) update || true
	@for program in $$(cat tests/debian-packages.txt); do \
		$(APT) install -y --no-install-recommends $$program > /dev/null || echo "not installed: $$program"; done

check: $(INSTALLED) ## Lint, types, workflows, and whether dvc.lock is true
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/actionlint
	$(BIN)/zizmor --offline --quiet .
	@plan=$$($(BIN)/dvc repro --allow-missing --dry 2>&1); case "$$plan" in \
		*"are up to date."*) echo "dvc.lock is true" ;; \
		*) echo "$$plan"; echo "error: dvc.lock is behind the code, the parameters or the figures" >&2; \
			echo "  remedy: make repro, then commit dvc.lock and what changed with it" >&2; exit 1 ;; esac

format: $(INSTALLED) ## Rewrite the code in the common format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

serve: data ## Start the service on http://127.0.0.1:3000, for clients on this machine, without keys
	CLINICAL_NER_LOCAL=true $(BIN)/bentoml serve --host 127.0.0.1

readme: data ## Write the figures into README.md (CORPORA=folder: measure on real text first)
	$(BIN)/python docs/readme.py $(if $(CORPORA),--corpora "$(CORPORA)")

methodology: $(INSTALLED) ## Write docs/methodology.md and .html from the figures of the stage quality (MEASURE=1: speeds too)
	$(BIN)/dvc repro --quiet quality
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python docs/methodology.py $(if $(MEASURE),--measure)

# On annotated reports of yours, which nobody has trained on yet: CORPUS=path FORMAT=brat|conll|dt|jsonl (OPTIONS=--map ...).
learning-curve: data ## How many annotated reports the synthetic notes are worth (CORPUS=path FORMAT=brat)
	$(BIN)/python docs/learning_curve.py "$(CORPUS)" --format "$(FORMAT)" $(OPTIONS)

cross-validate: data ## The scores of training on annotated reports, with and without the synthetic notes (CORPUS, FORMAT)
	$(BIN)/python docs/learning_curve.py "$(CORPUS)" --format "$(FORMAT)" --cross-validate $(OPTIONS)

picture: data ## Take the picture of the page that README shows (needs Chromium)
	$(BIN)/python docs/page.py

bench: data ## Measure the speed of reading, writing and training on one core (TEXTS=folder: of its *.txt files too)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python docs/speed.py $(if $(TEXTS),--texts "$(TEXTS)")

bench-population: $(INSTALLED) ## Measure how fast people are made and how memory grows (FULL=1: up to a million, WORKERS=2)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ARROW_NUM_THREADS=1 $(BIN)/python docs/population_speed.py \
		$(if $(FULL),--full) $(if $(WORKERS),--workers "$(WORKERS)")

bench-service: data ## Measure what the service costs beside a bare uvicorn application
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python docs/service_speed.py

bench-batch: data ## Measure batches on 1 and 2 processes and a Dask cluster, write docs/capacity.md (FULL=1: ten million notes)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python docs/batch_speed.py $(if $(FULL),--full) $(OPTIONS)

bento: data ## Build the Bento and ask it one question
	$(BIN)/python -m clinical_ner.serving.build

# BUILDER=docker|podman|buildah chooses one, IMAGE=name:tag names the image.
IMAGE ?= clinical-ner:latest
SBOM ?= build/sbom.json

container: bento ## Build the container's image with docker, podman or buildah, ask it one question, list what is inside
	@mkdir -p $(dir $(SBOM))
	deploy/container/build.sh "$(IMAGE)" > "$(SBOM)" || { status=$$?; rm "$(SBOM)"; exit $$status; }
	@echo "Image: $(IMAGE); what is inside: $(SBOM)"

test-container: data ## Test that the image is built and answers: minutes, and a builder is needed
	CLINICAL_NER_TEST_CONTAINER=1 $(BIN)/pytest tests/deploy/test_container.py

metrics-diff: $(INSTALLED) ## Figures and parameters before and after, as Markdown (BASE=commit)
	@figures=$$($(BIN)/dvc metrics diff --all --md "$(BASE)") || exit 1; \
		echo "### Figures"; echo; echo "$$figures" | $(SORTED) | $(MAIN); echo; \
		echo "<details><summary>All figures</summary>"; echo; echo "$$figures" | $(SORTED); echo; echo "</details>"
	@echo; echo "### Changed parameters"; echo
	@$(BIN)/dvc params diff --md "$(BASE)"

# In a clone: nothing that git does not hold can help, and nothing here is lost.
reproducible: $(INSTALLED) ## Rebuild the last commit from nothing and compare every byte
	rm -rf build/fresh
	git clone --quiet . build/fresh
	cd build/fresh && PYTHONPATH="$$PWD/src" dvc repro --force --quiet
	git -C build/fresh diff --exit-code dvc.lock

lock: $(INSTALLED) ## Write the locks anew (LOCK_OPTIONS=--upgrade: with newer versions)
	$(BIN)/uv pip compile pyproject.toml --all-extras $(LOCK_OPTIONS) $(COMPILE) -o requirements.txt
	$(BIN)/uv pip compile pyproject.toml --extra serving -c requirements.txt $(COMPILE) -o requirements-serving.txt

COMPILE := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --fork-strategy fewest

hooks: $(INSTALLED) ## Let git run the checks before each commit
	$(BIN)/pre-commit install

clean: ## Remove the environment, builds and caches; data and models stay
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
