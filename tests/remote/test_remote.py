"""The remote on a real S3 server: pushed, pulled by a fresh clone that serves it, damaged, refused and repaired."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from programs import wait_until
from tests.object_store import KEY, SECRET, serving
from tests.repositories import ROOT, commit, copy_of_sources, environment, keep_stages, outcome, run, start

from clinical_ner.serving import local

NOTE = "She has asthma and takes aspirin."
MODEL, TERMS = "models/tagger.crfsuite", "data/vocabulary/diseases.parquet"
WEIGHTS = "models/tagger.weights.npy"
OUT = {MODEL: MODEL, WEIGHTS: WEIGHTS, TERMS: "data/vocabulary"}  # what DVC calls them
SOURCES = (".dvc", ".dvcignore", ".gitignore", "dvc.yaml", "params.yaml", "pipelines", "src", "metrics", "plots")
SOURCES = (*SOURCES, "data/.gitignore", "models/.gitignore")
BUCKET = "bucket"
SECONDS = 60.0


@dataclass(frozen=True)
class Store:
    """A running S3 server and the folder that it keeps its bucket in."""

    url: str
    folder: Path

    def object_of(self, repository: Path, path: str) -> Path:
        """The file that holds the object which a file of the workspace is."""
        md5 = hashlib.md5((repository / path).read_bytes(), usedforsecurity=False).hexdigest()
        return self.folder / BUCKET / "dvc/files/md5" / md5[:2] / md5[2:]

    def objects(self, remote: str) -> list[Path]:
        return [path for path in (self.folder / BUCKET / remote).rglob("*") if path.is_file()]


@pytest.fixture(scope="session", autouse=True)
def credentials() -> Iterator[None]:
    """The server's, and nobody else's, for every process that a test starts."""
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patched.delenv(name)
        patched.setenv("AWS_ACCESS_KEY_ID", KEY)
        patched.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        yield


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    home = tmp_path_factory.mktemp("store")
    (home / "s3" / BUCKET).mkdir(parents=True)
    with serving(home / "s3", home / "log") as url:
        yield Store(url, home / "s3")


@pytest.fixture(scope="session")
def pushed(model_path: Path, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository cut down to the vocabulary and the model, pushed to the S3 server; read only.

    A test that damages an object of the store leaves it repaired.
    """
    assert model_path.is_file()
    repository = copy_of_sources(tmp_path_factory.mktemp("pushed") / "repository", *SOURCES)
    for folder in ("data/vocabulary", "data/dataset", "models"):
        shutil.copytree(ROOT / folder, repository / folder, dirs_exist_ok=True)
    keep_stages(repository, "vocabulary", "train")
    run(repository, "dvc", "commit", "--quiet", "--force")
    set_remote(repository, store, "dvc")
    run(repository, "dvc", "push")
    return repository


def set_remote(repository: Path, store: Store, folder: str) -> None:
    """Name the remote by the commands of docs/remote.md, and commit that."""
    for command in (
        ["add", "--default", "--force", "store", f"s3://{BUCKET}/{folder}"],
        ["modify", "store", "endpointurl", store.url],
        ["modify", "store", "verify", "true"],
    ):
        run(repository, "dvc", "remote", *command)
    commit(repository)


def clone_of(repository: Path, folder: Path) -> Path:
    """A fresh clone, which knows of the remote what git says."""
    folder.mkdir()
    run(repository, "git", "clone", "--quiet", str(repository), str(folder / "clone"))
    return folder / "clone"


def same(clone: Path, *paths: str) -> bool:
    """Whether the clone has these files as they are here."""
    return all((clone / path).read_bytes() == (ROOT / path).read_bytes() for path in paths)


def flipped(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def damage(path: Path, change: Callable[[bytes], bytes] | None) -> None:
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))


# --- push, clone, pull, serve ----------------------------------------------------------------------
def test_a_fresh_clone_pulls_the_model_and_serves_it_without_training(pushed: Path, tmp_path: Path) -> None:
    clone = clone_of(pushed, tmp_path / "elsewhere")
    run(clone, "dvc", "pull")

    home, here = tmp_path / "home", environment(clone)
    with local.running("clinical_ner.serving.service:Service", clone, home, PYTHONPATH=here["PYTHONPATH"]) as server:
        answer = server.ask(NOTE)

    assert [entity["text"] for entity in answer["entities"]] == ["asthma", "aspirin"]
    assert same(clone, MODEL)
    assert not (clone / "data/dataset").exists()


# --- damage ----------------------------------------------------------------------------------------
def test_damaged_objects_are_refused_and_named_and_a_repair_makes_them_good(
    pushed: Path, store: Store, tmp_path: Path
) -> None:
    changes = {TERMS: flipped, MODEL: truncated, WEIGHTS: None}
    clone = clone_of(pushed, tmp_path / "elsewhere")
    objects = {path: store.object_of(pushed, path) for path in changes}
    names = {path: (OUT[path], kept.parent.name + kept.name) for path, kept in objects.items()}
    for path, change in changes.items():
        damage(objects[path], change)

    refused, _, why = outcome(clone, "dvc", "pull")
    left = [path for path in changes if (clone / path).exists()]
    verified, named, _ = outcome(pushed, "clinical-ner", "remote", "verify")
    repaired = run(pushed, "clinical-ner", "remote", "repair")
    run(clone, "dvc", "pull")

    states = [("damaged", TERMS), ("damaged", MODEL), ("missing", WEIGHTS)]
    assert (refused, left) == (1, [])
    assert [path for path, told in names.items() if not any(name in why for name in told)] == []
    assert verified == 1
    assert re.findall(r"^(\w+): (\S+) \(\w+\)$", named, re.MULTILINE) == states
    assert repaired.endswith("\n3 objects repaired\n")
    assert "0 of them damaged or missing" in run(pushed, "clinical-ner", "remote", "verify")
    assert same(clone, *changes)


def test_a_repair_from_a_cache_that_is_damaged_too_is_refused_and_changes_nothing(
    pushed: Path, store: Store, tmp_path: Path
) -> None:
    victim = store.object_of(pushed, MODEL)
    other = Path(shutil.copytree(pushed, tmp_path / "repository", symlinks=True))
    cached = other / ".dvc/cache" / victim.relative_to(store.folder / BUCKET / "dvc")
    damage(victim, truncated)
    left = victim.read_bytes()
    cached.chmod(0o644)
    damage(cached, flipped)

    code, _, err = outcome(other, "clinical-ner", "remote", "repair")

    assert code == 2
    assert f"{MODEL} is damaged in the cache of this clone too" in err
    assert victim.read_bytes() == left
    assert "1 objects repaired" in run(pushed, "clinical-ner", "remote", "repair")


def test_a_remote_that_does_not_exist_is_named(pushed: Path) -> None:
    code, _, err = outcome(pushed, "clinical-ner", "remote", "verify", "--remote", "nowhere")

    assert code == 2
    assert "nowhere" in err


# --- interruptions ---------------------------------------------------------------------------------
def test_a_push_that_was_killed_can_be_run_again(pushed: Path, store: Store, tmp_path: Path) -> None:
    author = Path(shutil.copytree(pushed, tmp_path / "repository", symlinks=True))
    set_remote(author, store, "another")
    push = start(author, "dvc", "push", "--jobs", "1")
    wait_until(lambda: store.objects("another"), SECONDS, "the first object is in the store")
    push.send_signal(signal.SIGKILL)
    push.communicate()
    done = len(store.objects("another"))

    run(author, "dvc", "push")

    clone = clone_of(author, tmp_path / "elsewhere")
    run(clone, "dvc", "pull")
    assert 0 < done < len(store.objects("another"))
    assert same(clone, MODEL, TERMS)


def test_a_pull_that_was_killed_can_be_run_again(pushed: Path, tmp_path: Path) -> None:
    clone = clone_of(pushed, tmp_path / "elsewhere")
    pull = start(clone, "dvc", "pull", "--jobs", "1")
    cache = clone / ".dvc/cache/files"
    wait_until(lambda: any(path.is_file() for path in cache.rglob("*")), SECONDS, "the first object is in the cache")
    pull.send_signal(signal.SIGKILL)
    pull.communicate()
    done = [path for path in (MODEL, TERMS) if (clone / path).exists()]

    run(clone, "dvc", "pull")

    assert len(done) < 2
    assert same(clone, MODEL, TERMS)


# --- the configuration -----------------------------------------------------------------------------
def test_every_remote_of_the_repository_verifies_what_it_gives() -> None:
    written = (ROOT / ".dvc/config").read_text("utf-8")

    assert written.count("['remote") == written.count("verify = true") > 0
