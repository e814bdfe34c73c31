from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from clinical_ner.core.io import Vocabulary
from clinical_ner.core.params import VocabularyParams
from clinical_ner.vocabulary import terms

PARAMS = VocabularyParams(max_words=6, min_characters=3)
PRINT_DIGESTS = """
import hashlib
from clinical_ner.core.params import VocabularyParams
from clinical_ner.vocabulary.terms import build
tables = build(VocabularyParams(max_words=6, min_characters=3))
print([hashlib.sha256(table.to_csv(index=False).encode()).hexdigest() for table in tables])
"""


@pytest.fixture(scope="session")
def second_build() -> Iterator[subprocess.Popen[str]]:
    """Another process that builds the vocabulary and prints each table's hash; begun early, as it takes seconds."""
    environment = {**os.environ, "PYTHONHASHSEED": "4"}
    with subprocess.Popen(
        [sys.executable, "-c", PRINT_DIGESTS], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


@pytest.fixture(scope="session")
def vocabulary(second_build: subprocess.Popen[str]) -> Vocabulary:
    """The real one, built once."""
    assert second_build.pid
    return terms.build(PARAMS)
