"""Readers of annotated text: brat, CoNLL, D/T line pairs and JSON lines become documents with gold spans.

What is malformed is an error that names file and line, never a silent `O`. Labels outside the label map are
ignored and counted. Tags of a foreign file end here: a `Document` carries spans in this project's labels.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

from clinical_ner.core.errors import UserError, closest
from clinical_ner.core.span import DISEASE, LABELS, TREATMENT, Span
from clinical_ner.core.text import on_one_line


class Format(StrEnum):
    """How a corpus lies on disk."""

    BRAT = "brat"
    CONLL = "conll"
    DT = "dt"
    JSONL = "jsonl"


LABEL_MAP: Final[Mapping[str, str]] = {
    "D": DISEASE,
    "T": TREATMENT,
    "Disease": DISEASE,
    "Disease_disorder": DISEASE,
    "Medication": TREATMENT,
    "Therapeutic_procedure": TREATMENT,
    DISEASE: DISEASE,
    TREATMENT: TREATMENT,
}

_EXPECTED: Final[Mapping[Format, str]] = {
    Format.BRAT: "a folder of NAME.txt and NAME.ann",
    Format.CONLL: "a file with TOKEN, a tab and an IOB2 tag on each line, and a blank line after each sentence",
    Format.DT: "a PREFIX, such as FOLDER/train, of two files PREFIX_sent and PREFIX_label aligned line by line",
    Format.JSONL: 'a file with {"id", "text", "entities": [{"start", "end", "label"}]} on each line',
}
_LABELS_LISTED = 20
_PLAIN_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,39}")
_ASIDE: Final = frozenset({"LICENSE", "LICENCE", "SOURCES", "PROVENANCE"})

_BRAT_ENTITY = re.compile(r"T[^\t]*\t(\S+) ([0-9]{1,9} [0-9]{1,9}(?:;[0-9]{1,9} [0-9]{1,9})*)\t(.*)", re.DOTALL)
_BRAT_OTHER = re.compile(r"[ERAMN][0-9]+\s|[*#]")
_IOB2 = re.compile(r"O|[BI]-\S+")
_JSON_NAMES: Final[Mapping[type, str]] = {str: "string", int: "whole number", list: "list"}
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Document:
    """A text and its gold spans, sorted; they may nest and overlap.

    `tokens` are the corpus's own tokens as half-open offsets into `text`, None where it has none. A sentence of a
    tokenised corpus is a document: its text is its tokens joined by single spaces, its id is `NAME:LINE`.
    """

    id: str
    text: str
    spans: tuple[Span, ...]
    tokens: tuple[tuple[int, int], ...] | None


@dataclass(frozen=True)
class Corpus:
    """The documents in the order of the file (brat: of the names), and what was left aside or altered.

    `ignored` counts mentions by source label that the map does not hold; `hulls` counts the gold spans that stand for
    a discontinuous mention, from its first start to its last end.
    """

    documents: tuple[Document, ...]
    ignored: Counter[str]
    hulls: int

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur in the gold: a corpus of diseases says nothing about treatments."""
        found = {span.label for document in self.documents for span in document.spans}
        return tuple(label for label in LABELS if label in found)


class _Mention(NamedTuple):
    start: int
    end: int
    label: str  # as the source calls it
    discontinuous: bool = False


class _Annotated(NamedTuple):
    id: str
    text: str
    mentions: Sequence[_Mention]
    tokens: tuple[tuple[int, int], ...] | None = None


class _Row(NamedTuple):
    line: int
    token: str
    tag: str  # IOB2 with the source's label


def parse_map(assignments: Iterable[str]) -> dict[str, str]:
    """`LABEL_MAP` extended, or overruled, by assignments `SOURCE=LABEL`.

    Raises:
        UserError: an assignment has another form, its label is not ours, or two of them contradict each other.

    >>> parse_map(["Sign_symptom=DISEASE"])["Sign_symptom"]
    'DISEASE'
    """
    extra: dict[str, str] = {}
    for assignment in assignments:
        source, label = _assignment(assignment)
        if extra.setdefault(source, label) != label:
            raise UserError(f"--map gives '{source}' two labels", "keep one of them")
    return {**LABEL_MAP, **extra}


def _assignment(text: str) -> tuple[str, str]:
    source, _, label = (part.strip() for part in text.rpartition("="))
    if not source or not label:
        raise UserError(f"--map '{text}' is not SOURCE=LABEL", "write for example --map Sign_symptom=DISEASE")
    if label not in LABELS:
        guess = closest(label.upper(), LABELS)
        raise UserError(f"--map '{text}': unknown label '{label}'", guess or f"labels are {', '.join(LABELS)}")
    return source, label


def shown_label(label: str) -> str:
    """A label to print: one that does not look like a label may hold a piece of the text.

    >>> shown_label("Sign_symptom"), shown_label("Mr. Miller has gout")
    ('Sign_symptom', '<a label of 19 characters>')
    """
    return label if _PLAIN_LABEL.fullmatch(label) else f"<a label of {len(label)} characters>"


def is_aside(entry: Path) -> bool:
    """Whether an entry of a folder of corpora is none of the data: what is hidden, read by people, or DVC's."""
    name = entry.stem.upper()
    return entry.name.startswith(".") or entry.suffix == ".dvc" or name.startswith("README") or name in _ASIDE


def short_names(paths: Sequence[Path]) -> list[str]:
    """The last parts of each path, as many as tell them apart: names that hold on every machine.

    >>> short_names([Path("/home/ann/first/train"), Path("/home/ann/second/train")])
    ['first/train', 'second/train']
    """
    parts = [path.absolute().parts for path in paths]
    names = (["/".join(own[-size:]) for own in parts] for size in range(1, max(map(len, parts)) + 1))
    return next(found for found in names if len(set(found)) == len(set(parts)))


def digest(corpus: Corpus) -> str:
    """The SHA-256 of all texts and spans, in hexadecimal digits: the same annotations give the same digest."""
    found = hashlib.sha256()
    for document in corpus.documents:
        found.update(repr((document.id, document.text, document.spans)).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def read_corpus(path: Path, corpus_format: Format, label_map: Mapping[str, str] = LABEL_MAP) -> Corpus:
    """Read an annotated corpus; `label_map` says which source labels become which of ours.

    Raises:
        UserError: a file is missing, is no UTF-8 or is malformed, there is no document, or no mention has a label
            of the map. The message never holds the text of a document.
    """
    readers: Mapping[Format, Callable[[Path], Iterator[_Annotated]]] = {
        Format.BRAT: _brat,
        Format.CONLL: _conll,
        Format.DT: lambda prefix: _dt(prefix, label_map),
        Format.JSONL: _jsonl,
    }
    try:
        annotated = list(readers[corpus_format](path))
    except OSError as error:
        raise UserError(
            f"{error.filename} cannot be read: {error.strerror}", f"{corpus_format} expects {_EXPECTED[corpus_format]}"
        ) from None
    if not annotated:
        raise UserError(f"{path} holds no document", f"{corpus_format} expects {_EXPECTED[corpus_format]}")
    return _mapped(path, annotated, label_map)


# --- from source labels to ours ---------------------------------------------------------------
def _mapped(path: Path, annotated: Sequence[_Annotated], label_map: Mapping[str, str]) -> Corpus:
    found = Counter(mention.label for document in annotated for mention in document.mentions)
    ignored = Counter({label: count for label, count in found.items() if label not in label_map})
    if len(ignored) == len(found):
        raise _nothing_mapped(path, found)
    hulls = sum(m.discontinuous and m.label in label_map for document in annotated for m in document.mentions)
    return Corpus(tuple(_document(document, label_map) for document in annotated), ignored, hulls)


def _document(annotated: _Annotated, label_map: Mapping[str, str]) -> Document:
    spans = (Span(m.start, m.end, label_map[m.label]) for m in annotated.mentions if m.label in label_map)
    return Document(annotated.id, annotated.text, tuple(sorted(spans)), annotated.tokens)


def _nothing_mapped(path: Path, found: Counter[str]) -> UserError:
    if not found:
        return UserError(f"{path} holds no annotation", "annotate at least one mention, or check --format")
    listed = ", ".join(f"{shown_label(label)} ({count})" for label, count in found.most_common(_LABELS_LISTED))
    more = f" and {len(found) - _LABELS_LISTED} more" if len(found) > _LABELS_LISTED else ""
    return UserError(
        f"{path}: no label of the corpus is known; it has {listed}{more}",
        f"pass --map SOURCE=LABEL, LABEL being {' or '.join(LABELS)}",
    )


# --- files and lines --------------------------------------------------------------------------
def _malformed(where: str, what: str, remedy: str) -> UserError:
    return UserError(f"{where}: {what}", remedy)


def _content(path: Path) -> str:
    """The file's text with its own line ends: offsets count characters of the file."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _malformed(
            f"{path}:{line}", f"byte {error.start + 1} of the file is not UTF-8", "convert the file to UTF-8"
        ) from None


def _lines(path: Path) -> list[str]:
    """The lines, without a byte-order mark and line ends; only a line feed, or CR LF, ends a line."""
    return [line.removesuffix("\r") for line in _content(path).removeprefix("\ufeff").split("\n")]


# --- brat: standoff annotation ----------------------------------------------------------------
def _brat(folder: Path) -> Iterator[_Annotated]:
    files = {file.name for file in folder.iterdir() if not is_aside(file)}
    if not any(name.endswith(".ann") for name in files):
        raise UserError(f"{folder} holds no .ann file", f"brat expects {_EXPECTED[Format.BRAT]}")
    for stem in sorted({Path(name).stem for name in files if name.endswith((".ann", ".txt"))}):
        for partner in (f"{stem}.txt", f"{stem}.ann"):
            if partner not in files:
                raise UserError(
                    f"{folder / partner} is missing, its partner is there",
                    "add it (an .ann may be empty), move the partner out of the folder, or call it README*",
                )
        yield _brat_document(folder / f"{stem}.txt", folder / f"{stem}.ann")


def _brat_document(text_file: Path, annotation_file: Path) -> _Annotated:
    text = _content(text_file)
    mentions = [
        _brat_mention(line, text, f"{annotation_file}:{number}")
        for number, line in enumerate(_lines(annotation_file), 1)
        if line.strip() and not _BRAT_OTHER.match(line)
    ]
    return _Annotated(text_file.stem, text, mentions)


def _brat_mention(line: str, text: str, where: str) -> _Mention:
    found = _BRAT_ENTITY.fullmatch(line)
    if found is None:
        raise _brat_fault(line, where)
    label, offsets, surface = found.groups()
    pairs = [pair.split() for pair in offsets.split(";")]
    fragments = [_offsets(int(start), int(end), text, where) for start, end in pairs]
    # Exporters write line ends and odd spaces of the text in their own way.
    if on_one_line(" ".join(text[start:end] for start, end in fragments)) != on_one_line(surface):
        raise _malformed(
            where,
            "the surface is not what the text has at these offsets",
            "offsets count characters, not bytes, line ends included: export text and annotation together again",
        )
    starts, ends = zip(*fragments, strict=True)
    return _Mention(min(starts), max(ends), label, discontinuous=len(fragments) > 1)


def _brat_fault(line: str, where: str) -> UserError:
    if line.startswith("T"):
        return _malformed(where, "malformed T line", "write ID, tab, 'LABEL START END', tab, SURFACE")
    return _malformed(
        where, "unknown kind of line", "lines begin with an id of kind T, E, R, A, M or N, or with * or #"
    )


def _offsets(start: int, end: int, text: str, where: str) -> tuple[int, int]:
    if not 0 <= start < end <= len(text):
        raise _malformed(
            where,
            f"offsets {start} {end} are not inside the text of {len(text)} characters",
            "offsets count characters from 0, the end is exclusive and above the start",
        )
    return start, end


# --- conll and dt: one token a line -----------------------------------------------------------
def _conll(path: Path) -> Iterator[_Annotated]:
    rows = (_conll_row(number, line, path) for number, line in enumerate(_lines(path), 1))
    return _sentences(path, rows)


def _conll_row(number: int, line: str, path: Path) -> _Row | None:
    """The token and its tag, or None between sentences."""
    if not line.strip() or line.startswith("-DOCSTART-"):
        return None
    columns = [column.strip() for column in line.split("\t")]
    if len(columns) < 2 or not columns[0]:
        raise _malformed(f"{path}:{number}", "not a token and a tag", "write TOKEN, a tab and TAG")
    if not _IOB2.fullmatch(columns[-1]):
        raise _malformed(f"{path}:{number}", "the tag is not IOB2", "the last column is O, B-LABEL or I-LABEL")
    return _Row(number, columns[0], columns[-1])


def _dt(prefix: Path, known: Collection[str]) -> Iterator[_Annotated]:
    words, tags = Path(f"{prefix}_sent"), Path(f"{prefix}_label")
    return _sentences(prefix, _dt_rows(words, tags, known))


def _dt_rows(words_file: Path, tags_file: Path, known: Collection[str]) -> Iterator[_Row | None]:
    words, tags = _column(words_file), _column(tags_file)
    previous = ""
    for number, (word, tag) in enumerate(zip(words, tags, strict=False), 1):
        if bool(word) != bool(tag):
            blank, other = (tags_file, words_file) if word else (words_file, tags_file)
            raise _misaligned(blank, number, "is blank", other)
        if tag not in {"", "O", *known}:
            raise _malformed(
                f"{tags_file}:{number}",
                f"unknown tag; known are O, {', '.join(sorted(known))}",
                f"correct it, or pass --map TAG=LABEL, LABEL being {' or '.join(LABELS)}",
            )
        yield _Row(number, word, _as_iob2(tag, previous)) if word else None
        previous = tag
    if len(words) != len(tags):
        short, other = (words_file, tags_file) if len(words) < len(tags) else (tags_file, words_file)
        raise _misaligned(short, min(len(words), len(tags)) + 1, "is missing", other)


def _column(path: Path) -> list[str]:
    """The stripped lines up to the last that is not blank."""
    lines = [line.strip() for line in _lines(path)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _misaligned(path: Path, line: int, what: str, other: Path) -> UserError:
    return _malformed(
        f"{path}:{line}",
        f"the line {what}, in {other.name} it holds something",
        "give each token one line with its tag on the same line of the other file, and both the same blank lines",
    )


def _as_iob2(tag: str, previous: str) -> str:
    """A maximal run of one tag is one mention: without B and I two that touch cannot be told apart."""
    return "O" if tag == "O" else f"{'I' if tag == previous else 'B'}-{tag}"


def _sentences(path: Path, rows: Iterable[_Row | None]) -> Iterator[_Annotated]:
    """A document a run of rows; None separates runs."""
    for between, run in groupby(rows, key=lambda row: row is None):
        if not between:
            yield _sentence(path, [row for row in run if row is not None])


def _sentence(path: Path, rows: Sequence[_Row]) -> _Annotated:
    tokens = _token_offsets([row.token for row in rows])
    text = " ".join(row.token for row in rows)
    return _Annotated(f"{path.name}:{rows[0].line}", text, _tagged_mentions(path, rows, tokens), tokens)


def _token_offsets(words: Iterable[str]) -> tuple[tuple[int, int], ...]:
    offsets: list[tuple[int, int]] = []
    start = 0
    for word in words:
        offsets.append((start, start + len(word)))
        start += len(word) + 1
    return tuple(offsets)


def _tagged_mentions(path: Path, rows: Sequence[_Row], tokens: Sequence[tuple[int, int]]) -> list[_Mention]:
    mentions: list[_Mention] = []
    opened = ""
    for row, (start, end) in zip(rows, tokens, strict=True):
        prefix, _, label = row.tag.partition("-")
        if prefix == "B":
            mentions.append(_Mention(start, end, label))
        elif prefix == "I":
            if label != opened:
                raise _malformed(
                    f"{path}:{row.line}", "an I- tag continues no mention of its label", "begin the mention with B-"
                )
            mentions[-1] = mentions[-1]._replace(end=end)
        opened = label
    return mentions


# --- jsonl: one object a line -----------------------------------------------------------------
def _jsonl(path: Path) -> Iterator[_Annotated]:
    seen: dict[str, int] = {}
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        document = _json_document(line, f"{path}:{number}")
        if (first := seen.setdefault(document.id, number)) != number:
            raise _malformed(f"{path}:{number}", f"the id of line {first} again", "give every text its own id")
        yield document


def _json_document(line: str, where: str) -> _Annotated:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        raise _malformed(where, "not JSON", "write one JSON object on each line") from None
    fields = _json_fields(content, {"id": str, "text": str, "entities": list}, "the line", where)
    mentions = [_json_mention(entity, fields["text"], where) for entity in fields["entities"]]
    return _Annotated(fields["id"], fields["text"], mentions)


def _json_mention(entity: object, text: str, where: str) -> _Mention:
    fields = _json_fields(entity, {"start": int, "end": int, "label": str}, "an entity", where)
    return _Mention(*_offsets(fields["start"], fields["end"], text, where), fields["label"])


def _json_fields(value: object, types: Mapping[str, type], what: str, where: str) -> dict[str, Any]:
    """The object's fields: these names and no others, of exactly these types (true is no offset)."""
    if not isinstance(value, dict):
        raise _malformed(where, f"{what} is not an object", f"jsonl expects {_EXPECTED[Format.JSONL]}")
    for name in sorted(value.keys() - types.keys()):
        fields = f"the fields are {', '.join(types)}"
        raise _malformed(where, f"{what} has an unknown field", f"{closest(name, types)} {fields}".strip())
    for name, expected in types.items():
        if type(value.get(name)) is not expected:
            raise _malformed(where, f"'{name}' of {what} is missing or no {_JSON_NAMES[expected]}", "add or mend it")
        if expected is str and _SURROGATE.search(value[name]):
            raise _malformed(where, f"'{name}' of {what} holds half a surrogate pair", "write whole characters")
    return value
