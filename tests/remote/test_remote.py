"""The remote on a real S3 server: pushed, pulled by a fresh clone that serves it, damaged, refused and repaired."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from programs import is_listening, running, wait_until
from tests.repositories import ROOT, commit, copy_of_sources, environment, keep_stages, outcome, run, start

from clinical_ner.serving import local

NOTE = "She has asthma and takes aspirin."
MODEL, TERMS = "models/tagger.crfsuite", "data/vocabulary/diseases.parquet"
SOURCES = (".dvc", ".dvcignore", ".gitignore", "dvc.yaml", "params.yaml", "pipelines", "src", "metrics", "plots")
SOURCES = (*SOURCES, "data/.gitignore", "models/.gitignore")
KEY, SECRET, BUCKET = "testkey", "testsecret", "bucket"
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

    def objects(self) -> list[Path]:
        return sorted(path for path in (self.folder / BUCKET).rglob("*") if path.is_file())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Empty."""
    folder, port = tmp_path / "store", local.free_port()
    (folder / BUCKET).mkdir(parents=True)
    rclone = str(Path(sys.executable).with_name("rclone"))
    # With a cache of 0 s rclone may list an empty bucket for ever.
    options = ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}", "--dir-cache-time", "1ms"]
    with running([rclone, "serve", "s3", str(folder), *options], is_listening(port), tmp_path / "rclone.log"):
        yield Store(f"http://127.0.0.1:{port}", folder)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture(scope="session")
def trained(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository cut down to the vocabulary and the model, as they are; read only."""
    assert model_path.is_file()
    repository = copy_of_sources(tmp_path_factory.mktemp("trained") / "repository", *SOURCES)
    for folder in ("data/vocabulary", "data/dataset", "models"):
        shutil.copytree(ROOT / folder, repository / folder, dirs_exist_ok=True)
    keep_stages(repository, "vocabulary", "train")
    run(repository, "dvc", "commit", "--quiet", "--force")
    return repository


@pytest.fixture
def author(trained: Path, store: Store, credentials: None, tmp_path: Path) -> Path:  # noqa: ARG001
    """A copy of it that has the S3 server as its remote, by the commands of docs/remote.md; nothing is pushed."""
    repository = Path(shutil.copytree(trained, tmp_path / "author/repository"))
    for command in (
        ["add", "--default", "--force", "store", f"s3://{BUCKET}/dvc"],
        ["modify", "store", "endpointurl", store.url],
        ["modify", "store", "verify", "true"],
    ):
        run(repository, "dvc", "remote", *command)
    commit(repository)
    return repository


@pytest.fixture
def pushed(author: Path) -> Path:
    run(author, "dvc", "push")
    return author


def clone_of(repository: Path, folder: Path) -> Path:
    """A fresh clone, which knows of the remote what git says."""
    folder.mkdir()
    run(repository, "git", "clone", "--quiet", str(repository), str(folder / "clone"))
    return folder / "clone"


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
    assert (clone / MODEL).read_bytes() == (ROOT / MODEL).read_bytes()
    assert not (clone / "data/dataset").exists()


# --- damage ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", [MODEL, TERMS])
@pytest.mark.parametrize("change", [truncated, flipped, None], ids=["truncated", "flipped", "missing"])
def test_a_damaged_object_is_refused_and_named_and_a_repair_makes_it_good(
    pushed: Path, store: Store, tmp_path: Path, path: str, change: Callable[[bytes], bytes] | None
) -> None:
    victim = store.object_of(pushed, path)
    whole = victim.read_bytes()
    damage(victim, change)

    refused = clone_of(pushed, tmp_path / "before")
    code, _, err = outcome(refused, "dvc", "pull")
    assert code != 0
    assert (path in err) or (str(Path(path).parent) in err)
    assert not (refused / path).exists()

    code, told, _ = outcome(pushed, "clinical-ner", "remote", "verify")
    assert code == 1
    assert f"{'missing' if change is None else 'damaged'}: {path} " in told

    repaired = run(pushed, "clinical-ner", "remote", "repair")
    assert path in repaired
    assert "\n1 objects repaired" in repaired
    assert victim.read_bytes() == whole
    assert "0 of them damaged or missing" in run(pushed, "clinical-ner", "remote", "verify")

    run(refused, "dvc", "pull")
    assert (refused / path).read_bytes() == (ROOT / path).read_bytes()


def test_a_repair_from_a_cache_that_is_damaged_too_is_refused_and_changes_nothing(pushed: Path, store: Store) -> None:
    victim = store.object_of(pushed, MODEL)
    cached = pushed / ".dvc/cache" / victim.relative_to(store.folder / BUCKET / "dvc")
    damage(victim, truncated)
    left = victim.read_bytes()
    cached.chmod(0o644)
    damage(cached, flipped)

    code, _, err = outcome(pushed, "clinical-ner", "remote", "repair")

    assert code == 2
    assert f"{MODEL} is damaged in the cache of this clone too" in err
    assert victim.read_bytes() == left


def test_a_remote_that_does_not_exist_is_named(pushed: Path) -> None:
    code, _, err = outcome(pushed, "clinical-ner", "remote", "verify", "--remote", "nowhere")

    assert code == 2
    assert "nowhere" in err


# --- interruptions ---------------------------------------------------------------------------------
def test_a_push_that_was_killed_can_be_run_again(author: Path, store: Store, tmp_path: Path) -> None:
    push = start(author, "dvc", "push", "--jobs", "1")
    wait_until(store.objects, SECONDS, "the first object is in the store")
    push.send_signal(signal.SIGKILL)
    push.communicate()
    done = len(store.objects())

    run(author, "dvc", "push")

    clone = clone_of(author, tmp_path / "elsewhere")
    run(clone, "dvc", "pull")
    assert 0 < done < len(store.objects())
    assert (clone / MODEL).read_bytes() == (ROOT / MODEL).read_bytes()


def test_a_pull_that_was_killed_can_be_run_again(pushed: Path, tmp_path: Path) -> None:
    clone = clone_of(pushed, tmp_path / "elsewhere")
    pull = start(clone, "dvc", "pull", "--jobs", "1")
    cache = clone / ".dvc/cache/files"
    wait_until(lambda: any(path.is_file() for path in cache.rglob("*")), SECONDS, "the first object is in the cache")
    pull.send_signal(signal.SIGKILL)
    pull.communicate()
    assert not all((clone / path).exists() for path in (MODEL, TERMS))

    run(clone, "dvc", "pull")

    assert {path: (clone / path).read_bytes() == (ROOT / path).read_bytes() for path in (MODEL, TERMS)} == {
        MODEL: True,
        TERMS: True,
    }


# --- the configuration -----------------------------------------------------------------------------
def test_every_remote_of_the_repository_verifies_what_it_gives() -> None:
    written = (ROOT / ".dvc/config").read_text("utf-8")

    assert written.count("['remote") == written.count("verify = true") > 0
