"""What tests of several folders share: the repository's true model."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def model_path() -> Path:
    """The repository's model, as `make repro` leaves it; a test that asks for it cannot pass without."""
    path = ROOT / "models/tagger.crfsuite"
    if not path.is_file():
        pytest.fail(f"{path.relative_to(ROOT)} does not exist: run 'make repro'", pytrace=False)
    return path
