"""What a change does to the figures: differences, whether they are beyond noise, and the verdict. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot, sqrt
from typing import Any, Literal

from clinical_ner.core.files import leaves
from clinical_ner.ner.metrics import Counts

Verdict = Literal["better", "same", "worse"]
Json = Mapping[str, Any]

# Errors of one text resemble one another: the variance of F1 over draws of whole texts, by this much larger than over
# draws of entities (bootstrap over texts: 2.7 on the held-out synthetic texts, 1.3 on the golden notes).
DESIGN_EFFECT = 2.7
# Both sides read the same texts and agree on most of them, which counts do not show: so these are wide.
STANDARD_ERRORS = 2.0

HELD_OUT, GOLDEN = "held-out synthetic texts", "golden notes"
# The figures that are judged: name, texts they are of, place in the report of the stage evaluate.
JUDGED = (
    ("synthetic, seen templates", HELD_OUT, ("crf", "templates", "seen")),
    ("synthetic, unseen templates", HELD_OUT, ("crf", "templates", "unseen")),
    ("synthetic, unseen terms", HELD_OUT, ("crf", "terms", "withheld_unlisted")),
    ("golden notes", GOLDEN, ("golden", "all")),
)
MANIFEST = "models/tagger.manifest.json"
# What dvc.lock says those texts are made of.
MADE_OF = {HELD_OUT: ("data/notes", "data/dataset"), GOLDEN: ("tests/golden/notes.jsonl",)}


@dataclass(frozen=True)
class Score:
    """Strict counts of entities, and a name for the very texts that they were counted on."""

    counts: Counts
    texts: str

    @property
    def standard_error(self) -> float:
        """Of F1, by the delta method; texts, not entities, are the sample.

        F1 is 2J / (1 + J) of the share J of what is predicted or gold that is both.
        """
        union = self.counts.predicted + self.counts.gold - self.counts.true_positives
        if union == 0:
            return 0.0
        both = self.counts.true_positives / union
        return 2 / (1 + both) ** 2 * sqrt(DESIGN_EFFECT * both * (1 - both) / union)


@dataclass(frozen=True)
class Comparison:
    """A judged figure before and after; None where it is not there."""

    name: str
    before: Score | None
    after: Score | None

    @property
    def difference(self) -> float:
        """Of F1: after less before; 0.0 where there is nothing to compare."""
        if self.before is None or self.after is None:
            return 0.0
        return self.after.counts.f1 - self.before.counts.f1

    @property
    def noise(self) -> float:
        """The largest difference of F1 that is put down to chance."""
        errors = [score.standard_error if score else 0.0 for score in (self.before, self.after)]
        return STANDARD_ERRORS * hypot(*errors)

    @property
    def verdict(self) -> Verdict | None:
        """None if the two are not of the same texts, or the figure is new; a figure that is gone is worse."""
        if self.before is None:
            return None
        if self.after is None:
            return "worse"
        if self.before.texts != self.after.texts:
            return None
        if abs(self.difference) <= self.noise:
            return "same"
        return "better" if self.difference > 0 else "worse"


def verdict(comparisons: Iterable[Comparison]) -> Verdict:
    """Worse if any judged figure is; else better if any is; else the same."""
    found = {comparison.verdict for comparison in comparisons}
    return "worse" if "worse" in found else "better" if "better" in found else "same"


def counts_of(scores: Json) -> Counts:
    """The counts behind precision, recall and support: from six digits the whole numbers, or nearly.

    >>> counts_of({"precision": 0.952381, "recall": 0.893855, "f1": 0.92219, "support": 179})
    Counts(true_positives=160, predicted=168, gold=179)
    """
    right = round(scores["recall"] * scores["support"])
    predicted = round(right / scores["precision"]) if scores["precision"] else 0
    return Counts(right, predicted, scores["support"])


def judged_scores(evaluation: Json, lock: Json) -> dict[str, Score]:
    """The scores of the report of the stage evaluate that are judged, by name; what is not there is left out."""
    hashes = {entry["path"]: entry["md5"] for entry in entries(lock, "deps") if "md5" in entry}
    found: dict[str, Score] = {}
    for name, texts, place in JUDGED:
        table = at(evaluation, place)
        if table is not None:
            found[name] = Score(counts_of(table["micro"]), " ".join(hashes.get(path, "") for path in MADE_OF[texts]))
    return found


def real_scores(real_text: Json) -> dict[str, Score]:
    """The scores on real text, by corpus."""
    return {
        f"real, {name}": Score(counts_of(corpus["systems"]["CRF"]["micro"]), corpus["digest"])
        for name, corpus in real_text.get("corpora", {}).items()
    }


def real_text_tells(before: tuple[Json, Json], after: tuple[Json, Json]) -> bool:
    """Whether the figures on real text are those of the models to compare: measured anew exactly if the model is new.

    Each side is its dvc.lock and its figures on real text: those cannot be measured where the corpora are not.
    """
    new_model = model_hash(before[0]) != model_hash(after[0])
    return new_model == (before[1].get("model") != after[1].get("model"))


def model_hash(lock: Json) -> str | None:
    """What dvc.lock holds of the manifest, which names every file of the model."""
    return next((entry["md5"] for entry in entries(lock, "outs") if entry["path"] == MANIFEST), None)


def compared(before: Mapping[str, Score], after: Mapping[str, Score]) -> list[Comparison]:
    """Every score of either side, those of now first."""
    return [Comparison(name, before.get(name), after.get(name)) for name in dict.fromkeys([*after, *before])]


def at(content: Any, place: Sequence[str]) -> Any:
    """What lies in a nested mapping under these keys, or None."""
    for key in place:
        if not isinstance(content, Mapping) or key not in content:
            return None
        content = content[key]
    return content


def changed(before: Any, after: Any) -> dict[str, tuple[Any, Any]]:
    """The leaves that differ, as they were and as they are, in alphabetical order; None where there is none."""
    old, new = dict(leaves(before)), dict(leaves(after))
    return {name: (old.get(name), new.get(name)) for name in sorted(old | new) if old.get(name) != new.get(name)}


def entries(lock: Json, kind: str) -> list[Json]:
    """The deps or outs of all stages of a dvc.lock."""
    return [entry for stage in lock.get("stages", {}).values() for entry in stage.get(kind, [])]


def sizes(lock: Json) -> dict[str, int]:
    """The bytes of each out of the data and the models by its path."""
    kept = ("data/", "models/")
    return {entry["path"]: entry["size"] for entry in entries(lock, "outs") if entry["path"].startswith(kept)}
