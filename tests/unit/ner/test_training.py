"""Training is the same bytes every time, and a training that fails has not happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clinical_ner.core.errors import UserError
from clinical_ner.core.params import TrainParams
from clinical_ner.core.span import ANNOTATED, DISEASE, LABELS, SYNTHETIC, TREATMENT, Span
from clinical_ner.ner import adaptation, bio, model, training
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.features import OF_ANNOTATED
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.tokenize import sentences
from clinical_ner.ner.training import (
    Entry,
    Example,
    completed,
    entries,
    known_words,
    partial_gazetteer,
    prepare,
    rehearsal,
    train,
    training_metrics,
)
from clinical_ner.ner.weights import Weights

IN_A_NEW_PROCESS = """
import json, sys
from pathlib import Path
from clinical_ner.core.params import TrainParams
from clinical_ner.ner.training import Entry, Example, train

given = json.loads(sys.stdin.read())
examples = [Example(*example) for example in given["examples"]]
lexicon = [Entry(*entry) for entry in given["lexicon"]]
train(examples, lexicon, TrainParams.model_validate(given["params"]), Path(sys.argv[1]), {"hand": "0" * 64})
"""


def tags(document: Document) -> list[list[str]]:
    return [example.tags for example in prepare([document]).examples]


# --- sentences to learn from ---------------------------------------------------------------------
def test_sentences_are_those_that_the_tagger_will_see(documents: list[Document]) -> None:
    prepared = prepare(documents)

    seen = [[token.text for token in sentence] for document in documents for sentence in sentences(document.text)]
    assert [example.words for example in prepared.examples] == seen
    assert (prepared.widened, prepared.dropped) == (0, 0)


def test_a_span_is_tagged_in_its_own_sentence_alone() -> None:
    document = Document("d", "No gout. Has gout.", (Span(13, 17, DISEASE),), None)

    assert tags(document) == [["O", "O", "O"], ["O", "B-DISEASE", "O"]]


def test_a_span_over_two_sentences_ends_with_the_first_and_counts_as_widened() -> None:
    document = Document("d", "No gout. Has gout.", (Span(3, 17, DISEASE),), None)

    assert tags(document) == [["O", "B-DISEASE", "I-DISEASE"], ["O", "O", "O"]]
    assert prepare([document]).widened == 1


def test_a_span_that_starts_in_the_space_before_a_sentence_is_widened_and_not_lost() -> None:
    document = Document("d", " Gout. Gout.", (Span(0, 5, DISEASE), Span(6, 11, DISEASE)), None)

    assert tags(document) == [["B-DISEASE", "O"], ["B-DISEASE", "O"]]
    assert (prepare([document]).widened, prepare([document]).dropped) == (2, 0)


@pytest.mark.parametrize("text", ["Gout. \n", "  \n    "])
def test_a_span_without_a_token_is_counted_as_dropped(text: str) -> None:
    document = Document("d", text, (Span(6, 7, DISEASE),), None)

    assert prepare([document]).dropped == 1


def test_widened_and_dropped_spans_are_added_over_documents() -> None:
    spans = (Span(0, 3, DISEASE), Span(0, 10, TREATMENT), Span(5, 10, DISEASE))

    prepared = prepare([Document("a", "Gout flare", spans, None), Document("b", "Gout flare", spans[:1], None)])

    assert (prepared.widened, prepared.dropped) == (1, 2)


# --- annotated notes beside synthetic ones ---------------------------------------------------------
REAL = prepare([Document("r", "Gout is a diet. Pain after aspirin.", (Span(10, 14, TREATMENT),), None)] * 9).examples


@pytest.fixture
def synthetic(examples: list[Example]) -> list[Example]:
    return [example._replace(source=SYNTHETIC) for example in examples]


def read_with(out: Path, text: str) -> list[tuple[str, str]]:
    return [(text[e.start : e.end], e.label) for e in Tagger.load(out).tag(text)]


def test_annotated_sentences_change_what_the_synthetic_ones_taught_and_nothing_else(
    synthetic: list[Example], lexicon: list[Entry], train_params: TrainParams, tmp_path: Path
) -> None:
    params = train_params.model_copy(update={"annotated_weight": 5.0})
    before, after = tmp_path / "before.crfsuite", tmp_path / "after.crfsuite"

    train(synthetic, lexicon, params, before, {})
    log = train([*synthetic, *REAL], lexicon, params, after, {})

    assert read_with(before, "Gout is a diet.") == [("Gout", DISEASE)]
    assert read_with(after, "Gout is a diet.") == [("diet", TREATMENT)]
    assert read_with(after, "She has asthma and takes metformin.") == [("asthma", DISEASE), ("metformin", TREATMENT)]
    assert [row.iteration for row in log] == list(range(1, len(log) + 1))


def test_a_model_that_is_adapted_to_annotated_sentences_has_bioes_tags_and_speaks_of_bio_tags(
    synthetic: list[Example], lexicon: list[Entry], train_params: TrainParams, tmp_path: Path
) -> None:
    train([*synthetic, *REAL], lexicon, train_params, tmp_path / "both.crfsuite", {})

    tagger = Tagger.load(tmp_path / "both.crfsuite")

    assert {tag[:2] for tag in tagger.weights.tags} == {"O", bio.BEGIN, bio.INSIDE, bio.END, bio.SINGLE}
    assert tagger.manifest.format == 2
    assert [sentence.tags for sentence in tagger.read("Gout is a diet.")] == [["O", "O", "O", f"B-{TREATMENT}", "O"]]


def test_of_enough_annotated_sentences_experts_learn_without_a_part_each_and_are_pooled(
    synthetic: list[Example],
    lexicon: list[Entry],
    train_params: TrainParams,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def spy(*args: Any) -> tuple[Weights, list[adaptation.Step]]:
        experts.append(adapt(*args))
        read.append(len(args[1]))
        return experts[-1]

    experts, read, adapt = [], [], adaptation.adapt
    monkeypatch.setattr(adaptation, "adapt", spy)
    monkeypatch.setattr(adaptation, "ENOUGH", 9)
    params = train_params.model_copy(update={"annotated_weight": 5.0})

    log = train([*synthetic, *REAL], lexicon, params, tmp_path / "m.crfsuite", {})

    alike = [expert.attributes == experts[0][0].attributes for expert, _ in experts]
    assert read == [len(REAL) - len(part) for part in adaptation.lines(len(REAL))]
    assert alike == [True] * 12
    assert [row.iteration for row in log] == list(range(1, len(log) + 1))
    assert len(log) > sum(len(steps) for _, steps in experts) > 3
    assert read_with(tmp_path / "m.crfsuite", "Gout is a diet.") == [("diet", TREATMENT)]


def test_a_light_weight_leaves_the_synthetic_model_as_it_was(
    synthetic: list[Example], lexicon: list[Entry], train_params: TrainParams, tmp_path: Path
) -> None:
    params = train_params.model_copy(update={"annotated_weight": 1e-6})

    train([*synthetic, *REAL], lexicon, params, tmp_path / "m.crfsuite", {})

    assert read_with(tmp_path / "m.crfsuite", "Gout is a diet.") == [("Gout", DISEASE)]


@pytest.mark.parametrize(("share", "drawn"), [(0, 0), (4, 4), (10_000, 10)])
def test_some_synthetic_sentences_are_rehearsed_in_their_order(
    synthetic: list[Example], train_params: TrainParams, share: int, drawn: int
) -> None:
    params = train_params.model_copy(update={"rehearsed_sentences": share})
    sentences = [synthetic[0]._replace(words=[str(number)], tags=["O"]) for number in range(10)]

    found = [int(example.words[0]) for example in rehearsal(sentences, params)]

    assert len(found) == drawn
    assert found == sorted(set(found))


def test_what_is_rehearsed_holds_against_annotated_sentences(
    synthetic: list[Example], lexicon: list[Entry], train_params: TrainParams, tmp_path: Path
) -> None:
    params = train_params.model_copy(update={"annotated_weight": 5.0, "rehearsed_sentences": 1000})
    held = [Example(["Gout", "is", "a", "diet", "."], ["B-DISEASE", "O", "O", "O", "O"], source=SYNTHETIC)] * 30

    train([*synthetic, *held, *REAL], lexicon, params, tmp_path / "m.crfsuite", {})

    assert read_with(tmp_path / "m.crfsuite", "Gout is a diet.") == [("Gout", DISEASE)]


def test_annotated_sentences_alone_are_learnt_from_as_synthetic_ones_alone_are(
    examples: list[Example], synthetic: list[Example], lexicon: list[Entry], train_params: TrainParams, tmp_path: Path
) -> None:
    shared = tuple(group for group in train_params.feature_groups if group not in OF_ANNOTATED)
    params = train_params.model_copy(update={"feature_groups": shared})

    for name, learnt_from in (("annotated", examples), ("synthetic", synthetic)):
        train(learnt_from, lexicon, params, tmp_path / f"{name}.crfsuite", {})

    assert (tmp_path / "annotated.weights.npy").read_bytes() == (tmp_path / "synthetic.weights.npy").read_bytes()


def test_what_a_token_says_together_with_its_neighbour_is_learnt_from_annotated_sentences_alone(
    synthetic: list[Example], lexicon: list[Entry], train_params: TrainParams, tmp_path: Path
) -> None:
    def joint(name: str, sentences: list[Example]) -> set[str]:
        train(sentences, lexicon, train_params, tmp_path / f"{name}.crfsuite", {})
        attributes = Weights.load(tmp_path / f"{name}.weights.npy").attributes
        return {attribute for attribute in attributes if attribute.startswith(("-1|0=", "g|k"))}

    assert not joint("synthetic", synthetic)
    assert joint("both", [*synthetic, *REAL]) == joint("annotated", REAL) > {"-1|0=gout|is", "g|k+0=none|?"}


def test_a_corpus_without_treatments_does_not_unteach_treatments(
    synthetic: list[Example], lexicon: list[Entry], train_params: TrainParams, tmp_path: Path
) -> None:
    documents = [Document("r", "No gout was found on aspirin.", (Span(3, 7, DISEASE),), None)] * 30
    silent, denied = (prepare(documents, labels).examples for labels in ((DISEASE,), LABELS))

    for name, real in (("silent", silent), ("denied", denied)):
        train([*synthetic, *real], lexicon, train_params, tmp_path / f"{name}.crfsuite", {})

    assert read_with(tmp_path / "silent.crfsuite", documents[0].text) == [("gout", DISEASE), ("aspirin", TREATMENT)]
    assert read_with(tmp_path / "denied.crfsuite", documents[0].text) == [("gout", DISEASE)]


@pytest.mark.parametrize(
    ("tags", "guess", "expected"),
    [
        (["O", "O"], ["B-TREATMENT", "I-TREATMENT"], ["B-TREATMENT", "I-TREATMENT"]),
        (["O", "B-DISEASE"], ["B-TREATMENT", "I-TREATMENT"], ["O", "B-DISEASE"]),
        (["O", "O"], ["B-DISEASE", "O"], ["O", "O"]),
    ],
)
def test_a_guess_stands_only_for_the_label_that_is_not_annotated_and_touches_no_annotation(
    tags: list[str], guess: list[str], expected: list[str]
) -> None:
    assert completed(Example(["a", "b"], tags, annotates=(DISEASE,)), guess) == expected


# --- the gazetteer while training -----------------------------------------------------------------
def hidden(lexicon: list[Entry], params: TrainParams) -> set[str]:
    gazetteer = partial_gazetteer(lexicon, params)
    return {entry.term for entry in lexicon if not gazetteer.matches(entry.term.split())}


def test_a_share_of_the_concepts_is_hidden_with_all_their_terms(train_params: TrainParams) -> None:
    lexicon = [Entry(f"{word}{n}x", "drug", f"NAME:{n}") for n in range(400) for word in ("old", "new")]

    found = hidden(lexicon, train_params.model_copy(update={"gazetteer_dropout": 0.25}))

    assert 0.18 < len(found) / len(lexicon) < 0.32
    assert {term[3:] for term in found if term[:3] == "old"} == {term[3:] for term in found if term[:3] == "new"}


@pytest.mark.parametrize(("share", "known"), [(0.0, 13), (1.0, 0)])
def test_none_or_all_of_the_concepts_can_be_hidden(
    lexicon: list[Entry], train_params: TrainParams, share: float, known: int
) -> None:
    assert len(partial_gazetteer(lexicon, train_params.model_copy(update={"gazetteer_dropout": share}))) == known


def test_the_gazetteer_that_is_written_knows_what_was_hidden_while_training(
    examples: list[Example], lexicon: list[Entry], train_params: TrainParams, tmp_path: Path
) -> None:
    params = train_params.model_copy(update={"gazetteer_dropout": 1.0, "max_iterations": 2})

    train(examples, lexicon, params, tmp_path / "m.crfsuite", {})

    assert len(Tagger.load(tmp_path / "m.crfsuite").gazetteer) == len(lexicon)


def test_the_rows_of_a_lexicon_are_its_entries() -> None:
    table = pd.DataFrame({"concept_id": ["D1"], "term": ["gout"], "kind": ["disease"]})

    assert entries(table) == [Entry("gout", "disease", "D1")]


# --- the same bytes -----------------------------------------------------------------------------
def test_training_twice_gives_the_same_bytes(
    examples: list[Example],
    lexicon: list[Entry],
    train_params: TrainParams,
    trained: Path,
    tmp_path: Path,
    content: Callable[..., Any],
) -> None:
    train(examples, reversed(lexicon), train_params, tmp_path / trained.name, {"hand": "0" * 64})

    assert content(tmp_path / trained.name) == content(trained)


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_training_does_not_depend_on_the_seed_of_pythons_hashes(
    hash_seed: str,
    examples: list[Example],
    lexicon: list[Entry],
    train_params: TrainParams,
    trained: Path,
    tmp_path: Path,
    content: Callable[..., Any],
) -> None:
    out = tmp_path / trained.name
    given = {"examples": examples, "lexicon": lexicon, "params": train_params.model_dump(mode="json")}

    subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS, str(out)],
        input=json.dumps(given),
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        text=True,
        check=True,
    )

    assert content(out) == content(trained)


# --- the log ------------------------------------------------------------------------------------
def test_the_loss_falls_from_the_first_iteration_to_the_last(
    examples: list[Example], lexicon: list[Entry], train_params: TrainParams, tmp_path: Path
) -> None:
    out = tmp_path / "m.crfsuite"

    log = train(examples, lexicon, train_params.model_copy(update={"max_iterations": 5}), out, {})

    assert [row.iteration for row in log] == [1, 2, 3, 4, 5]
    assert log[-1].loss < log[0].loss
    found = training_metrics(out, log)
    assert (found["iterations"], found["loss"], found["active_features"]) == log[-1]
    assert found["megabytes"] == round(out.stat().st_size / 1e6, 2)


def test_the_written_words_are_those_of_the_sentences_in_any_case_or_number(tiny: Tagger) -> None:
    assert [tiny.knows(word) for word in ("Asthma", "GOUT", "patients", "\0", "\ud800", "creatinine")] == [
        *(True, True, True),
        *(False, False, False),
    ]


def test_a_word_of_annotated_sentences_must_be_in_enough_of_them_to_be_known() -> None:
    real = [Example(words, ["O"] * len(words), source=ANNOTATED) for words in (["Zzyx", "zzyx", "tophi"], ["Tophi"])]

    assert known_words([Example(["Gout"], ["O"]), *real], min_frequency=2) == {"gout", "tophi"}


# --- failures -----------------------------------------------------------------------------------
@pytest.mark.parametrize("sentences", [[], [Example([], [])], [Example(["No", "fever"], ["O", "O"])]])
def test_nothing_is_learnt_from_sentences_without_an_entity(
    sentences: list[Example], train_params: TrainParams, copied: Path, content: Callable[..., Any]
) -> None:
    before = content(copied)

    with pytest.raises(UserError, match="hold no entity\n  remedy: "):
        train(sentences, [], train_params, copied, {})

    assert content(copied) == before


@pytest.mark.parametrize("step", ["fit", "partial_gazetteer", "known_words"])
def test_a_training_that_fails_leaves_the_old_model_as_it_was(
    step: str,
    examples: list[Example],
    train_params: TrainParams,
    copied: Path,
    content: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    before = content(copied)
    monkeypatch.setattr(training, step, fail)

    with pytest.raises(MemoryError):
        train(examples, [], train_params, copied, {})

    assert content(copied) == before


def test_a_training_whose_manifest_fails_leaves_nothing_behind(
    examples: list[Example], train_params: TrainParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(model, "write_manifest", fail)

    with pytest.raises(OSError):  # noqa: PT011 - it has no message
        train(examples, [], train_params.model_copy(update={"max_iterations": 1}), tmp_path / "m.crfsuite", {})

    assert list(tmp_path.iterdir()) == []


def test_a_model_needs_its_ending(examples: list[Example], train_params: TrainParams, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model is not named \*\.crfsuite\n  remedy: call it, .*model\.crfsuite"):
        train(examples, [], train_params, tmp_path / "model", {})
