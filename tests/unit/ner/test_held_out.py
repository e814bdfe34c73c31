"""The held-out texts, and what in them is new."""

from __future__ import annotations

import pandas as pd
import pytest

from clinical_ner.core.span import DISEASE, TREATMENT, Span
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.dataset import Corpus
from clinical_ner.ner.evaluation import Reading, scores, scores_by_slice
from clinical_ner.ner.gazetteer import Gazetteer
from clinical_ner.ner.held_out import HeldOut, Origin, Slices, held_out, link_scores
from clinical_ner.ner.training import Example

TEXT = "Gout flares. Has lung cancer and zyx fever."  # 0 Gout 4; 17 lung 22 cancer 28; 33 zyx 37 fever 42
IDS = ["N4", "N3", "N2", "N1"]


@pytest.fixture
def unread() -> HeldOut:
    """Four texts, given last first: of a new patient, of a seen one, about nobody, and one that is trained on."""
    notes = pd.DataFrame(
        {"note_id": IDS, "patient_id": ["P1", None, "P2", "P3"], "kind": ["progress", *["consult"] * 3]}
    )
    notes["text"] = [TEXT, TEXT, TEXT, "Trained on."]
    entities = pd.DataFrame(
        [("N4", 17, 28, DISEASE), ("N4", 0, 4, DISEASE), ("N1", 0, 7, DISEASE)],
        columns=["note_id", "start", "end", "label"],
    )
    segments = pd.DataFrame(
        [("N4", 0, 12, "old"), ("N4", 13, 43, "new"), ("N3", 0, 43, "old")],
        columns=["note_id", "start", "end", "template_id"],
    )
    relations = pd.DataFrame({"note_id": ["N4"], "treatment_start": [33], "disease_start": [17]})
    splits = pd.DataFrame(
        {"note_id": IDS, "train": [False, False, False, True], "patient_seen": [False, True, True, True]}
    )
    templates = pd.DataFrame({"template_id": ["new", "old"], "seen": [False, True]})
    return held_out(Corpus(notes, entities, segments, relations), splits, templates)


def test_the_texts_that_are_not_trained_on_come_in_order_with_their_gold_spans(unread: HeldOut) -> None:
    assert [document.id for document in unread.documents] == ["N2", "N3", "N4"]
    assert set(unread.documents[2].spans) == {Span(0, 4, DISEASE), Span(17, 28, DISEASE)}
    assert unread.documents[0].spans == ()


def test_an_origin_names_patient_kind_new_templates_and_relations(unread: HeldOut) -> None:
    assert unread.origins == {
        "N2": Origin("seen", "consult", (), frozenset()),
        "N3": Origin("nobody", "consult", (), frozenset()),
        "N4": Origin("unseen", "progress", ((13, 43),), frozenset({(33, 17)})),
    }


@pytest.fixture
def slices(unread: HeldOut) -> Slices:
    trained = [Example(["No", "lung", "cancers", "today"], ["O", "B-DISEASE", "I-DISEASE", "O"])]
    return Slices(
        unread.origins, trained, Gazetteer.build([("gout", "disease"), ("fever", "symptom"), ("zyx", "drug")])
    )


def test_a_span_is_sorted_by_patient_kind_and_template(unread: HeldOut, slices: Slices) -> None:
    nobody, new = unread.documents[1:]
    gout, cancer, both = Span(0, 4, DISEASE), Span(17, 28, DISEASE), Span(0, 14, DISEASE)

    assert [slices.patients(document, gout) for document in unread.documents] == ["seen", "nobody", "unseen"]
    assert [slices.kinds(document, gout) for document in (nobody, new)] == ["consult", "progress"]
    assert [slices.templates(new, span) for span in (gout, cancer, both)] == [
        "seen",
        "unseen",
        "unseen",
    ]
    assert slices.templates(nobody, cancer) == "seen"


@pytest.mark.parametrize(
    ("span", "slice_name"),
    [
        (Span(17, 28, DISEASE), "seen"),
        (Span(0, 4, DISEASE), "unseen_listed"),
        (Span(37, 42, DISEASE), "unseen_listed"),
        (Span(33, 42, TREATMENT), "unseen_unlisted"),
        (Span(22, 28, DISEASE), "unseen_unlisted"),
        (Span(0, 11, DISEASE), "unseen_unlisted"),
    ],
)
def test_a_term_is_trained_on_or_only_listed_or_neither(
    unread: HeldOut, slices: Slices, span: Span, slice_name: str
) -> None:
    assert slices.terms(unread.documents[2], span) == slice_name


def test_every_slice_rule_partitions_the_gold(unread: HeldOut, slices: Slices) -> None:
    readings = [Reading(document, [Span(0, 4, DISEASE), Span(33, 42, TREATMENT)]) for document in unread.documents]

    for rule in (slices.patients, slices.kinds, slices.templates, slices.terms):
        tables = scores_by_slice(readings, rule).values()
        assert sum(table["micro"]["support"] for table in tables) == scores(readings)["micro"]["support"] == 2


# --- which treatment is for which disease --------------------------------------------------------
def linked(gold: frozenset[tuple[int, int]], predicted: list[Span]) -> dict[str, float]:
    document = Document("N1", "Gout: aspirin. Asthma: rest, insulin.", GOLD, None)
    return link_scores([Reading(document, predicted)], {"N1": Origin("seen", "consult", (), gold)})


# 0 Gout 4; 6 aspirin 13; 15 Asthma 21; 23 rest 27; 29 insulin 36
GOLD = (Span(0, 4, DISEASE), Span(6, 13, TREATMENT), Span(15, 21, DISEASE), Span(29, 36, TREATMENT))


def test_links_are_counted_from_gold_spans_and_end_to_end() -> None:
    known = frozenset({(6, 0), (29, 15)})

    assert linked(known, list(GOLD)) == {"gold_spans": 1.0, "end_to_end": 1.0, "support": 2}
    assert linked(known, list(GOLD[:3])) == {"gold_spans": 1.0, "end_to_end": 0.5, "support": 2}
    assert linked(known | {(29, 0)}, []) == {"gold_spans": 0.666667, "end_to_end": 0.0, "support": 3}


def test_links_go_by_the_sentences_of_the_text() -> None:
    without_gout = [GOLD[1], GOLD[3]]

    assert linked(frozenset({(29, 15)}), without_gout)["end_to_end"] == 0.0


def test_without_relations_the_shares_are_nought() -> None:
    assert linked(frozenset(), list(GOLD)) == {"gold_spans": 0.0, "end_to_end": 0.0, "support": 0}
