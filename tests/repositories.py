"""Repositories of their own for tests: sources of this one, git and DVC without the user's settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]


def environment(repository: Path, **variables: str) -> dict[str, str]:
    """No settings of the user's or of a workflow's, and the repository's own code instead of the installed one."""
    settings = repository.parent / "settings"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    return inherited | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(repository / "src"),
        "DVC_NO_ANALYTICS": "1",
        **{f"DVC_{kind}_DIR": str(settings) for kind in ("GLOBAL_CONFIG", "SYSTEM_CONFIG", "SITE_CACHE")},
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{role}_{what}": "test@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        **variables,
    }


def start(repository: Path, *command: str, **variables: str) -> subprocess.Popen[str]:
    pipe, env = subprocess.PIPE, environment(repository, **variables)
    return subprocess.Popen(command, cwd=repository, env=env, stdout=pipe, stderr=pipe, text=True)


def outcome(repository: Path, *command: str, **variables: str) -> tuple[int, str, str]:
    process = start(repository, *command, **variables)
    out, err = process.communicate()
    return process.returncode, out, err


def run(repository: Path, *command: str, **variables: str) -> str:
    code, out, err = outcome(repository, *command, **variables)
    assert code == 0, out + err
    return out


def commit(repository: Path, subject: str = "this commit will hold the results") -> str:
    """Commit all that is there; the commit's name."""
    run(repository, "git", "add", "--all")
    run(repository, "git", "commit", "--quiet", "--message", subject)
    return run(repository, "git", "rev-parse", "HEAD").strip()


def set_params(repository: Path, changes: dict[str, dict[str, Any]]) -> None:
    path = repository / "params.yaml"
    params = yaml.safe_load(path.read_text("utf-8"))
    for section, values in changes.items():
        assert values.keys() <= params[section].keys()
        params[section].update(values)
    path.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")


def keep_stages(repository: Path, *names: str) -> None:
    """Leave these stages alone in `dvc.yaml`; what the others made is nobody's then."""
    path = repository / "dvc.yaml"
    stages = yaml.safe_load(path.read_text("utf-8"))["stages"]
    path.write_text(yaml.safe_dump({"stages": {name: stages[name] for name in names}}, sort_keys=False), "utf-8")


def copy_of_sources(repository: Path, *sources: str) -> Path:
    """The files of git below these paths as they are now, in a repository without a commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *sources]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, repository / name)
    run(repository, "git", "init", "--quiet", "--initial-branch", "main")
    return repository
