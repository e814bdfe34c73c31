"""Scores of what is said of an entity beside its span, worked out by hand."""

from __future__ import annotations

import pandas as pd

from clinical_ner.core.span import DISEASE, TREATMENT, Span
from clinical_ner.ner.extraction import Mention, Reading, interpret_spans
from clinical_ner.ner.extraction_metrics import (
    Annotated,
    Annotation,
    Outputs,
    extraction_scores,
    found_in,
    gold_of,
    output_scores,
    outputs_of,
    within,
)

GOUT, LUPUS, GOLD = Span(0, 4, DISEASE), Span(10, 15, DISEASE), Span(20, 24, TREATMENT)


def annotated(*rows: tuple[Span, str, str | None, str | None], pairs: set[tuple[int, int]] | None = None) -> Annotated:
    return Annotated(tuple(Annotation(*row) for row in rows), frozenset(pairs or set()))


WANTED = annotated(
    (GOUT, "present", "plan", "D1"), (LUPUS, "absent", None, "D2"), (GOLD, "present", "plan", None), pairs={(20, 0)}
)


def test_perfect_is_one_everywhere() -> None:
    found = extraction_scores([(WANTED, WANTED)])

    assert found["matched"] == 3
    assert found["assertion"]["accuracy"] == found["section"]["accuracy"] == found["concept"]["accuracy"] == 1.0
    assert found["relations"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}


def test_only_spans_that_are_right_are_scored() -> None:
    other = annotated((Span(0, 5, DISEASE), "family", None, None), (LUPUS, "absent", None, "D2"))

    found = extraction_scores([(WANTED, other)])

    assert found["matched"] == 1
    assert found["assertion"]["accuracy"] == 1.0


def test_each_share_is_counted_over_all_texts() -> None:
    other = annotated(
        (GOUT, "absent", "plan", "D9"), (LUPUS, "absent", "plan", None), (GOLD, "present", None, "X"), pairs={(20, 10)}
    )

    found = extraction_scores([(WANTED, other), (WANTED, WANTED)])

    assert found["assertion"]["accuracy"] == round(5 / 6, 6)
    assert found["assertion"]["per_class"]["absent"] == {
        "precision": round(2 / 3, 6),
        "recall": 1.0,
        "f1": 0.8,
        "support": 2,
    }
    assert found["section"]["accuracy"] == round(4 / 6, 6)
    assert found["concept"] == {"accuracy": 0.5, "recall": 0.5, "precision": 0.5}
    assert found["relations"]["f1"] == 0.5


def test_pairs_of_treatments_without_a_gold_pair_count_only_among_all() -> None:
    more = WANTED._replace(pairs=frozenset({(20, 0), (30, 0)}))

    found = extraction_scores([(WANTED, more)])

    assert found["relations"]["precision"] == 0.5
    assert found["relations_of_linked"]["precision"] == 1.0


def test_a_pair_is_right_whichever_mention_of_the_patients_disease_is_named() -> None:
    spans = [Span(start, start + 4, DISEASE) for start in (0, 10, 30, 40)]
    said = [("present", "D1"), ("present", "D2"), ("historical", "D1"), ("family", "D1")]
    rows = [(span, assertion, None, concept) for span, (assertion, concept) in zip(spans, said, strict=True)]
    gold = annotated(*rows, (GOLD, "present", None, "X"), pairs={(GOLD.start, 30)})
    first = Mention(GOLD, 1.0, "present", None, None)

    def scores(disease: Span) -> list[float]:
        outputs = outputs_of("-" * 50, gold, Reading([first], [(GOLD, disease)]), None)
        inside = within(outputs, lambda span: span == GOLD)  # of the treatment alone: its disease is still known
        return [extraction_scores([(side.gold, side.end_to_end)])["relations"]["f1"] for side in (outputs, inside)]

    assert [scores(span) for span in spans] == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]


def test_nothing_scores_nothing() -> None:
    assert extraction_scores([])["assertion"] == {"accuracy": 0.0, "per_class": {}}


def test_a_reading_becomes_annotations() -> None:
    read = interpret_spans("Plan: gout, on gold", [Span(6, 10, DISEASE), Span(15, 19, TREATMENT)])

    assert found_in(read) == annotated(
        (Span(6, 10, DISEASE), "present", "plan", None),
        (Span(15, 19, TREATMENT), "present", "plan", None),
        pairs={(15, 6)},
    )


def test_gold_comes_from_the_tables_with_or_without_sections() -> None:
    names = ["note_id", "start", "end", "label", "concept_id", "assertion"]
    rows = [["N1", 20, 24, TREATMENT, "X", "present"], ["N1", 0, 4, DISEASE, "D1", "absent"]]
    entities = pd.DataFrame(rows, columns=names)
    relations = pd.DataFrame([["N1", 20, 0]], columns=["note_id", "treatment_start", "disease_start"])

    plain = gold_of(entities, relations)
    sectioned = gold_of(entities.assign(section=["plan", None]), relations)

    assert plain["N1"] == annotated((GOUT, "absent", None, "D1"), (GOLD, "present", None, "X"), pairs={(20, 0)})
    assert [row.section for row in sectioned["N1"].annotations] == [None, "plan"]


def test_a_concept_that_the_vocabulary_does_not_have_is_none() -> None:
    names = ["note_id", "start", "end", "label", "concept_id", "assertion"]
    entities = pd.DataFrame([["N1", 0, 4, DISEASE, "TEXT:gout", "absent"]], columns=names)
    relations = pd.DataFrame([], columns=["note_id", "treatment_start", "disease_start"])

    assert gold_of(entities, relations)["N1"] == annotated((GOUT, "absent", None, None))


def test_a_text_is_scored_from_what_was_found_and_from_its_gold_spans() -> None:
    text = "Plan: gout, on gold"
    gold = found_in(interpret_spans(text, [Span(6, 10, DISEASE), Span(15, 19, TREATMENT)]))

    found = output_scores([outputs_of(text, gold, Reading([], []), None)])

    assert found["gold_spans"]["matched"] == 2
    assert found["gold_spans"]["relations"]["f1"] == found["gold_spans"]["section"]["accuracy"] == 1.0
    assert found["end_to_end"]["matched"] == 0
    assert found["end_to_end"]["relations"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}


def test_a_part_of_a_text_has_the_links_of_its_own_treatments() -> None:
    both = WANTED._replace(pairs=frozenset({(20, 0), (30, 0)}))

    kept = within(Outputs(both, both, WANTED), lambda span: span == GOLD)

    gold_alone = annotated((GOLD, "present", "plan", None), pairs={(20, 0)})
    assert kept == Outputs(gold_alone, gold_alone, gold_alone)
