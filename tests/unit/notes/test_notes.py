"""What is true of every note, whatever the seed: its spans, its segments, and that its record bears it out."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from clinical_ner.core.schema import ENTITIES, NOTES, RELATIONS, SEGMENTS
from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.notes.compose import ABOUT_PATIENTS, LITERATURE, initials
from clinical_ner.notes.tables import Writing, notes_metrics
from clinical_ner.notes.templates import layout

SEEDS = st.integers(0, 30)
MEN = re.compile(r"\b(uter|ovar|vagin|pregnan|pre-?eclampsia|hysterectomy|CA 125)", re.IGNORECASE)
WOMEN = re.compile(r"\b(prostat|testis|PSA)", re.IGNORECASE)
AGE = re.compile(r"(\d+)(?:-year-old| yo | y/o )")
over_seeds = settings(max_examples=12, deadline=None)


@pytest.fixture(scope="session")
def written(study: Any) -> Any:
    """The notes at a seed."""
    return cache(study.write)


def texts(writing: Writing) -> list[dict[str, Any]]:
    """The notes with their mentions, segments and relations, in order."""
    pieces = {name: dict(iter(getattr(writing, name).groupby("note_id"))) for name in Writing._fields[1:]}
    return [
        {**note, **{name: list(by.get(note["note_id"], pd.DataFrame()).itertuples()) for name, by in pieces.items()}}
        for note in writing.notes.to_dict("records")
    ]


def own(writing: Writing) -> list[dict[str, Any]]:
    return [note for note in texts(writing) if note["patient_id"] is not None]


def of_patient(frame: pd.DataFrame, note: dict[str, Any]) -> pd.DataFrame:
    return frame[frame["patient_id"] == note["patient_id"]]


def under_way(frame: pd.DataFrame, first: str, last: str, day: pd.Timestamp) -> pd.DataFrame:
    return frame[(frame[first] <= day) & (frame[last].isna() | (frame[last] > day))]


@over_seeds
@given(SEEDS)
def test_every_span_lies_in_its_text_and_slices_to_a_form_of_its_concept(written: Any, forms: Any, seed: int) -> None:
    for note in texts(written(seed)):
        before = ""
        for mention in note["entities"]:
            words = note["text"][mention.start : mention.end]
            assert 0 <= mention.start < mention.end <= len(note["text"])
            named = mention.concept_id.startswith("TEXT:") or any(
                form in words.lower() for form in forms[mention.concept_id]
            )
            assert named or words == initials(before)
            before = words


@over_seeds
@given(SEEDS)
def test_spans_of_a_text_do_not_overlap(written: Any, seed: int) -> None:
    for note in texts(written(seed)):
        ends = [0, *(mention.end for mention in note["entities"])]
        assert all(mention.start >= end for mention, end in zip(note["entities"], ends, strict=False))


@over_seeds
@given(SEEDS)
def test_segments_cover_the_text_but_for_the_space_between_sentences(written: Any, seed: int) -> None:
    for note in texts(written(seed)):
        position = 0
        for segment in note["segments"]:
            assert note["text"][position : segment.start] in ({"", "\n", " "} if position else {""})
            assert segment.start >= position
            position = segment.end
        assert position == len(note["text"])
        assert all(any(s.start <= m.start and m.end <= s.end for s in note["segments"]) for m in note["entities"])


@over_seeds
@given(SEEDS)
def test_sections_follow_the_layout_of_the_kind(written: Any, seed: int) -> None:
    for note in texts(written(seed)):
        sections = [segment.template_id.split("/")[0] for segment in note["segments"]]
        order = [section for section, _, _ in layout(note["kind"])]
        assert sections == sorted(sections, key=order.index)
        assert all(sections.count(section) <= high for section, _, high in layout(note["kind"]))
        assert len({segment.template_id for segment in note["segments"]}) == len(sections)


@over_seeds
@given(SEEDS)
def test_relations_go_from_a_treatment_to_a_disease_of_one_sentence(written: Any, seed: int) -> None:
    for note in texts(written(seed)):
        labels = {mention.start: mention.label for mention in note["entities"]}
        for pair in note["relations"]:
            assert labels[pair.treatment_start] == TREATMENT
            assert labels[pair.disease_start] == DISEASE
            assert any(s.start <= min(pair[2:]) and max(pair[2:]) < s.end for s in note["segments"])


@over_seeds
@given(SEEDS)
def test_a_patients_treatment_is_related_to_the_disease_it_is_given_for(study: Any, written: Any, seed: int) -> None:
    given_for = study.record.treatments.merge(study.record.conditions, on=["patient_id", "condition_id"])

    for note in own(written(seed)):
        concepts = {mention.start: mention.concept_id for mention in note["entities"]}
        pairs = {(f"NAME:{row.name_x}", row.concept_id) for row in of_patient(given_for, note).itertuples()}
        assert {(concepts[p.treatment_start], concepts[p.disease_start]) for p in note["relations"]} <= pairs


@over_seeds
@given(SEEDS)
def test_what_is_denied_suspected_or_a_relatives_is_not_in_the_record(
    study: Any, written: Any, forms: Any, seed: int
) -> None:
    for note in own(written(seed)):
        recorded = set(of_patient(study.record.conditions, note)["concept_id"])
        words = {form for concept_id in recorded for form in forms[concept_id]}
        others = [m for m in note["entities"] if m.label == DISEASE and m.assertion != "present"]
        assert {m.concept_id for m in others} & recorded == set()
        assert {note["text"][m.start : m.end].lower() for m in others} & words == set()


@over_seeds
@given(SEEDS)
def test_what_is_present_is_under_way_on_the_day_of_the_note(study: Any, written: Any, seed: int) -> None:
    for note in own(written(seed)):
        problems = of_patient(study.record.conditions, note)
        active = under_way(problems, "onset_date", "resolved_date", note["written_on"])
        taken = of_patient(study.record.treatments, note)
        taken = under_way(taken, "start_date", "stop_date", note["written_on"])
        known = {*active["concept_id"], *("NAME:" + taken["name"])}
        assert {m.concept_id for m in note["entities"] if m.assertion == "present"} <= known


@over_seeds
@given(SEEDS)
def test_a_note_is_written_in_life_and_tells_nothing_later(study: Any, written: Any, seed: int) -> None:
    patients = study.record.patients.set_index("patient_id")

    for note in texts(written(seed)):
        years = [int(year) for year in re.findall(r"\b(?:19|20)\d\d\b", note["text"])]
        assert note["written_on"] <= pd.Timestamp(2024, 12, 31)
        assert max(years, default=0) <= note["written_on"].year
        if note["patient_id"] is not None:
            patient = patients.loc[note["patient_id"]]
            assert patient["birth_date"] <= note["written_on"]
            assert pd.isna(patient["death_date"]) or note["written_on"] <= patient["death_date"]
            assert min(years, default=9999) >= patient["birth_date"].year


@over_seeds
@given(SEEDS)
def test_the_age_in_the_text_is_the_patients_on_that_day(study: Any, written: Any, seed: int) -> None:
    born = study.record.patients.set_index("patient_id")["birth_date"]

    for note in own(written(seed)):
        age = (int(f"{note['written_on']:%Y%m%d}") - int(f"{born[note['patient_id']]:%Y%m%d}")) // 10_000
        assert set(AGE.findall(note["text"])) <= {str(age)}


@over_seeds
@given(SEEDS)
def test_nothing_is_said_that_does_not_fit_the_patients_sex(study: Any, written: Any, seed: int) -> None:
    sex = study.record.patients.set_index("patient_id")["sex"]

    for note in own(written(seed)):
        text = note["text"]
        for mention in reversed(note["entities"]):  # a relative may be of the other sex
            text = text[: mention.start] + "_" + text[mention.end :] if mention.assertion == "family" else text
        assert not (MEN if sex[note["patient_id"]] == "male" else WOMEN).search(text)
        assert not re.search(r"\b(he|his|man|boy)\b" if sex[note["patient_id"]] == "female" else r"\b(she|her)\b", text)


@over_seeds
@given(SEEDS)
def test_a_child_has_no_work_tobacco_or_children(written: Any, seed: int) -> None:
    for note in own(written(seed)):
        if note["patient_id"] in ("P0000003", "P0000004"):
            assert not re.search(r"smok|works as|\b(son|daughter|woman|man|lady|gentleman)\b", note["text"])


@over_seeds
@given(SEEDS)
def test_the_tables_hold_what_their_schemas_state(written: Any, seed: int) -> None:
    for table, frame in zip((NOTES, ENTITIES, SEGMENTS, RELATIONS), written(seed), strict=True):
        table.schema.validate(frame, lazy=True)


@over_seeds
@given(SEEDS)
def test_a_note_is_about_a_patient_or_literature_about_nobody(written: Any, seed: int) -> None:
    notes = written(seed).notes

    assert set(notes.loc[notes["patient_id"].notna(), "kind"]) <= set(ABOUT_PATIENTS)
    assert set(notes.loc[notes["patient_id"].isna(), "kind"]) <= set(LITERATURE)
    assert notes["patient_id"].value_counts().tolist() == [3, 3, 3, 3]
    assert notes["patient_id"].isna().sum() == 6


def test_the_same_seed_writes_the_same_notes_and_another_seed_others(study: Any) -> None:
    first, again, other = study.write(1), study.write(1), study.write(2)

    for one, two in zip(first, again, strict=True):
        assert_frame_equal(one, two)
    assert set(first.notes["text"]) & set(other.notes["text"]) == set()


def test_a_note_does_not_depend_on_the_patients_before_it(study: Any) -> None:
    whole, part = study.write(3), study.write(3, patients=slice(2, None))
    columns = ["patient_id", "kind", "written_on", "text"]

    late = whole.notes[whole.notes["patient_id"].isin(["P0000003", "P0000004"])]

    assert_frame_equal(part.notes.dropna()[columns], late[columns].reset_index(drop=True))
    literature = whole.notes[whole.notes["patient_id"].isna()].reset_index(drop=True)
    assert_frame_equal(part.notes[part.notes["patient_id"].isna()].reset_index(drop=True), literature)


def test_two_patients_alike_have_different_notes(study: Any) -> None:
    child = study.record.patients.iloc[[2]]
    twins = pd.concat([child, child.assign(patient_id="P0000009")])

    notes = study._replace(record=study.record._replace(patients=twins)).write(1, literature_texts=0).notes

    assert notes["text"].is_unique
    assert notes["written_on"].nunique() > 3


def test_a_note_does_not_depend_on_how_many_there_are(study: Any) -> None:
    many, few = study.write(3), study.write(3, notes_per_patient=1, literature_texts=2)

    firsts = many.notes.dropna().groupby("patient_id")["text"].first().tolist()

    assert few.notes.dropna()["text"].tolist() == firsts
    assert few.notes["text"].tolist()[-2:] == many.notes[many.notes["patient_id"].isna()]["text"].tolist()[:2]


def test_typos_change_the_words_but_neither_spans_concepts_nor_ids(study: Any) -> None:
    clean, sloppy = study.write(5, typo_rate=0), study.write(5, typo_rate=1, literature_texts=6)

    assert clean.notes["note_id"].tolist() == sloppy.notes["note_id"].tolist()
    assert "presents with" not in " ".join(sloppy.notes["text"])
    assert len(set(clean.notes["text"]) & set(sloppy.notes["text"])) == 0


def test_the_metrics_count_what_is_in_the_tables(study: Any) -> None:
    writing = study.write(1)

    metrics = notes_metrics(writing)

    assert metrics["texts"] == 18
    assert metrics["characters"] == sum(map(len, writing.notes["text"]))
    assert metrics["mentions"] == {label: (writing.entities["label"] == label).sum() for label in (DISEASE, TREATMENT)}
    assert metrics["relations"] == len(writing.relations)
    assert metrics["concepts"] == len(set(writing.entities["concept_id"]))
    assert metrics["templates"] == len(set(writing.segments["template_id"]))


def test_no_notes_of_nobody_are_still_tables(study: Any) -> None:
    empty = study.write(1, patients=slice(0), literature_texts=0)

    assert [len(frame) for frame in empty] == [0, 0, 0, 0]
