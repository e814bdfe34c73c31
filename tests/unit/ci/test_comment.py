"""The text of the comment of a pull request."""

from __future__ import annotations

import re
from typing import Any

import pytest

import comment
from clinical_ner.core.errors import UserError
from clinical_ner.ner.metrics import Counts
from comparison import Comparison, Score

GOOD, BAD = (Score(Counts(right, 10_000, 10_000), "texts") for right in (9000, 8000))


class Files(comment.Side):
    """A side whose files are given."""

    def __init__(self, **contents: Any) -> None:
        super().__init__()
        self.contents = {name.replace("__", "/").replace("_dot_", "."): content for name, content in contents.items()}

    def content(self, path: str) -> Any:
        return self.contents.get(path, {})


def side(iterations: int, texts: int, size: int) -> Files:
    files = [{f"metrics/{stage}.json": {"cache": False}} for stage in ("notes", "train")]
    metrics = {"stages": {"all": {"metrics": files}}}
    outs = {"stages": {"notes": {"outs": [{"path": "data/notes", "size": size}]}}}
    return Files(
        dvc_dot_yaml=metrics,
        dvc_dot_lock=outs,
        params_dot_yaml={"train": {"max_iterations": iterations}},
        metrics__notes_dot_json={"texts": texts},
        metrics__train_dot_json={"loss": 1 / iterations},
    )


def written(comparisons: list[Comparison], plots: dict[str, str] | None = None) -> str:
    return comment.text(side(50, 5000, 1000), side(40, 6000, 1500), comparisons, plots or {})


def test_the_comment_begins_with_the_verdict_and_names_the_figures_that_made_it() -> None:
    text = written([Comparison("golden notes", GOOD, BAD), Comparison("synthetic", GOOD, GOOD)])

    assert text.splitlines()[0] == "## Verdict: **worse beyond noise** (golden notes)"
    assert "| golden notes | 0.9000 | 0.8000 | -0.1000 | ±" in text
    assert "| synthetic | 0.9000 | 0.9000 | +0.0000 | ±" in text


def test_a_figure_without_a_counterpart_is_shown_and_not_judged() -> None:
    text = written([Comparison("golden notes", None, GOOD), Comparison("synthetic", GOOD, GOOD)])

    assert text.splitlines()[0] == "## Verdict: the same within noise; 1 of 2 figures not judged"
    assert "| golden notes | - | 0.9000 |  |  | not judged |" in text


def test_the_comment_shows_parameters_sizes_and_rows_before_and_after() -> None:
    text = written([])

    assert "| train.max_iterations | 50 | 40 | -10 |" in text
    assert "| data/notes | 1,000 | 1,500 | +500 |" in text
    assert "| notes.texts | 5,000 | 6,000 | +1,000 |" in text


def test_where_nothing_changed_the_comment_says_so() -> None:
    same = side(50, 5000, 1000)

    text = comment.text(same, same, [], {})

    assert text.startswith("## Verdict: the same within noise\n")
    assert re.findall(r"(.+): no change", text) == ["Parameter", "Bytes", "Rows and counts"]
    assert "### Other figures\n\nNo change.\n" in text
    assert text.endswith("### Plots that changed\n\nNone.\n")


def test_no_figure_is_told_twice() -> None:
    text = written([])

    assert text.count("notes.texts") == 1
    assert text.count("train.loss") == 1


def test_many_plots_are_folded_and_few_are_not() -> None:
    few, many = ({f"{i}.png": f"Plot {i}" for i in range(count)} for count in (3, 4))

    assert "<summary>4 plots</summary>" in written([], many)
    assert "plots</summary>" not in written([], few)


def test_a_summary_names_the_plots_that_it_cannot_show() -> None:
    text = written([], {"training.png": "Training curve"})

    summary = comment.without_pictures(text)

    assert "![Training curve](plots/training.png)" in text
    assert "![" not in summary
    assert "**Training curve**" in summary


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "-"),
        (1234567, "1,234,567"),
        (0.123456789, "0.12346"),
        (True, "True"),
        ("a|b", "a|b"),
        (["log", 1], "log, 1"),
    ],
)
def test_values_are_shown_as_people_read_them(value: Any, expected: str) -> None:
    assert comment.shown(value) == expected


def test_a_pipe_in_a_cell_does_not_end_it() -> None:
    assert comment.table(("a", "b"), [("x|y", "1")]).splitlines()[-1] == r"| x\|y | 1 |"


def plot(*sides: tuple[str, list[int]]) -> dict[str, Any]:
    values = [{"x": x, "rev": revision} for revision, points in sides for x in points]
    content = {"data": {"values": values}, "title": {"text": "T"}}
    return {"type": "vega", "revisions": [revision for revision, _ in sides], "content": content}


def test_plots_with_the_same_points_on_both_sides_are_left_out() -> None:
    same, moved, new = (
        plot(("workspace", [1]), ("main", [1])),
        plot(("workspace", [1]), ("main", [2])),
        plot(("workspace", [1])),
    )

    found = comment.changed_plots({"data": {"same.csv": [same], "moved.csv": [moved], "new.csv": [new]}})

    assert list(found) == ["moved.csv", "new.csv"]


def test_the_sides_of_a_plot_are_called_before_and_after() -> None:
    drawn = comment.renamed(plot(("workspace", [1]), ("0abc", [2]))["content"], "0abc")

    assert [row["rev"] for row in drawn["data"]["values"]] == ["after", "before"]


def test_rows_that_have_names_get_room_for_each_and_a_curve_stays_as_it_is() -> None:
    bars, curve = ({"encoding": {"y": {"type": kind}}, "height": 300} for kind in ("nominal", "quantitative"))

    assert comment.legible(bars)["height"] == {"step": comment.ROW_PIXELS}
    assert comment.legible(curve) == curve


def test_a_base_that_is_no_commit_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="name a commit that this clone has"):
        comment.git("rev-parse", "--verify", "--quiet", "no-such-branch^{commit}")
