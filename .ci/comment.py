"""Write the comment of a pull request: what the work tree does to the figures of another commit.

    python .ci/comment.py BASE OUT

OUT becomes a folder with `comment.md`, its pictures in `plots/`, `summary.md` (the same where no picture can be shown)
and `verdict.json`. The figures are those of the last `dvc repro`, on both sides.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from clinical_ner.core import files
from clinical_ner.core.commands import run
from clinical_ner.core.errors import UserError
from clinical_ner.ner.metrics import Counts
from comparison import (
    STANDARD_ERRORS,
    Comparison,
    changed,
    compared,
    judged_scores,
    real_scores,
    real_text_tells,
    sizes,
    verdict,
)

ROOT = Path(__file__).parents[1]
LOCK, EVALUATION, REAL_TEXT = "dvc.lock", "reports/evaluation.json", "docs/real_text.json"
TABLES = ("vocabulary", "population", "notes", "dataset")  # the stages whose figures count rows
WORDS = {"better": "better", "same": "the same within noise", "worse": "**worse beyond noise**", None: "not judged"}
DIGITS = 5
ROW_PIXELS = 10  # each side's bar; DVC gives all rows of a plot 300 pixels together
SHOWN = 3  # plots that need not be folded
NOISE = f"""\
Noise is {STANDARD_ERRORS:g} standard errors of the difference, with texts as the sample. Not judged is what is of other
texts than before. Real text is there if `make readme CORPORA=folder` has measured this very model."""


# --- the two sides ---------------------------------------------------------------------------------
class Side:
    """The files of a commit, or of the work tree if it has no name; what is not there is an empty mapping."""

    def __init__(self, commit: str = "") -> None:
        self.commit = commit

    def text(self, path: str) -> str:
        if not self.commit:
            return (ROOT / path).read_text("utf-8") if (ROOT / path).is_file() else ""
        return git("show", f"{self.commit}:{path}", missing="")

    def content(self, path: str) -> Any:
        """Of JSON or YAML, by the end of its name."""
        text = self.text(path)
        return ((json.loads if path.endswith(".json") else yaml.safe_load)(text) if text else None) or {}

    def metrics(self) -> dict[str, Any]:
        """The figures of every stage."""
        paths = metrics_paths(self.content("dvc.yaml"))
        return {Path(path).stem: self.content(path) for path in paths}


def git(*words: str, missing: str | None = None) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode and missing is None:
        raise UserError(f"git {' '.join(words)}: {done.stderr.strip()}", "name a commit that this clone has: BASE=main")
    return done.stdout if done.returncode == 0 else str(missing)


def metrics_paths(pipeline: Mapping[str, Any]) -> list[str]:
    """The files of figures that dvc.yaml declares."""
    stages = pipeline.get("stages", {}).values()
    return [path for stage in stages for entry in stage.get("metrics", []) for path in entry]


def comparisons_of(base: Side, now: Side) -> list[Comparison]:
    """The judged figures of both sides, those on real text if they speak of these models."""
    locks, real = ([side.content(path) for side in (base, now)] for path in (LOCK, REAL_TEXT))
    before, after = (
        judged_scores(side.content(EVALUATION), lock) for side, lock in zip((base, now), locks, strict=True)
    )
    if real_text_tells((locks[0], real[0]), (locks[1], real[1])):
        before, after = before | real_scores(real[0]), after | real_scores(real[1])
    return compared(before, after)


# --- the text ----------------------------------------------------------------------------------------
def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, figures to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def shown(value: Any) -> str:
    """As people read it: thousands apart, five digits of a share, a dash for nothing."""
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.{DIGITS}g}"


def difference(before: Any, after: Any) -> str:
    """With its sign, where both are numbers."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (before, after))
    if not numbers:
        return ""
    found = after - before
    return f"{found:+,}" if isinstance(found, int) else f"{found:+.{DIGITS}f}"


def changes_table(what: str, changes: Mapping[str, tuple[Any, Any]]) -> str:
    rows = [(name, shown(old), shown(new), difference(old, new)) for name, (old, new) in changes.items()]
    return table((what, "before", "after", "difference"), rows) if rows else f"{what.capitalize()}: no change."


def f1(counts: Counts | None) -> str:
    return f"{counts.f1:.4f}" if counts else "-"


def judged_row(found: Comparison) -> tuple[str, ...]:
    before, after = (score.counts if score else None for score in (found.before, found.after))
    both = before and after
    return (
        found.name,
        f1(before),
        f1(after),
        f"{found.difference:+.4f}" if both else "",
        f"±{found.noise:.4f}" if both else "",
        WORDS[found.verdict],
    )


def folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def folded_if_long(title: str, parts: Sequence[str]) -> list[str]:
    """The parts, behind their title if they would push everything else off the screen."""
    return [folded(f"{len(parts)} {title}", "\n\n".join(parts))] if len(parts) > SHOWN else list(parts)


def headline(comparisons: Sequence[Comparison]) -> str:
    found = verdict(comparisons)
    named = [comparison.name for comparison in comparisons if comparison.verdict == found != "same"]
    return f"## Verdict: {WORDS[found]}" + (f" ({', '.join(named)})" if named else "") + left_out(comparisons)


def left_out(comparisons: Sequence[Comparison]) -> str:
    """What the verdict says nothing about."""
    count = sum(comparison.verdict is None for comparison in comparisons)
    return f"; {count} of {len(comparisons)} figures not judged" if count else ""


def text(base: Side, now: Side, comparisons: Sequence[Comparison], plots: Mapping[str, str]) -> str:
    """The comment: a verdict, the judged figures, the parameters, the data, all other figures, the plots."""
    old, new = base.metrics(), now.metrics()
    counts, figures = (changed(*(chosen(side, of_tables) for side in (old, new))) for of_tables in (True, False))
    drawn = [f"**{title}**\n\n![{title}](plots/{name})" for name, title in plots.items()]
    sections = [
        headline(comparisons),
        table(("strict F1", "before", "after", "difference", "noise", "verdict"), map(judged_row, comparisons)),
        NOISE,
        "### Parameters",
        changes_table("parameter", changed(base.content("params.yaml"), now.content("params.yaml"))),
        "### Data and model",
        changes_table("bytes", changed(sizes_of(base), sizes_of(now))),
        changes_table("rows and counts", counts),
        "### Other figures",
        folded(f"{len(figures)} that changed", changes_table("figure", figures)) if figures else "No change.",
        "### Plots that changed",
        *(folded_if_long("plots", drawn) or ["None."]),
    ]
    return "\n\n".join(sections) + "\n"


def chosen(metrics: Mapping[str, Any], of_tables: bool) -> dict[str, Any]:
    """The figures of the stages that count rows, or those of the others."""
    return {stage: figures for stage, figures in metrics.items() if (stage in TABLES) == of_tables}


def sizes_of(side: Side) -> dict[str, int]:
    return sizes(side.content(LOCK))


def without_pictures(comment: str) -> str:
    """The same where pictures have no address: their names stay."""
    lines = (line for line in comment.splitlines() if not line.startswith("!["))
    return "\n".join(lines) + "\n\nThe plots are PNG files in the artifact `comment`.\n"


# --- plots -------------------------------------------------------------------------------------------
def points(plot: Mapping[str, Any], revision: str) -> list[dict[str, Any]]:
    values = plot["content"]["data"]["values"]
    return [{key: cell for key, cell in row.items() if key != "rev"} for row in values if row["rev"] == revision]


def is_new(plot: Mapping[str, Any]) -> bool:
    """Whether the plot is there on one side alone, or with other points."""
    sides = [json.dumps(points(plot, revision)) for revision in plot["revisions"]]
    return len(set(sides)) > 1 or len(sides) == 1


def changed_plots(diff: Mapping[str, Any]) -> dict[str, Any]:
    """Of what `dvc plots diff --json` prints, the plots that are not the same on both sides, by their paths."""
    found = {path: plot for path, plots in diff.get("data", {}).items() for plot in plots}
    return {path: plot["content"] for path, plot in sorted(found.items()) if is_new(plot)}


def renamed(content: Any, commit: str) -> Any:
    """A plot whose two sides are called before and after."""
    text = json.dumps(content).replace(json.dumps(commit), '"before"').replace('"workspace"', '"after"')
    return json.loads(text)


def legible(content: Any) -> Any:
    """A plot whose named rows are far enough apart to be read."""
    named = content.get("encoding", {}).get("y", {}).get("type") == "nominal"
    return content | {"height": {"step": ROW_PIXELS}} if named else content


def draw(plots: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Write each plot as PNG; the names of the files and the plots' titles."""
    import vl_convert

    drawn: dict[str, str] = {}
    folder.mkdir(parents=True)
    for path, content in plots.items():
        name = path.removeprefix("plots/").replace("/", "_").removesuffix(".csv") + ".png"
        (folder / name).write_bytes(vl_convert.vegalite_to_png(content, vl_version="5.20"))
        drawn[name] = content["title"]["text"] if isinstance(content["title"], dict) else str(content["title"])
    return drawn


def plots_diff(commit: str) -> Any:
    command = ["dvc", "plots", "diff", "--json", commit]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def main(base: str, out: Path) -> None:
    """Compare the work tree with the commit BASE and write the comment into the folder OUT."""
    commit = git("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}").strip()
    before, now = Side(commit), Side()
    comparisons = comparisons_of(before, now)
    shutil.rmtree(out, ignore_errors=True)
    moved = changed_plots(plots_diff(commit))
    plots = draw({path: legible(renamed(content, commit)) for path, content in moved.items()}, out / "plots")
    comment = text(before, now, comparisons, plots)
    files.write_text(out / "comment.md", comment)
    summary = without_pictures(comment) if plots else comment
    files.write_text(out / "summary.md", summary)
    files.write_json(out / "verdict.json", {"verdict": verdict(comparisons)})
    sys.stdout.write(summary)


if __name__ == "__main__":
    run(main)
