"""Real servers of the repository's service, a Bento and a PostgreSQL, each with folders of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clinical_ner.ner.tagger import Tagger
from clinical_ner.serving import keys, local
from clinical_ner.serving.clock import now
from clinical_ner.serving.keys import Role

ROOT = Path(__file__).parents[2]
SERVICE = "clinical_ner.serving.service:Service"
# The programs of the newest PostgreSQL that has a server; of another version there may be its clients alone.
POSTGRESQL = max(
    (program.parent for program in Path("/usr/lib/postgresql").glob("[0-9]*/bin/initdb")),
    key=lambda folder: float(folder.parent.name),
    default=None,
)


@pytest.fixture(scope="session")
def tagger(model_path: Path) -> Tagger:
    return Tagger.load(model_path)


@pytest.fixture(scope="session")
def server(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[local.Server]:
    """For local use: no keys."""
    home = tmp_path_factory.mktemp("server")
    with local.running(SERVICE, ROOT, home, CLINICAL_NER_MODEL=str(model_path)) as running:
        yield running


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A key of each role, by its name, and the path of the file that keeps them."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    made = {role.value: keys.create(file, f"the {role} key", [role], now())[1] for role in Role}
    return made | {"file": str(file)}


@pytest.fixture(scope="session")
def keyed(
    model_path: Path, secrets: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[local.Server]:
    """With keys, and limits that are easily reached."""
    home = tmp_path_factory.mktemp("keyed")
    limits = {
        "CLINICAL_NER_MAX_BODY_BYTES": "20000",
        "CLINICAL_NER_MAX_NOTE_CHARACTERS": "5000",
        "CLINICAL_NER_MAX_NOTES": "3",
        "CLINICAL_NER_TIMEOUT_SECONDS": "2",
        "CLINICAL_NER_MAX_CONCURRENT": "4",
    }
    model = {"CLINICAL_NER_MODEL": str(model_path), "CLINICAL_NER_KEYS": secrets["file"]}
    with local.running(SERVICE, ROOT, home, **model, **limits) as running:
        yield running


@pytest.fixture(scope="session")
def bento(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001 - the model must be there
    """The folder of a Bento built by the command, in a store of its own."""
    home = tmp_path_factory.mktemp("store")
    done = subprocess.run(
        [sys.executable, "-m", "clinical_ner.serving.build"],
        cwd=ROOT,
        env=os.environ | {"BENTOML_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return home / "bentos" / done.stdout.strip().replace(":", "/")


class Postgresql:
    """A PostgreSQL of our own on a free loopback port, which can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = local.free_port()
        self._owner = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
        if self._owner:
            shutil.chown(folder, self._owner)
        self._call("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "-D", str(folder / "data"))
        self.start()

    def _call(self, program: str, *arguments: str) -> None:
        command = [f"{POSTGRESQL}/{program}", *arguments]
        who, cwd = self._owner, self._folder
        done = subprocess.run(command, user=who, group=who, cwd=cwd, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        options = f"-p {self._port} -h 127.0.0.1 -k {self._folder} -c fsync=off"
        log = str(self._folder / "log")
        self._call("pg_ctl", "-w", "-D", str(self._folder / "data"), "-l", log, "-o", options, "start")

    def stop(self) -> None:
        self._call("pg_ctl", "-w", "-m", "immediate", "-D", str(self._folder / "data"), "stop")

    def database(self, name: str) -> str:
        """The URL of a new, empty database."""
        self._call("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", "postgres", name)
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/{name}"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    if POSTGRESQL is None:
        pytest.skip("no PostgreSQL in /usr/lib/postgresql")
    with tempfile.TemporaryDirectory(prefix="postgresql-", ignore_cleanup_errors=True) as folder:
        running = Postgresql(Path(folder))
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, of SQLite and of a real PostgreSQL in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}"
    running: Postgresql = request.getfixturevalue("postgresql")
    return running.database(f"test_{time.monotonic_ns()}")
