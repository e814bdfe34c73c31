"""The held-out texts, and what in them is new."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.params import DatasetParams
from clinical_ner.core.seeds import unit_hash
from clinical_ner.core.span import DISEASE, LABELS, TREATMENT, Span
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.dataset import NoteTables, is_trained_on
from clinical_ner.ner.evaluation import Reading, Slicer, scores, scores_by_slice
from clinical_ner.ner.extraction_metrics import Annotated, Annotation
from clinical_ner.ner.gazetteer import Gazetteer
from clinical_ner.ner.held_out import HeldOut, Origin, Slices, held_out
from clinical_ner.ner.training import Example

# 0 Gout 4; 17 lung 22 cancer 28; 33 zyx 37 fever 42; 44 flu 47; 49 LC 51; 53 mumps 58
TEXT = "Gout flares. Has lung cancer and zyx fever. Flu, LC, mumps."
IDS = ["N4", "N3", "N2", "N1"]
PARAMS = DatasetParams(
    seed=1,
    unseen_patients=0.3,
    unseen_notes=0.15,
    unseen_templates=0.15,
    calibration_templates=0.5,
    unseen_terms=0.3,
    unlisted_terms=0.1,
)
NAMES = [f"D{number}" for number in range(40)]
KEPT = [name for name in NAMES if is_trained_on(name, PARAMS)]
WITHHELD = [name for name in NAMES if not is_trained_on(name, PARAMS)]
GOUT, CANCER, FEVER = Span(0, 4, DISEASE), Span(17, 28, DISEASE), Span(33, 42, DISEASE)
FLU, LC, MUMPS = Span(44, 47, DISEASE), Span(49, 51, DISEASE), Span(53, 58, DISEASE)
CONCEPTS = {
    CANCER: KEPT[0],
    GOUT: WITHHELD[0],
    FEVER: WITHHELD[1],
    FLU: KEPT[1],
    LC: KEPT[0],
    MUMPS: KEPT[2],
}
GOLD = Annotated(
    tuple(Annotation(span, "present", None, CONCEPTS[span]) for span in sorted(CONCEPTS)), frozenset({(33, 17)})
)
NOTHING = Annotated((), frozenset())
TRAINED_ON = [
    Example(["No", "lung", "cancers", "today"], ["O", "B-DISEASE", "I-DISEASE", "O"]),
    Example(["Gout", "flares", "."], ["O"] * 3),
]


@pytest.fixture(scope="module")
def unread() -> HeldOut:
    """Four texts, given last first: of a new patient, of a seen one, about nobody, and one that is trained on."""
    notes = pd.DataFrame(
        {"note_id": IDS, "patient_id": ["P1", None, "P2", "P3"], "kind": ["progress", *["consult"] * 3]}
    )
    notes["text"] = [TEXT, TEXT, TEXT, "Lung cancer, influenza."]
    entities = pd.DataFrame(
        [("N4", *span, concept_id) for span, concept_id in CONCEPTS.items()]
        + [("N1", 0, 11, DISEASE, KEPT[0]), ("N1", 13, 22, DISEASE, KEPT[2])],
        columns=["note_id", "start", "end", "label", "concept_id"],
    ).assign(assertion="present")
    sections = pd.DataFrame([("N4", 13, 40, "plan")], columns=["note_id", "start", "end", "section"])
    segments = pd.DataFrame(
        [("N4", 0, 12, "old"), ("N4", 13, 43, "new"), ("N3", 0, 43, "old")],
        columns=["note_id", "start", "end", "template_id"],
    )
    relations = pd.DataFrame({"note_id": ["N4"], "treatment_start": [33], "disease_start": [17]})
    splits = pd.DataFrame(
        {"note_id": IDS, "train": [False, False, False, True], "patient_seen": [False, True, True, True]}
    )
    templates = pd.DataFrame({"template_id": ["new", "old"], "seen": [False, True], "calibrates": [True, False]})
    return held_out(NoteTables(notes, entities, segments, relations), sections, splits, templates)


def test_the_texts_that_are_not_trained_on_come_in_order_with_their_gold_spans(unread: HeldOut) -> None:
    assert [document.id for document in unread.documents] == ["N2", "N3", "N4"]
    assert set(unread.documents[2].spans) == set(CONCEPTS)
    assert unread.documents[0].spans == ()


def test_an_origin_names_patient_kind_new_templates_sections_concepts_and_what_is_said(unread: HeldOut) -> None:
    assert unread.origins == {
        "N2": Origin("seen", "consult", (), (), (), {}, NOTHING),
        "N3": Origin("nobody", "consult", (), (), (), {}, NOTHING),
        "N4": Origin("unseen", "progress", ((13, 43),), ((13, 43),), (((13, 40), "plan"),), CONCEPTS, GOLD),
    }


def test_what_the_training_notes_name_is_kept_by_concept(unread: HeldOut) -> None:
    assert unread.named == {(KEPT[0], "lung cancer"), (KEPT[2], "influenza")}


def test_a_common_concept_is_never_withheld() -> None:
    assert not is_trained_on(WITHHELD[0], PARAMS)
    assert is_trained_on(WITHHELD[0], PARAMS, frozenset({WITHHELD[0]}))


@pytest.fixture(scope="module")
def slices(unread: HeldOut) -> Slices:
    listed = [("gout", "disease"), ("fever", "symptom"), ("zyx", "drug"), ("flu", "disease")]
    return Slices(unread, TRAINED_ON, Gazetteer.build(listed), PARAMS)


def test_a_span_is_sorted_by_patient_kind_and_template(unread: HeldOut, slices: Slices) -> None:
    nobody, new = unread.documents[1:]
    both = Span(0, 14, DISEASE)

    assert [slices.patients(document, GOUT) for document in unread.documents] == ["seen", "nobody", "unseen"]
    assert [slices.kinds(document, GOUT) for document in (nobody, new)] == ["consult", "progress"]
    assert [slices.templates(new, span) for span in (GOUT, CANCER, both)] == [
        "seen",
        "unseen",
        "unseen",
    ]
    assert slices.templates(nobody, CANCER) == "seen"


def test_a_span_is_sorted_by_the_section_that_the_note_was_given(unread: HeldOut, slices: Slices) -> None:
    new = unread.documents[2]

    assert [slices.sections(new, span) for span in (GOUT, CANCER, MUMPS)] == ["none", "plan", "none"]


def test_terms_in_unseen_templates_are_told_apart_from_all_others(unread: HeldOut, slices: Slices) -> None:
    new = unread.documents[2]

    assert [slices.new_templates(new, span) for span in (GOUT, CANCER, FEVER)] == [
        "seen_template",
        "seen",
        "withheld_unlisted",
    ]
    assert [slices.withheld(new, span) for span in (GOUT, CANCER, FEVER)] == ["seen_template", "seen", "withheld"]
    assert slices.new_templates(new, Span(29, 32, DISEASE)) == "spurious"


def test_a_sentence_repeats_one_that_was_trained_on_only_word_for_word(unread: HeldOut, slices: Slices) -> None:
    new = unread.documents[2]

    assert [slices.repeats(new, span) for span in (GOUT, CANCER, Span(5, 17, DISEASE))] == [
        "verbatim",
        "new",
        "verbatim",
    ]
    assert slices.repeated_sentences() == 0.333333
    shouted = Slices(unread, [Example(["GOUT", "flares", "."], ["O"] * 3)], Gazetteer.build([]), PARAMS)
    assert shouted.repeats(new, GOUT) == "new"
    assert shouted.repeated_sentences() == 0.0


def test_of_no_sentences_none_is_repeated() -> None:
    assert Slices(HeldOut([], {}, frozenset()), TRAINED_ON, Gazetteer.build([]), PARAMS).repeated_sentences() == 0.0


@pytest.mark.parametrize(
    ("span", "slice_name"),
    [
        (CANCER, "seen"),
        (LC, "new_form"),  # the concept was trained on under another name
        (FLU, "rare_concept"),  # listed, not withheld, and in no training note
        (MUMPS, "rare_concept"),  # named in a training note, but in a sentence that was not trained on
        (GOUT, "withheld_listed"),
        (FEVER, "withheld_unlisted"),  # each word is listed, the term is not
    ],
)
def test_a_gold_term_is_sorted_by_what_of_it_was_known(
    unread: HeldOut, slices: Slices, span: Span, slice_name: str
) -> None:
    assert slices.terms(unread.documents[2], span) == slice_name


@pytest.mark.parametrize(
    ("span", "slice_name"),
    [
        (GOUT._replace(label=TREATMENT), "withheld_listed"),
        (Span(0, 11, DISEASE), "withheld_listed"),
        (Span(22, 28, DISEASE), "seen"),
        (Span(24, 42, DISEASE), "withheld_unlisted"),  # 4 characters of cancer, 9 of zyx fever
        (Span(44, 58, DISEASE), "rare_concept"),  # 3 of flu, 2 of LC, 5 of mumps
        (Span(45, 51, DISEASE), "rare_concept"),  # 2 of flu, 2 of LC: the first
        (Span(5, 11, DISEASE), "spurious"),
        (Span(4, 17, DISEASE), "spurious"),  # between gout and lung, touching both
    ],
)
def test_a_predicted_span_counts_where_the_gold_span_does_that_it_is_an_attempt_at(
    unread: HeldOut, slices: Slices, span: Span, slice_name: str
) -> None:
    assert slices.terms(unread.documents[2], span) == slice_name


def test_a_gold_span_inside_another_counts_in_its_own_slice() -> None:
    cancer, lung_cancer = Span(5, 11, DISEASE), Span(0, 11, DISEASE)
    document = Document("N1", "lung cancer", (lung_cancer, cancer), None)
    origin = Origin("seen", "consult", (), (), (), {cancer: WITHHELD[0], lung_cancer: KEPT[0]}, NOTHING)
    nested = Slices(HeldOut([document], {"N1": origin}, frozenset()), TRAINED_ON, Gazetteer.build([]), PARAMS)

    assert nested.terms(document, cancer) == "withheld_unlisted"
    assert nested.terms(document, lung_cancer) == "seen"


def spans_in(length: int) -> st.SearchStrategy[list[Span]]:
    places = st.tuples(st.integers(0, length - 1), st.integers(1, 12), st.sampled_from(LABELS))
    return st.lists(places.map(lambda p: Span(p[0], min(p[0] + p[1], length), p[2])), max_size=8)


@given(spans_in(len(TEXT)), st.lists(spans_in(len(TEXT)), min_size=1, max_size=3))
def test_every_slice_rule_partitions_gold_and_predicted(gold: list[Span], predicted: list[list[Span]]) -> None:
    documents = [Document(f"N{number}", TEXT, tuple(gold), None) for number in range(len(predicted))]
    concepts = {span: NAMES[int(unit_hash(1, "concept", str(span)) * len(NAMES))] for span in gold}
    origins = {document.id: Origin("seen", "consult", ((13, 43),), (), (), concepts, NOTHING) for document in documents}
    slices = Slices(
        HeldOut(documents, origins, frozenset()), TRAINED_ON, Gazetteer.build([("gout", "disease")]), PARAMS
    )
    readings = [Reading(*pair) for pair in zip(documents, predicted, strict=True)]
    rules: list[Slicer] = [slices.patients, slices.kinds, slices.sections, slices.templates, slices.terms]
    rules += [slices.repeats, slices.new_templates, slices.withheld]

    for rule in rules:
        tables = scores_by_slice(readings, rule)
        right = sum(round(table["micro"]["recall"] * table["micro"]["support"]) for table in tables.values())

        assert sum(table["micro"]["support"] for table in tables.values()) == scores(readings)["micro"]["support"]
        assert sum(table["predicted"] for table in tables.values()) == sum(len(set(spans)) for spans in predicted)
        assert right == sum(len(set(gold) & set(spans)) for spans in predicted)
        assert rule != slices.terms or all(
            (table["micro"]["support"] > 0) == (name != "spurious") for name, table in tables.items()
        )
