"""The page's files, read once; `page/index.html` is at `/`, the others are at `/page/NAME`."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "page"
INDEX = "index.html"
# Nothing from elsewhere, nothing inline, in nobody's frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class File(NamedTuple):
    """A file of the page and its media type."""

    content: bytes
    media_type: str


def files(folder: Path = FOLDER) -> Mapping[str, File]:
    """The path in the URL of every file of the page."""
    return {
        "/" if file.name == INDEX else f"/page/{file.name}": File(file.read_bytes(), _media_type(file))
        for file in sorted(folder.iterdir())
        if file.suffix in {".html", ".js", ".css", ".svg", ".png"}
    }


def _media_type(file: Path) -> str:
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
