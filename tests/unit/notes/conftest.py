"""Four patients and a vocabulary of a few dozen words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache
from typing import NamedTuple

import pandas as pd
import pytest

from clinical_ner.core.io import Vocabulary
from clinical_ner.core.params import NotesParams
from clinical_ner.notes.charts import Chart, Record, charts
from clinical_ner.notes.draws import Draws
from clinical_ner.notes.tables import Writing, write_notes
from clinical_ner.notes.templates import short_names
from clinical_ner.notes.terms import Lexis, lexis

REFERENCE_DATE = date(2024, 12, 31)
STOPPED = ("adverse_effect", None, "epilepsy")  # why, with what response, and with what effect
DISEASES = {
    "D006973": ("Hypertension", ["hypertension", "HTN", "essential hypertension"]),
    "D000075222": ("Essential Hypertension", ["Essential hypertension", "idiopathic hypertension"]),
    "D003924": ("Diabetes Mellitus, Type 2", ["type 2 diabetes mellitus", "T2DM"]),
    "D029424": ("Pulmonary Disease, Chronic Obstructive", ["COPD", "chronic obstructive lung disease"]),
    "D011014": ("Pneumonia", ["pneumonia", "lung inflammation"]),
    "D006073": ("Gout", ["gout"]),
    "D001249": ("Asthma", ["asthma", "bronchial asthma"]),
    "D008180": ("Lupus Erythematosus, Systemic", ["SLE", "lupus"]),
    "D011565": ("Psoriasis", ["psoriasis"]),
    "D010051": ("Ovarian Neoplasms", ["ovarian cancer"]),
    "D011225": ("Pre-Eclampsia", ["pre-eclampsia", "preeclampsia"]),
    "D011471": ("Prostatic Neoplasms", ["prostate cancer", "prostatic neoplasms"]),
    "D012559": ("Schizophrenia", ["schizophrenia"]),
    "D002446": ("Celiac Disease", ["celiac disease"]),
    "D005901": ("Glaucoma", ["glaucoma"]),
    "D004827": ("Epilepsy", ["epilepsy", "seizure disorder"]),
}
DRUGS = ["lisinopril", "amlodipine", "metformin", "tiotropium", "amoxicillin", "aspirin", "allopurinol", "warfarin"]
TREATMENTS = {
    "procedure": ["hysterectomy", "prostatectomy", "cholecystectomy", "biopsy excision", "splenectomy", "angioplasty"],
    "therapy": ["radiotherapy", "dialysis", "physiotherapy", "psychotherapy", "oxygen therapy"],
    "drug_class": ["antibiotics", "statins", "steroids", "diuretics", "opioids"],
}
ANALYTES = ["PSA", "CA 125", "hemoglobin", "creatinine", "sodium", "potassium", "ferritin", "glucose", "albumin"]


class Study(NamedTuple):
    """The hand-made tables, with the notes written of them at a seed."""

    record: Record
    lexis: Lexis

    def write(self, seed: int = 1, patients: slice = slice(None), **changes: float) -> Writing:
        """The notes; `patients` chooses the rows of the patients' table."""
        settings = {"notes_per_patient": 3, "literature_texts": 6, "typo_rate": 0.3, "entity_typo_rate": 0, **changes}
        record = self.record._replace(patients=self.record.patients[patients])
        params = NotesParams.model_validate({"seed": seed, **settings})
        return write_notes(record, self.lexis, params, REFERENCE_DATE)


def small_vocabulary() -> Vocabulary:
    diseases = pd.DataFrame(
        [(term, key, name, False, None, False) for key, (name, forms) in DISEASES.items() for term in forms]
        + [("fever", "D005334", "Fever", True, "R50.9", False)],
        columns=["term", "concept_id", "name", "symptom", "icd10cm", "common"],
    )
    drugs = pd.DataFrame(
        [(name, f"NAME:{name}", name, False, True) for name in DRUGS]
        + [("Rareomycin", "NAME:rareomycin", "rareomycin", True, False)],
        columns=["term", "concept_id", "name", "brand", "common"],
    )
    procedures = pd.DataFrame(
        [(term, f"OWN:{term}", kind, True) for kind, terms in TREATMENTS.items() for term in terms],
        columns=["term", "concept_id", "kind", "common"],
    )
    substances = pd.DataFrame(
        [(term, f"OWN:{term.lower()}", True) for term in ANALYTES], columns=["term", "concept_id", "common"]
    )
    return Vocabulary(diseases, drugs, procedures, substances)


def small_record() -> Record:
    patients = pd.DataFrame(
        [
            ("P0000001", "Ann", "Lee", "female", "1960-05-17", None, 160.0),
            ("P0000002", "Bob", "Ray", "male", "1948-02-29", "2023-05-10", 175.0),
            ("P0000003", "Cid", "Fox", "male", "2015-08-01", None, 120.0),
            ("P0000004", "Dot", "Kay", "female", "2024-11-30", None, 55.0),
        ],
        columns=["patient_id", "given_name", "family_name", "sex", "birth_date", "death_date", "height_cm"],
    ).assign(
        provider="Dr. Smith",
        smoking=["former", "current", "never", "never"],
        smoking_start=["1980-01-01", "1966-01-01", None, None],
        smoking_stop=["2022-06-01", None, None, None],
        pack_years=[21.0, 57.0, 0.0, 0.0],
        alcohol=["light", "heavy", "none", "none"],
    )
    conditions = pd.DataFrame(
        [
            ("C1", "P0000001", "D006973", "hypertension", "2009-03-01", "2011-03-01", None),
            ("C2", "P0000001", "D003924", "type 2 diabetes", "2015-06-01", "2015-06-01", None),
            ("C3", "P0000001", "D011014", "pneumonia", "2022-01-10", "2022-01-10", "2022-02-10"),
            ("C4", "P0000001", "D006073", "gout", "2023-03-01", "2023-07-01", None),
            ("C7", "P0000001", "D005901", "glaucoma", "2018-01-01", None, None),
            ("C5", "P0000002", "D029424", "COPD", "2001-01-01", "2001-01-01", None),
            ("C6", "P0000002", "D006973", "hypertension", "1990-01-01", "1990-01-01", None),
        ],
        columns=["condition_id", "patient_id", "concept_id", "name", "onset_date", "diagnosed_date", "resolved_date"],
    )
    treatments = pd.DataFrame(
        [
            ("T1", "P0000001", "C1", "drug", "lisinopril", "20 mg daily", "2011-03-05", None, None, "full", None),
            ("T2", "P0000001", "C1", "drug", "amlodipine", None, "2022-09-01", "2023-09-01", *STOPPED),
            ("T9", "P0000001", "C1", "drug", "warfarin", None, "2023-09-11", None, None, "none", None),
            (
                "T3",
                "P0000001",
                "C2",
                "drug",
                "metformin",
                "500 mg twice daily",
                "2022-03-01",
                None,
                None,
                "partial",
                None,
            ),
            (
                "T4",
                "P0000001",
                "C3",
                "drug",
                "amoxicillin",
                None,
                "2022-01-10",
                "2022-01-20",
                "completed",
                "full",
                None,
            ),
            ("T5", "P0000001", "C4", "drug", "allopurinol", None, "2024-01-01", None, None, "partial", "nausea"),
            ("T6", "P0000002", "C5", "drug", "tiotropium", None, "2002-01-01", None, None, "full", None),
            ("T7", "P0000002", "C5", "therapy", "oxygen therapy", None, "2020-01-01", None, None, "none", None),
            ("T8", "P0000002", "C6", "procedure", "angioplasty", None, "2021-05-05", "2021-05-05", None, None, None),
        ],
        columns=[
            *("treatment_id", "patient_id", "condition_id", "kind", "name", "dose", "start_date", "stop_date"),
            *("stop_reason", "response", "adverse_effect"),
        ],
    )
    encounters = pd.DataFrame(
        [
            ("P0000001", "ambulatory", "2021-06-01", "2021-06-01", "C1"),
            ("P0000001", "inpatient", "2022-01-10", "2022-01-16", "C3"),
            ("P0000001", "ambulatory", "2022-09-01", "2022-09-01", "C1"),
            ("P0000001", "wellness", "2023-10-20", "2023-10-20", None),
            ("P0000001", "emergency", "2024-01-01", "2024-01-01", "C4"),
            ("P0000001", "ambulatory", "2024-08-01", "2024-08-01", "C2"),
            ("P0000002", "ambulatory", "2020-03-01", "2020-03-01", "C5"),
            ("P0000002", "inpatient", "2021-05-05", "2021-05-08", "C6"),
            ("P0000002", "ambulatory", "2022-05-05", "2022-05-05", "C6"),
            ("P0000002", "inpatient", "2023-05-06", "2023-05-10", "C5"),
            ("P0000003", "wellness", "2022-08-01", "2022-08-01", None),
            ("P0000003", "emergency", "2023-11-11", "2023-11-11", None),
        ],
        columns=["patient_id", "kind", "start_date", "end_date", "condition_id"],
    ).assign(provider="Dr. Jones")
    observations = pd.DataFrame(
        [
            ("P0000001", "2021-06-01", "8480-6", 147.0),
            ("P0000001", "2021-06-01", "8462-4", 91.0),
            ("P0000001", "2022-02-01", "4548-4", 9.1),
            ("P0000001", "2022-01-10", "8310-5", 38.9),
            ("P0000001", "2023-10-20", "29463-7", 61.4),
            ("P0000001", "2023-10-20", "39156-5", 23.9),
            ("P0000001", "2023-10-20", "4548-4", 7.2),
            ("P0000001", "2023-10-20", "2160-0", 0.84),
            ("P0000001", "2024-08-01", "4548-4", 7.0),
            ("P0000002", "2022-05-05", "2160-0", 2.31),
            ("P0000002", "2022-05-05", "8480-6", 171.0),
            ("P0000002", "2022-05-05", "8462-4", 88.0),
        ],
        columns=["patient_id", "date", "loinc", "value"],
    )
    allergies = pd.DataFrame(
        [
            ("P0000001", "penicillin", "drug", "hives", "2001-01-01"),
            ("P0000001", "shellfish", "food", "asthma", "1990-01-01"),
            ("P0000002", "aspirin", "drug", "asthma", "2022-01-01"),
        ],
        columns=["patient_id", "substance", "category", "reaction", "onset_date"],
    )
    family = pd.DataFrame(
        [
            ("P0000001", "mother", "D003924", "type 2 diabetes mellitus"),
            ("P0000001", "mother", "D011565", "psoriasis"),
            ("P0000001", "father", "D012559", "schizophrenia"),
            ("P0000003", "sister", "D002446", "celiac disease"),
        ],
        columns=["patient_id", "relative", "concept_id", "name"],
    )
    pregnancies = pd.DataFrame(
        [("P0000001", "2022-07-01", "2023-03-20", "live_birth")],
        columns=["patient_id", "start_date", "end_date", "outcome"],
    )
    tables = (patients, conditions, treatments, encounters, observations, allergies, family, pregnancies)
    return Record(*(_with_dates(frame) for frame in tables))


def _with_dates(frame: pd.DataFrame) -> pd.DataFrame:
    days = [name for name in frame if name.endswith(("date", "smoking_start", "smoking_stop"))]
    return frame.assign(**{name: pd.to_datetime(frame[name]) for name in days})


@cache
def _study() -> Study:
    record = small_record()
    return Study(record, lexis(small_vocabulary(), set(record.conditions["concept_id"])))


@pytest.fixture(scope="session")
def study() -> Study:
    return _study()


@pytest.fixture(scope="session")
def forms() -> dict[str, set[str]]:
    """Every concept with its surface forms in lower case."""
    vocabulary = small_vocabulary()
    found: dict[str, set[str]] = {}
    for frame in (vocabulary.diseases, vocabulary.drugs, vocabulary.procedures):
        for term, concept_id in zip(frame["term"], frame["concept_id"], strict=True):
            found.setdefault(concept_id, set()).add(term.lower())
    for row in small_record().conditions.to_dict("records"):
        found[row["concept_id"]].add(row["name"].lower())
    for key, (name, _) in DISEASES.items():
        found[key].add(" ".join(reversed(name.lower().split(", "))))
    for name in small_record().treatments["name"]:
        concept_id = _study().lexis.treatment_ids[name]
        found[concept_id] |= {form.lower() for form in short_names().get(name, ())}
    found["NAME:penicillin"] = {"penicillin"}
    return found


@pytest.fixture
def draws() -> Draws:
    return Draws(1, "x")


@pytest.fixture(scope="session")
def chart() -> Callable[[str], Chart]:
    """The record of one of the four patients, by id."""

    found = {chart.patient["patient_id"]: chart for chart in charts(small_record())}
    return found.__getitem__
