"""A population leaves as CSV or FHIR R4: all that is in the record, nothing that is not, the same bytes each time."""

from __future__ import annotations

import importlib
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clinical_ner.core import io, params
from clinical_ner.core.errors import UserError
from clinical_ner.core.fhir import CVX, ICD10CM, LOINC, MESH, OWN_CODES, UCUM
from clinical_ner.core.schema import ALLERGIES, CONDITIONS, ENCOUNTERS, FAMILY_HISTORY, PATIENTS, TREATMENTS, Table
from clinical_ner.population import export, fhir
from clinical_ner.population.tables import POPULATION
from clinical_ner.population.writing import write_population

ROOT = Path(__file__).parents[3]
PEOPLE = 30
NOBODY = fhir.Known(frozenset(), {"DR0001": "org"})
# A row of each table, of which a test states only what it is about.
ROW: dict[str, dict[str, Any]] = {
    "patients": {
        "patient_id": "P0000001",
        "given_name": "Ana",
        "family_name": "Ruiz",
        "sex": "female",
        "race_ethnicity": "nh_white",
        "birth_date": "1960-05-04",
        "death_date": None,
        "ssn": "900-01-0001",
        "phone": "212-555-0101",
        "address": "1 Main Street",
        "city": "Troy",
        "state": "NY",
        "postal_code": "12180",
        "provider_id": "DR0001",
        "insurance": "private",
        "smoking": "never",
        "pack_years": 0.0,
        "smoking_start": None,
        "smoking_stop": None,
        "alcohol": "none",
        "height_cm": 160.0,
        "weight_kg": 64.0,
        "bmi": 25.0,
        "death_cause": None,
    },
    "providers": {
        "provider_id": "DR0001",
        "name": "Dr. Lee",
        "specialty": "family medicine",
        "organisation": "Troy Health Center",
        "city": "Troy",
        "state": "NY",
    },
    "encounters": {
        "encounter_id": "E1",
        "patient_id": "P0000001",
        "provider_id": "DR0001",
        "kind": "ambulatory",
        "start_date": "2020-01-02",
        "end_date": "2020-01-02",
        "condition_id": "C1",
    },
    "conditions": {
        "condition_id": "C1",
        "patient_id": "P0000001",
        "concept_id": "D003924",
        "name": "type 2 diabetes mellitus",
        "icd10cm": "E11.9",
        "onset_date": "2018-03-01",
        "diagnosed_date": "2020-01-02",
        "encounter_id": "E1",
        "resolved_date": None,
        "severity": "moderate",
        "complicates": None,
    },
    "treatments": {
        "treatment_id": "T1",
        "patient_id": "P0000001",
        "condition_id": "C1",
        "encounter_id": "E1",
        "kind": "drug",
        "name": "metformin",
        "concept_id": "MESH:D008687",
        "dose": "500 mg twice daily",
        "route": "oral",
        "line": 1,
        "start_date": "2020-01-02",
        "stop_date": None,
        "stop_reason": None,
        "response": None,
        "adverse_effect": None,
    },
    "observations": {
        "patient_id": "P0000001",
        "encounter_id": "E1",
        "date": "2020-01-02",
        "loinc": "4548-4",
        "name": "Hemoglobin A1c",
        "value": 7.5,
        "unit": "%",
    },
    "immunizations": {
        "patient_id": "P0000001",
        "date": "2020-10-01",
        "cvx": "140",
        "name": "influenza vaccine",
        "dose_number": 1,
    },
    "allergies": {
        "patient_id": "P0000001",
        "substance": "penicillin",
        "concept_id": "MESH:D010406",
        "category": "drug",
        "reaction": "rash",
        "severity": "mild",
        "onset_date": "1990-01-01",
    },
    "family_history": {
        "patient_id": "P0000001",
        "relative": "mother",
        "concept_id": "D003924",
        "name": "type 2 diabetes mellitus",
        "onset_age": 55,
    },
    "pregnancies": {
        "pregnancy_id": "G1",
        "patient_id": "P0000001",
        "start_date": "1985-01-01",
        "end_date": "1985-10-01",
        "outcome": "live_birth",
    },
}


def row(table: str, **changes: Any) -> dict[str, Any]:
    assert changes.keys() <= ROW[table].keys()
    return ROW[table] | changes


def made(make: fhir.Make, table: str, *changes: dict[str, Any], known: fhir.Known = NOBODY) -> list[dict[str, Any]]:
    return list(make([row(table, **change) for change in changes or ({},)], known))


def only(make: fhir.Make, table: str, *, known: fhir.Known = NOBODY, **changes: Any) -> dict[str, Any]:
    [resource] = made(make, table, changes, known=known)
    return resource


def codes(concept: dict[str, Any]) -> dict[str, str]:
    return {coding["system"]: coding["code"] for coding in concept.get("coding", [])}


def code(concept: dict[str, Any]) -> str:
    return str(concept["coding"][0]["code"])


def frame(table: Table, rows: list[dict[str, Any]]) -> pd.DataFrame:
    types = {name: str(column.dtype) for name, column in table.schema.columns.items()}
    words = {name: "object" for name, dtype in types.items() if dtype == "str"}
    return pd.DataFrame(rows, columns=list(types)).astype(types | words)


def write_record(folder: Path, **changed: list[dict[str, Any]]) -> Path:
    """The tables of one patient, or those that are changed."""
    for table in POPULATION:
        rows = changed.get(table.name, [ROW[table.name]])
        io.write(table, frame(table, rows), folder)
    return folder


def exported(folder: Path, out: Path, form: export.ExportFormat, *, replace: bool = False) -> dict[str, str]:
    """The text of every file of an export by its name."""
    export.export_population(folder, out, form, lambda _: None, replace=replace)
    return {path.name: path.read_text("utf-8") for path in sorted(out.iterdir())}


def resources(files: dict[str, str]) -> list[dict[str, Any]]:
    return [json.loads(line) for text in files.values() for line in text.splitlines()]


@pytest.fixture(scope="module")
def town_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    section = params.load(ROOT / "params.yaml").population
    write_population(section.model_copy(update={"seed": 7, "patients": PEOPLE}), folder)
    return folder


@pytest.fixture(scope="module")
def town_fhir(town_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return exported(town_folder, tmp_path_factory.mktemp("out") / "fhir", "fhir")


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return write_record(tmp_path / "record")


# --- FHIR: the whole -------------------------------------------------------------------------------
def standard(kind: str) -> Callable[[dict[str, Any]], Any]:
    validate: Callable[[dict[str, Any]], Any] = getattr(
        importlib.import_module(f"fhir.resources.R4B.{kind.lower()}"), kind
    ).model_validate
    return validate


def test_the_models_of_the_standard_accept_every_line_of_a_sampled_population(town_fhir: dict[str, str]) -> None:
    pytest.importorskip("fhir.resources")

    for name, text in town_fhir.items():
        validate = standard(name.removesuffix(".ndjson"))
        for line in text.splitlines():
            validate(json.loads(line))


def test_the_models_of_the_standard_accept_a_resource_of_every_kind(record: Path, tmp_path: Path) -> None:
    pytest.importorskip("fhir.resources")
    write_record(record, treatments=[ROW["treatments"], row("treatments", treatment_id="T2", kind="therapy")])
    found = resources(exported(record, tmp_path / "fhir", "fhir"))

    for resource in found:
        standard(resource["resourceType"])(resource)
    assert {resource["resourceType"] for resource in found} == {kind for kind, _, _ in fhir.RESOURCES}


def test_every_reference_leads_to_a_resource_of_the_export(town_fhir: dict[str, str]) -> None:
    there = {f"{resource['resourceType']}/{resource['id']}" for resource in resources(town_fhir)}

    named = set(re.findall(r'"reference":"([^"]*)"', "".join(town_fhir.values())))

    assert len(named) > PEOPLE
    assert named <= there


def test_an_id_is_one_resource_and_one_that_the_standard_allows(town_fhir: dict[str, str]) -> None:
    ids = Counter((resource["resourceType"], resource["id"]) for resource in resources(town_fhir))

    assert set(ids.values()) == {1}
    assert all(re.fullmatch(r"[A-Za-z0-9.-]{1,64}", identifier) for _, identifier in ids)


def test_there_are_as_many_resources_as_rows(town_folder: Path, town_fhir: dict[str, str]) -> None:
    lines = {name.removesuffix(".ndjson"): len(text.splitlines()) for name, text in town_fhir.items()}
    treatments, conditions = (io.read(table, town_folder) for table in (TREATMENTS, CONDITIONS))

    assert lines["Patient"] == PEOPLE
    assert lines["MedicationRequest"] + lines["Procedure"] == len(treatments)
    assert lines["MedicationRequest"] == (treatments["kind"] == "drug").sum() > 0
    assert lines["Condition"] == conditions["diagnosed_date"].notna().sum() > 0


@pytest.mark.parametrize("form", ["csv", "fhir"])
def test_how_many_rows_are_read_at_a_time_changes_no_byte(
    town_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: export.ExportFormat
) -> None:
    whole = exported(town_folder, tmp_path / "whole", form)
    monkeypatch.setattr(export, "ROWS_AT_A_TIME", 37)

    assert exported(town_folder, tmp_path / "parts", form) == whole


# --- FHIR: each kind -------------------------------------------------------------------------------
def test_what_nobody_has_diagnosed_is_not_exported_and_nothing_refers_to_it(tmp_path: Path) -> None:
    hidden = row("conditions", condition_id="C2", diagnosed_date=None, encounter_id=None)
    due_to_it = row("conditions", condition_id="C3", complicates="C2")
    folder = write_record(tmp_path / "in", conditions=[ROW["conditions"], hidden, due_to_it])

    files = exported(folder, tmp_path / "out", "fhir")

    assert [json.loads(line)["id"] for line in files["Condition.ndjson"].splitlines()] == ["C1", "C3"]
    assert "C2" not in "".join(files.values())


def test_a_complication_names_its_cause() -> None:
    [extension] = only(fhir.conditions, "conditions", complicates="C9")["extension"]

    assert extension == {"url": fhir.DUE_TO, "valueReference": {"reference": "Condition/C9"}}


@pytest.mark.parametrize(("resolved", "status"), [(None, "active"), ("2021-01-01", "resolved")])
def test_a_condition_is_active_until_it_has_resolved(resolved: str | None, status: str) -> None:
    condition = only(fhir.conditions, "conditions", resolved_date=resolved)

    assert code(condition["clinicalStatus"]) == status
    assert condition.get("abatementDateTime") == resolved
    assert (condition["onsetDateTime"], condition["recordedDate"]) == ("2018-03-01", "2020-01-02")
    assert code(condition["verificationStatus"]) == "confirmed"


def test_codes_are_those_of_registered_systems() -> None:
    condition = only(fhir.conditions, "conditions")
    drug = only(fhir.medication_requests, "treatments")
    vaccine = only(fhir.immunizations, "immunizations")

    assert codes(condition["code"]) == {ICD10CM: "E11.9", MESH: "D003924"}
    assert codes(drug["medicationCodeableConcept"]) == {MESH: "D008687"}
    assert codes(vaccine["vaccineCode"]) == {CVX: "140"}


def test_a_concept_of_no_registered_system_has_a_code_of_our_own_and_one_without_an_id_only_words() -> None:
    own = only(fhir.procedures, "treatments", kind="procedure", name="mastectomy", concept_id="OWN:mastectomy")
    words = only(fhir.procedures, "treatments", kind="procedure", name="mastectomy", concept_id=None)

    assert codes(own["code"]) == {OWN_CODES: "OWN:mastectomy"}
    assert words["code"] == {"text": "mastectomy"}


@pytest.mark.parametrize(
    ("stop", "drug", "therapy"),
    [
        ({}, "active", "in-progress"),
        ({"stop_date": "2021-01-01", "stop_reason": "completed"}, "completed", "completed"),
        ({"stop_date": "2021-01-01", "stop_reason": "resolved"}, "completed", "completed"),
        ({"stop_date": "2021-01-01", "stop_reason": "adverse_effect"}, "stopped", "stopped"),
        ({"stop_date": "2021-01-01", "stop_reason": "death"}, "stopped", "stopped"),
    ],
)
def test_a_treatment_has_the_status_that_its_end_gives_it(stop: dict[str, str], drug: str, therapy: str) -> None:
    request = only(fhir.medication_requests, "treatments", **stop)
    procedure = only(fhir.procedures, "treatments", kind="therapy", **stop)

    assert (request["status"], procedure["status"]) == (drug, therapy)
    assert request.get("statusReason", {}).get("text") == stop.get("stop_reason")
    assert procedure["performedPeriod"].get("end") == stop.get("stop_date")


def test_a_drug_keeps_its_dose_its_reason_its_response_and_its_adverse_effect() -> None:
    request = only(fhir.medication_requests, "treatments", response="partial", adverse_effect="nausea")

    assert request["dosageInstruction"] == [{"text": "500 mg twice daily", "route": {"text": "oral"}}]
    assert request["reasonReference"] == [{"reference": "Condition/C1"}]
    assert request["encounter"] == {"reference": "Encounter/E1"}
    assert request["extension"] == [
        {"url": fhir.RESPONSE, "valueCode": "partial"},
        {"url": fhir.ADVERSE_EFFECT, "valueString": "nausea"},
    ]


def test_a_drug_is_no_procedure_and_a_procedure_no_drug() -> None:
    kinds = [{"kind": "drug"}, {"kind": "procedure"}, {"kind": "therapy"}]

    assert len(made(fhir.medication_requests, "treatments", *kinds)) == 1
    assert len(made(fhir.procedures, "treatments", *kinds)) == 2


def test_the_blood_pressures_of_a_day_are_the_components_of_one_observation() -> None:
    pressures = [
        {"loinc": "8462-4", "name": "Diastolic blood pressure", "value": 81.0, "unit": "mm[Hg]"},
        {"loinc": "8480-6", "name": "Systolic blood pressure", "value": 127.0, "unit": "mm[Hg]"},
    ]
    days = [{**pressure, "date": day} for day in ("2020-01-02", "2020-07-02") for pressure in pressures]

    first, second = made(fhir.observations, "observations", *days)

    assert codes(first["code"]) == {LOINC: "85354-9"}
    assert [(code(part["code"]), part["valueQuantity"]["value"]) for part in first["component"]] == [
        ("8480-6", 127.0),
        ("8462-4", 81.0),
    ]
    assert (first["effectiveDateTime"], second["effectiveDateTime"]) == ("2020-01-02", "2020-07-02")
    assert "valueQuantity" not in first


def test_a_blood_pressure_alone_is_an_observation_of_its_own() -> None:
    alone = only(fhir.observations, "observations", loinc="8480-6", unit="mm[Hg]")

    assert codes(alone["code"]) == {LOINC: "8480-6"}
    assert code(alone["category"][0]) == "vital-signs"


@pytest.mark.parametrize(
    ("loinc", "category"), [("4548-4", "laboratory"), ("39156-5", "vital-signs"), ("44261-6", "survey")]
)
def test_a_measurement_has_its_category_and_its_unit_in_ucum(loinc: str, category: str) -> None:
    measured = only(fhir.observations, "observations", loinc=loinc)

    assert code(measured["category"][0]) == category
    assert measured["valueQuantity"] == {"value": 7.5, "unit": "%", "system": UCUM, "code": "%"}


@pytest.mark.parametrize(
    ("race", "categories"),
    [
        ("nh_black", {"us-core-race": "2054-5", "us-core-ethnicity": "2186-5"}),
        ("hispanic", {"us-core-ethnicity": "2135-2"}),
        ("nh_multiracial", {"us-core-race": None, "us-core-ethnicity": "2186-5"}),
    ],
)
def test_race_and_ethnicity_are_the_categories_of_us_core(race: str, categories: dict[str, str | None]) -> None:
    extensions = only(fhir.patients, "patients", race_ethnicity=race)["extension"][:-1]

    found = {}
    for extension in extensions:
        parts = {part["url"]: part for part in extension["extension"]}
        assert parts["text"]["valueString"]
        found[extension["url"].rsplit("/", 1)[1]] = parts.get("ombCategory", {}).get("valueCoding", {}).get("code")
    assert found == categories


@pytest.mark.parametrize(
    ("make", "table", "column"),
    [
        (fhir.patients, PATIENTS, "race_ethnicity"),
        (fhir.smoking, PATIENTS, "smoking"),
        (fhir.encounters, ENCOUNTERS, "kind"),
        (fhir.allergies, ALLERGIES, "category"),
        (fhir.family_history, FAMILY_HISTORY, "relative"),
    ],
)
def test_every_value_that_a_column_may_hold_has_its_code(make: fhir.Make, table: Table, column: str) -> None:
    [check] = table.schema.columns[column].checks
    values = check.statistics["allowed_values"]

    assert len(made(make, table.name, *({column: value} for value in values))) == len(values) > 1


def test_the_dead_have_a_day_of_death_and_the_living_none() -> None:
    assert only(fhir.patients, "patients", death_date="2023-04-05")["deceasedDateTime"] == "2023-04-05"
    assert "deceasedDateTime" not in only(fhir.patients, "patients")


def test_a_relative_is_one_resource_with_all_that_they_had() -> None:
    had = [{"concept_id": "D003924"}, {"concept_id": "D006973", "onset_age": None}, {"relative": "son"}]

    mother, son = made(fhir.family_history, "family_history", *had)

    assert (code(mother["relationship"]), code(son["relationship"])) == ("MTH", "SON")
    assert [part.get("onsetAge", {}).get("value") for part in mother["condition"]] == [55, None]


def test_an_organisation_is_exported_once_for_all_who_work_there() -> None:
    both = made(fhir.organisations, "providers", {"provider_id": "DR0002"}, {"provider_id": "DR0001"})

    assert [organisation["name"] for organisation in both] == ["Troy Health Center"]
    assert both[0]["id"] == fhir.organisation_id("Troy Health Center")


# --- CSV ------------------------------------------------------------------------------------------
def test_csv_holds_every_table_as_it_is(town_folder: Path, tmp_path: Path) -> None:
    files = exported(town_folder, tmp_path / "csv", "csv")

    assert files.keys() == {f"{table.name}.csv" for table in POPULATION}
    for table in POPULATION:
        expected = io.read(table, town_folder)
        dates = [name for name, dtype in expected.dtypes.items() if "datetime" in str(dtype)]
        found = pd.read_csv(tmp_path / "csv" / f"{table.name}.csv", parse_dates=dates, dtype=dtypes(expected))
        pd.testing.assert_frame_equal(plain(found), plain(expected))


def dtypes(frame: pd.DataFrame) -> dict[Any, str]:
    return {name: "str" for name, dtype in frame.dtypes.items() if str(dtype) == "object"}


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The same values, with one sign for what is missing."""
    return frame.astype(object).where(frame.notna(), None)


def test_csv_writes_days_without_a_time_and_nothing_for_what_is_missing(record: Path, tmp_path: Path) -> None:
    header, line = exported(record, tmp_path / "csv", "csv")["encounters.csv"].splitlines()

    assert header == "encounter_id,patient_id,provider_id,kind,start_date,end_date,condition_id"
    assert line.replace('"', "") == "E1,P0000001,DR0001,ambulatory,2020-01-02,2020-01-02,C1"
    assert exported(record, tmp_path / "again", "csv")["patients.csv"].endswith(",160,64,25,\n")


# --- all or nothing -------------------------------------------------------------------------------
def test_an_export_stops_before_a_folder_that_holds_something(record: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work", "utf-8")

    with pytest.raises(UserError, match=r"out exists already\n  remedy: .*--force"):
        exported(record, tmp_path / "out", "csv")

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_a_forced_export_replaces_its_own_files_and_leaves_the_others(record: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work", "utf-8")
    (tmp_path / "out" / "patients.csv").write_text("old", "utf-8")

    files = exported(record, tmp_path / "out", "csv", replace=True)

    assert files["thesis.txt"] == "years of work"
    assert "Ruiz" in files["patients.csv"]


@pytest.mark.parametrize("form", ["csv", "fhir"])
def test_an_export_that_fails_leaves_nothing_behind(record: Path, tmp_path: Path, form: export.ExportFormat) -> None:
    (record / "pregnancies.parquet").write_bytes(b"PAR1 but no table")

    with pytest.raises(UserError, match=r"pregnancies\.parquet cannot be read as Parquet"):
        exported(record, tmp_path / "out", form)

    assert [path.name for path in tmp_path.iterdir()] == ["record"]


def test_a_row_that_is_not_as_the_schema_says_is_named(record: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(export, "ROWS_AT_A_TIME", 2)
    patients = [row("patients", patient_id=f"P000000{number}") for number in range(5)]
    table = frame(PATIENTS, patients)
    table.loc[4, "sex"] = "unknown"
    table.to_parquet(record / "patients.parquet", index=False)

    with pytest.raises(UserError, match=r"column 'sex', row 4: fails"):
        exported(record, tmp_path / "out", "csv")


def test_a_missing_table_is_named(record: Path) -> None:
    (record / "observations.parquet").unlink()

    with pytest.raises(UserError, match=r"observations\.parquet does not exist"):
        export.rows_to_export(record, "fhir")


@pytest.mark.parametrize("form", ["csv", "fhir"])
def test_progress_is_told_of_every_row_that_is_read(record: Path, tmp_path: Path, form: export.ExportFormat) -> None:
    told: list[int] = []

    export.export_population(record, tmp_path / "out", form, told.append, replace=False)

    assert sum(told) == export.rows_to_export(record, form)
