"""Every error has one cause, and the counts are those of the scores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.span import DISEASE, LABELS, TREATMENT, Span
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.errors import Causes, Error, error_causes, errors, shown, term_kind
from clinical_ner.ner.evaluation import Reading
from clinical_ner.ner.gazetteer import Gazetteer

GAZETTEER = Gazetteer.build(
    [
        ("asthma", "disease"),
        ("heart failure", "disease"),
        ("chest pain", "symptom"),
        ("creatinine", "substance"),
        ("aspirin", "drug"),
    ]
)


def reading(text: str, gold: list[tuple[str, str]], found: list[tuple[str, str]]) -> Reading:
    sides = [tuple(Span(text.index(n), text.index(n) + len(n), label) for n, label in side) for side in (gold, found)]
    return Reading(Document("d", text, tuple(sorted(sides[0])), None), sorted(sides[1]))


def counted(text: str, gold: str, found: str, label: str = DISEASE) -> dict[str, Causes]:
    """The causes where the one is gold and the other was found; an empty name is no span."""
    return error_causes(
        errors([reading(text, [(gold, DISEASE)] if gold else [], [(found, label)] if found else [])], GAZETTEER)
    )


@pytest.mark.parametrize(
    ("text", "gold", "found", "cause"),
    [
        ("Severe asthma today.", "asthma", "Severe asthma", "too_long_by_modifier"),
        ("Severe asthma today.", "Severe asthma", "asthma", "too_short_by_modifier"),
        ("Her asthma flares.", "asthma", "Her asthma", "too_long_by_determiner"),
        ("Has asthma exacerbation.", "asthma", "asthma exacerbation", "too_long_by_word_after"),
        ("Heart failure (HF) worse.", "Heart failure (HF)", "Heart failure", "too_short_by_brackets"),
        ("Has asthma and gout now.", "asthma", "asthma and gout", "too_long_by_coordination"),
        ("Cancer of the lung.", "Cancer of the lung", "Cancer", "too_short_by_phrase"),
        ("Asthma, step 3 now.", "Asthma", "Asthma,", "too_long_by_coordination"),
        ("Diabetes - 2 of many", "Diabetes", "Diabetes - 2", "too_long_by_number_or_sign"),
        ("Very bad asthma attack here", "asthma", "bad asthma attack", "too_long_by_both_ends"),
        ("Acute heart failure crisis", "Acute heart failure", "heart failure crisis", "shifted"),
    ],
)
def test_a_wrong_boundary_costs_one_of_each_by_the_kind_of_words(text: str, gold: str, found: str, cause: str) -> None:
    assert counted(text, gold, found) == {cause: Causes(1, 1)}


def test_a_wrong_label_is_told_from_one_with_wrong_boundaries() -> None:
    assert counted("Has asthma.", "asthma", "asthma", TREATMENT) == {"wrong_label": Causes(1, 1)}
    assert counted("Bad asthma.", "asthma", "Bad asthma", TREATMENT) == {"wrong_label_and_boundaries": Causes(1, 1)}


@pytest.mark.parametrize(
    ("words", "label", "kind"),
    [
        (["Asthma"], DISEASE, "known_term"),
        (["bad", "asthma"], DISEASE, "variant_of_known_term"),
        (["zyxitis"], DISEASE, "unknown_term"),
        (["severe", "chest", "pain"], DISEASE, "symptom"),
        (["chest", "pain"], TREATMENT, "term_of_another_kind"),
        (["Creatinine"], TREATMENT, "substance"),
        (["aspirin"], DISEASE, "term_of_another_kind"),
        (["the", "surgical", "treatments"], TREATMENT, "generic_word"),
        (["COPD"], DISEASE, "abbreviation"),
        (["SCCs"], DISEASE, "abbreviation"),
        (["heart"], DISEASE, "unknown_term"),
    ],
)
def test_a_term_is_of_the_kind_that_its_form_and_the_known_terms_say(words: list[str], label: str, kind: str) -> None:
    assert term_kind(words, label, GAZETTEER) == kind


def test_what_meets_nothing_is_missed_or_invented() -> None:
    assert counted("Has asthma.", "asthma", "") == {"missed_known_term": Causes(0, 1)}
    assert counted("Has chest pain.", "", "chest pain") == {"invented_symptom": Causes(1, 0)}


def test_what_overlaps_a_right_span_is_no_boundary_error() -> None:
    text = "Has lung cancer."
    read = reading(text, [("lung cancer", DISEASE), ("cancer", DISEASE)], [("lung cancer", DISEASE)])

    assert error_causes(errors([read], GAZETTEER)) == {"overlaps_a_right_one": Causes(0, 1)}


def test_the_most_frequent_cause_comes_first() -> None:
    text = "Has asthma."
    found = [*errors([reading(text, [("asthma", DISEASE)], [])] * 2, GAZETTEER)]
    found += errors([reading(text, [], [("Has", DISEASE)])], GAZETTEER)

    assert list(error_causes(found).items()) == [
        ("missed_known_term", Causes(0, 2)),
        ("invented_unknown_term", Causes(1, 0)),
    ]


def test_an_error_is_shown_on_one_line_with_what_stands_around_it() -> None:
    error = Error(Document("d7", "No fever.\nHas asthma today.", (), None), Span(14, 20, DISEASE), True, "missed_x")

    assert shown(error) == "d7:14-20 missed DISEASE, missed_x: No fever. Has [asthma] today."


TEXT = "Severe asthma (the HF) and 2 creatinine tests of surgery."
spans = st.lists(
    st.builds(
        lambda s, n, label: Span(s, min(s + n, len(TEXT)), label),
        st.integers(0, len(TEXT) - 1),
        st.integers(1, 20),
        st.sampled_from(LABELS),
    ),
    max_size=6,
)


@given(st.lists(st.tuples(spans, spans), max_size=3))
def test_the_causes_add_up_to_all_errors(sides: list[tuple[list[Span], list[Span]]]) -> None:
    readings = [Reading(Document("d", TEXT, tuple(gold), None), found) for gold, found in sides]

    counts = error_causes(errors(readings, GAZETTEER)).values()

    assert sum(row.false_positives for row in counts) == sum(len(set(found) - set(gold)) for gold, found in sides)
    assert sum(row.false_negatives for row in counts) == sum(len(set(gold) - set(found)) for gold, found in sides)
