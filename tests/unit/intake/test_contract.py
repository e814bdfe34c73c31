"""One statement of what a note is, and a named reason for each row that is none."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from pydantic import ValidationError
from tests.test_architecture import ROOT

from clinical_ner.core import note, params
from clinical_ner.intake.contract import Fault, Limits, NewNote, Reason, judged
from clinical_ner.serving import contract as api
from clinical_ner.serving.settings import Settings

LIMITS = Limits(characters=50, earliest=date(2000, 1, 1), latest=date(2026, 3, 2))
GOOD = {"id": "n-1", "text": "Gout, on allopurinol.", "written_on": "2026-03-01"}


@pytest.mark.parametrize(
    "written",
    ["2026-03-01", "2026-03-01T23:59:00Z", "2026-03-01 10:00", date(2026, 3, 1), datetime(2026, 3, 1, 9)],  # noqa: DTZ001
)
def test_a_date_or_time_in_any_of_its_writings_is_its_day(written: object) -> None:
    found = judged(GOOD | {"written_on": written}, LIMITS)

    assert isinstance(found, NewNote)
    assert found.written_on == date(2026, 3, 1)


def test_names_of_our_own_tables_a_number_as_an_id_and_blanks_for_nothing_are_understood() -> None:
    found = judged(
        {"note_id": 17, "kind": "progress", "patient_id": " ", "text": "Gout", "written_on": "2026-03-01"}, LIMITS
    )

    assert isinstance(found, NewNote)
    assert (found.note_id, found.note_type, found.patient_id) == ("17", "progress", None)


@pytest.mark.parametrize(
    ("changed", "reason", "field"),
    [
        ({"text": None}, Reason.WRONG_TYPE, "text"),
        ({"text": ["Gout"]}, Reason.WRONG_TYPE, "text"),
        ({"text": " \n"}, Reason.BLANK, "text"),
        ({"text": "gout\0"}, Reason.NUL, "text"),
        ({"text": "41 \udcb0C"}, Reason.NOT_UTF8, "text"),
        ({"text": "x" * 51}, Reason.TEXT_TOO_LONG, "text"),
        ({"id": ""}, Reason.BLANK, "id"),
        ({"id": "x" * 201}, Reason.ID_TOO_LONG, "id"),
        ({"id": True}, Reason.WRONG_TYPE, "id"),
        ({"patient_id": "x" * 201}, Reason.ID_TOO_LONG, "patient_id"),
        ({"patient_id": "\udcff"}, Reason.NOT_UTF8, "patient_id"),
        ({"written_on": "yesterday"}, Reason.NO_DATE, "written_on"),
        ({"written_on": 20260301.5}, Reason.NO_DATE, "written_on"),
        ({"written_on": "1999-12-31"}, Reason.IMPLAUSIBLE_DATE, "written_on"),
        ({"written_on": "2026-03-03"}, Reason.IMPLAUSIBLE_DATE, "written_on"),
        ({"Mr. Miller has gout": "yes"}, Reason.UNKNOWN_FIELD, None),
        ({"\udcb0": "yes"}, Reason.NOT_UTF8, None),
    ],
)
def test_what_is_wrong_has_a_name_and_a_place(changed: dict[str, Any], reason: Reason, field: str | None) -> None:
    found = judged(GOOD | changed, LIMITS)

    assert found == Fault(reason, field)


@pytest.mark.parametrize("name", ["id", "text", "written_on"])
def test_a_field_that_is_missing_is_named(name: str) -> None:
    found = judged({key: value for key, value in GOOD.items() if key != name}, LIMITS)

    assert found == Fault(Reason.MISSING_FIELD, name)


@pytest.mark.parametrize("name", ["id", "text", "written_on", "patient_id", "note_type"])
def test_a_note_with_one_other_field_has_another_hash(name: str) -> None:
    whole = GOOD | {"patient_id": "p", "note_type": "t"}

    first, again, other = (judged(row, LIMITS) for row in (whole, dict(whole), whole | {name: "2026-02-01"}))

    assert isinstance(first, NewNote)
    assert isinstance(again, NewNote)
    assert isinstance(other, NewNote)
    assert first.content_sha256 == again.content_sha256 != other.content_sha256


def test_the_door_and_the_service_take_notes_of_the_same_length_and_ids_of_the_same_length() -> None:
    section = params.load(ROOT / "params.yaml").ingest

    with pytest.raises(ValidationError):
        api.Note(text="gout", id="x" * (note.MAX_ID_CHARACTERS + 1))
    assert api.Note(text="gout", id="x" * note.MAX_ID_CHARACTERS).id
    assert section.max_note_characters == Settings(local=True).max_note_characters
