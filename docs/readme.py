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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from clinical_ner.core import files, io, params
from clinical_ner.core.commands import run
from clinical_ner.core.errors import UserError
from clinical_ner.core.schema import LEXICON, TOKENS
from clinical_ner.core.span import ASSERTIONS, DISEASE, LABELS
from clinical_ner.ner.ablation import lighter_models, sampled_sentences
from clinical_ner.ner.baselines import dictionary_reader
from clinical_ner.ner.corpora import Corpus, Format, digest, read_corpus
from clinical_ner.ner.dataset import examples_of
from clinical_ner.ner.diagnosis import diagnosis
from clinical_ner.ner.evaluation import read_all, scores, span_reader, understand_all
from clinical_ner.ner.held_out import WITHHELD
from clinical_ner.ner.learning_curve import ALONE, NAMES, PLAIN
from clinical_ner.ner.learning_curve import table as curve_table
from clinical_ner.ner.model import read_manifest
from clinical_ner.ner.report import GOLDEN as GOLDEN_NOTES
from clinical_ner.ner.report import HELD_OUT, TEXTS
from clinical_ner.ner.robustness import perturbations, robustness
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.training import entries, partial_gazetteer

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
        files.write_json(REAL_TEXT, {"model": read_manifest(MODEL).version, "corpora": measured_closely(corpora)})
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
    for name, (corpus, labels) in opened(folder, corpora).items():
        found[name] = {
            "digest": digest(corpus),
            "systems": {name: scores(read_all(reader, corpus.documents, labels)) for name, reader in systems.items()},
        }
    return found


def opened(folder: Path, corpora: Mapping[str, Place]) -> dict[str, tuple[Corpus, tuple[str, ...]]]:
    """Every corpus with the labels to score in it."""
    return {name: (read_corpus(folder / place, kind), labels) for name, (place, kind, labels) in corpora.items()}


def measured_closely(folder: Path) -> dict[str, Any]:
    """The scores on real text, and beside them what the report has of synthetic text: figures alone, no text."""
    own = params.load(ROOT / "params.yaml").evaluate
    tagger, found = Tagger.load(MODEL), measure(folder, CORPORA)
    ways = perturbations(own.seed, own.typo_rate)
    ablated = ablations(tagger, folder)
    for name, (corpus, labels) in opened(folder, CORPORA).items():
        read = understand_all(tagger, corpus.documents)
        found[name] |= diagnosis(read, labels, tagger.gazetteer)
        found[name]["robustness"] = robustness(span_reader(tagger), corpus.documents, labels, ways)
        found[name]["ablation"] = ablated[name]
    return found


def ablations(tagger: Tagger, folder: Path) -> dict[str, dict[str, float]]:
    """For each corpus the strict F1 of the lighter models of the stage `evaluate`, with and without each group."""
    settings = params.load(ROOT / "params.yaml")
    own, train = settings.evaluate, settings.train
    examples = examples_of(io.read(TOKENS, ROOT / "data/dataset"))
    partial = partial_gazetteer(entries(io.read(LEXICON, ROOT / "data/dataset")), train)
    few = sampled_sentences(examples, own)
    corpora = opened(folder, CORPORA)
    found: dict[str, dict[str, float]] = {name: {} for name in corpora}
    for features, model in lighter_models(tagger, few, partial, own, train):
        for name, (corpus, labels) in corpora.items():
            micro = scores(read_all(span_reader(model), corpus.documents, labels))["micro"]
            found[name][features] = micro["f1"]
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
        "ablation": ablation(evaluation, real["corpora"]),
        "errors": causes(evaluation, real["corpora"]),
        "outputs": outputs(evaluation),
        "robustness": writings(evaluation, real["corpora"]),
        "calibration": calibration(evaluation, real["corpora"]),
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
    by_slice = {by: evaluation["crf"][by] for by in ("patients", "templates", "terms", "withheld", "repeats")}
    for by, tables in {**by_slice, "same sentences": evaluation["exchanged"]}.items():
        for name, scored in tables.items():
            shown = f"{by}: {name.replace('_', ', ') if name.startswith(WITHHELD) else spaced(name)}"
            if not scored["micro"]["support"]:
                lines.append(f"| {shown} | {scored['predicted']} entities found | | | | 0 |")
                continue
            for label, row in [*scored["per_label"].items(), ("micro", scored["micro"])]:
                shares = f"{row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f}"
                lines.append(f"| {shown} | {label} | {shares} | {row['support']} |")
    return "\n".join(lines)


def ablation(evaluation: dict[str, Any], real: dict[str, Any]) -> str:
    """Strict micro F1 of lighter models, with all groups of features and without each: synthetic text, then real."""
    columns = {
        "all": "f1",
        "unseen templates": "f1_unseen_templates",
        "withheld, unlisted terms": "f1_withheld_unlisted_terms",
    }
    rows = {
        name: [found.get(key, 0.0) for key in columns.values()]
        + [corpus["ablation"][name] for corpus in real.values() if name in corpus.get("ablation", {})]
        for name, found in evaluation["ablation"].items()
    }
    measured = [short(name) for name, corpus in real.items() if "ablation" in corpus]
    return table(["features", *columns, *measured], rows)


def causes(evaluation: dict[str, Any], real: dict[str, Any]) -> str:
    """How many errors have each cause, found where there is none and missed, on every kind of text."""
    texts = {name: found["causes"] for name, found in by_text(evaluation["diagnosis"], real, "causes").items()}
    names = sorted(
        {cause for found in texts.values() for cause in found},
        key=lambda cause: (-sum(sum(found.get(cause, {}).values()) for found in texts.values()), cause),
    )
    nothing = {"false_positives": 0, "false_negatives": 0}
    pairs = {cause: [found.get(cause, nothing) for found in texts.values()] for cause in names}
    rows = {
        cause: [f"{pair['false_positives']} / {pair['false_negatives']}" for pair in row]
        for cause, row in pairs.items()
    }
    return table(["false positives / false negatives", *texts], rows)


def outputs(evaluation: dict[str, Any]) -> str:
    """What is said of the entities that were found exactly, and the links, from raw text."""
    found = {name: evaluation["outputs"][name]["end_to_end"] for name in TEXTS}
    rows: dict[str, list[Any]] = {
        f"{name}, accuracy": [scored[name]["accuracy"] for scored in found.values()]
        for name in ("assertion", "section", "concept")
    }
    for name in ASSERTIONS:
        per_class = [scored["assertion"]["per_class"].get(name) for scored in found.values()]
        rows[f"assertion: {name}, F1"] = [row["f1"] if row and row["support"] else "" for row in per_class]
    rows["treatment for disease, F1"] = [scored["relations"]["f1"] for scored in found.values()]
    rows["the same, of treatments with a gold link"] = [s["relations_of_linked"]["f1"] for s in found.values()]
    rows["entities found exactly"] = [scored["matched"] for scored in found.values()]
    return table(["what is said", *map(spaced, found)], rows)


def writings(evaluation: dict[str, Any], real: dict[str, Any]) -> str:
    """Strict micro F1 of the same texts in other ways of writing."""
    texts = {spaced(name): evaluation["robustness"][name] for name in (HELD_OUT, GOLDEN_NOTES)}
    texts |= {short(name): corpus["robustness"] for name, corpus in real.items() if "robustness" in corpus}
    ways = perturbations(seed=0, typo_rate=0)  # for their names, in order
    rows = {way: [found[way]["f1"] if way in found else "" for found in texts.values()] for way in ways}
    return table(["written", *texts], rows)


def calibration(evaluation: dict[str, Any], real: dict[str, Any]) -> str:
    """How far confidence is from the share that is exactly right."""
    texts = by_text(evaluation["diagnosis"], real, "calibration")
    rows = {
        name: [found["calibration"][key] for key in ("expected_calibration_error", "brier", "entities")]
        for name, found in texts.items()
    }
    return table(["text", "expected calibration error", "Brier score", "entities found"], rows)


def by_text(own: dict[str, Any], real: dict[str, Any], part: str) -> dict[str, Any]:
    """The figures of our own texts and of the real ones that have this part, by the name to show."""
    shown = {spaced(name): own[name] for name in TEXTS}
    return shown | {short(name): corpus for name, corpus in real.items() if part in corpus}


def table(columns: Sequence[str], rows: Mapping[str, Sequence[Any]]) -> str:
    """A table of Markdown, shares with three digits."""
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for name, row in rows.items():
        cells = (f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row)
        lines.append(f"| {spaced(name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def curve(found: dict[str, Any]) -> str:
    """The learning curve as a table, and what the synthetic notes are worth by it."""
    corpus, cut = found["corpus"], found["folds"]
    measured = f"{cut['held_out_in_turn']} of {cut['cut_into']} parts held out in turn"
    lines = [
        f"On {corpus['name']}, {corpus['reports']} reports, {measured}; strict F1.",
        "",
        curve_table(found["points"]),
        "",
    ]
    for system, name in ((ALONE, NAMES[ALONE]), (PLAIN, NAMES[PLAIN])):
        worth, most = found["worth_in_reports"][system], found["points"][-1]["reports"]
        shown = f"more than {most}" if worth is None else f"{worth:.0f}"
        lines.append(f"- Against {name}, the synthetic notes are worth **{shown}** annotated reports.")
    return "\n".join(lines)


def short(name: str) -> str:
    """The name of a corpus without its size."""
    return name.split(",")[0]


def spaced(name: str) -> str:
    """A name of the report as words."""
    return name.replace("_", " ")


if __name__ == "__main__":
    run(main)
