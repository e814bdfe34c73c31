"""A released model on disk: is it the one that the commit locks and the remote holds, and how it is fetched again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import yaml

from clinical_ner.core.errors import UserError
from clinical_ner.core.files import md5, sha256, whole_folder, write_json
from clinical_ner.ner import model
from clinical_ner.promotion.registry import Event, git

MODEL: Final = "models/tagger.crfsuite"
METRICS: Final = "metrics/evaluate.json"
VERSION_FILE: Final = "version.json"
IN_REMOTE_ALONE: Final = "deleted"  # in DVC's words: of its cache
SUFFIXES = (*model.PARTS, model.MANIFEST)
FILES = tuple(model.part(Path(MODEL), suffix).as_posix() for suffix in SUFFIXES)


def require_committed(root: Path) -> str:
    """The commit that is checked out.

    Raises:
        UserError: a tracked file differs from it, so that nobody else could build what would be promoted.
    """
    changed = git(root, "status", "--porcelain", "--untracked-files=no").splitlines()
    if changed:
        raise UserError(
            f"{len(changed)} tracked files are not as they were committed, {changed[0].split()[-1]} first",
            "commit them, or put them back",
        )
    return git(root, "rev-parse", "HEAD")


def require_locked(root: Path, commit: str, challenger: Path) -> None:
    """Refuse a model whose files are not those that the commit's `dvc.lock` names.

    Raises:
        UserError: it lies elsewhere, a file differs, or the lock names none.
    """
    if challenger.resolve() != (root / MODEL).resolve():
        raise UserError(f"{challenger} is not the model of the pipeline", f"train {MODEL}, or only compare: --dry-run")
    locked = locked_files(git(root, "show", f"{commit}:dvc.lock"))
    for name in FILES:
        if name not in locked or not holds(root / name, locked[name]):
            raise UserError(f"{name} is not the file that dvc.lock names", "run 'dvc repro' or 'dvc checkout', commit")


def locked_files(lock: str) -> dict[str, str]:
    """The single files that a `dvc.lock` says the stages made, and the MD5 of each; folders are not among them."""
    outs = [out for stage in yaml.safe_load(lock)["stages"].values() for out in stage.get("outs", ())]
    return {out["path"]: out["md5"] for out in outs if not out["md5"].endswith(".dir")}


def holds(path: Path, content: str) -> bool:
    """Whether there is a file with this MD5."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return md5(file) == content


def require_unchanged(root: Path, paths: Iterable[Path]) -> None:
    """Refuse what is not as the commit that is checked out has it: models would be judged by other texts than its own.

    Args:
        root: of the clone.
        paths: what DVC's stages made or `dvc add` took in, or lies in that.

    Raises:
        UserError: one is missing or changed, its pointer is not committed, or DVC does not track it.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            unchanged = [root.absolute() / name for name in repo.data_status()["unchanged"]]
    except DvcException as error:
        raise UserError(f"DVC cannot tell what has changed: {error}", "see 'dvc data status'") from None
    for path in paths:
        place = (root / path).absolute()  # not resolved: a file may be a link into DVC's cache
        if not {place, *place.parents}.intersection(unchanged):
            raise UserError(
                f"{path} is not as this commit has it",
                "bring it back ('dvc checkout', 'dvc pull'), or let DVC track it and commit; see 'dvc data status'",
            )


def require_pushed(root: Path) -> None:
    """Refuse a model of which DVC's remote lacks a file.

    Raises:
        UserError: a file is not there, or the remote cannot be asked.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            states = repo.status(targets=[str(root / name) for name in FILES], cloud=True)
    except DvcException as error:
        raise UserError(f"DVC's remote cannot be asked: {error}", "see 'dvc remote list'") from None
    missing = [name for name, state in states.items() if state != IN_REMOTE_ALONE]
    if missing:
        raise UserError(f"{len(missing)} files of the model are not in DVC's remote", "run 'dvc push'")


def fetch(repository: str, event: Event, out: Path, *, replace: bool) -> Path:
    """Put the model of a version into a folder, with its scores and `version.json`; returns the model's path.

    The folder is there whole, with every SHA-256 checked, or not at all.

    Raises:
        UserError: the folder exists, a file is nowhere to be had, or it is not what the manifest says.
    """
    with whole_folder(out, replace=replace) as partial:
        download(repository, event.commit, (*FILES, METRICS), partial)
        fetched = partial / Path(MODEL).name
        manifest = model.read_manifest(fetched)
        for suffix, expected in manifest.files.items():
            if sha256(model.part(fetched, suffix)) != expected:
                raise UserError(f"{model.part(Path(MODEL), suffix)} of {event.version} is damaged", "push it again")
        version = {"version": event.version, "stage": event.stage, "commit": event.commit}
        write_json(partial / VERSION_FILE, {**version, "model_version": manifest.version})
    return out / fetched.name


def download(repository: str, commit: str, names: tuple[str, ...], folder: Path) -> None:
    """The files of a commit, from git or from DVC's cache or remote, side by side.

    Raises:
        UserError: one of them is nowhere.
    """
    from dvc.api import DVCFileSystem

    try:
        files = DVCFileSystem(repository, rev=commit)
        for name in names:
            files.get_file(f"/{name}", str(folder / Path(name).name))
    except Exception as error:
        # Of what DVC raises here, by remote, much is no exception of DVC.
        raise UserError(
            f"{names[0]} of commit {commit[:7]} cannot be fetched: {type(error).__name__}",
            "see that DVC's remote is configured and holds it ('dvc push' by who promoted it)",
        ) from error
