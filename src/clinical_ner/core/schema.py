"""Every table of the project: names, types, keys and what holds between columns.

A table is written and read through `core.io`, which checks it both ways. Dates are midnight
timestamps without a zone; offsets are half-open code points of the note's text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
import pandera.pandas as pa

from clinical_ner.core.figures import COUNTS, MIX_SHARES, RATES, SHARES
from clinical_ner.core.span import ASSERTIONS, LABELS, SOURCES, TERM_KINDS
from clinical_ner.core.span import SECTIONS as SECTION_NAMES

NOT_BLANK = r"\S"
PATIENT_ID = r"^P\d{7,}$"
PROVIDER_ID = r"^DR\d{4}$"
STATE = r"^[A-Z]{2}$"
NOTE_ID = r"^[NL]\d{9}$"  # N: a patient's number and the visit; L: literature
SEXES = ("female", "male")
RACES = ("nh_white", "hispanic", "nh_black", "nh_asian", "nh_multiracial", "nh_aian", "nh_other")
INSURANCES = ("private", "medicare", "medicaid", "other_public", "uninsured", "dual")
SMOKING = ("never", "former", "current")
SEVERITIES = ("mild", "moderate", "severe")
ENCOUNTER_KINDS = ("wellness", "ambulatory", "emergency", "inpatient", "prenatal", "delivery", "telehealth")
STOP_REASONS = (
    *("completed", "resolved", "no_response", "adverse_effect"),
    *("contraindicated", "death", "other"),
)
RELATIVES = ("mother", "father", "sister", "brother", "grandmother", "grandfather", "daughter", "son")
PREGNANCY_OUTCOMES = ("live_birth", "stillbirth", "miscarriage", "ectopic", "termination", "ongoing")
NOTE_KINDS = (
    *("progress", "discharge", "consult", "emergency", "referral", "operative", "radiology"),
    *("case_report", "abstract", "genetics", "drug_safety"),  # literature, about nobody of the population
)


@dataclass(frozen=True)
class Table:
    """A named table: the pandera schema and the columns that identify a row."""

    name: str
    schema: pa.DataFrameSchema
    key: tuple[str, ...] = field(default=())


def _text(pattern: str | None = None, *, nullable: bool = False, among: tuple[str, ...] | None = None) -> pa.Column:
    checks = []
    if pattern:
        check = pa.Check.str_contains if pattern == NOT_BLANK else pa.Check.str_matches  # the latter looks at the start
        checks.append(check(pattern))
    if among:
        checks.append(pa.Check.isin(list(among)))
    return pa.Column(str, checks, nullable=nullable)


def _count(minimum: int = 0) -> pa.Column:
    return pa.Column("int64", pa.Check.ge(minimum))


def _date(*, nullable: bool = False) -> pa.Column:
    return pa.Column("datetime64[ns]", nullable=nullable)


def _ordered(first: str, second: str, *, strictly: bool = False) -> pa.Check:
    def holds(frame: pd.DataFrame) -> pd.Series[bool]:
        apart = frame[first] < frame[second] if strictly else frame[first] <= frame[second]
        return apart | frame[first].isna() | frame[second].isna()

    return pa.Check(holds, name=f"{first} {'<' if strictly else '<='} {second}")


def _table(name: str, key: tuple[str, ...], columns: dict[str, pa.Column], checks: tuple[pa.Check, ...] = ()) -> Table:
    schema = pa.DataFrameSchema(columns, checks=list(checks), strict=True, ordered=True, unique=list(key), name=name)
    return Table(name, schema, key)


# --- vocabulary: one row a surface form -------------------------------------------------------
DISEASES = _table(
    "diseases",
    ("term", "concept_id"),
    {
        "term": _text(NOT_BLANK),  # as it is written in running text
        "concept_id": _text(r"^D\d+$"),  # MeSH descriptor
        "name": _text(NOT_BLANK),  # the descriptor's preferred name
        "symptom": pa.Column(bool),  # MeSH tree C23.888 only: a sign or symptom, not a disease
        "icd10cm": _text(r"^[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?$", nullable=True),  # billable where the name allows
        "common": pa.Column(bool),  # of our own list of what clinicians write daily
    },
)
DRUGS = _table(
    "drugs",
    ("term", "concept_id"),
    {
        "term": _text(NOT_BLANK),
        "concept_id": _text(r"^(MESH|DRUGBANK|NAME):\S"),
        "name": _text(NOT_BLANK),  # the generic name, also of a brand
        "brand": pa.Column(bool),  # marked as one in the source, or guessed from its form
        "common": pa.Column(bool),  # in a national patient leaflet (MedlinePlus, NHS)
    },
)
PROCEDURES = _table(
    "procedures",
    ("term",),
    {
        "term": _text(NOT_BLANK),
        "concept_id": _text(r"^(PCS|OWN):\S"),  # OWN: of the first of the terms that name the same
        "kind": _text(among=("procedure", "therapy", "drug_class")),
        "common": pa.Column(bool),  # of our own list, not made from an ICD-10-PCS title
    },
)
SUBSTANCES = _table(
    "substances",
    ("term",),
    {
        "term": _text(NOT_BLANK),
        "concept_id": _text(r"^(MESH|OWN):\S"),
        "common": pa.Column(bool),  # of our own list of analytes
    },
)

# --- population: one row a person, an encounter, a condition, a treatment, a measurement ... -----
PATIENTS = _table(
    "patients",
    ("patient_id",),
    {
        "patient_id": _text(PATIENT_ID),
        "given_name": _text(NOT_BLANK),
        "family_name": _text(NOT_BLANK),
        "sex": _text(among=SEXES),
        "race_ethnicity": _text(among=RACES),
        "birth_date": _date(),
        "death_date": _date(nullable=True),
        "ssn": _text(r"^(000|666|9\d\d)-(0[1-9]|[1-4]\d)-\d{4}$"),  # never issued, and never an ITIN
        "phone": _text(r"^\d{3}-555-01\d\d$"),  # kept free for fiction
        "address": _text(NOT_BLANK),
        "city": _text(NOT_BLANK),
        "state": _text(STATE),
        "postal_code": _text(r"^\d{5}$"),
        "provider_id": _text(PROVIDER_ID),  # of primary care
        "insurance": _text(among=INSURANCES),
        "smoking": _text(among=SMOKING),
        "pack_years": pa.Column("float64", pa.Check.in_range(0, 250)),
        "smoking_start": _date(nullable=True),
        "smoking_stop": _date(nullable=True),
        "alcohol": _text(among=("none", "light", "moderate", "heavy")),
        "height_cm": pa.Column("float64", pa.Check.in_range(30, 230)),  # the body as of death or the reference date
        "weight_kg": pa.Column("float64", pa.Check.in_range(1, 350)),
        "bmi": pa.Column("float64", pa.Check.in_range(8, 90)),
        "death_cause": _text(r"^C\d+$", nullable=True),  # the condition; null: another cause
    },
    (
        *(_ordered("birth_date", "death_date"), _ordered("birth_date", "smoking_start")),
        *(_ordered("smoking_start", "smoking_stop"), _ordered("smoking_stop", "death_date")),
    ),
)
PROVIDERS = _table(
    "providers",
    ("provider_id",),
    {
        "provider_id": _text(PROVIDER_ID),
        "name": _text(NOT_BLANK),
        "specialty": _text(NOT_BLANK),
        "organisation": _text(NOT_BLANK),
        "city": _text(NOT_BLANK),
        "state": _text(STATE),
    },
)
ENCOUNTERS = _table(
    "encounters",
    ("encounter_id",),
    {
        "encounter_id": _text(r"^E\d+$"),
        "patient_id": _text(PATIENT_ID),
        "provider_id": _text(PROVIDER_ID),
        "kind": _text(among=ENCOUNTER_KINDS),
        "start_date": _date(),
        "end_date": _date(),
        "condition_id": _text(r"^C\d+$", nullable=True),  # the reason
    },
    (_ordered("start_date", "end_date"),),
)
CONDITIONS = _table(
    "conditions",
    ("condition_id",),
    {
        "condition_id": _text(r"^C\d+$"),
        "patient_id": _text(PATIENT_ID),
        "concept_id": _text(r"^D\d+$"),
        "name": _text(NOT_BLANK),
        "icd10cm": _text(r"^[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?$"),
        "onset_date": _date(),
        "diagnosed_date": _date(nullable=True),  # null: nobody knows of it, so it is neither coded nor treated
        "encounter_id": _text(r"^E\d+$", nullable=True),  # at which it was found
        "resolved_date": _date(nullable=True),
        "severity": _text(among=SEVERITIES),
        "complicates": _text(r"^C\d+$", nullable=True),  # the condition of which it is a complication
    },
    (
        *(_ordered("onset_date", "diagnosed_date"), _ordered("onset_date", "resolved_date")),
        _ordered("diagnosed_date", "resolved_date"),
    ),
)
TREATMENTS = _table(
    "treatments",
    ("treatment_id",),
    {
        "treatment_id": _text(r"^T\d+$"),
        "patient_id": _text(PATIENT_ID),
        "condition_id": _text(r"^C\d+$"),
        "encounter_id": _text(r"^E\d+$", nullable=True),
        "kind": _text(among=("drug", "procedure", "therapy")),
        "name": _text(NOT_BLANK),
        "concept_id": _text(r"^(MESH|DRUGBANK|NAME|PCS|OWN):\S", nullable=True),  # of the released vocabularies
        "dose": _text(nullable=True),
        "route": _text(NOT_BLANK, nullable=True),
        "line": _count(1),
        "start_date": _date(),
        "stop_date": _date(nullable=True),
        "stop_reason": _text(nullable=True, among=STOP_REASONS),
        "response": _text(nullable=True, among=("none", "partial", "full")),  # null: not judged yet
        "adverse_effect": _text(NOT_BLANK, nullable=True),
    },
    (_ordered("start_date", "stop_date"),),
)
OBSERVATIONS = _table(
    "observations",
    ("patient_id", "date", "loinc"),
    {
        "patient_id": _text(PATIENT_ID),
        "encounter_id": _text(r"^E\d+$"),
        "date": _date(),
        "loinc": _text(r"^\d{1,5}-\d$"),
        "name": _text(NOT_BLANK),
        "value": pa.Column("float64", pa.Check.ge(0)),
        "unit": _text(NOT_BLANK),
    },
)
IMMUNIZATIONS = _table(
    "immunizations",
    ("patient_id", "date", "cvx"),
    {
        "patient_id": _text(PATIENT_ID),
        "date": _date(),
        "cvx": _text(r"^\d{2,3}$"),
        "name": _text(NOT_BLANK),
        "dose_number": _count(1),
    },
)
ALLERGIES = _table(
    "allergies",
    ("patient_id", "substance"),
    {
        "patient_id": _text(PATIENT_ID),
        "substance": _text(NOT_BLANK),
        "concept_id": _text(NOT_BLANK, nullable=True),
        "category": _text(among=("drug", "food", "environment")),
        "reaction": _text(NOT_BLANK),
        "severity": _text(among=SEVERITIES),
        "onset_date": _date(),
    },
)
FAMILY_HISTORY = _table(
    "family_history",
    ("patient_id", "relative", "concept_id"),
    {
        "patient_id": _text(PATIENT_ID),
        "relative": _text(among=RELATIVES),
        "concept_id": _text(r"^D\d+$"),
        "name": _text(NOT_BLANK),
        "onset_age": pa.Column("float64", pa.Check.in_range(0, 110), nullable=True),
    },
)
PREGNANCIES = _table(
    "pregnancies",
    ("pregnancy_id",),
    {
        "pregnancy_id": _text(r"^G\d+$"),
        "patient_id": _text(PATIENT_ID),
        "start_date": _date(),
        "end_date": _date(nullable=True),
        "outcome": _text(among=PREGNANCY_OUTCOMES),
    },
    (_ordered("start_date", "end_date"),),
)

# --- notes: one row a text, a gold span, a piece of a template, a treatment-for-disease pair, a section ---
NOTES = _table(
    "notes",
    ("note_id",),
    {
        "note_id": _text(NOTE_ID),
        "patient_id": _text(PATIENT_ID, nullable=True),  # null: literature, about nobody of the population
        "kind": _text(among=NOTE_KINDS),
        "written_on": _date(),
        "text": _text(NOT_BLANK),
    },
)
ENTITIES = _table(
    "entities",
    ("note_id", "start"),
    {
        "note_id": _text(NOTE_ID),
        "start": _count(),
        "end": _count(1),
        "label": _text(among=LABELS),
        "concept_id": _text(NOT_BLANK),  # TEXT:words where the vocabulary has none
        "assertion": _text(among=ASSERTIONS),
        "section": _text(nullable=True, among=SECTION_NAMES),  # of the heading above; null: none was written
    },
    (_ordered("start", "end", strictly=True),),
)
SEGMENTS = _table(
    "segments",
    ("note_id", "start"),
    {
        "note_id": _text(NOTE_ID),
        "start": _count(),
        "end": _count(1),
        "template_id": _text(r"^[a-z_]+/[0-9a-f]{8}$"),
    },
    (_ordered("start", "end", strictly=True),),
)
RELATIONS = _table(
    "relations",
    ("note_id", "treatment_start", "disease_start"),
    {"note_id": _text(NOTE_ID), "treatment_start": _count(), "disease_start": _count()},
)

SECTIONS = _table(
    "sections",
    ("note_id", "start"),
    {
        "note_id": _text(NOTE_ID),
        "start": _count(),
        "end": _count(1),
        "section": _text(among=SECTION_NAMES),  # the stretch under its heading, heading included
    },
    (_ordered("start", "end", strictly=True),),
)

# --- dataset: who is held out, and the tokens that are trained on ------------------------------
SPLITS = _table(
    "splits",
    ("note_id",),
    {
        "note_id": _text(NOTE_ID),
        "train": pa.Column(bool),  # its sentences may be trained on
        "patient_seen": pa.Column(bool),  # another text of the same patient is trained on
    },
)
TEMPLATE_SPLITS = _table(
    "template_splits",
    ("template_id",),
    {
        "template_id": _text(r"^[a-z_]+/[0-9a-f]{8}$"),
        "seen": pa.Column(bool),  # its sentences may be trained on
        "calibrates": pa.Column(bool),  # of the others: its sentences say how sure the model may be
    },
)


def _tokens(name: str) -> Table:
    """One row a token of sentences that are read by themselves."""
    columns = {
        "sentence": _count(),
        "position": _count(),
        "token": _text(NOT_BLANK),
        "tag": _text(rf"^(O|[BI]-({'|'.join(LABELS)}))$"),
        "long_form": _text(NOT_BLANK, nullable=True),  # what the token abbreviates, as its text defines it
        "source": _text(among=SOURCES),
        "annotates": _text(rf"^({'|'.join(LABELS)})(,({'|'.join(LABELS)}))*$"),  # of any other label an O says nothing
    }
    return _table(name, ("sentence", "position"), columns)


TOKENS = _tokens("tokens")  # trained on
CALIBRATION = _tokens("calibration")  # of the templates that calibrate
LEXICON = _table(
    "lexicon",
    ("term", "kind"),
    {
        "term": _text(NOT_BLANK),
        "kind": _text(among=TERM_KINDS),
        "concept_id": _text(NOT_BLANK),
    },
)

# --- intake: one row a note that came from outside -----------------------------------------------
INGESTED = _table(
    "ingested",
    ("note_id",),
    {
        "note_id": _text(NOT_BLANK),  # as the sender has it
        "patient_id": _text(NOT_BLANK, nullable=True),
        "note_type": _text(NOT_BLANK, nullable=True),
        "written_on": _date(),
        "text": _text(NOT_BLANK),
        "content_sha256": _text(r"^[0-9a-f]{64}$"),  # of all the columns before
    },
)

# --- batch: what is extracted from any number of notes, whose ids are the user's own -----------
EXTRACTED_NOTES = _table(
    "extracted_notes",
    ("note_id",),
    {
        "note_id": _text(NOT_BLANK),
        "characters": _count(1),
        "entities": _count(),  # rows of extracted_entities
        "model_version": _text(r"^[0-9a-f]{12}$"),
    },
)
EXTRACTED_ENTITIES = _table(
    "extracted_entities",
    ("note_id", "start"),
    {
        "note_id": _text(NOT_BLANK),
        "start": _count(),
        "end": _count(1),
        "label": _text(among=LABELS),
        "text": _text(NOT_BLANK),
        "confidence": pa.Column("float64", pa.Check.in_range(0, 1)),
        "assertion": _text(among=ASSERTIONS),
        "section": _text(nullable=True, among=SECTION_NAMES),
        "trigger_start": pa.Column("Int64", pa.Check.ge(0), nullable=True),  # of the words that say the assertion
        "trigger_end": pa.Column("Int64", pa.Check.ge(1), nullable=True),
        "concept_id": _text(NOT_BLANK, nullable=True),
        "concept": _text(NOT_BLANK, nullable=True),
        "concept_kind": _text(NOT_BLANK, nullable=True),
        "icd10cm": _text(NOT_BLANK, nullable=True),
        "concept_score": pa.Column("float64", pa.Check.in_range(0, 1), nullable=True),
        "disease_start": pa.Column("Int64", pa.Check.ge(0), nullable=True),  # of what the treatment is for
        "model_version": _text(r"^[0-9a-f]{12}$"),
    },
    (_ordered("start", "end", strictly=True),),
)


# --- monitoring: one row a note as the tagger sees it, figures only ----------------------------
def _profiles(name: str) -> Table:
    """One row a note, FIGURES of `monitoring.profiles`: rates of the service and of the pipeline alike."""
    columns = {
        "note_id": _text(NOT_BLANK),
        "patient_id": _text(NOT_BLANK, nullable=True),  # null: not known, as in the service
        "written_on": _date(),
        **{name: _count() for name in COUNTS},
        **{name: pa.Column("float64", pa.Check.ge(0)) for name in RATES},
        **{name: pa.Column("float64", pa.Check.in_range(0, 1)) for name in (*SHARES, *MIX_SHARES)},
    }
    return _table(name, ("note_id",), columns)


PROFILES = _profiles("profiles")
REFERENCE = _profiles("reference")  # what the profiles are compared with
