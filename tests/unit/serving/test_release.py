from __future__ import annotations

from pathlib import Path

import pytest

from clinical_ner.serving.endpoints import released_as


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"version": "v1.2.0", "model_version": "abc"}', "v1.2.0"),
        ('{"version": "v1.2.0", "model_version": "other"}', None),
        ('{"version": "v1.2.0"}', None),
        ("[]", None),
        ("no json", None),
    ],
)
def test_a_model_is_the_release_that_the_file_beside_it_names_if_it_names_this_model(
    tmp_path: Path, content: str, expected: str | None
) -> None:
    (tmp_path / "version.json").write_text(content)

    assert released_as(tmp_path / "tagger.crfsuite", "abc") == expected


def test_without_the_file_a_model_is_no_release(tmp_path: Path) -> None:
    assert released_as(tmp_path / "tagger.crfsuite", "abc") is None
