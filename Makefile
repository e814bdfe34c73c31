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

# A row a figure instead of a column.
TRANSPOSED := awk -F ' *[|] *' 'NR == 1 {split($$0, name, / *[|] */)} \
	NR > 2 {for (i = 3; i < NF; i++) if ($$i != "-" && name[i] !~ /^(ablation|outputs|robustness)/) printf "%-31s %s\n", name[i], $$i}'

# A corpus that DVC tracks can be fetched but not built, and without it a stage would run on what is left.
ANNOTATED := $(basename $(wildcard data/annotated/*.dvc))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help repro figures readme methodology learning-curve cross-validate picture bench bench-population bench-service bench-drift \
	bench-batch data test check format serve bento container test-container programs lock hooks clean \
	comment committed pull push reproducible audit test-workflows exp exp-show exp-branch mlflow verify-remote repair-remote

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

$(ANNOTATED): | $(INSTALLED)
	$(BIN)/dvc pull $@.dvc

repro: $(INSTALLED) $(ANNOTATED) ## Build what is not up to date: patients, notes, model, figures, reports (LAZY=1: fetch only what that needs)
	$(BIN)/dvc repro $(if $(LAZY),--pull --allow-missing)
	@$(MAKE) --silent figures
	@echo "Reports: reports/drift.html, reports/evaluation.json; plots: dvc plots show"

figures: $(INSTALLED) ## Print the main figures of the last run
	@$(BIN)/dvc metrics show --md metrics/evaluate.json metrics/drift.json | $(TRANSPOSED) | LC_ALL=C sort

# What the tests and the service read: built if it is not up to date.
data: $(INSTALLED) $(ANNOTATED)
	$(BIN)/dvc repro --quiet

test: data ## Run the tests, on the true model
	$(BIN)/pytest --numprocesses 2 --dist loadfile

# A test whose program cannot be had is skipped and says so.
APT := $(if $(filter-out 0,$(shell id -u)),sudo -n) env DEBIAN_FRONTEND=noninteractive apt-get -qq
programs: ## Install the programs that the tests meet: browser, gateway, database, Prometheus (Debian, Ubuntu)
	@$(APT) update || true
	@for program in $$(cat tests/debian-packages.txt); do \
		$(APT) install -y --no-install-recommends $$program > /dev/null || echo "not installed: $$program"; done

check: $(INSTALLED) $(ANNOTATED) ## Lint, types, workflows, and whether dvc.lock is true
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/actionlint
	$(BIN)/shellcheck .ci/run $$(git ls-files '*.sh')
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
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python docs/service_speed.py --out docs/service_speed.json

bench-batch: data ## Measure batches on 1 and 2 processes and a Dask cluster, write docs/capacity.md (LONG=10000000: and so many in one run)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python docs/batch_speed.py $(if $(LONG),--long "$(LONG)") $(OPTIONS)

# Many minutes; OPTIONS="--windows 300 --shifted 20": a quick look.
bench-drift: data ## Measure false alarms of drift and the power to see it, and write docs/drift_power.md
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python docs/drift_power.py $(OPTIONS)

# STAGE=prod builds it of the model that was promoted, as DVC's remote holds it, and needs no data. REGISTRY is the remote
# of git whose tags say which one; of one that does not exist nothing is asked, and the tags of the clone hold.
REGISTRY ?= origin

bento: $(if $(STAGE),$(INSTALLED),data) ## Build the Bento and ask it one question (STAGE=prod: of the released model)
	$(if $(STAGE),$(BIN)/clinical-ner fetch --stage "$(STAGE)" --out build/promoted --force --remote "$(REGISTRY)")
	$(BIN)/python -m clinical_ner.serving.build $(if $(STAGE),build/promoted)

# BUILDER=docker|podman|buildah chooses one, IMAGE=name:tag names the image.
IMAGE ?= clinical-ner:latest
SBOM ?= build/sbom.json

container: bento ## Build the container's image with docker, podman or buildah, ask it one question, list what is inside
	@mkdir -p $(dir $(SBOM))
	deploy/container/build.sh "$(IMAGE)" > "$(SBOM)" || { status=$$?; rm "$(SBOM)"; exit $$status; }
	@echo "Image: $(IMAGE); what is inside: $(SBOM)"

test-container: data ## Test that the image is built and answers: minutes, and a builder is needed
	CLINICAL_NER_TEST_CONTAINER=1 $(BIN)/pytest tests/deploy/test_container.py

comment: $(INSTALLED) ## What the work tree does to the figures of another commit, and the verdict (BASE=commit)
	@$(BIN)/python .ci/comment.py "$(BASE)" build/comment

committed: ## Whether git holds the dvc.lock that the last run wrote
	@git diff --exit-code dvc.lock || { echo "error: dvc.lock is not that of this code" >&2; \
		echo "  remedy: make repro, then commit dvc.lock and what changed with it" >&2; exit 1; }

# DVC_REMOTE=url in the environment: that remote instead of the folder beside the clone.
define REMOTE
	@if [ -n "$${DVC_REMOTE:-}" ]; then $(BIN)/dvc remote add --quiet --local --force --default given "$$DVC_REMOTE"; \
		$(BIN)/dvc remote modify --local given verify true; fi
endef

pull: $(INSTALLED) ## Fetch data and model from the remote (DVC_REMOTE=url in the environment: from that one)
	$(REMOTE)
	$(BIN)/dvc pull

push: $(INSTALLED) ## Send data and model to the remote, likewise
	$(REMOTE)
	$(BIN)/dvc push

# In two clones: nothing that git does not hold can help, and nothing here is lost.
reproducible: $(INSTALLED) ## Rebuild the last commit from nothing, twice in unlike circumstances, and compare every byte
	rm -rf build/fresh build/other
	git clone --quiet . build/fresh
	git clone --quiet . build/other/place
	cd build/fresh && PYTHONPATH="$$PWD/src" PYTHONHASHSEED=0 TZ=UTC dvc repro --force --quiet
	cd build/other/place && PYTHONPATH="$$PWD/src" PYTHONHASHSEED=1 TZ=Pacific/Auckland CLINICAL_NER_WORKERS=2 dvc repro --force --quiet
	git -C build/fresh diff --exit-code dvc.lock
	git -C build/other/place diff --exit-code dvc.lock

audit: $(INSTALLED) ## Look for known faults in the packages of the lock (asks the vulnerability service)
	@$(BIN)/pip-audit --disable-pip --requirement requirements.txt || { \
		echo "error: packages with known faults, or the service that knows them was not reached" >&2; \
		echo "  remedy: make lock LOCK_OPTIONS=--upgrade, or try again with a network" >&2; exit 1; }

test-workflows: $(INSTALLED) ## Run every workflow on this machine with act, GitHub played by stubs: minutes
	CLINICAL_NER_TEST_WORKFLOWS=1 $(BIN)/pytest tests/workflows

# Each experiment has the name SECTION.NAME-VALUE; what is built already is not built again.
SWEEP ?= train.c2=0.5,1,2
exp: data ## Run an experiment for each combination of values (SWEEP="train.c2=0.5,1,2 train.c1=0.05,0.1")
	$(BIN)/clinical-ner sweep $(SWEEP)

# The parameters that differ, and few figures: `dvc exp show` alone has a hundred columns.
SHOWN := Experiment|(vocabulary|population|quality|risk|notes|dataset|train|evaluate)\.|loss|golden_f1
SHOWN := $(SHOWN)|crf\.(f1|precision|recall)|crf_f1\.(templates\.unseen|terms\.withheld_unlisted)
exp-show: $(INSTALLED) ## Compare the experiments on this commit: what was changed, what came out
	@$(BIN)/dvc exp show --no-pager --md --hide-workspace --only-changed --drop '^(?!($(SHOWN)))'

# The data first: nobody shall meet a branch whose results cannot be had. Not by `dvc exp push`, which takes a relative
# path of a remote for one from the root of the disk.
exp-branch: $(INSTALLED) ## Turn an experiment into a pushed branch, ready for a pull request (EXP=name BRANCH=name)
	git rev-parse --quiet --verify "refs/heads/$(BRANCH)" > /dev/null || $(BIN)/dvc exp branch "$(EXP)" "$(BRANCH)"
	git switch "$(BRANCH)"
	$(BIN)/dvc checkout
	$(BIN)/dvc push
	git push --set-upstream origin "$(BRANCH)"
	@if command -v gh > /dev/null; then gh pr create --head "$(BRANCH)" --fill; \
		else echo "Open the pull request: gh pr create --head $(BRANCH) --fill"; fi

mlflow: data ## Copy the last run to the MLflow of MLFLOW_TRACKING_URI: parameters, figures, files, model
	$(BIN)/clinical-ner mirror

verify-remote: $(INSTALLED) ## Read the remote's objects and name those damaged or missing (REMOTE=name)
	$(BIN)/clinical-ner remote verify $(if $(REMOTE),--remote "$(REMOTE)")

repair-remote: $(INSTALLED) ## Put damaged or missing objects into the remote anew, from a cache that has them (REMOTE=name)
	$(BIN)/clinical-ner remote repair $(if $(REMOTE),--remote "$(REMOTE)")

lock: $(INSTALLED) ## Write the locks anew (LOCK_OPTIONS=--upgrade: with newer versions)
	$(BIN)/uv pip compile pyproject.toml --all-extras $(LOCK_OPTIONS) $(COMPILE) -o requirements.txt
	$(BIN)/uv pip compile pyproject.toml --extra serving -c requirements.txt $(COMPILE) -o requirements-serving.txt

COMPILE := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --fork-strategy fewest

hooks: $(INSTALLED) ## Let git run the checks before each commit
	$(BIN)/pre-commit install

clean: ## Remove the environment, builds and caches; data and models stay
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What only the workflows in .github call.
include .ci/workflows.mk
