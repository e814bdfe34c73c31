"""Draw the learning curve of an annotated corpus: with and without the synthetic notes, by number of annotated reports.

    python docs/learning_curve.py CORPUS --format brat                    writes learning_curve.json and .png
    python docs/learning_curve.py CORPUS --format brat --cross-validate   prints the scores of all reports
    python docs/learning_curve.py CORPUS --format conll --test OTHER      prints the scores of another corpus

Each report is held out once and the others are trained on, a few at a time. The scores that are printed are also kept
in cross_validation.json. The files hold figures, the digest of the corpus and the parameters of the training; no text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import vl_convert
from typer import Argument, Option

from clinical_ner.core import files, io, params
from clinical_ner.core.commands import run
from clinical_ner.core.errors import UserError
from clinical_ner.core.schema import LEXICON, TOKENS
from clinical_ner.core.span import SYNTHETIC
from clinical_ner.ner.corpora import Format, digest, parse_map, read_corpus
from clinical_ner.ner.dataset import examples_of
from clinical_ner.ner.learning_curve import (
    ALONE,
    PLAIN,
    SYSTEMS,
    Fold,
    folds,
    has_reports,
    learning_curve,
    plot,
    reports_of,
    table,
    train_synthetic,
    worth,
)
from clinical_ner.ner.learning_curve import SYNTHETIC as WITH_SYNTHETIC
from clinical_ner.ner.training import entries

DOCS = Path(__file__).parent
SIZES = (0, 5, 10, 25, 50, 100)


def main(
    corpus: Annotated[Path, Argument(help="A folder (brat), a file (conll, jsonl) or a prefix (dt).")],
    corpus_format: Annotated[Format, Option("--format")],
    label_map: Annotated[list[str] | None, Option("--map", metavar="SOURCE=LABEL")] = None,
    count: Annotated[int, Option("--folds", min=2, help="How many parts the reports are cut into.")] = 5,
    measured: Annotated[int | None, Option(min=1, help="How many of the parts are held out in turn; all.")] = None,
    sentences: Annotated[int, Option(min=1, help="That make a report where the corpus has none.")] = 25,
    cross_validate: Annotated[bool, Option("--cross-validate", help="Only none and all of the reports.")] = False,
    test: Annotated[Path | None, Option(help="A corpus of that format to hold out instead; implies the above.")] = None,
    baselines: Annotated[bool, Option(help="Also learn from the reports alone, which takes the longest.")] = True,
    out: Annotated[Path, Option(help="The folder for the figures and the plot.")] = DOCS,
) -> None:
    """Print the table of the learning curve, and write it with its plot."""
    found = read_corpus(corpus, corpus_format, parse_map(label_map or []))
    reports = reports_of(found, sentences)
    if len(reports) < count:
        raise UserError(f"{corpus} has {len(reports)} reports", f"pass --folds {len(reports)} or less")
    section = params.load(Path("params.yaml")).train
    examples = [e for e in examples_of(io.read(TOKENS, Path("data/dataset"))) if e.source == SYNTHETIC]
    synthetic = train_synthetic(examples, entries(io.read(LEXICON, Path("data/dataset"))), section)
    chosen = list(folds(reports, count, section.seed))[:measured]
    if test is not None:
        held_out = read_corpus(test, corpus_format, parse_map(label_map or []))
        chosen = [Fold(reports, reports_of(held_out, sentences))]
    is_curve = test is None and not cross_validate
    points = learning_curve(
        chosen, found.labels, SIZES if is_curve else (0,), synthetic, SYSTEMS if baselines else (WITH_SYNTHETIC,)
    )
    print(table(points))
    if not is_curve:
        print(json.dumps(points[-1], indent=2))
        cut = "" if has_reports(found) else f" by {sentences} sentences"
        keep(out / "cross_validation.json", f"{corpus.parent.name}/{corpus.name}{cut}", test, len(chosen), points)
        return
    figures: dict[str, Any] = {
        "corpus": {"name": corpus.name, "digest": digest(found), "reports": len(reports), "labels": found.labels},
        "folds": {"cut_into": count, "held_out_in_turn": len(chosen)},
        "train": section.model_dump(mode="json"),
        "synthetic_sentences": len(examples),
        "points": points,
        "worth_in_reports": {system: worth(points, system) for system in (ALONE, PLAIN)},
    }
    files.write_json(out / "learning_curve.json", figures)
    (out / "learning_curve.png").write_bytes(vl_convert.vegalite_to_png(plot(points, corpus.name), scale=2))


def keep(path: Path, corpus: str, test: Path | None, held_out: int, points: list[dict[str, Any]]) -> None:
    """Write the scores beside those of other corpora, or of other ways to cut this one."""
    known = json.loads(path.read_bytes()) if path.is_file() else {}
    setting = f" -> {test.name}" if test else f", {held_out} parts held out in turn"
    files.write_json(path, known | {corpus + setting: points})


if __name__ == "__main__":
    run(main)
