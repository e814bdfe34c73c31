"""Build the Bento, and believe in it only after it has answered: `python -m clinical_ner.serving.build [RELEASE]`.

BentoML itself would pack a Bento without its model, or with links to it, and call that a success. Here the
Bento is packed from copies, started in an empty folder with its own model and its own wheel, asked a question, and
only then put into the store and named.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from typer import Argument

from clinical_ner.core.commands import run
from clinical_ner.core.errors import UserError
from clinical_ner.ner.extraction import extract
from clinical_ner.ner.model import MANIFEST, PARTS, part
from clinical_ner.ner.tagger import Tagger
from clinical_ner.serving import local
from clinical_ner.serving.places import METRICS, MODEL, VERSION_FILE, WHEEL

MODEL_FILES = tuple(part(MODEL, suffix) for suffix in (*PARTS, MANIFEST))
PACKED = (Path("bentofile.yaml"), Path("requirements-serving.txt"), METRICS, *MODEL_FILES)
RELEASED = (METRICS, MODEL.with_name(VERSION_FILE), *MODEL_FILES)  # side by side in the folder of a release
QUESTION = "Type 2 diabetes mellitus was treated with metformin; her asthma needed no treatment."


def main(release: Annotated[Path | None, Argument(help="A folder that 'clinical-ner fetch' has made.")] = None) -> None:
    """Build from the current folder, the top of the repository; print the Bento's tag."""
    print(build(Path.cwd(), release))


def build(root: Path, release: Path | None = None) -> str:
    """Put a Bento that has answered like the local tagger, or the released one, into the store; returns its tag.

    Raises:
        UserError: a file is missing or the model does not match its manifest; nothing is built.
        RuntimeError: the Bento does not start or answers differently; the store is as it was.
    """
    sources = packed(root, release)
    tagger = load_model(sources)
    with tempfile.TemporaryDirectory(prefix="clinical-ner-") as scratch:
        context, store, empty = (Path(scratch) / name for name in ("context", "store", "empty"))
        pack(sources, context)
        add_wheel(root, context)
        tag = _call(["bentoml", "build", "--output", "tag"], context, store).removeprefix("__tag__:")
        bento = empty / "bento"
        shutil.copytree(store / "bentos" / tag.replace(":", "/"), bento, symlinks=True)
        shutil.rmtree(store)  # what the Bento does not hold must not help it
        shutil.rmtree(context)
        compare(tagger, bento)
        archive = shutil.make_archive(str(empty / "checked"), "gztar", bento)
        _call(["bentoml", "import", archive], root, None)
    return tag


def packed(root: Path, release: Path | None = None) -> dict[Path, Path]:
    """Where each file of the Bento comes from: the repository, or for the model and its scores the release."""
    sources = {path: root / path for path in PACKED}
    return sources | ({path: release / path.name for path in RELEASED} if release else {})


def load_model(sources: Mapping[Path, Path]) -> Tagger:
    """The tagger that is to be packed.

    Raises:
        UserError: something to be packed is missing, a link that leads nowhere, or damaged.
    """
    for path, source in sources.items():
        if not source.is_file():
            lost = "is a link that leads nowhere" if source.is_symlink() else "does not exist"
            raise UserError(f"{path} {lost}", "in the top folder of the repository, run 'dvc repro' or 'dvc pull'")
    return Tagger.load(sources[MODEL])


def pack(sources: Mapping[Path, Path], context: Path) -> None:
    """Copy what the Bento is made of into `context`; a link becomes the file that it leads to."""
    for path, source in sources.items():
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, context / path)


def add_wheel(root: Path, context: Path) -> None:
    """Build the project's wheel where the service's image expects it."""
    _call(["hatchling", "build", "--target", "wheel", "--directory", str((context / WHEEL).parent)], root, None)
    if not (context / WHEEL).is_file():
        raise RuntimeError(f"the project's wheel is not called {WHEEL}")


def compare(tagger: Tagger, bento: Path) -> None:
    """Start the Bento beside its folder, with the code of its own wheel; it must answer as `tagger` does."""
    code = bento.parent / "site-packages"
    shutil.unpack_archive(bento / "src" / WHEEL, code, "zip")
    with local.running(str(bento), bento.parent, bento.parent / "home", PYTHONPATH=str(code)) as server:
        answer = server.ask(QUESTION)
    if answer != extract(tagger, QUESTION):
        raise RuntimeError("the Bento answers differently from the tagger it was built from")


def _call(command: list[str], cwd: Path, store: Path | None) -> str:
    """Run a Python module of this environment, with a BentoML store of its own if given; its last line of output."""
    home = {} if store is None else {"BENTOML_HOME": str(store)}
    environment = os.environ | {"BENTOML_DO_NOT_TRACK": "True"} | home
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"'{' '.join(command)}' failed:\n{done.stdout}{done.stderr}")
    return (done.stdout.strip().splitlines() or [""])[-1]


if __name__ == "__main__":
    run(main)
