"""Every table refuses what its schema rules out: a repeated key, a missing or strange column, a wrong value."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.errors
import pytest

from clinical_ner.core import schema
from clinical_ner.core.figures import COUNTS, MIX_SHARES, RATES, SHARES
from clinical_ner.core.schema import Table

DAY, NEXT_DAY = pd.Timestamp("2020-02-29"), pd.Timestamp("2020-03-01")
NO_DAY = pd.NaT
TABLES = {table.name: table for table in vars(schema).values() if isinstance(table, Table)}
TOKEN = {
    "sentence": 0,
    "position": 0,
    "token": "RA",
    "tag": "B-DISEASE",
    "long_form": "rheumatoid arthritis",
    "source": "synthetic",
    "annotates": "DISEASE,TREATMENT",
}
PROFILE = {
    "note_id": "N000000001",
    "patient_id": "P0000001",
    "written_on": DAY,
    **dict.fromkeys(COUNTS, 0),
    **dict.fromkeys((*RATES, *SHARES, *MIX_SHARES), 0.0),
}
ROWS: dict[str, dict[str, Any]] = {
    "diseases": {
        "term": "type 2 diabetes",
        "concept_id": "D003924",
        "name": "Diabetes Mellitus, Type 2",
        "symptom": False,
        "icd10cm": "E11",
        "common": True,
    },
    "drugs": {
        "term": "Glucophage",
        "concept_id": "MESH:D008687",
        "name": "metformin",
        "brand": True,
        "common": True,
    },
    "procedures": {"term": "surgery", "concept_id": "OWN:surgery", "kind": "procedure", "common": True},
    "substances": {"term": "CRP", "concept_id": "OWN:crp", "common": True},
    "patients": {
        "patient_id": "P0000001",
        "given_name": "Ann",
        "family_name": "Lee",
        "sex": "female",
        "race_ethnicity": "nh_asian",
        "birth_date": DAY,
        "death_date": NO_DAY,
        "ssn": "900-01-0001",
        "phone": "617-555-0100",
        "address": "1 Main Street",
        "city": "Boston",
        "state": "MA",
        "postal_code": "02134",
        "provider_id": "DR0001",
        "insurance": "private",
        "smoking": "former",
        "pack_years": 1.5,
        "smoking_start": DAY,
        "smoking_stop": DAY,
        "alcohol": "light",
        "height_cm": 160.0,
        "weight_kg": 60.0,
        "bmi": 23.4,
        "death_cause": "C1",
    },
    "providers": {
        "provider_id": "DR0001",
        "name": "Dr. Smith",
        "specialty": "family medicine",
        "organisation": "Boston Health Center",
        "city": "Boston",
        "state": "MA",
    },
    "encounters": {
        "encounter_id": "E1",
        "patient_id": "P0000001",
        "provider_id": "DR0001",
        "kind": "wellness",
        "start_date": DAY,
        "end_date": DAY,
        "condition_id": "C1",
    },
    "conditions": {
        "condition_id": "C1",
        "patient_id": "P0000001",
        "concept_id": "D006973",
        "name": "hypertension",
        "icd10cm": "I10",
        "onset_date": DAY,
        "diagnosed_date": DAY,
        "encounter_id": "E1",
        "resolved_date": NO_DAY,
        "severity": "mild",
        "complicates": "C2",
    },
    "treatments": {
        "treatment_id": "T1",
        "patient_id": "P0000001",
        "condition_id": "C1",
        "encounter_id": "E1",
        "kind": "drug",
        "name": "lisinopril",
        "concept_id": "MESH:D017706",
        "dose": "10 mg daily",
        "route": "oral",
        "line": 1,
        "start_date": DAY,
        "stop_date": NO_DAY,
        "stop_reason": "completed",
        "response": "full",
        "adverse_effect": "cough",
    },
    "observations": {
        "patient_id": "P0000001",
        "encounter_id": "E1",
        "date": DAY,
        "loinc": "8480-6",
        "name": "systolic blood pressure",
        "value": 120.0,
        "unit": "mm[Hg]",
    },
    "immunizations": {
        "patient_id": "P0000001",
        "date": DAY,
        "cvx": "140",
        "name": "influenza",
        "dose_number": 1,
    },
    "allergies": {
        "patient_id": "P0000001",
        "substance": "penicillin",
        "concept_id": "MESH:D010406",
        "category": "drug",
        "reaction": "rash",
        "severity": "mild",
        "onset_date": DAY,
    },
    "family_history": {
        "patient_id": "P0000001",
        "relative": "mother",
        "concept_id": "D003924",
        "name": "type 2 diabetes mellitus",
        "onset_age": 60.0,
    },
    "pregnancies": {
        "pregnancy_id": "G1",
        "patient_id": "P0000001",
        "start_date": DAY,
        "end_date": NEXT_DAY,
        "outcome": "live_birth",
    },
    "notes": {"note_id": "N000000001", "patient_id": "P0000001", "kind": "progress", "written_on": DAY, "text": "Hi."},
    "entities": {
        "note_id": "N000000001",
        "start": 0,
        "end": 6,
        "label": "DISEASE",
        "concept_id": "D001249",
        "assertion": "present",
        "section": "plan",
    },
    "segments": {"note_id": "N000000001", "start": 0, "end": 6, "template_id": "plan/0123abcd"},
    "sections": {"note_id": "N000000001", "start": 0, "end": 6, "section": "plan"},
    "relations": {"note_id": "N000000001", "treatment_start": 0, "disease_start": 7},
    "splits": {"note_id": "N000000001", "train": True, "patient_seen": True},
    "template_splits": {"template_id": "plan/0123abcd", "seen": True, "calibrates": False},
    "tokens": TOKEN,
    "calibration": TOKEN,
    "lexicon": {"term": "asthma", "kind": "disease", "concept_id": "D001249"},
    "ingested": {
        "note_id": "n-1",
        "patient_id": "p-1",
        "note_type": "progress",
        "written_on": DAY,
        "text": "Gout",
        "content_sha256": "0" * 64,
    },
    "extracted_notes": {"note_id": "n-1", "characters": 30, "entities": 1, "model_version": "0123456789ab"},
    "extracted_entities": {
        "note_id": "n-1",
        "start": 0,
        "end": 4,
        "label": "DISEASE",
        "text": "Gout",
        "confidence": 0.9,
        "assertion": "present",
        "section": "plan",
        "trigger_start": 5,
        "trigger_end": 9,
        "concept_id": "D006073",
        "concept": "gout",
        "concept_kind": "disease",
        "icd10cm": "M10",
        "concept_score": 1.0,
        "disease_start": 0,
        "model_version": "0123456789ab",
    },
    "profiles": PROFILE,
    "reference": PROFILE,
}
POSITIONS = ("trigger_start", "trigger_end", "disease_start")  # whole numbers that may be missing
ANOTHER = {  # another valid value of every key column
    "term": "another",
    "concept_id": {"diseases": "D1", "drugs": "NAME:x", "family_history": "D1"},
    "patient_id": "P0000002",
    "provider_id": "DR0002",
    "encounter_id": "E2",
    "date": NEXT_DAY,
    "loinc": "8462-4",
    "cvx": "141",
    "substance": "peanut",
    "relative": "father",
    "pregnancy_id": "G2",
    "condition_id": "C2",
    "treatment_id": "T2",
    "note_id": "N000000002",
    "start": 1,
    "treatment_start": 1,
    "disease_start": 8,
    "template_id": "plan/ffffffff",
    "sentence": 1,
    "position": 1,
    "kind": "symptom",
}
COLUMNS = [(table, column) for table in TABLES for column in TABLES[table].schema.columns]
KEYS = [(table, column) for table in TABLES for column in TABLES[table].key]
NULLABLE = {
    ("diseases", "icd10cm"),
    *(("patients", name) for name in ("death_date", "smoking_start", "smoking_stop", "death_cause")),
    ("encounters", "condition_id"),
    *(("conditions", name) for name in ("diagnosed_date", "encounter_id", "complicates")),
    *(("treatments", name) for name in ("encounter_id", "concept_id", "route")),
    *(("treatments", name) for name in ("stop_reason", "response", "adverse_effect")),
    ("allergies", "concept_id"),
    ("family_history", "onset_age"),
    ("pregnancies", "end_date"),
    ("conditions", "resolved_date"),
    ("treatments", "dose"),
    ("treatments", "stop_date"),
    *((table, "patient_id") for table in ("notes", "ingested", "profiles", "reference")),
    ("ingested", "note_type"),
    ("entities", "section"),
    *(("extracted_entities", name) for name in ("section", "concept_id", "concept", "concept_kind", "icd10cm")),
    *(("extracted_entities", name) for name in ("concept_score", *POSITIONS)),
    ("tokens", "long_form"),
    ("calibration", "long_form"),
}


def rows(table: str, *changes: dict[str, Any]) -> pd.DataFrame:
    frame = pd.DataFrame([{**ROWS[table], **change} for change in changes or ({},)])
    return frame.astype(dict.fromkeys(POSITIONS, "Int64")) if table == "extracted_entities" else frame


def is_accepted(table: str, frame: pd.DataFrame) -> bool:
    try:
        TABLES[table].schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors:
        return False
    return True


def test_every_table_has_a_row_here() -> None:
    assert set(ROWS) == set(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_a_good_row_is_accepted_and_so_is_none(table: str) -> None:
    assert is_accepted(table, rows(table))
    assert is_accepted(table, rows(table).iloc[:0])


@pytest.mark.parametrize("table", TABLES)
def test_a_key_stands_for_one_row(table: str) -> None:
    assert TABLES[table].key
    assert not is_accepted(table, rows(table, {}, {}))


@pytest.mark.parametrize(("table", "column"), KEYS)
def test_every_part_of_a_key_tells_rows_apart(table: str, column: str) -> None:
    another = ANOTHER[column]

    value = another[table] if isinstance(another, dict) else another

    assert is_accepted(table, rows(table, {}, {column: value}))


@pytest.mark.parametrize("table", TABLES)
def test_no_column_is_missing_strange_or_out_of_order(table: str) -> None:
    frame = rows(table)

    assert not any(is_accepted(table, frame.drop(columns=name)) for name in frame)
    assert not is_accepted(table, frame.assign(strange=1))
    assert not is_accepted(table, frame[list(frame)[::-1]])


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_only_some_columns_may_be_empty(table: str, column: str) -> None:
    frame = rows(table)
    empty = {"M": NO_DAY, "f": float("nan")}.get(frame[column].dtype.kind)
    frame[column] = pd.array([pd.NA], "Int64") if column in POSITIONS and table == "extracted_entities" else empty

    assert is_accepted(table, frame) == ((table, column) in NULLABLE)


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_no_column_takes_a_value_of_another_type(table: str, column: str) -> None:
    wrong = "1" if not isinstance(ROWS[table][column], str) else 1

    assert not is_accepted(table, rows(table).assign(**{column: wrong}))


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        *(
            (table, column, " ")
            for table, column in COLUMNS
            if isinstance(ROWS[table][column], str) and column != "dose"
        ),
        ("diseases", "concept_id", "MESH:D003924"),
        ("diseases", "concept_id", "D003924x"),
        ("diseases", "icd10cm", "E1"),
        ("diseases", "icd10cm", "E11."),
        ("diseases", "icd10cm", "E11.12345"),
        ("conditions", "icd10cm", "e11"),
        ("drugs", "concept_id", "D008687"),
        ("drugs", "concept_id", "MESH:"),
        ("procedures", "kind", "operation"),
        ("procedures", "concept_id", "MESH:D1"),
        ("substances", "concept_id", "PCS:0"),
        ("patients", "patient_id", "P1"),
        ("patients", "ssn", "123-45-6789"),
        ("patients", "ssn", "912-70-0001"),
        ("patients", "phone", "617-555-1234"),
        ("patients", "postal_code", "2134"),
        ("patients", "smoking", "sometimes"),
        ("patients", "pack_years", -0.1),
        ("observations", "loinc", "8480"),
        ("patients", "sex", "f"),
        ("patients", "race_ethnicity", "asian"),
        ("patients", "state", "Mass"),
        ("patients", "height_cm", 29.9),
        ("patients", "height_cm", 230.1),
        ("patients", "weight_kg", 0.9),
        ("patients", "weight_kg", 350.1),
        ("patients", "bmi", 7.9),
        ("patients", "bmi", 90.1),
        ("conditions", "condition_id", "1"),
        ("conditions", "patient_id", "P000001x"),
        ("treatments", "kind", "drug_class"),
        ("treatments", "condition_id", "T1"),
        ("notes", "note_id", "N1"),
        ("notes", "kind", "letter"),
        ("entities", "start", -1),
        ("entities", "end", 0),
        ("entities", "label", "DRUG"),
        ("entities", "assertion", "denied"),
        ("segments", "template_id", "plan/xyz"),
        ("segments", "start", -1),
        ("relations", "treatment_start", -1),
        ("relations", "disease_start", -1),
        ("tokens", "tag", "I"),
        ("tokens", "tag", "E-DISEASE"),
        ("tokens", "tag", "B-DISEASES"),
        ("tokens", "position", -1),
        ("tokens", "source", "copied"),
        ("tokens", "annotates", ""),
        ("tokens", "annotates", "DRUG"),
        ("tokens", "annotates", "DISEASE,"),
        ("lexicon", "kind", "therapy"),
        ("ingested", "content_sha256", "0" * 63),
        ("extracted_notes", "characters", 0),
        ("extracted_notes", "model_version", "0123456789AB"),
        ("extracted_entities", "end", 0),
        ("extracted_entities", "label", "SIGN"),
        ("extracted_entities", "concept_score", 1.1),
        ("profiles", "characters", -1),
        ("profiles", "tokens_per_sentence", -0.1),
        ("profiles", "out_of_vocabulary_rate", 1.1),
        ("profiles", "mean_confidence", -0.1),
        ("reference", "ages_old", 1.1),
    ],
)
def test_a_value_that_the_schema_rules_out_is_refused(table: str, column: str, value: object) -> None:
    assert not is_accepted(table, rows(table, {column: value}))


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("diseases", "icd10cm", "C7A.1234"),
        ("diseases", "concept_id", "D000080203"),
        ("drugs", "concept_id", "DRUGBANK:DB00331"),
        ("drugs", "concept_id", "NAME:metformin"),
        ("procedures", "concept_id", "PCS:0FT4"),
        ("substances", "concept_id", "MESH:D006454"),
        ("tokens", "tag", "O"),
        ("tokens", "tag", "I-TREATMENT"),
        ("tokens", "annotates", "DISEASE"),
        ("tokens", "source", "annotated"),
        ("patients", "height_cm", 30.0),
        ("patients", "weight_kg", 350.0),
        ("patients", "death_date", DAY),
    ],
)
def test_a_value_at_the_edge_is_accepted(table: str, column: str, value: object) -> None:
    assert is_accepted(table, rows(table, {column: value}))


@pytest.mark.parametrize(
    ("table", "first", "last"),
    [
        ("patients", "birth_date", "death_date"),
        ("conditions", "onset_date", "resolved_date"),
        ("conditions", "onset_date", "diagnosed_date"),
        ("encounters", "start_date", "end_date"),
        ("pregnancies", "start_date", "end_date"),
        ("treatments", "start_date", "stop_date"),
    ],
)
def test_nothing_ends_before_it_begins(table: str, first: str, last: str) -> None:
    assert is_accepted(table, rows(table, {first: DAY, last: DAY}))
    assert is_accepted(table, rows(table, {first: DAY, last: NEXT_DAY}))
    assert not is_accepted(table, rows(table, {first: NEXT_DAY, last: DAY}))


@pytest.mark.parametrize("table", ["entities", "segments"])
def test_no_stretch_of_text_is_empty_or_backward(table: str) -> None:
    assert is_accepted(table, rows(table, {"start": 5, "end": 6}))
    assert not is_accepted(table, rows(table, {"start": 6, "end": 6}))
    assert not is_accepted(table, rows(table, {"start": 7, "end": 6}))
