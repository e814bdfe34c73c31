from __future__ import annotations

import pytest

from clinical_ner.core.io import Vocabulary
from clinical_ner.core.params import VocabularyParams
from clinical_ner.vocabulary import terms

PARAMS = VocabularyParams(max_words=6, min_characters=3)


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    """The real one, built once."""
    return terms.build(PARAMS)
