"""What is held out is never trained on, and stays held out when the data grow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical_ner.core import io
from clinical_ner.core.io import Vocabulary
from clinical_ner.core.params import DatasetParams
from clinical_ner.core.schema import LEXICON, SPLITS, TEMPLATE_SPLITS, TOKENS
from clinical_ner.core.span import DISEASE, LABELS, SOURCES, TREATMENT
from clinical_ner.ner.dataset import (
    NoteTables,
    dataset_metrics,
    examples_of,
    is_listed,
    is_trained_on,
    lexicon,
    split_notes,
    split_templates,
    token_table,
    training_examples,
)
from clinical_ner.ner.training import Example

MARK = re.compile(r"(patient|template|term|note)x(\d+)")
shares = st.sampled_from([0.0, 0.1, 0.3, 0.6, 1.0])


def settings_with(**changes: float) -> DatasetParams:
    nothing = dict.fromkeys(DatasetParams.model_fields, 0)
    return DatasetParams(**{**nothing, "seed": 3, **changes})  # type: ignore[arg-type]


any_settings = st.builds(
    lambda seed, patients, notes, templates, terms: settings_with(
        seed=seed,
        unseen_patients=patients,
        unseen_notes=notes,
        unseen_templates=templates,
        calibration_templates=0.5,
        unseen_terms=terms,
    ),
    st.integers(0, 50),
    shares,
    shares,
    shares,
    shares,
)


def patient_id(number: int) -> str:
    return f"P{number:07}"


def note_id(number: int) -> str:
    return f"N{number:09}"


def template_id(number: int) -> str:
    return f"progress/{number:08x}"


def corpus_of(patients: int) -> NoteTables:
    """Two notes a patient and one text about nobody for each; the words say which patient, template and term."""
    notes, entities, segments = [], [], []
    for number in range(3 * patients):
        patient, text = number // 3, ""
        for line in range(3):
            template, term = (5 * number + line) % 11, (7 * number + 2 * line) % 13
            start = len(text)
            text += f"Patientx{patient} notex{number} templatex{template} has termx{term} mild"
            begin = text.index(f"termx{term}", start)
            label = DISEASE if term % 2 else TREATMENT
            entities.append((note_id(number), begin, begin + len(f"termx{term}"), label, f"D{term}", "present"))
            segments.append((note_id(number), start, len(text), template_id(template)))
            text += ".\n"
        person = None if number % 3 == 2 else patient_id(patient)
        notes.append((note_id(number), person, "progress", pd.Timestamp("2024-01-01"), text))
    return NoteTables(
        pd.DataFrame(notes, columns=["note_id", "patient_id", "kind", "written_on", "text"]),
        pd.DataFrame(entities, columns=["note_id", "start", "end", "label", "concept_id", "assertion"]),
        pd.DataFrame(segments, columns=["note_id", "start", "end", "template_id"]),
        pd.DataFrame({"note_id": [], "treatment_start": [], "disease_start": []}),
    )


CORPUS = corpus_of(12)


class Laid(NamedTuple):
    splits: pd.DataFrame
    templates: pd.DataFrame
    examples: list[Example]


def laid_out(corpus: NoteTables, params: DatasetParams) -> Laid:
    splits, templates = split_notes(corpus.notes, params), split_templates(corpus.segments, params)
    return Laid(splits, templates, training_examples(corpus, splits, templates, params))


def marks(words: list[str]) -> dict[str, int]:
    """The numbers of patient, note, template and term that a sentence is of."""
    return {kind: int(number) for kind, number in MARK.findall(" ".join(words).lower())}


# --- nothing held out is trained on --------------------------------------------------------------
@settings(deadline=None, max_examples=25)
@given(any_settings)
def test_exactly_the_sentences_with_nothing_held_out_are_trained_on(params: DatasetParams) -> None:
    splits, templates, examples = laid_out(CORPUS, params)

    trained = set(splits.loc[splits["train"], "note_id"])
    seen = set(templates.loc[templates["seen"], "template_id"])
    expected = [
        (note, template)
        for note, template, concept in zip(
            CORPUS.segments["note_id"], CORPUS.segments["template_id"], CORPUS.entities["concept_id"], strict=True
        )
        if note in trained and template in seen and is_trained_on(concept, params)
    ]
    found = [marks(example.words) for example in examples]
    assert [(note_id(mark["note"]), template_id(mark["template"])) for mark in found] == expected


@settings(deadline=None, max_examples=25)
@given(any_settings)
def test_no_word_of_a_held_out_patient_template_or_term_reaches_the_tokens(params: DatasetParams) -> None:
    splits, templates, examples = laid_out(CORPUS, params)

    people = CORPUS.notes.merge(splits[~splits["patient_seen"]], on="note_id")["patient_id"].dropna()
    found = [marks(example.words) for example in examples]
    of_people = {mark["patient"] for mark in found if mark["note"] % 3 != 2}
    assert not {patient_id(number) for number in of_people} & set(people)
    assert not {template_id(mark["template"]) for mark in found} & set(templates.loc[~templates["seen"], "template_id"])
    assert all(is_trained_on(f"D{mark['term']}", params) for mark in found)


def test_with_nothing_held_out_every_sentence_is_trained_on_with_its_tags() -> None:
    examples = laid_out(CORPUS, settings_with()).examples

    assert len(examples) == len(CORPUS.segments)
    for example in examples:
        term = f"termx{marks(example.words)['term']}"
        tag = f"B-{DISEASE if marks(example.words)['term'] % 2 else TREATMENT}"
        assert example.tags == [tag if word == term else "O" for word in example.words]


def test_a_sentence_that_a_held_out_template_wrote_in_part_is_not_trained_on() -> None:
    params = settings_with(unseen_templates=0.5)
    held = next(n for n in range(99) if not bool(split_templates(segment(template_id(n)), params)["seen"][0]))
    seen = next(n for n in range(99) if bool(split_templates(segment(template_id(n)), params)["seen"][0]))
    notes = CORPUS.notes.head(1).assign(text="One line of two templates. Another line.")
    rows = [(0, 8, seen), (9, 26, held), (27, 40, seen)]
    segments = pd.concat([segment(template_id(n)).assign(start=start, end=end) for start, end, n in rows])
    corpus = CORPUS._replace(notes=notes, segments=segments, entities=CORPUS.entities.head(0))

    examples = laid_out(corpus, params).examples

    assert [example.words for example in examples] == [["Another", "line", "."]]


def segment(name: str) -> pd.DataFrame:
    return pd.DataFrame({"note_id": [note_id(0)], "start": [0], "end": [1], "template_id": [name]})


# --- membership is a hash of the name ------------------------------------------------------------
@given(any_settings, st.integers(1, 11))
def test_membership_does_not_change_when_the_population_grows(params: DatasetParams, patients: int) -> None:
    small = corpus_of(patients)

    pd.testing.assert_frame_equal(
        split_notes(CORPUS.notes, params).head(len(small.notes)), split_notes(small.notes, params)
    )


@given(any_settings, st.integers(1, 30))
def test_a_template_stays_on_its_side_when_others_come(params: DatasetParams, rows: int) -> None:
    few = split_templates(CORPUS.segments.head(rows), params)
    many = split_templates(CORPUS.segments, params)

    assert (
        dict(zip(few["template_id"], few["seen"], strict=True)).items()
        <= dict(zip(many["template_id"], many["seen"], strict=True)).items()
    )
    assert list(many["template_id"]) == sorted(set(CORPUS.segments["template_id"]))


@given(any_settings)
def test_a_patient_is_seen_or_unseen_with_all_notes(params: DatasetParams) -> None:
    splits = split_notes(CORPUS.notes, params).merge(CORPUS.notes, on="note_id")

    assert (splits.groupby("patient_id")["patient_seen"].nunique() == 1).all()
    assert not (splits["train"] & ~splits["patient_seen"]).any()
    nobody = splits["patient_id"].isna()
    assert (splits.loc[nobody, "train"] == splits.loc[nobody, "patient_seen"]).all()


def test_the_shares_that_are_held_out_are_about_those_asked_for() -> None:
    notes = corpus_of(700).notes
    splits = split_notes(notes, settings_with(unseen_patients=0.3, unseen_notes=0.15))
    of_seen = splits[splits["patient_seen"] & notes["patient_id"].notna()]

    assert 0.25 < 1 - splits["patient_seen"].mean() < 0.35
    assert 0.11 < 1 - of_seen["train"].mean() < 0.19


def test_another_seed_holds_out_others() -> None:
    one, other = (split_notes(CORPUS.notes, settings_with(seed=seed, unseen_patients=0.5)) for seed in (1, 2))

    assert list(one["patient_seen"]) != list(other["patient_seen"])


@given(st.text("D0123456789", min_size=1), shares, shares)
def test_an_unlisted_concept_is_never_trained_on(concept: str, first: float, second: float) -> None:
    params = settings_with(unseen_terms=max(first, second), unlisted_terms=min(first, second))

    assert is_listed(concept, params) or not is_trained_on(concept, params)


# --- the lexicon --------------------------------------------------------------------------------
def vocabulary() -> Vocabulary:
    """Terms of which some name two concepts, in two cases, numbers or kinds; every tenth is common."""
    rows = [(f"{word}{n}", f"D{n}", n % 10 == 0) for n in range(60) for word in ("ache", "Pain")]
    rows += [(f"aches{n}x", f"D{n}", False) for n in range(60)]
    rows += [("shared tumor", f"D{n}", False) for n in range(3)] + [("Shared Tumors", "D7", False)]
    diseases = pd.DataFrame(rows, columns=["term", "concept_id", "common"])
    diseases["symptom"] = [n % 7 == 0 for n in range(len(diseases))]
    drugs = [("shared tumor", "NAME:tumor", False), *((f"pain{n}", f"NAME:{n}", False) for n in range(0, 60, 3))]
    procedures = [("ache rest", "OWN:rest", "therapy", True), ("statins", "OWN:statins", "drug_class", False)]
    substances = [("Salt", "OWN:salt", False), ("ache1", "OWN:ache1", False)]
    return Vocabulary(
        diseases,
        pd.DataFrame(drugs, columns=["term", "concept_id", "common"]),
        pd.DataFrame(procedures, columns=["term", "concept_id", "kind", "common"]),
        pd.DataFrame(substances, columns=["term", "concept_id", "common"]),
    )


def spelling(term: str) -> str:
    """The term without case and the plural of the words that have one here."""
    return term.lower().replace("tumors", "tumor")


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 50), shares)
def test_a_term_of_a_rare_unlisted_concept_is_in_the_lexicon_under_no_concept_and_every_other_is(
    seed: int, share: float
) -> None:
    params = settings_with(seed=seed, unlisted_terms=share, unseen_terms=1.0)
    terms = pd.concat(vocabulary(), ignore_index=True)[["term", "concept_id", "common"]]
    unlisted = [not common and not is_listed(concept, params) for _, concept, common in terms.itertuples(index=False)]
    hidden = {spelling(term) for term in terms.loc[unlisted, "term"]}

    found = lexicon(vocabulary(), params)

    assert set(found["term"]) == {term for term in terms["term"] if spelling(term) not in hidden}
    assert not found.duplicated(["term", "kind"]).any()


def test_a_common_concept_is_always_listed() -> None:
    found = lexicon(vocabulary(), settings_with(unseen_terms=1.0, unlisted_terms=1.0))

    assert (
        {"ache rest"}
        <= set(found["term"])
        <= {"ache rest", *(f"{w}{n}" for n in range(0, 60, 10) for w in ("ache", "Pain"))}
    )


def test_the_kinds_of_the_lexicon_are_those_that_the_gazetteer_knows() -> None:
    found = lexicon(vocabulary(), settings_with())

    kinds = found.groupby("term")["kind"].agg(set)
    assert kinds["ache rest"] == {"procedure"}
    assert kinds["statins"] == {"drug_class"}
    assert kinds["shared tumor"] >= {"drug", "disease"}
    assert kinds["ache0"] == {"symptom"}
    assert kinds["Salt"] == {"substance"}


# --- tables -------------------------------------------------------------------------------------
def test_the_tables_hold_what_their_schemas_state_and_give_the_sentences_back(tmp_path: Path) -> None:
    splits, templates, examples = laid_out(CORPUS, settings_with(unseen_patients=0.3, unseen_templates=0.3))
    words = lexicon(vocabulary(), settings_with(unseen_terms=0.3, unlisted_terms=0.3))

    for table, frame in ((SPLITS, splits), (TEMPLATE_SPLITS, templates), (LEXICON, words)):
        io.write(table, frame, tmp_path)
    io.write(TOKENS, token_table(examples), tmp_path)

    assert examples
    assert examples_of(io.read(TOKENS, tmp_path)) == examples


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.lists(st.sampled_from(["a", "b"]), min_size=1), min_size=1),
    st.sampled_from(SOURCES),
    st.sampled_from([LABELS, (DISEASE,), (TREATMENT,)]),
)
def test_sentences_come_back_from_their_table_in_any_order_of_its_rows(
    words: list[list[str]], source: str, annotates: tuple[str, ...]
) -> None:
    examples = [Example(sentence, ["O"] * len(sentence), {}, source, annotates) for sentence in words]

    table = token_table(examples)

    assert examples_of(table) == examples_of(table.iloc[::-1]) == examples


def test_the_metrics_count_texts_templates_terms_and_tokens() -> None:
    splits = pd.DataFrame(
        {
            "note_id": ["N1", "N2", "N3", "N4"],
            "train": [True, False, False, False],
            "patient_seen": [True, True, False, False],
        }
    )
    templates = pd.DataFrame({"template_id": ["a", "b", "c"], "seen": [True, True, False]})
    examples = [Example(["heart", "failure", "gout"], ["B-DISEASE", "I-DISEASE", "B-DISEASE"]), Example(["."], ["O"])]

    found = dataset_metrics(splits, templates, pd.DataFrame({"term": ["a", "b"]}), examples)

    assert found == {
        "split_texts": {"train": 1, "held_out_seen_patients": 1, "held_out_unseen_patients": 2},
        "split_templates": {"seen": 2, "unseen": 1},
        "lexicon_terms": 2,
        "training_sentences": 2,
        "training_tokens": 4,
        "training_entities": 2,
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_settings_lay_out_the_same_sentences(seed: int) -> None:
    params = settings_with(
        seed=seed, unseen_patients=0.3, unseen_templates=0.3, calibration_templates=0.5, unseen_terms=0.3
    )
    shuffled = CORPUS._replace(
        notes=CORPUS.notes.iloc[::-1], entities=CORPUS.entities.iloc[::-1], segments=CORPUS.segments.iloc[::-1]
    )

    assert laid_out(shuffled, params).examples == laid_out(CORPUS, params).examples
