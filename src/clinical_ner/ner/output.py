"""What `clinical-ner extract` prints: a table for people, JSON, JSON Lines or CSV for programs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from clinical_ner.core.span import DISEASE
from clinical_ner.core.text import on_one_line
from clinical_ner.ner.assertion import PRESENT

STYLES = {DISEASE: "bold red"}
OTHER_STYLE = "bold cyan"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and line feed
COLUMNS = (
    *("id", "start", "end", "label", "text", "confidence", "assertion", "trigger", "trigger_start", "trigger_end"),
    *("section", "concept_id", "concept", "concept_kind", "icd10cm", "concept_score"),
)
CODED = ("MESH:", "DRUGBANK:")  # the other vocabularies' codes are our own words
SURE = 0.995  # a concept's score that is not worth a word


class OutputFormat(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    FHIR = "fhir"


def render(results: Sequence[dict[str, Any]], output_format: OutputFormat) -> str:
    """The results in a format for programs: one object for one text, a list for several, a line each, or rows.

    FHIR is JSON: the results are bundles already.

    Lone surrogates are escaped in JSON, so that the output is always valid UTF-8.
    """
    if output_format is OutputFormat.JSONL:
        return "".join(_dump(result) + "\n" for result in results)
    if output_format is OutputFormat.CSV:
        return _csv(results)
    return _dump(results[0] if len(results) == 1 else results, indent=2) + "\n"


def _dump(content: Any, indent: int | None = None) -> str:
    written = json.dumps(content, indent=indent, ensure_ascii=False)
    return written if written.isprintable() or _is_encodable(written) else json.dumps(content, indent=indent)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _csv(results: Iterable[dict[str, Any]]) -> str:
    page = io.StringIO()
    rows = csv.DictWriter(page, COLUMNS, lineterminator="\n")
    rows.writeheader()
    for result in results:
        rows.writerows({"id": result["id"], **_flat(entity)} for entity in result["entities"])
    return page.getvalue()


def _flat(entity: dict[str, Any]) -> dict[str, Any]:
    """The entity as a row; what it has not is an empty cell."""
    trigger, concept = entity["trigger"] or {}, entity["concept"] or {}
    return {
        **{name: value for name, value in entity.items() if name in COLUMNS},
        "trigger": trigger.get("text"),
        "trigger_start": trigger.get("start"),
        "trigger_end": trigger.get("end"),
        "concept_id": concept.get("id"),
        "concept": concept.get("name"),
        "concept_kind": concept.get("kind"),
        "icd10cm": concept.get("icd10cm"),
        "concept_score": concept.get("score"),
    }


def show(console: Console, texts: Sequence[str], results: Sequence[dict[str, Any]]) -> None:
    """Print each text with its entities marked, their table, and the treatments of each disease."""
    for text, result in zip(texts, results, strict=True):
        console.print(Group(_highlighted(text, result["entities"]), _entity_table(result), _treatment_table(result)))


def _highlighted(text: str, entities: Iterable[dict[str, Any]]) -> Text:
    marked = _shown(text)
    for entity in entities:
        marked.stylize(_style(entity["label"]), entity["start"], entity["end"])
    return marked


def _shown(text: str) -> Text:
    """The text with a space for each control character: it may command the terminal, or rich may drop it."""
    return Text(CONTROL.sub(" ", text))


def _style(label: str) -> str:
    return STYLES.get(label, OTHER_STYLE)


def _entity_table(result: dict[str, Any]) -> Table:
    names = ("span", "label", "text", "conf.", "assertion", "section", "concept")
    table = Table(*names, title=_shown(result["id"]), box=SIMPLE_HEAD, pad_edge=False)
    for entity in result["entities"]:
        table.add_row(
            f"{entity['start']}-{entity['end']}",
            Text(entity["label"], style=_style(entity["label"])),
            _shown(entity["text"]),
            f"{entity['confidence']:.2f}",
            _assertion(entity),
            (entity["section"] or "").replace("_", " "),
            escape(_concept(entity["concept"])),
        )
    return table


def _assertion(entity: dict[str, Any]) -> Text:
    """The assertion, with the words that say so unless they only confirm."""
    trigger = entity["trigger"] if entity["assertion"] != PRESENT else None
    return _shown(entity["assertion"] + (f' "{on_one_line(trigger["text"])}"' if trigger else ""))


def _concept(concept: dict[str, Any] | None) -> str:
    """The preferred name and its code, and how sure that is unless it is certain."""
    if concept is None:
        return ""
    code = concept["icd10cm"] or (concept["id"].partition(":")[2] if concept["id"].startswith(CODED) else "")
    score = "" if concept["score"] > SURE else f" ({concept['score']:.2f})"
    return f"{concept['name']}{code and f' [{code}]'}{score}"


def _treatment_table(result: dict[str, Any]) -> Table:
    table = Table("disease", "treatments")
    for disease, treatments in result["treatments"].items():
        table.add_row(_shown(disease), _shown(", ".join(treatments)))
    return table
