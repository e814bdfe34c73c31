"""The page on which a reviewer sees the conflicts: one file of HTML without scripts or anything from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from html import escape

from clinical_ner.core.span import Span
from clinical_ner.corrections.agreement import Note
from clinical_ner.corrections.review import Conflict, conflicts

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{white-space:pre-wrap;font:inherit;background:#f5f5f5;padding:1rem}mark{background:#ffe08a}"
    "td,th{text-align:left;padding:.2rem 1rem .2rem 0;border-bottom:1px solid #ccc}"
)


def page(notes: Iterable[Note]) -> str:
    """Every note with a conflict: its text, the places in question marked, and who says what."""
    articles = "".join(_article(note) for note in notes if conflicts(note))
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Conflicts between annotators</title>\n'
        f"<style>{STYLE}</style>\n<h1>Conflicts between annotators</h1>\n{articles or '<p>None.</p>'}\n</html>\n"
    )


def _article(note: Note) -> str:
    found = conflicts(note)
    rows = "".join(map(partial(_row, note.text), found))
    return (
        f"<article><h2>{note.id[:12]}</h2>\n<pre>{_marked(note.text, [one.span for one in found])}</pre>\n"
        f"<table><tr><th>place<th>label<th>words<th>marked by<th>annotators\n{rows}</table></article>\n"
    )


def _row(text: str, conflict: Conflict) -> str:
    start, end, label = conflict.span
    return (
        f"<tr><td>{start}-{end}<td>{label}<td>{escape(text[start:end])}<td>{escape(', '.join(conflict.marked_by))}"
        f"<td>{len(conflict.marked_by)} of {conflict.annotators}\n"
    )


def _marked(text: str, spans: list[Span]) -> str:
    """The text with each place that is in question in a <mark>; places that overlap are one."""
    pieces, read = [], 0
    for start, end in _joined(spans):
        pieces += [escape(text[read:start]), "<mark>", escape(text[start:end]), "</mark>"]
        read = end
    return "".join([*pieces, escape(text[read:])])


def _joined(spans: list[Span]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for span in sorted(spans):
        if joined and span.start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], span.end))
        else:
            joined.append((span.start, span.end))
    return joined
