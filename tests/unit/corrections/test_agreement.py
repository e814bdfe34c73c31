"""Agreement in numbers that were worked out by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from tests.unit.corrections.conftest import TEXT, Make

from clinical_ner.core.span import Span
from clinical_ner.corrections.agreement import agreement, notes
from clinical_ner.corrections.records import Correction, known_by


def test_two_who_say_the_same_agree_wholly(correction: Make) -> None:
    found = agreement(notes([correction("a", "Gout", "aspirin"), correction("b", "Gout", "aspirin")]))["all"]

    assert (found["kappa"], found["strict_f1"], found["overlap_f1"]) == (1.0, 1.0, 1.0)


def test_boundaries_that_differ_count_in_one_f1_and_not_in_the_other(correction: Make) -> None:
    found = agreement(notes([correction("a", "Gout", "severe asthma"), correction("b", "Gout", "asthma")]))["all"]

    first = ["D", "O", "D", "D", "O", "O", "O", "O"]  # Gout and severe asthma , on aspirin .
    second = ["D", "O", "O", "D", "O", "O", "O", "O"]
    assert found["kappa"] == round(cohen_kappa_score(first, second), 4)
    assert (found["strict_f1"], found["overlap_f1"], found["tokens"]) == (0.5, 1.0, 8)


def test_where_nobody_marks_anything_there_is_no_kappa_and_no_f1(correction: Make) -> None:
    found = agreement(notes([correction("a"), correction("b")]))["all"]

    assert (found["kappa"], found["strict_f1"], found["overlap_f1"], found["notes"]) == (None, None, None, 1)


def test_each_pair_is_compared_on_the_notes_that_both_have(correction: Make) -> None:
    other = "No gout."
    found = agreement(
        notes(
            [
                correction("a", "Gout"),
                correction("b", "Gout"),
                correction("c", "Gout", "aspirin"),
                correction("a", text=other),
            ]
        )
    )

    assert [(pair["annotators"], pair["notes"], pair["strict_f1"]) for pair in found["pairs"]] == [
        (["a", "b"], 1, 1.0),
        (["a", "c"], 1, 0.6667),
        (["b", "c"], 1, 0.6667),
    ]
    assert found["all"]["notes"] == 3


def test_a_correction_that_cuts_a_token_is_widened_and_counted(correction: Make) -> None:
    cut = Correction(known_by(TEXT), "b", "", "", None, TEXT, (Span(1, 4, "DISEASE"), Span(0, 4, "TREATMENT")))

    (note,) = notes([correction("a", "Gout"), cut])

    assert note.readings["b"].spans == {Span(0, 4, "TREATMENT")}  # the longer of two that overlap
    assert (note.widened, note.dropped) == (0, 1)
    (alone,) = notes([cut._replace(spans=cut.spans[1:] if cut.spans[0].start == 0 else cut.spans[:1])])
    assert (alone.readings["b"].spans, alone.widened) == ({Span(0, 4, "DISEASE")}, 1)


SPANS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 4), st.sampled_from(["DISEASE", "TREATMENT"])).map(
        lambda drawn: Span(drawn[0], drawn[0] + drawn[1], drawn[2])
    ),
    max_size=5,
)


@given(SPANS, SPANS)
def test_agreement_does_not_depend_on_who_is_first_and_strict_is_never_above_overlap(
    one: list[Span], other: list[Span]
) -> None:
    def of(first: list[Span], second: list[Span]) -> dict[str, float | None]:
        told = [
            Correction(known_by(TEXT), name, "", "", None, TEXT, tuple(own))
            for name, own in (("a", first), ("b", second))
        ]
        return agreement(notes(told))["all"]  # type: ignore[no-any-return]

    found = of(one, other)

    assert found == of(other, one)
    assert (found["strict_f1"] or 0) <= (found["overlap_f1"] or 0)
