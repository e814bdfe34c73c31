"""Print the section of CHANGELOG.md about a version: python .ci/release_text.py v1.2.0. Standard library only."""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"


def section(changelog: str, version: str) -> str:
    """The lines below the heading of a version, up to the next heading; empty if there is no such heading.

    >>> section("## 1.1.0 (2024-05-01)\n\n- More.\n\n## 1.0.0\n\n- First.\n", "v1.1.0")
    '- More.'
    """
    heading = rf"^## \[?v?{re.escape(version.removeprefix('v'))}\]?(?![\w.])[^\n]*\n"
    found = re.search(heading + r"(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def main(version: str) -> None:
    text = section(CHANGELOG.read_text("utf-8"), version)
    if not text:
        sys.exit(f"error: {CHANGELOG.name} has no section of {version}\n  remedy: name what is unreleased after it")
    print(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
