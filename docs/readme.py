"""Write the figures in README.md, or check them: every one comes from a file that a command of the project wrote.

    python docs/readme.py --corpora DIR   measure the model on real text, then write
    python docs/readme.py                 write
    python docs/readme.py --check         exit with 2 if README.md is behind

DIR holds `maccrobat/`, `behealthy/train_sent` and `train_label`, and `ncbi-disease/devel.tsv`; README.md names their
publications. The figures on them are kept in `real_text.json` with the version of the model they belong to and the
digest of each corpus.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from clinical_ner.core import files
from clinical_ner.core.commands import run
from clinical_ner.core.errors import UserError
from clinical_ner.core.span import DISEASE, LABELS
from clinical_ner.ner.baselines import dictionary_reader
from clinical_ner.ner.corpora import Format, digest, read_corpus
from clinical_ner.ner.evaluation import read_all, scores, span_reader
from clinical_ner.ner.learning_curve import ALONE, NAMES, PLAIN, table
from clinical_ner.ner.model import read_manifest
from clinical_ner.ner.tagger import Tagger

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
MODEL = ROOT / "models/tagger.crfsuite"
REAL_TEXT = ROOT / "docs/real_text.json"
LEARNING_CURVE = ROOT / "docs/learning_curve.json"
Place = tuple[str, Format, tuple[str, ...]]  # path, format, labels to score
CORPORA: dict[str, Place] = {
    "MACCROBAT, 100 case reports": ("maccrobat", Format.BRAT, LABELS),
    "BeHealthy, 2,599 sentences of abstracts": ("behealthy/train", Format.DT, LABELS),
    "NCBI Disease devel, 923 sentences": ("ncbi-disease/devel.tsv", Format.CONLL, (DISEASE,)),
}
EXTRACT = ("clinical-ner", "extract", "docs/example.txt", "--format", "table")
GOLDEN: dict[str, Place] = {"written for this project, 12 notes": ("tests/golden/notes.jsonl", Format.JSONL, LABELS)}
COLUMNS = 100  # of the terminal that README shows
HEADER = "| text | system | precision | recall | **F1** | token-weighted F1 |\n|---|---|---|---|---|---|"


def main(corpora: Annotated[Path | None, Option()] = None, check: Annotated[bool, Option()] = False) -> None:
    """Bring the figures of README.md up to date, or say that they are not."""
    if corpora:
        files.write_json(REAL_TEXT, {"model": read_manifest(MODEL).version, "corpora": measure(corpora, CORPORA)})
    old = README.read_text(encoding="utf-8")
    new = rendered(old)
    if check and new != old:
        raise UserError("README.md is behind the figures", "run 'make readme'")
    if new != old:
        files.write_text(README, new)


def measure(folder: Path, corpora: Mapping[str, Place]) -> dict[str, Any]:
    """The scores of the CRF and of dictionary look-up on every corpus."""
    tagger = Tagger.load(MODEL)
    systems = {"CRF": span_reader(tagger), "dictionary": dictionary_reader(tagger.gazetteer)}
    found: dict[str, Any] = {}
    for name, (place, corpus_format, labels) in corpora.items():
        corpus = read_corpus(folder / place, corpus_format)
        found[name] = {
            "digest": digest(corpus),
            "systems": {name: scores(read_all(reader, corpus.documents, labels)) for name, reader in systems.items()},
        }
    return found


def rendered(text: str) -> str:
    """README.md with the tables of the current figures."""
    evaluation = files.read_json(ROOT / "reports/evaluation.json")
    real = files.read_json(REAL_TEXT)
    now = read_manifest(MODEL).version
    measured = f"Real text was measured with model `{real['model']}`; the other rows are of model `{now}`."
    blocks = {
        "repro": fenced("text", output("make", "--silent", "figures")),
        "headline": f"{headline(evaluation, {**real['corpora'], **measure(ROOT, GOLDEN)})}\n\n{measured}",
        "slices": slices(evaluation),
        "ablation": ablation(evaluation),
        "learning_curve": curve(files.read_json(LEARNING_CURVE)),
        "extract": fenced("console", f"$ {' '.join(EXTRACT)}\n{output(*EXTRACT)}"),
    }
    for name, block in blocks.items():
        before, _, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        text = f"{before}<!-- {name} -->\n{block}\n{end}{after}"
    return text


def output(*command: str) -> str:
    """What a command prints, run from the top of the repository."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "COLUMNS": str(COLUMNS)}
    return subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout.rstrip()


def fenced(language: str, content: str) -> str:
    """A block of code; no line ends in spaces."""
    lines = "\n".join(line.rstrip() for line in content.splitlines())
    return f"```{language}\n{lines}\n```"


def headline(evaluation: dict[str, Any], written: dict[str, Any]) -> str:
    """What people wrote first, synthetic text beside it."""
    rows = [
        _row(f"**{name}**", system, scored)
        for name, corpus in written.items()
        for system, scored in corpus["systems"].items()
    ]
    names = {"crf": "CRF", "dictionary": "dictionary", "token_classifier": "token classifier"}
    rows += [_row("synthetic, held out", shown, evaluation[system]["all"]) for system, shown in names.items()]
    return "\n".join([HEADER, *rows])


def _row(text: str, system: str, scored: dict[str, Any]) -> str:
    micro = scored["micro"]
    shares = f"{micro['precision']:.3f} | {micro['recall']:.3f} | **{micro['f1']:.3f}**"
    return f"| {text} | {system} | {shares} | {scored['token_weighted_f1']:.3f} |"


def slices(evaluation: dict[str, Any]) -> str:
    """The CRF on what it has seen and on what it has not, per label and micro."""
    lines = ["| held-out synthetic text | label | precision | recall | F1 | entities |", "|---|---|---|---|---|---|"]
    for by in ("patients", "templates", "terms", "repeats"):
        for name, scored in evaluation["crf"][by].items():
            shown = f"{by}: {name.replace('_', ', ')}"
            if not scored["micro"]["support"]:
                lines.append(f"| {shown} | {scored['predicted']} entities found | | | | 0 |")
                continue
            for label, row in [*scored["per_label"].items(), ("micro", scored["micro"])]:
                shares = f"{row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f}"
                lines.append(f"| {shown} | {label} | {shares} | {row['support']} |")
    return "\n".join(lines)


def ablation(evaluation: dict[str, Any]) -> str:
    """Strict micro F1 of lighter models, with all groups of features and without each."""
    lines = ["| features | F1 | F1 on withheld, unlisted terms |", "|---|---|---|"]
    for name, found in evaluation["ablation"].items():
        rare = found.get("f1_withheld_unlisted_terms", 0.0)
        lines.append(f"| {name.replace('_', ' ')} | {found['f1']:.3f} | {rare:.3f} |")
    return "\n".join(lines)


def curve(found: dict[str, Any]) -> str:
    """The learning curve as a table, and what the synthetic notes are worth by it."""
    corpus, cut = found["corpus"], found["folds"]
    measured = f"{cut['held_out_in_turn']} of {cut['cut_into']} parts held out in turn"
    lines = [
        f"On {corpus['name']}, {corpus['reports']} reports, {measured}; strict F1.",
        "",
        table(found["points"]),
        "",
    ]
    for system, name in ((ALONE, NAMES[ALONE]), (PLAIN, NAMES[PLAIN])):
        worth, most = found["worth_in_reports"][system], found["points"][-1]["reports"]
        shown = f"more than {most}" if worth is None else f"{worth:.0f}"
        lines.append(f"- Against {name}, the synthetic notes are worth **{shown}** annotated reports.")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
