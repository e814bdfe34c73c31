"""A sweep is every combination once; names and subjects are ones that git takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.commands.experiments import grid, name_of, require_parameters, subject_of, untracked
from clinical_ner.core.errors import UserError

NAMES = st.from_regex(r"[a-z]{1,8}\.[a-z_0-9]{1,8}", fullmatch=True)
VALUES = st.lists(st.from_regex(r"-?[0-9]{1,3}(\.[0-9]{1,3})?", fullmatch=True), min_size=1, max_size=4, unique=True)
SWEEPS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=3)
IN_A_REFERENCE = re.compile(r"(?!-)(?!.*\.\.)(?!.*\.lock$)[\w.+-]*[\w+-]")  # what git check-ref-format takes, and less


@given(SWEEPS)
def test_a_grid_has_each_combination_of_the_values_once(values: dict[str, list[str]]) -> None:
    settings = grid([f"{name}={','.join(listed)}" for name, listed in values.items()])

    seen = {tuple(setting[name] for name in values) for setting in settings}
    size = 1
    for listed in values.values():
        size *= len(listed)
    assert len(settings) == len(seen) == size
    assert all(setting[name] in listed for setting in settings for name, listed in values.items())


@given(SWEEPS)
def test_experiments_of_a_grid_have_different_names_that_git_takes(values: dict[str, list[str]]) -> None:
    names = [name_of(setting) for setting in grid([f"{name}={','.join(listed)}" for name, listed in values.items()])]

    assert len(set(names)) == len(names)
    assert [name for name in names if not IN_A_REFERENCE.fullmatch(name)] == []


def test_a_value_that_is_named_twice_is_tried_once() -> None:
    assert grid(["train.c2=1,2,1"]) == [{"train.c2": "1"}, {"train.c2": "2"}]


@pytest.mark.parametrize("sweep", ["train.c2", "c2=1", "train.c2=", "train.c2=1,", "train.c2=[1]", "train.c2=1 2"])
def test_what_is_no_sweep_is_refused_with_an_example(sweep: str) -> None:
    with pytest.raises(UserError, match=r"is no sweep\n.*train\.c2=0\.5,1,2"):
        grid([sweep])


def test_the_subject_names_each_parameter_and_its_value() -> None:
    assert subject_of({"train.c2": "0.5", "notes.typo_rate": "0"}) == "Set train.c2 to 0.5, notes.typo_rate to 0"


def test_an_unknown_parameter_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("train:\n  c2: 1.0\n  max_iterations: 50\n", "utf-8")

    require_parameters(["train.c2"], file)
    with pytest.raises(UserError, match=r"train\.max_iteratons.*\n.*did you mean 'train\.max_iterations'"):
        require_parameters(["train.max_iteratons"], file)


def test_a_folder_of_files_that_git_tracks_has_nothing_untracked() -> None:
    assert untracked(Path(__file__).parents[3] / "pipelines") == []
