"""Sweeps over `params.yaml`: one experiment of DVC for each combination of values."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated

import typer
import yaml

from clinical_ner.core.errors import UserError, closest

SWEEP = re.compile(r"(\w+\.\w+)=([\w.+-]+(?:,[\w.+-]+)*)")
ANNOTATED = Path("data/annotated")


def grid(sweeps: Sequence[str]) -> list[dict[str, str]]:
    """Every combination of the values, those of the last sweep changing fastest.

    >>> grid(["train.c2=0.5,1", "train.c1=0.1"])
    [{'train.c2': '0.5', 'train.c1': '0.1'}, {'train.c2': '1', 'train.c1': '0.1'}]

    Raises:
        UserError: a sweep is not written like that.
    """
    values = {}
    for sweep in sweeps:
        found = SWEEP.fullmatch(sweep)
        if not found:
            raise UserError(f"'{sweep}' is no sweep", "write it as SECTION.NAME=VALUE,VALUE: train.c2=0.5,1,2")
        values[found[1]] = list(dict.fromkeys(found[2].split(",")))
    return [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]


def name_of(setting: Mapping[str, str]) -> str:
    """The experiment's name, which git takes as a part of a reference.

    >>> name_of({"train.c2": "0.5", "train.c1": "0.1"})
    'train.c2-0.5_train.c1-0.1'
    """
    return "_".join(f"{parameter}-{value}" for parameter, value in setting.items())


def subject_of(setting: Mapping[str, str]) -> str:
    """The subject of the experiment's commit.

    >>> subject_of({"train.c2": "0.5", "train.c1": "0.1"})
    'Set train.c2 to 0.5, train.c1 to 0.1'
    """
    return "Set " + ", ".join(f"{parameter} to {value}" for parameter, value in setting.items())


def require_parameters(names: Sequence[str], params_file: Path) -> None:
    """Check that the file has parameters of these names.

    Raises:
        UserError: it has none of that name, or is not there.
    """
    if not params_file.is_file():
        raise UserError(f"{params_file} does not exist", "run from the top of the repository")
    sections = yaml.safe_load(params_file.read_text(encoding="utf-8"))
    known = [f"{section}.{name}" for section, parameters in sections.items() for name in parameters]
    for name in names:
        if name not in known:
            raise UserError(f"{params_file}: {name}: unknown parameter", closest(name, known) or "see the file")


def sweep(
    sweeps: Annotated[list[str], typer.Argument(metavar="SECTION.NAME=VALUE,VALUE...", help="Of params.yaml.")],
) -> None:
    """Run an experiment of DVC for each combination of values, beside the workspace, which stays as it is."""
    settings = grid(sweeps)
    require_parameters(list(settings[0]), Path("params.yaml"))
    there = _dvc("exp", "list", "--name-only", capture=True).split()
    for setting in settings:
        name = name_of(setting)
        if name in there:  # --force would run the stages that did not change, too
            _dvc("exp", "remove", "--quiet", name)
        typer.echo(f"experiment {name}")
        _dvc(*_run_arguments(name, setting))


def _run_arguments(name: str, setting: Mapping[str, str]) -> list[str]:
    copied = [word for path in untracked(ANNOTATED) for word in ("--copy-paths", str(path))]
    changes = [word for parameter, value in setting.items() for word in ("--set-param", f"{parameter}={value}")]
    return ["exp", "run", "--temp", "--name", name, "--message", subject_of(setting), *copied, *changes]


def untracked(folder: Path) -> list[Path]:
    """What is in the folder that neither git nor DVC tracks: an experiment would have to do without it."""
    command = ["git", "ls-files", "-z", "--others", "--directory", "--", str(folder)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    paths = [Path(name) for name in listed.split("\0") if name]
    return [path for path in paths if not path.with_name(f"{path.name}.dvc").exists()]


def _dvc(*arguments: str, capture: bool = False) -> str:
    """Run DVC on the experiment's own sources: `src` is relative to the folder in which a stage runs."""
    paths = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, ["src", os.environ.get("PYTHONPATH")])),
    }
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        env=os.environ | paths,
        stdout=subprocess.PIPE if capture else None,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise UserError(f"'dvc {' '.join(arguments[:2])}' failed", "DVC says why above")
    return done.stdout or ""
