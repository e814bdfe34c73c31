"""What tests of several folders share: the repository's true model, and how many examples a property is tried on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

# A shared machine is slow at times: that is no failure. At night there is time for many examples.
settings.register_profile("day", deadline=None)
settings.register_profile("night", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "day"))


@pytest.fixture(scope="session")
def model_path() -> Path:
    """The repository's model, as `make repro` leaves it; a test that asks for it cannot pass without."""
    path = ROOT / "models/tagger.crfsuite"
    if not path.is_file():
        pytest.fail(f"{path.relative_to(ROOT)} does not exist: run 'make repro'", pytrace=False)
    return path
