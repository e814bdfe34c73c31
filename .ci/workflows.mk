# What the workflows in .github call beside the targets of the Makefile, which includes this.
# Whatever is said on GitHub is said by .ci/github.py, with the token of the job in GH_TOKEN.

.PHONY: corpora-of-head watch proposal say-comment say-verdict say-issue say-proposal release-files push-image publish-release

# The names of the corpora of a pull request, checked out in build/head, upon the base: of its code nothing is run.
corpora-of-head:
	for corpus in build/head/data/annotated/*.dvc; do [ ! -f "$$corpus" ] || cp "$$corpus" data/annotated/; done

MONITORING := build/monitoring
REQUEST := $(MONITORING)/retraining_request.json

# The verdict is an answer, not a failure: 0 none, 10 watch, 20 alert. Anything else is one. Whether to retrain is not the
# verdict's but the policy's to say (params.yaml, drift.policy): then there is a request.
watch: data ## Compare the last day with the reference (CLINICAL_NER_STORE=url, or PROFILES=file, in the environment)
	@set -e; mkdir -p $(MONITORING); decision=0; \
	if [ -n "$${PROFILES:-}" ]; then set -- --profiles "$$PROFILES"; else set -- --last 24h; fi; \
	$(BIN)/clinical-ner monitor run "$$@" --out $(MONITORING) || decision=$$?; \
	case $$decision in 0|10|20) ;; *) exit 1 ;; esac; \
	$(BIN)/clinical-ner monitor summary $(MONITORING) > $(MONITORING)/summary.md; \
	if [ -f $(REQUEST) ]; then retrain=true; else retrain=false; fi; \
	printf 'decision=%s\nretrain=%s\n' "$$decision" "$$retrain" | tee -a "$${GITHUB_OUTPUT:-/dev/null}"

# Never by itself: a pull request with what the pipeline makes of the present inputs, and the request that asked for it.
proposal: comment
	rm -rf build/proposal
	mkdir -p build/proposal/files
	cp $(REQUEST) reports/
	git ls-files --modified --others --exclude-standard -z | xargs -0 cp --parents -t build/proposal/files
	{ cat $(MONITORING)/summary.md; ! git diff --quiet dvc.lock || echo "$$NOTHING_NEW"; cat build/comment/summary.md; } \
		> build/proposal/comment.md

# Training on the same notes makes the same model.
export NOTHING_NEW
define NOTHING_NEW

**No input has changed since the last training, so this is the same model.** Bring corrections (`clinical-ner feedback`,
docs/corrections.md) or annotated notes of the new kind into `data/annotated`, or close this.

endef

say-comment:
	@$(PYTHON) .ci/github.py comment "$(PR)" build/comment

say-verdict:
	@$(PYTHON) .ci/github.py accepted "$(PR)" build/comment

# An issue that is open learns of quiet days too; whether to close it, people decide. DECISION is that of `watch`.
say-issue:
	@$(PYTHON) .ci/github.py $(if $(filter 0,$(DECISION)),news,issue) drift "Monitoring: the notes have changed" \
		$(MONITORING)/summary.md

say-proposal:
	@$(PYTHON) .ci/github.py propose retraining "Retrain on request of the monitoring" build/proposal

# What a release is made of; TAG=v1.2.0 has a section in CHANGELOG.md. The model is the one in prod, whatever is checked
# out; the one of this commit goes out only while none was ever promoted. The checkout has all tags, and no credentials to
# ask for them again.
RELEASE := build/release

release-files: SBOM = $(RELEASE)/sbom.json
release-files: ## The Bento, the container's image, what is inside and the text of a release (TAG=v1.2.0)
	rm -rf $(RELEASE)
	mkdir -p $(RELEASE)
	$(PYTHON) .ci/release_text.py "$(TAG)" > $(RELEASE)/text.md
	promoted=$$(git tag --list 'clinical-ner#prod#*') && $(MAKE) container SBOM=$(SBOM) STAGE="$${promoted:+prod}" REGISTRY=
	$(BIN)/bentoml export clinical_ner:latest $(RELEASE)/clinical_ner.bento
	docker save "$(IMAGE)" --output $(RELEASE)/image.tar

# GH_TOKEN logs in; prints the name and the digest of what was pushed, for the attestation.
push-image:
	@docker load --quiet --input $(RELEASE)/image.tar
	@echo "$$GH_TOKEN" | docker login ghcr.io --username "$$GITHUB_ACTOR" --password-stdin
	@name=ghcr.io/$$(echo "$$GITHUB_REPOSITORY" | tr '[:upper:]' '[:lower:]'); \
	docker tag "$(IMAGE)" "$$name:$(TAG)" && docker push --quiet "$$name:$(TAG)" && \
	digest=$$(docker inspect --format '{{index .RepoDigests 0}}' "$$name:$(TAG)") && \
	printf 'name=%s\ndigest=%s\n' "$$name" "$${digest#*@}" | tee -a "$${GITHUB_OUTPUT:-/dev/null}"

publish-release:
	gh release create "$(TAG)" --verify-tag --title "$(TAG)" --notes-file $(RELEASE)/text.md \
		$(RELEASE)/clinical_ner.bento $(RELEASE)/sbom.json
