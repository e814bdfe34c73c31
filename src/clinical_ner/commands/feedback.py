"""`clinical-ner feedback`: what people corrected is exported, reviewed, and accepted as data to learn from."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clinical_ner.commands.store import BEGINNING, STORE, StoreUrl, opened
from clinical_ner.core.errors import UserError
from clinical_ner.core.files import OWNER_ONLY, alone_in, as_json, read_json, sha256, write_whole
from clinical_ner.serving.clock import now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clinical_ner.corrections.acceptance import Corpus, Inputs
    from clinical_ner.corrections.agreement import Note
    from clinical_ner.corrections.review import Decisions, Resolved

app = typer.Typer(no_args_is_help=True, help="Corrections of readers, on their way to a better model.")

REVIEW = "review.json"
MAJORITY = "majority"
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Of the export.")]


@app.command()
def export(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for the corrections, with text.")],
    url: StoreUrl = STORE,
    since: Annotated[datetime | None, typer.Option(help="Of what time on, UTC; default: all.")] = None,
) -> None:
    """Write the corrections with text to DIR/feedback.jsonl: the last word of each annotator on each note."""
    from clinical_ner.corrections import records

    first = since.replace(tzinfo=UTC) if since else BEGINNING
    with opened(url) as store:
        found = records.exported(store.corrections(first, now()))
    with alone_in(out):
        write_whole(out / records.FEEDBACK, records.lines(map(records.as_record, found.corrections)), OWNER_ONLY)
    notes = len({one.note for one in found.corrections})
    annotators = len({one.annotator for one in found.corrections})
    typer.echo(
        f"{out / records.FEEDBACK}: {len(found.corrections)} corrections of {notes} notes by {annotators} annotators"
    )
    typer.echo(f"left out: {found.without_text} without text, {found.without_spans} without spans,")
    typer.echo(f"          {found.superseded} followed by later ones of the same annotator on the same note")


@app.command()
def review(
    folder: Folder,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The conflicts, with text: *.html or *.jsonl.")
    ] = None,
    resolve: Annotated[
        str | None, typer.Option(metavar="majority|FILE", help="FILE: of --out *.jsonl, entities filled in.")
    ] = None,
    show_text: Annotated[bool, typer.Option(help="Print the words too, if they are yours to see.")] = False,
) -> None:
    """Show how far annotators agree and where not, and settle what can be: DIR/reviewed.jsonl."""
    from clinical_ner.corrections import agreement, records
    from clinical_ner.corrections import review as reviewing

    with alone_in(folder):
        notes = agreement.notes(records.read_corrections(folder / records.FEEDBACK))
        settled, unsettled = reviewing.resolve(notes, _decisions(resolve, notes), by_majority=resolve == MAJORITY)
        found = {
            "feedback_sha256": sha256(folder / records.FEEDBACK),
            **reviewing.summary(notes, settled, unsettled),
            "agreement": agreement.agreement(notes),
        }
        _write_review(folder, settled, found)
    if out:
        _write_conflicts(out, unsettled if resolve else notes)
    _show_review(notes, found, show_text=show_text)


def _decisions(resolve: str | None, notes: list[Note]) -> Decisions:
    """What a reviewer decided in a file.

    Raises:
        UserError: a decision is of a note that nobody corrected.
    """
    from clinical_ner.corrections.review import read_decisions

    if resolve is None or resolve == MAJORITY:
        return {}
    found = read_decisions(Path(resolve))
    others = found.keys() - {note.id for note in notes}
    if others:
        raise UserError(f"{resolve} decides {len(others)} notes of another export", "name the file that belongs to DIR")
    return found


def _write_review(folder: Path, settled: list[Resolved], found: dict[str, Any]) -> None:
    from clinical_ner.corrections import records
    from clinical_ner.corrections import review as reviewing

    write_whole(folder / reviewing.REVIEWED, records.lines(map(reviewing.as_record, settled)), OWNER_ONLY)
    reviewed = {**found, "reviewed_sha256": sha256(folder / reviewing.REVIEWED)}
    write_whole(folder / REVIEW, as_json(reviewed), OWNER_ONLY)


def _write_conflicts(out: Path, notes: list[Note]) -> None:
    from clinical_ner.corrections.page import page
    from clinical_ner.corrections.records import lines
    from clinical_ner.corrections.review import conflicts, for_review

    writers = {
        ".html": lambda: page(notes),
        ".jsonl": lambda: lines(for_review(note) for note in notes if conflicts(note)),
    }
    if out.suffix not in writers:
        raise UserError(f"--out {out}: neither .html nor .jsonl", "name one of the two")
    write_whole(out, writers[out.suffix](), OWNER_ONLY)


def _show_review(notes: list[Note], found: dict[str, Any], *, show_text: bool) -> None:
    from clinical_ner.corrections.review import all_conflicts

    texts = {note.id: note.text for note in notes}
    row = "{:<24} {:>6} {:>8} {:>9} {:>10}".format
    typer.echo(row("annotators", "notes", "kappa", "strict F1", "overlap F1"))
    for one in [*found["agreement"]["pairs"], {"annotators": ["all"], **found["agreement"]["all"]}]:
        figures = ("-" if one[name] is None else f"{one[name]:.3f}" for name in ("kappa", "strict_f1", "overlap_f1"))
        typer.echo(row(" ".join(one["annotators"]), one["notes"], *figures))
    for conflict in all_conflicts(notes):
        place = f"{conflict.note[:12]} {conflict.span.start}-{conflict.span.end} {conflict.span.label}"
        words = f": {texts[conflict.note][conflict.span.start : conflict.span.end]!r}" if show_text else ""
        typer.echo(f"{place} marked by {len(conflict.marked_by)} of {conflict.annotators}{words}")
    settled = ", ".join(f"{count} {how}" for how, count in found["settled"].items())
    typer.echo(f"{found['notes']} notes: {settled}, {found['unresolved']} unresolved")
    typer.echo(f"{found['widened']} spans widened to whole tokens, {found['dropped']} dropped as overlapping")


@app.command()
def accept(
    folder: Folder,
    name: Annotated[str, typer.Option(help="Of the corpus, such as 2026-03.")],
    annotated: Annotated[Path, typer.Option(help="The folder of annotated notes.")] = Path("data/annotated"),
    golden: Annotated[Path, typer.Option(help="The folder of the frozen test notes.")] = Path("tests/golden"),
    hold_back: Annotated[float, typer.Option(min=0, max=0.9, help="The share that is kept to judge models by.")] = 0,
    held_back: Annotated[Path, typer.Option(help="The folder of what is kept.")] = Path("data/held_back"),
    dvc: Annotated[bool, typer.Option("--dvc", help="Let DVC track the corpus at once.")] = False,
) -> None:
    """Put the reviewed notes into data/annotated/NAME, from where the next `dvc repro` learns from them."""
    from clinical_ner.corrections.acceptance import folder_of, parted
    from clinical_ner.corrections.review import REVIEWED, read_reviewed

    corpora = (annotated, held_back)
    with alone_in(folder):
        sides = parted(read_reviewed(folder / REVIEWED), hold_back)
        targets = {folder_of(annotated, name): sides.learnt}
        if any(note.spans for note in sides.held_back):
            targets[folder_of(held_back, name)] = sides.held_back
        all_notes = len(sides.learnt) + len(sides.held_back)
        for target, corpus, is_new in _accepted(targets, all_notes, folder, golden, corpora):
            if is_new:
                _write_corpus(target, corpus)
            _show_accepted(target, corpus.batches[-1], is_new=is_new)
    for target in targets:
        _track(target, with_dvc=dvc)


def _accepted(
    targets: Mapping[Path, list[Resolved]], all_notes: int, folder: Path, golden: Path, corpora: tuple[Path, ...]
) -> list[tuple[Path, Corpus, bool]]:
    """Each target's corpus with its notes of a review, and whether that is new; what the `corpora` have stays there.

    Raises:
        UserError: a corpus was not pulled, or none of the notes can be accepted.
    """
    from clinical_ner.corrections import acceptance, records
    from clinical_ner.ner.annotated import require_pulled

    for place in corpora:
        require_pulled(place)
    corrections, inputs = records.read_corrections(folder / records.FEEDBACK), _inputs(folder)
    frozen, found = acceptance.frozen_texts(golden), []
    for target, notes in targets.items():
        before, elsewhere = acceptance.read_corpus(target), acceptance.texts_elsewhere(corpora, target)
        others = all_notes - len(notes)
        corpus = acceptance.accept(notes, corrections, inputs, before, frozen, elsewhere, others)
        acceptance.require_mentions(corpus)
        found.append((target, corpus, corpus is not before))
    return found


def _inputs(folder: Path) -> Inputs:
    """What the review found, if it is of the corrections that are there and was not killed before its end.

    Raises:
        UserError: it is not.
    """
    from clinical_ner.corrections.acceptance import Inputs
    from clinical_ner.corrections.records import FEEDBACK
    from clinical_ner.corrections.review import REVIEWED

    found = read_json(folder / REVIEW) if (folder / REVIEW).is_file() else {}
    feedback, reviewed = sha256(folder / FEEDBACK), sha256(folder / REVIEWED)
    if (found.get("feedback_sha256"), found.get("reviewed_sha256")) != (feedback, reviewed):
        raise UserError(
            f"{folder / REVIEWED} is no review of {FEEDBACK}", f"run 'clinical-ner feedback review {folder}'"
        )
    return Inputs(feedback, reviewed, found["agreement"], found["unresolved"], found["widened"], found["dropped"])


def _write_corpus(target: Path, corpus: Corpus) -> None:
    """Write the notes, then where they come from: killed in between, it is done again."""
    from clinical_ner.corrections.acceptance import NOTES, PROVENANCE, provenance
    from clinical_ner.corrections.records import lines

    target.mkdir(mode=0o700, exist_ok=True)
    write_whole(target / NOTES, lines(corpus.notes.values()), OWNER_ONLY)
    write_whole(target / PROVENANCE, as_json(provenance(target.name, corpus)), OWNER_ONLY)


def _show_accepted(target: Path, batch: dict[str, Any], *, is_new: bool) -> None:
    if not is_new:
        typer.echo(f"{target}: accepted before, nothing changes")
        return
    marked = ", ".join(f"{count} {label}" for label, count in batch["entities"].items())
    typer.echo(f"{target}: {batch['notes']} notes with {marked}")
    for reason, count in batch["left_out"].items():
        if count:
            typer.echo(f"left out, {reason}: {count}")


def _track(target: Path, *, with_dvc: bool) -> None:
    """Say what comes next, and do the first step of it if asked."""
    if with_dvc:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", "add", str(target)], check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise UserError(f"'dvc add {target}' failed: {done.stderr.strip()}", "see that DVC is installed and set up")
    else:
        typer.echo(f"next: dvc add {target}")
    typer.echo(f"then: git add {target}.dvc && git commit, dvc repro")
