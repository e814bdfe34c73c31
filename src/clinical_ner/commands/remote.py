"""Whether the remote of DVC holds what `dvc.lock` names, byte for byte; `dvc push` asks for names alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal, NamedTuple

import typer

from clinical_ner.core.errors import UserError
from clinical_ner.core.files import md5

State = Literal["true", "damaged", "missing"]
app = typer.Typer(no_args_is_help=True, help="The remote of DVC: is each object there, and the one it should be?")
Name = Annotated[str | None, typer.Option("--remote", "-r", help="Default: the configuration's.")]


class Fault(NamedTuple):
    """An object of the remote that is not as it should be, and the file in the workspace that it is."""

    path: str
    object_id: str
    state: State


def state_of(store: Any, object_id: str) -> State:
    """Whether a store of DVC holds an object whose content has the MD5 that is its name; reads all of it."""
    try:
        with store.fs.open(store.oid_to_path(object_id), "rb") as file:
            found = md5(file)
    except FileNotFoundError:
        return "missing"
    return "true" if found == object_id.removesuffix(".dir") else "damaged"


def faults(store: Any, objects: Mapping[str, str]) -> Iterator[Fault]:
    """The objects, given by the paths that they are, which the store misses or holds damaged."""
    for path, object_id in objects.items():
        state = state_of(store, object_id)
        if state != "true":
            yield Fault(path, object_id, state)


def replace(cache: Any, store: Any, object_id: str) -> None:
    """Put the cache's object into the store, over whatever is there."""
    store.add(cache.oid_to_path(object_id), cache.fs, object_id, check_exists=False, verify=False)


def objects_of(repository: Any) -> dict[str, str]:
    """The objects that the workspace's `dvc.lock` and `*.dvc` name, by path; a folder and each file of it.

    Raises:
        UserError: the cache does not hold the list of a folder's files.
    """
    from dvc_data.hashfile.tree import Tree

    found = {}
    for out in repository.index.outs:
        if out.use_cache and out.hash_info:
            found[str(out)] = out.hash_info.value
            if out.hash_info.isdir:
                _require_true(repository.cache.local, str(out), out.hash_info.value)
                tree = Tree.load(repository.cache.local, out.hash_info)
                found |= {"/".join([str(out), *key]): file.value for key, _, file in tree}
    return found


@app.command()
def verify(remote: Name = None) -> None:
    """Read every object of the workspace from the remote and name those that are damaged or missing; exits 1."""
    with _opened(remote) as (repository, store):
        objects = objects_of(repository)
        found = list(faults(store, objects))
    for fault in found:
        typer.echo(f"{fault.state}: {fault.path} ({fault.object_id})")
    typer.echo(f"{len(objects)} objects, {len(found)} of them damaged or missing")
    if found:
        raise typer.Exit(1)


@app.command()
def repair(remote: Name = None) -> None:
    """Put every damaged or missing object into the remote anew, from a cache that holds the true one."""
    with _opened(remote) as (repository, store):
        found = list(faults(store, objects_of(repository)))
        for fault in found:
            _require_true(repository.cache.local, fault.path, fault.object_id)
        for fault in found:
            replace(repository.cache.local, store, fault.object_id)
            typer.echo(f"repaired, was {fault.state}: {fault.path} ({fault.object_id})")
    typer.echo(f"{len(found)} objects repaired")


def _require_true(cache: Any, path: str, object_id: str) -> None:
    state = state_of(cache, object_id)
    if state != "true":
        raise UserError(
            f"{path} is {state} in the cache of this clone too ({object_id})",
            "repair from a clone that has it, or make it again: 'dvc repro --force' and 'dvc commit'",
        )


@contextmanager
def _opened(remote: str | None) -> Iterator[tuple[Any, Any]]:
    """The repository around the working folder, and the store of objects in its remote."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repository:
            yield repository, repository.cloud.get_remote_odb(remote, "remote")
    except DvcException as error:
        raise UserError(f"DVC: {error}", "see docs/remote.md") from None
