"""The text of a release is the section of the changelog about it."""

from __future__ import annotations

import pytest

from release_text import section

CHANGELOG = """\
# Changelog

## Unreleased

- Not yet.

## 1.10.0 (2024-06-01)

- Ten.

## [1.1.0] - 2024-05-01

- One.
- ### Not a heading

## v1.0.0

- First.
"""


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v1.10.0", "- Ten."),
        ("1.1.0", "- One.\n- ### Not a heading"),
        ("v1.0.0", "- First."),
        ("Unreleased", "- Not yet."),
    ],
)
def test_a_version_has_the_lines_below_its_heading(version: str, expected: str) -> None:
    assert section(CHANGELOG, version) == expected


@pytest.mark.parametrize("version", ["v2.0.0", "v1.1", "v1.10", "1.0"])
def test_a_version_without_a_heading_has_no_text(version: str) -> None:
    assert section(CHANGELOG, version) == ""
