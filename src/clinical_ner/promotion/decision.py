"""The rule by which a challenger goes out or stays; `docs/promotion.md` states it in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from clinical_ner.core.params import PromoteParams
from clinical_ner.promotion.comparison import WHOLE, Comparison, Row

FORMAT: Final = 1  # of the decision as JSON


class Speed(NamedTuple):
    """Tokens a second of both, taking turns on the same texts, and the median ratio of the rounds."""

    challenger: float
    champion: float | None
    ratio: float | None


class Decision(NamedTuple):
    """Whether the challenger goes out; each reason against it is a sentence, and so is each gain."""

    is_promoted: bool
    gains: tuple[str, ...]
    reasons: tuple[str, ...]


def decide(comparisons: Sequence[Comparison], speed: Speed, params: PromoteParams) -> Decision:
    """Promoted only if nothing speaks against it, and, where there is a champion, something speaks for it."""
    gains = _gains(comparisons, params)
    reasons = [*_below_floors(comparisons, params), *_losses(comparisons, params), *_too_slow(speed, params)]
    has_champion = any(comparison.whole.difference for comparison in comparisons)
    if has_champion and not gains:
        reasons.append(f"no test set shows a gain of {params.least_gain:g} or more beyond noise")
    return Decision(not reasons, tuple(gains), tuple(reasons))


def _gains(comparisons: Sequence[Comparison], params: PromoteParams) -> list[str]:
    def is_gain(value: float, low: float, _: float) -> bool:
        return low > 0 and value >= params.least_gain

    return [_sentence(each.name, each.whole) for each in comparisons if _holds(each.whole, is_gain)]


def _losses(comparisons: Sequence[Comparison], params: PromoteParams) -> list[str]:
    """The sets and slices that are worse beyond noise, and by more than is tolerated."""

    def is_loss(row: Row) -> bool:
        most = params.most_loss if row.name == WHOLE else params.most_loss_of_slice
        return _holds(row, lambda value, _, high: high < 0 and value < -most)

    return [_sentence(each.name, row) for each in comparisons for row in each.rows if is_loss(row)]


def _holds(row: Row, judged: Callable[[float, float, float], bool]) -> bool:
    return row.difference is not None and judged(*row.difference)


def _sentence(name: str, row: Row) -> str:
    assert row.difference is not None  # noqa: S101 # of a row that was compared
    value, low, high = row.difference
    where = name if row.name == WHOLE else f"{name}, {row.name}"
    return f"{where}: F1 {row.champion:.3f} -> {row.challenger:.3f}, {value:+.3f} ({low:+.3f} to {high:+.3f})"


def _below_floors(comparisons: Sequence[Comparison], params: PromoteParams) -> list[str]:
    found = {comparison.name: comparison.whole.challenger for comparison in comparisons}
    missing = [f"{name}: the test set that has a floor was not read" for name in params.least_f1 if name not in found]
    low = [
        f"{name}: F1 {found[name]:.3f} is below {floor:g}"
        for name, floor in params.least_f1.items()
        if name in found and found[name] < floor
    ]
    return [*missing, *low]


def _too_slow(speed: Speed, params: PromoteParams) -> list[str]:
    if speed.ratio is None or speed.ratio >= params.least_speed_ratio:
        return []
    return [f"speed: {speed.ratio:.2f} of the champion's, {params.least_speed_ratio:g} is the least"]


def as_json(
    comparisons: Sequence[Comparison], speed: Speed, decision: Decision, about: Mapping[str, Any]
) -> dict[str, Any]:
    """All of it, for programs; counts and shares, never a word of a text."""
    return {
        "format": FORMAT,
        **about,
        "promoted": decision.is_promoted,
        "gains": list(decision.gains),
        "reasons": list(decision.reasons),
        "speed": speed._asdict(),
        "sets": {comparison.name: _set_as_json(comparison) for comparison in comparisons},
    }


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the tag of a release keeps of `as_json`: each test set as a whole."""
    sets = {name: {**each, "slices": {WHOLE: each["slices"][WHOLE]}} for name, each in found["sets"].items()}
    return {**found, "sets": sets}


def _set_as_json(comparison: Comparison) -> dict[str, Any]:
    return {
        "digest": comparison.digest,
        "documents": comparison.documents,
        "new_terms": comparison.new_terms,
        "slices": {row.name: _row_as_json(row) for row in comparison.rows},
    }


def _row_as_json(row: Row) -> dict[str, Any]:
    return {
        "support": row.support,
        "challenger": row.challenger,
        "champion": row.champion,
        "difference": row.difference and row.difference._asdict(),
    }


def as_markdown(comparisons: Sequence[Comparison], speed: Speed, decision: Decision, title: str) -> str:
    """The decision as a comment of a pull request."""
    verdict = "promoted" if decision.is_promoted else "refused"
    lines = [f"### {title}: {verdict}", "", *(f"- {reason}" for reason in decision.reasons or decision.gains), ""]
    lines += _table((each.name, each.whole) for each in comparisons)
    lines += ["", f"Speed: {speed.challenger:.0f} tokens a second{_ratio(speed)}.", ""]
    lines += ["<details><summary>By slice</summary>", ""]
    lines += _table((f"{each.name}, {row.name}", row) for each in comparisons for row in each.rows[1:])
    return "\n".join([*lines, "", "</details>", ""])


def _table(rows: Iterable[tuple[str, Row]]) -> list[str]:
    head = [
        "| test set | gold | champion | challenger | difference | from | to |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    return [*head, *(_markdown_row(name, row) for name, row in rows)]


def _ratio(speed: Speed) -> str:
    return "" if speed.ratio is None else f", {speed.ratio:.2f} of the champion's"


def _markdown_row(name: str, row: Row) -> str:
    compared = (
        ["", f"{row.challenger:.4f}", "", "", ""]
        if row.champion is None or row.difference is None
        else [f"{row.champion:.4f}", f"{row.challenger:.4f}", *(f"{part:+.4f}" for part in row.difference)]
    )
    return f"| {name} | {row.support} | {' | '.join(compared)} |"
