"""The folder of annotated real notes: which corpora lie there, in which format, and what came of reading them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from clinical_ner.core.errors import UserError
from clinical_ner.core.span import LABELS
from clinical_ner.ner.corpora import LABEL_MAP, Corpus, Format, is_aside, parse_map, read_corpus
from clinical_ner.ner.training import Prepared, prepare

LABELS_FILE: Final = "labels.yaml"  # SOURCE: LABEL, of the corpora in its folder
_SUFFIXES: Final[Mapping[str, Format]] = {".tsv": Format.CONLL, ".conll": Format.CONLL, ".jsonl": Format.JSONL}
_DT_ENDS: Final = ("_sent", "_label")
_BRAT_SUFFIXES: Final = frozenset({".txt", ".ann", ".conf"})  # .conf are settings of the brat server
_REMEDY: Final = (
    "a corpus is a folder of NAME.txt and NAME.ann, a file *.tsv, *.conll or *.jsonl, or PREFIX_sent and PREFIX_label;"
    f" {LABELS_FILE} lies in the same folder as the files that it speaks of; README* is left aside"
)


class Place(NamedTuple):
    """Where a corpus lies, in which format, and which of its labels become which of ours."""

    path: Path
    corpus_format: Format
    label_map: Mapping[str, str]


class Joined(NamedTuple):
    """A corpus that joins the training, and its sentences."""

    corpus: Corpus
    prepared: Prepared


def read_folder(folder: Path) -> list[Joined]:
    """Every corpus in the folder and in the folders below it, in the order of their names; none if it is empty.

    Raises:
        UserError: the folder is missing, a corpus was not pulled, a file is part of none, or `read_corpus` refuses it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder", "make it; empty is enough")
    require_pulled(folder)
    corpora = (read_corpus(*place) for place in corpora_in(folder))
    return [Joined(corpus, prepare(corpus.documents, corpus.labels)) for corpus in corpora]


def require_pulled(folder: Path) -> None:
    """Refuse a folder of which DVC tracks more than lies there: what is made of the rest would pass for the whole.

    Raises:
        UserError: the first corpus that is missing.
    """
    for pointer in sorted(folder.glob("*.dvc")):
        if not pointer.with_suffix("").exists():
            raise UserError(f"{pointer.with_suffix('')} is tracked by DVC and not here", f"run 'dvc pull {pointer}'")


def corpora_in(folder: Path) -> Iterator[Place]:
    """The corpora of a folder, recognised by the names of its files; those of the folders in it after them.

    Raises:
        UserError: a file fits no format, or `labels.yaml` is not a map from labels to ours.
    """
    entries = sorted(entry for entry in folder.iterdir() if not is_aside(entry))
    labels = label_map(folder / LABELS_FILE) if (folder / LABELS_FILE).is_file() else LABEL_MAP
    for path, corpus_format in _recognised(folder, [entry for entry in entries if entry.is_file()]).items():
        yield Place(path, corpus_format, labels)
    for below in entries:
        if below.is_dir():
            yield from corpora_in(below)


def _recognised(folder: Path, files: Sequence[Path]) -> dict[Path, Format]:
    """The corpora that these files of a folder are."""
    is_brat = any(file.suffix == ".ann" for file in files)
    found: dict[Path, Format] = {}
    for file in files:
        if file.suffix in _SUFFIXES:
            found[file] = _SUFFIXES[file.suffix]
        elif file.name.endswith(_DT_ENDS):
            found[file.with_name(file.name.rpartition("_")[0])] = Format.DT
        elif is_brat and file.suffix in _BRAT_SUFFIXES:
            found[folder] = Format.BRAT
        elif file.name != LABELS_FILE:
            raise UserError(f"{file} is no part of an annotated corpus", _REMEDY)
    return found


def label_map(path: Path) -> dict[str, str]:
    """`LABEL_MAP` extended by a YAML file of lines `SOURCE: LABEL`.

    Raises:
        UserError: the file is no such map, or a label is not ours.
    """
    remedy = f"write lines such as 'Sickness: DISEASE'; labels are {', '.join(LABELS)}"
    try:
        content = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise UserError(f"{path}{f':{mark.line + 1}' if mark else ''} is not YAML", remedy) from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a map of labels", remedy)
    wrong = sorted(str(source) for source, label in content.items() if label not in LABELS)
    if wrong:
        raise UserError(f"{path}: '{wrong[0]}' is given a label that is not ours", remedy)
    return parse_map(f"{source}={label}" for source, label in content.items())


def joined_metrics(joined: Iterable[Joined]) -> dict[str, Any]:
    """Sizes of what joins the training, and what of its annotation was altered or left aside; no names."""
    joined = list(joined)
    examples = [example for _, prepared in joined for example in prepared.examples]
    ignored = sum((corpus.ignored for corpus, _ in joined), Counter[str]())
    return {
        "corpora": len(joined),
        "documents": sum(len(corpus.documents) for corpus, _ in joined),
        "sentences": len(examples),
        "entities": sum(tag.startswith("B-") for example in examples for tag in example.tags),
        "sentences_of_one_label": sum(example.annotates != LABELS for example in examples),
        "mentions_widened": sum(prepared.widened for _, prepared in joined),
        "mentions_dropped": sum(prepared.dropped for _, prepared in joined),
        "mentions_ignored": ignored.total(),
        "mentions_joined_up": sum(corpus.hulls for corpus, _ in joined),
    }
