"""List what is inside an image, one a line. `inventory.sh` runs it there, with the image's own Python.

generic python VERSION            the interpreter
python NAME VERSION               a distribution, of the service or of the base image
deb NAME VERSION ARCHITECTURE     a package of Debian
model NAME VERSION SHA256         the model, and the digest of its manifest, which has those of its files
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from clinical_ner.core.files import sha256
from clinical_ner.ner.model import MANIFEST, part, read_manifest
from clinical_ner.serving.places import MODEL

# An interpreter in /usr/local is no package of Debian, nor is what was installed for it; those in /usr/lib are.
FOLDERS = ("app/.venv/lib/python*/site-packages", "usr/local/lib/python*/*-packages")
DEB = r"deb ${Package} ${Version} ${Architecture}\n"


def python(root: Path) -> Iterator[str]:
    """The interpreter that runs this, and every distribution below `root`."""
    yield f"generic python {platform.python_version()}"
    folders = [str(folder) for pattern in FOLDERS for folder in root.glob(pattern)]
    for found in distributions(path=folders):
        yield f"python {found.name} {found.version}"


def model(bento: Path) -> str:
    """The model of an unpacked Bento, by the version that the service's answers have."""
    path = bento / "src" / MODEL
    return f"model clinical-ner {read_manifest(path).version} {sha256(part(path, MANIFEST))}"


def main() -> None:
    """To standard output."""
    print(*python(Path("/")), model(Path(os.environ["BENTO_PATH"])), sep="\n", flush=True)
    subprocess.run(["dpkg-query", "--show", "--showformat", DEB], check=True)


if __name__ == "__main__":
    main()
