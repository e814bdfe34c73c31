"""Which rows are taken in, which were before, and which go to quarantine; pure, so that it can be played with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from clinical_ner.intake.arrived import Arrived
from clinical_ner.intake.contract import Fault, Limits, NewNote, Reason, judged


class Quarantined(NamedTuple):
    """A row that was not taken in, as it came."""

    place: str
    original: Any
    fault: Fault


@dataclass
class Admission:
    """What came of the rows of a file: each is counted once."""

    kept: list[NewNote] = field(default_factory=list)
    known: int = 0  # taken in before, the very same
    quarantined: list[Quarantined] = field(default_factory=list)

    @property
    def reasons(self) -> Counter[str]:
        """How many rows are in quarantine for each reason."""
        return Counter(row.fault.reason.value for row in self.quarantined)


def admit(rows: Iterable[Arrived], known: Mapping[str, str], limits: Limits) -> Admission:
    """Hold each row against the contract; `known` has the content hashes of the notes taken in before, by id.

    Of two notes with one id the first is kept; the other is the same again, or a conflict.
    """
    done, new = Admission(), dict[str, str]()
    for row in rows:
        found = row.fields if isinstance(row.fields, Fault) else judged(row.fields, limits)
        if isinstance(found, Fault):
            done.quarantined.append(Quarantined(row.place, row.original, found))
            continue
        there = new.get(found.note_id) or known.get(found.note_id)
        if there is None:
            new[found.note_id] = found.content_sha256
            done.kept.append(found)
        elif there == found.content_sha256:
            done.known += 1
        else:
            done.quarantined.append(Quarantined(row.place, row.original, Fault(Reason.CONFLICT)))
    return done
