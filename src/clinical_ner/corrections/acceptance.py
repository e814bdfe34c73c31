"""Reviewed corrections become a corpus of `data/annotated`, with its provenance, and never a note of the test sets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from clinical_ner.core.errors import UserError
from clinical_ner.core.files import read_json
from clinical_ner.core.span import LABELS
from clinical_ner.core.text import on_one_line
from clinical_ner.corrections.records import Correction, Json, entities, known_by, read_records
from clinical_ner.corrections.review import How, Resolved
from clinical_ner.ner.corpora import is_aside

NOTES, PROVENANCE = "notes.jsonl", "provenance.json"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
GOLDEN, ELSEWHERE, UNRESOLVED, HELD_BACK = "frozen test note", "in another corpus", "unresolved", "held back"


class Corpus(NamedTuple):
    """A corpus of accepted notes: its lines by the id of the note, and a batch for each time something came in."""

    notes: Mapping[str, Json]
    batches: Sequence[Json]


class Parted(NamedTuple):
    """Reviewed notes to learn from, and those that are kept to judge by."""

    learnt: list[Resolved]
    held_back: list[Resolved]


class Inputs(NamedTuple):
    """What a batch was made of: the SHA-256 of its files, and what the review found."""

    feedback_sha256: str
    reviewed_sha256: str
    agreement: Json
    unresolved: int
    widened: int
    dropped: int


def squeezed(text: str) -> str:
    """What the words of a text are known by: spaces and line ends may differ.

    >>> squeezed("Gout,\\r\\non  aspirin. ") == squeezed("Gout, on aspirin.")
    True
    """
    return known_by(on_one_line(text))


def parted(reviewed: Iterable[Resolved], share: float) -> Parted:
    """The notes in two: about this share of them is held back, the same ones whenever and with whatever they come.

    >>> notes = [Resolved(str(number), f"Note {number}.", (), How.SINGLE) for number in range(10)]
    >>> few, more = parted(notes[:5], 0.3).held_back, parted(notes, 0.3).held_back
    >>> [note.id for note in few] == [note.id for note in more if note in notes[:5]]
    True
    """
    sides = Parted([], [])
    for note in reviewed:
        sides[int(squeezed(note.text)[:8], 16) < share * 2**32].append(note)
    return sides


def accept(
    reviewed: Iterable[Resolved],
    corrections: Collection[Correction],
    inputs: Inputs,
    before: Corpus,
    frozen: Collection[str],
    elsewhere: Collection[str],
    held_back: int = 0,
) -> Corpus:
    """The corpus with the reviewed notes; the same inputs again change nothing.

    A note of the frozen test sets, or of another corpus, is left out and counted: both are `squeezed` texts; so are
    those `held_back` of the review before. A note that the corpus has already is replaced, as the later review knows
    better.
    """
    if any(_made_of(batch) == _made_of(inputs._asdict()) for batch in before.batches):
        return before
    left_out, taken = Counter({UNRESOLVED: inputs.unresolved, HELD_BACK: held_back}), []
    for note in reviewed:
        reason = GOLDEN if squeezed(note.text) in frozen else ELSEWHERE if squeezed(note.text) in elsewhere else None
        if reason:
            left_out[reason] += 1
        else:
            taken.append(note)
    notes = {note.id: {"id": note.id, "text": note.text, "entities": entities(note.spans)} for note in taken}
    batch = _batch(taken, corrections, inputs, left_out)
    return Corpus(dict(sorted({**before.notes, **notes}.items())), [*before.batches, batch])


def _made_of(batch: Mapping[str, Any]) -> tuple[str, str]:
    return batch["feedback_sha256"], batch["reviewed_sha256"]


def _batch(
    taken: Sequence[Resolved], corrections: Iterable[Correction], inputs: Inputs, left_out: Mapping[str, int]
) -> Json:
    ids = {note.id for note in taken}
    used = [one for one in corrections if one.note in ids]
    when = sorted(one.created_at for one in used)
    return {
        "feedback_sha256": inputs.feedback_sha256,
        "reviewed_sha256": inputs.reviewed_sha256,
        "notes": len(taken),
        "entities": _by_label(taken),
        "settled": {how.value: sum(note.how is how for note in taken) for how in How},
        "left_out": {reason: left_out.get(reason, 0) for reason in (GOLDEN, ELSEWHERE, UNRESOLVED, HELD_BACK)},
        "period": {"first": when[0], "last": when[-1]} if when else None,
        "annotators": sorted({one.annotator for one in used}),
        "model_versions": sorted({one.model_version for one in used if one.model_version}),
        "agreement": inputs.agreement,
        "widened": inputs.widened,
        "dropped": inputs.dropped,
    }


def _by_label(notes: Iterable[Resolved]) -> dict[str, int]:
    found = Counter(span.label for note in notes for span in note.spans)
    return {label: found[label] for label in LABELS}


def provenance(name: str, corpus: Corpus) -> Json:
    """Where the notes of the corpus come from; no word of a note."""
    return {"name": name, "notes": len(corpus.notes), "batches": list(corpus.batches)}


# --- the folder of annotated notes ------------------------------------------------------------
def folder_of(annotated: Path, name: str) -> Path:
    """The folder of a corpus of this name.

    Raises:
        UserError: there is no folder of annotated notes, or it is no name of a corpus.
    """
    if not annotated.is_dir():
        raise UserError(f"{annotated} is not a folder", "run from the top of the repository, or pass --annotated")
    if not NAME.fullmatch(name) or is_aside(Path(name)):
        raise UserError(f"--name '{name}' is no name of a corpus", "use small letters, digits and -, such as 2026-03")
    return annotated / name


def read_corpus(folder: Path) -> Corpus:
    """The corpus in a folder, empty if it is not there yet or was begun and no more.

    Raises:
        UserError: there is another one, or a line is no note.
    """
    if not folder.exists() or (folder.is_dir() and not any(_visible(folder))):
        return Corpus({}, [])
    if not (folder / NOTES).is_file():
        raise UserError(f"{folder} is no corpus of corrections", "choose another --name")
    records = read_records(folder / NOTES, "take the corpus from DVC again with 'dvc checkout'")
    batches = read_json(folder / PROVENANCE)["batches"] if (folder / PROVENANCE).is_file() else []
    return Corpus({record["id"]: record for _, record in records}, batches)


def _visible(folder: Path) -> Iterator[Path]:
    """Its entries but for what a write that was killed left."""
    return (entry for entry in folder.iterdir() if not entry.name.startswith("."))


def texts_elsewhere(folders: Iterable[Path], own: Path) -> set[str]:
    """The notes of the other corpora in these folders that were accepted before, `squeezed`."""
    files = (file for folder in folders for file in sorted(folder.glob(f"*/{PROVENANCE}")))
    others = (file.parent for file in files if file.parent != own)
    return {squeezed(record["text"]) for other in others for record in read_corpus(other).notes.values()}


def frozen_texts(golden: Path) -> set[str]:
    """The notes that judge the model and never train it, `squeezed`.

    Raises:
        UserError: they are not there: nothing is accepted that cannot be held against them.
    """
    records = read_records(golden / NOTES, "run from the top of the repository, or pass --golden")
    return {squeezed(record["text"]) for _, record in records}


def require_mentions(corpus: Corpus) -> None:
    """Refuse a corpus without any entity: a reader of corpora cannot tell it from one that nobody annotated.

    Raises:
        UserError: no note of it has an entity; the message says what was left out, and why.
    """
    if any(note["entities"] for note in corpus.notes.values()):
        return
    reasons = [f"{reason}: {count}" for reason, count in corpus.batches[-1]["left_out"].items() if count]
    raise UserError(
        f"no note with an entity is left to accept{'; left out, ' if reasons else ''}{', '.join(reasons)}",
        "collect corrections of other notes, or settle the conflicts with 'clinical-ner feedback review --resolve'",
    )
