"""A row is kept, known or in quarantine: one of the three, and a note never twice."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.intake.admission import admit
from clinical_ner.intake.arrived import Arrived
from clinical_ner.intake.contract import Fault, Limits, Reason

LIMITS = Limits(characters=100, earliest=date(2000, 1, 1), latest=date(2026, 3, 2))


def row(note_id: object = "1", text: object = "Gout", **changed: Any) -> Arrived:
    fields = {"id": note_id, "text": text, "written_on": "2026-03-01", **changed}
    return Arrived("line 1", fields, fields)


def test_the_same_note_again_is_known_and_another_under_its_id_is_a_conflict() -> None:
    found = admit([row(), row(), row(text="Asthma"), row("2")], {}, LIMITS)

    assert [note.note_id for note in found.kept] == ["1", "2"]
    assert found.known == 1
    assert [one.fault for one in found.quarantined] == [Fault(Reason.CONFLICT)]


def test_notes_taken_in_before_count_as_those_of_the_same_file_do() -> None:
    (first,) = admit([row()], {}, LIMITS).kept

    found = admit([row(), row(text="Asthma")], {"1": first.content_sha256}, LIMITS)

    assert (len(found.kept), found.known, found.reasons) == (0, 1, {"conflict": 1})


def test_what_the_reader_could_not_make_out_keeps_its_reason_and_itself() -> None:
    broken = Arrived("line 7", "{", Fault(Reason.MALFORMED))

    (found,) = admit([broken], {}, LIMITS).quarantined

    assert (found.place, found.original, found.fault) == ("line 7", "{", Fault(Reason.MALFORMED))


ROWS = st.builds(row, st.sampled_from(["1", "2", "3", "", None]), st.sampled_from(["Gout", "Asthma", " ", "\0", 7]))


@given(st.lists(ROWS, max_size=12))
def test_every_row_is_somewhere_and_a_second_time_changes_nothing(rows: list[Arrived]) -> None:
    first = admit(rows, {}, LIMITS)
    again = admit(rows, {note.note_id: note.content_sha256 for note in first.kept}, LIMITS)

    assert len(first.kept) + first.known + len(first.quarantined) == len(rows)
    assert len({note.note_id for note in first.kept}) == len(first.kept)
    assert (again.kept, again.quarantined) == ([], first.quarantined)
