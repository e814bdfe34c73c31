"""What is true of every note, whatever the seed: its spans, its segments, and that its record bears it out."""

from __future__ import annotations

import gc
import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from clinical_ner.core import io
from clinical_ner.core.schema import ENTITIES, NOTES, RELATIONS, SECTIONS, SEGMENTS
from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.notes.charts import Record
from clinical_ner.notes.filling import OTHERS_DISEASE, initials
from clinical_ner.notes.subjects import SMOKING_WORDS
from clinical_ner.notes.syntax import Mention, walk
from clinical_ner.notes.tables import Writing, notes_metrics, tabulate
from clinical_ner.notes.templates import CLINICAL, headings, kinds, layout, literature, templates

ABOUT_PATIENTS = tuple(kinds())
LITERATURE = tuple(literature())
SEEDS = st.integers(0, 30)
MEN = re.compile(r"\b(uter|ovar|vagin|pregnan|pre-?eclampsia|hysterectomy|CA 125)", re.IGNORECASE)
WOMEN = re.compile(r"\b(prostat|testis|PSA)", re.IGNORECASE)
AGE = re.compile(r"(\d+)(?:-year-old| y/?o [MF]\b| yo )", re.IGNORECASE)
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


def supportive_treatments(lexis: Any) -> set[str]:
    """The concepts of the treatments that the templates themselves give."""
    every = (t for style in CLINICAL for section in templates(style).values() for t in section)
    mentions = (piece for template in every for piece in walk(template.pieces) if isinstance(piece, Mention))
    return {lexis.concept_of(TREATMENT, str(m.pieces[0])) for m in mentions if m.label == TREATMENT}


def is_of_record(note: dict[str, Any], pair: Any) -> bool:
    senses = {mention.start: mention.assertion for mention in note["entities"]}
    return not {senses[pair.treatment_start], senses[pair.disease_start]} & {"family", "hypothetical", "absent"}


def under_way(frame: pd.DataFrame, first: str, last: str, day: pd.Timestamp) -> pd.DataFrame:
    return frame[(frame[first] <= day) & (frame[last].isna() | (frame[last] > day))]


@over_seeds
@given(SEEDS)
def test_every_span_lies_in_its_text_and_slices_to_a_form_of_its_concept(written: Any, forms: Any, seed: int) -> None:
    for note in texts(written(seed)):
        before = ""
        for mention in note["entities"]:
            words = " ".join(note["text"][mention.start : mention.end].split())  # a line may break within
            assert 0 <= mention.start < mention.end <= len(note["text"])
            named = mention.concept_id.startswith("TEXT:") or any(
                form in words.lower() for form in forms[mention.concept_id]
            )
            assert named or words.upper() in (initials(before), before.upper())  # abbreviated, or so again
            before = words


@over_seeds
@given(SEEDS)
def test_a_line_breaks_within_an_entity_only_before_a_lower_case_word(written: Any, seed: int) -> None:
    for note in texts(written(seed)):
        for mention in note["entities"]:
            _, *after = note["text"][mention.start : mention.end].split("\n")
            assert all(words.split()[0].islower() for words in after)


@over_seeds
@given(SEEDS)
def test_spans_of_a_text_do_not_overlap(written: Any, seed: int) -> None:
    for note in texts(written(seed)):
        ends = [0, *(mention.end for mention in note["entities"])]
        assert all(mention.start >= end for mention, end in zip(note["entities"], ends, strict=False))


@over_seeds
@given(SEEDS)
def test_segments_follow_each_other_and_hold_every_entity(written: Any, seed: int) -> None:
    between = re.compile(r";? ?|\s*(([A-Z][A-Za-z/& -]*:)?\s*(-|\*|•|#|#?\d+[:.)])?)?\s*")  # a heading, a bullet
    for note in texts(written(seed)):
        position = 0
        for segment in note["segments"]:
            assert between.fullmatch(note["text"][position : segment.start]), segment.template_id
            position = segment.end
        assert position == len(note["text"])
        assert all(any(s.start <= m.start and m.end <= s.end for s in note["segments"]) for m in note["entities"])


@over_seeds
@given(SEEDS)
def test_sections_follow_the_layout_of_the_kind(written: Any, seed: int) -> None:
    for note in texts(written(seed)):
        named = [segment.template_id.split("/")[0] for segment in note["segments"]]
        order = [name for part in layout(note["kind"]) for name in (part.section, part.items) if name]
        assert named == sorted(named, key=order.index)
        once = [s.template_id for s in note["segments"] if not s.template_id.split("/")[0].endswith("_item")]
        assert len(set(once)) == len(once)


@over_seeds
@given(SEEDS)
def test_a_section_begins_with_its_heading_and_holds_the_mentions_that_name_it(written: Any, seed: int) -> None:
    spelt = {
        section: {words.lower() for h in headings().values() if h.section == section for words in (*h.full, *h.short)}
        for section in {heading.section for heading in headings().values()}
    }
    for note in texts(written(seed)):
        for row in note["sections"]:
            assert note["text"][row.start : row.end].split(":")[0].lower() in spelt[row.section]
        for mention in note["entities"]:
            around = [row.section for row in note["sections"] if row.start <= mention.start < row.end]
            assert around == ([] if pd.isna(mention.section) else [mention.section])


def test_most_notes_have_headings_and_some_have_none(written: Any) -> None:
    writing = written(1)
    headed = writing.notes["note_id"].isin(set(writing.sections["note_id"]))
    mine = writing.notes["patient_id"].notna()

    assert 0.5 < headed[mine].mean() < 1


@over_seeds
@given(SEEDS)
def test_relations_go_from_a_treatment_to_a_disease_and_of_literature_within_a_sentence(
    written: Any, seed: int
) -> None:
    for note in texts(written(seed)):
        labels = {mention.start: mention.label for mention in note["entities"]}
        assert len(set(note["relations"])) == len(note["relations"])
        for pair in note["relations"]:
            assert labels[pair.treatment_start] == TREATMENT
            assert labels[pair.disease_start] == DISEASE
            if note["kind"] in literature():
                assert any(s.start <= min(pair[2:]) and max(pair[2:]) < s.end for s in note["segments"])


@over_seeds
@given(SEEDS)
def test_a_patients_treatment_is_related_to_the_disease_it_is_given_for(study: Any, written: Any, seed: int) -> None:
    given_for = study.record.treatments.merge(study.record.conditions, on=["patient_id", "condition_id"])

    for note in own(written(seed)):
        concepts = {m.start: m.concept_id for m in note["entities"]}
        note["relations"] = [p for p in note["relations"] if is_of_record(note, p)]
        pairs = {
            (study.lexis.treatment_ids[row.name_x], row.concept_id) for row in of_patient(given_for, note).itertuples()
        }
        assert {(concepts[p.treatment_start], concepts[p.disease_start]) for p in note["relations"]} <= pairs


@over_seeds
@given(SEEDS)
def test_what_is_denied_suspected_or_a_relatives_is_not_in_the_record(
    study: Any, written: Any, forms: Any, seed: int
) -> None:
    for note in own(written(seed)):
        recorded = set(of_patient(study.record.conditions, note)["concept_id"])  # known or not
        words = {form for concept_id in recorded for form in forms[concept_id]}
        others = [m for m in note["entities"] if m.label == DISEASE and m.assertion in OTHERS_DISEASE]
        assert {m.concept_id for m in others} & study.lexis.undeniable(recorded) == set()
        assert {note["text"][m.start : m.end].lower() for m in others} & words == set()


@over_seeds
@given(SEEDS)
def test_what_is_present_is_under_way_on_the_day_of_the_note(study: Any, written: Any, seed: int) -> None:
    supportive = supportive_treatments(study.lexis)
    for note in own(written(seed)):
        mine = of_patient(study.record.conditions, note)
        active = under_way(mine, "diagnosed_date", "resolved_date", note["written_on"])
        given_ = of_patient(study.record.treatments, note)
        taken = under_way(given_, "start_date", "stop_date", note["written_on"])
        today = given_[(given_["kind"] == "procedure") & (given_["start_date"] == note["written_on"])]
        known = {study.lexis.treatment_ids[name] for name in (*taken["name"], *today["name"])}
        present = [m for m in note["entities"] if m.assertion == "present"]
        assert {m.concept_id for m in present if m.label == DISEASE} <= set(active["concept_id"])
        assert {m.concept_id for m in present if m.label == TREATMENT} <= known | supportive


@over_seeds
@given(SEEDS)
def test_what_is_historical_was_over_by_the_day_of_the_note(study: Any, written: Any, seed: int) -> None:
    for note in own(written(seed)):
        day, mine = note["written_on"], of_patient(study.record.conditions, note)
        over = set(mine.loc[mine["resolved_date"] <= day, "concept_id"])
        given_ = of_patient(study.record.treatments, note)
        ids = given_["name"].map(study.lexis.treatment_ids)
        done, begun = set(ids[given_["stop_date"] <= day]), set(ids)
        past = [m for m in note["entities"] if m.assertion == "historical"]
        allergies = of_patient(study.record.allergies, note)
        allergies = allergies[allergies["onset_date"] <= day]
        effects = {
            study.lexis.concept_of(DISEASE, words)
            for words in (*allergies["reaction"], *given_["adverse_effect"].dropna())
        }
        allergens = {study.lexis.treatment_id(name) for name in allergies["substance"]}
        assert {m.concept_id for m in past if m.label == DISEASE} <= over | effects
        assert {m.concept_id for m in past if m.label == TREATMENT} <= done | allergens | supportive_treatments(
            study.lexis
        )
        assert not ({m.concept_id for m in past if m.label == TREATMENT} & begun) - done - allergens


RECORDED_RELATIVE = re.compile(r"\b(mother|father|sister|brother)\b", re.IGNORECASE)


@over_seeds
@given(SEEDS)
def test_a_disease_of_a_relative_is_of_the_record_or_of_one_too_distant_to_be_in_it(
    study: Any, written: Any, seed: int
) -> None:
    for note in own(written(seed)):
        family = of_patient(study.record.family_history, note)
        pairs = set(zip(family["relative"], family["concept_id"], strict=True))
        for segment in note["segments"]:
            within = [m for m in note["entities"] if segment.start <= m.start < segment.end and m.assertion == "family"]
            relatives = {
                words.lower() for words in RECORDED_RELATIVE.findall(note["text"][segment.start : segment.end])
            }
            diseases = {m.concept_id for m in within if m.label == DISEASE}
            if diseases:
                told = relatives & set(family["relative"])
                assert {relative for relative, key in pairs if key in diseases} >= told
            assert not diseases & set(family["concept_id"]) or relatives


@over_seeds
@given(SEEDS)
def test_allergies_are_all_told_or_denied_only_of_who_has_none(study: Any, written: Any, seed: int) -> None:
    for note in own(written(seed)):
        mine = of_patient(study.record.allergies, note)
        known = set(mine.loc[mine["onset_date"] <= note["written_on"], "substance"])
        items = [s for s in note["segments"] if s.template_id.startswith("allergy_item/")]
        told = " ".join(note["text"][s.start : s.end].lower() for s in items)
        assert not items or all(substance[:4] in told for substance in known)
        assert not (known and re.search(r"NKD?A\b|no known drug allergies|no allergies", note["text"], re.IGNORECASE))


@over_seeds
@given(SEEDS)
def test_smoking_and_pregnancy_are_those_of_the_day(study: Any, written: Any, seed: int) -> None:
    for note in own(written(seed)):
        patient, day = of_patient(study.record.patients, note).iloc[0], note["written_on"]
        status = (
            "former" if patient["smoking_stop"] <= day else "current" if patient["smoking_start"] <= day else "never"
        )
        text = " ".join(note["text"].lower().split())
        assert not any(words in text for key, words in SMOKING_WORDS.items() if key != status)
        spells = of_patient(study.record.pregnancies, note)
        weeks = {(day - start).days // 7 for start in under_way(spells, "start_date", "end_date", day)["start_date"]}
        said = re.findall(
            r"(\d+)(?: weeks pregnant|w pregnant)|(?:pregnancy|now) at (\d+) weeks|iup (?:at )?(\d+)w", text
        )
        assert {int(number) for groups in said for number in groups if number} <= weeks


TOLD = {  # how a value is told, and its code
    "4548-4": r"\ba1c (\d+\.\d)\b(?!%? ->)",  # what it was before has an arrow behind it
    "2160-0": r"creatinine (\d\.\d)",
    "29463-7": r"\b(?:weight|wt) +(\d+) ?kg",
    "8480-6": r"\bbp +(\d+)/",
}


@over_seeds
@given(SEEDS)
def test_a_value_is_the_one_measured_at_the_visit_or_before_it(study: Any, written: Any, seed: int) -> None:
    for note in own(written(seed)):
        mine, text = of_patient(study.record.observations, note), " ".join(note["text"].lower().split())
        for loinc, pattern in TOLD.items():
            found = mine[(mine["loinc"] == loinc) & (mine["date"] == note["written_on"])]["value"]
            told = {float(number) for number in re.findall(pattern, text)}
            assert found.empty or all(abs(number - found.iloc[0]) <= 0.5 for number in told)
            assert loinc != "29463-7" or not told or (mine["loinc"] == loinc).any()


@over_seeds
@given(SEEDS)
def test_a_note_is_written_at_an_encounter_of_a_kind_that_fits(study: Any, written: Any, seed: int) -> None:
    for note in own(written(seed)):
        visits = of_patient(study.record.encounters, note)
        on_day = visits[(visits["start_date"] <= note["written_on"]) & (note["written_on"] <= visits["end_date"])]
        fitting = kinds()[note["kind"]].at
        operated = (of_patient(study.record.treatments, note)["start_date"] == note["written_on"]).any()
        assert visits.empty or set(on_day["kind"]) & fitting or (note["kind"] == "operative" and operated)


@over_seeds
@given(SEEDS)
def test_who_has_been_treated_or_operated_on_is_not_said_not_to_have_been(study: Any, written: Any, seed: int) -> None:
    for note in own(written(seed)):
        day, given_ = note["written_on"], of_patient(study.record.treatments, note)
        done = given_[(given_["kind"] == "procedure") & (given_["start_date"] <= day)]
        taken = under_way(given_[given_["kind"] != "procedure"], "start_date", "stop_date", day)
        text = note["text"].lower().replace("\n", " ")
        assert not (len(done) and "no prior surgery" in text)
        assert not (len(taken) and "takes no regular" in text)


@over_seeds
@given(SEEDS)
def test_a_note_is_written_in_life_and_tells_nothing_later(study: Any, written: Any, seed: int) -> None:
    patients = study.record.patients.set_index("patient_id")

    for note in texts(written(seed)):
        years = [int(year) for year in re.findall(r"\b(?:19|20)\d\d\b(?! units)", note["text"])]
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
        wrong = r"\b(he|his|him|man|boy)\b" if sex[note["patient_id"]] == "female" else r"\b(she|her|woman|girl)\b"
        assert not re.search(wrong, text, re.IGNORECASE)


@over_seeds
@given(SEEDS)
def test_a_child_has_no_work_tobacco_or_children(written: Any, seed: int) -> None:
    for note in own(written(seed)):
        if note["patient_id"] in ("P0000003", "P0000004"):
            assert not re.search(
                r"smok|works as|\b(son|daughter|woman|man|lady|gentleman)\b", note["text"], re.IGNORECASE
            )


@over_seeds
@given(SEEDS)
def test_the_tables_hold_what_their_schemas_state(written: Any, seed: int) -> None:
    for table, frame in zip((NOTES, ENTITIES, SEGMENTS, RELATIONS, SECTIONS), written(seed), strict=True):
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


def test_typos_of_words_and_entities_leave_every_span_in_its_place(study: Any) -> None:
    writing = study.write(5, typo_rate=1, entity_typo_rate=1)

    found = [(m, " ".join(note["text"][m.start : m.end].split())) for note in texts(writing) for m in note["entities"]]
    assert all(words and words == words.strip() for _, words in found)
    assert not {words for _, words in found} & {"hypertension", "diabetes", "lisinopril", "metformin", "psoriasis"}
    assert {m.concept_id for m, _ in found} >= {"D006973", "D003924"}


def test_a_follow_up_repeats_an_earlier_note_word_for_word_while_nothing_has_changed(study: Any) -> None:
    notes = study.write(4, notes_per_patient=40, typo_rate=0, literature_texts=0)
    when = notes.notes.set_index("note_id")["written_on"]
    by_id = notes.notes.set_index("note_id")["text"]
    rows = notes.sections[notes.sections["section"].isin(["past_medical_history", "family_history"])]
    seen: dict[tuple[str, str], str] = {}
    repeated = []
    for row in rows.itertuples():
        words = " ".join(by_id[row.note_id][row.start : row.end].split())
        first = seen.setdefault((row.note_id[:8], words), row.note_id)
        repeated += [(first, row.note_id)] if first != row.note_id and len(words) > 60 else []

    assert len(repeated) > 5
    assert all(when[first] <= when[second] for first, second in repeated)


# --- any record -----------------------------------------------------------------------------------
DAYS = st.dates(date(2015, 1, 1), date(2025, 6, 1)).map(pd.Timestamp)
NAMES = {"drug": ("lisinopril", "metformin", "warfarin"), "therapy": ("dialysis",), "procedure": ("splenectomy",)}
CONCEPTS = (("D006973", "hypertension"), ("D003924", "type 2 diabetes"), ("D011014", "pneumonia"), ("D006073", "gout"))


@st.composite
def records(draw: st.DrawFn, study: Any) -> Record:
    """One of the patients with any conditions, and any treatments while they last."""
    patients = study.record.patients.iloc[[draw(st.integers(0, 1))]]
    patient_id = patients["patient_id"].iloc[0]
    conditions, treatments = [], []
    for number, (concept_id, name) in enumerate(draw(st.lists(st.sampled_from(CONCEPTS), max_size=5))):
        onset, found, end = sorted((draw(DAYS), draw(DAYS), draw(DAYS)))
        resolved, known = draw(st.sampled_from((None, end))), draw(st.booleans())
        conditions.append((f"C{number}", patient_id, concept_id, name, onset, found if known else None, resolved))
        if not known:
            continue
        for kind in draw(st.lists(st.sampled_from(sorted(NAMES)), max_size=3)):
            start = draw(st.dates(found.date(), (resolved or end).date()).map(pd.Timestamp))
            stop = start if kind == "procedure" else draw(st.sampled_from((resolved, end)))
            row = (patient_id, f"C{number}", kind, draw(st.sampled_from(NAMES[kind])), None, start, stop)
            response = draw(st.sampled_from((None, "none", "partial", "full")))
            why = draw(st.sampled_from(("no_response", "adverse_effect"))) if stop is not None else None
            effect = draw(st.sampled_from((None, "nausea", "epilepsy")))
            treatments.append((f"T{len(treatments)}", *row, why, response, effect))
    return study.record._replace(
        patients=patients,
        conditions=pd.DataFrame(conditions, columns=study.record.conditions.columns).astype(
            study.record.conditions.dtypes
        ),
        treatments=pd.DataFrame(treatments, columns=study.record.treatments.columns).astype(
            study.record.treatments.dtypes
        ),
    )


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 10**6))
def test_a_note_never_contradicts_its_record(study: Any, data: st.DataObject, seed: int) -> None:
    record = data.draw(records(study))
    odd = study._replace(record=record)

    writing = odd.write(seed, notes_per_patient=8, literature_texts=0, typo_rate=0)

    for check in (
        test_what_is_present_is_under_way_on_the_day_of_the_note,
        test_what_is_historical_was_over_by_the_day_of_the_note,
        test_a_disease_of_a_relative_is_of_the_record_or_of_one_too_distant_to_be_in_it,
        test_allergies_are_all_told_or_denied_only_of_who_has_none,
        test_smoking_and_pregnancy_are_those_of_the_day,
        test_a_value_is_the_one_measured_at_the_visit_or_before_it,
        test_a_note_is_written_at_an_encounter_of_a_kind_that_fits,
        test_who_has_been_treated_or_operated_on_is_not_said_not_to_have_been,
        test_a_note_is_written_in_life_and_tells_nothing_later,
        test_the_age_in_the_text_is_the_patients_on_that_day,
        test_nothing_is_said_that_does_not_fit_the_patients_sex,
    ):
        check.hypothesis.inner_test(study=odd, written=lambda _: writing, seed=0)


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

    assert [len(frame) for frame in empty] == [0, 0, 0, 0, 0]


def test_tables_without_rows_have_the_types_of_the_schema(tmp_path: Path) -> None:
    tables = (NOTES, ENTITIES, SEGMENTS, RELATIONS, SECTIONS)

    for table, frame in zip(tables, tabulate([]), strict=True):
        io.write(table, frame, tmp_path)

    assert [len(io.read(table, tmp_path)) for table in tables] == [0, 0, 0, 0, 0]


def left_over(study: Any, patients: slice) -> int:
    """How many objects only the garbage collector can free once these notes have been written."""
    gc.collect()
    study.write(1, patients)
    return gc.collect()


def test_no_text_leaves_a_cycle_behind_that_the_resting_collector_would_miss(
    study: Any,
) -> None:
    study.write(1)
    gc.disable()

    try:
        counts = {left_over(study, patients) for patients in (slice(1), slice(None))}
    finally:
        gc.enable()

    assert len(counts) == 1


def test_writing_notes_leaves_the_garbage_collector_as_it_was(study: Any) -> None:
    study.write(1, slice(1))
    awake = gc.isenabled()
    gc.disable()
    try:
        study.write(1, slice(1))
        asleep = gc.isenabled()
    finally:
        gc.enable()

    assert (awake, asleep) == (True, False)
