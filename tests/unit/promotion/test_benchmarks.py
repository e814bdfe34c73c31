"""A model is not judged by texts that it was trained on."""

from __future__ import annotations

from collections import Counter

import pytest

from clinical_ner.core.errors import UserError
from clinical_ner.ner.corpora import Corpus, Document
from clinical_ner.promotion.benchmarks import annotated, require_untrained

NEW = Document("new", "No asthma.", (), None)
KNOWN = Document("known", "Gout was treated\nwith colchicine.", (), None)


def test_a_test_set_with_texts_of_the_training_is_refused_by_name() -> None:
    judged = annotated("ward", Corpus((NEW, KNOWN), Counter(), 0))
    wrapped_elsewhere = Document("other", "Gout was treated with  colchicine.", (), None)

    with pytest.raises(UserError, match="ward: 1 of its 2 texts are trained on too"):
        require_untrained([judged], [wrapped_elsewhere])


def test_texts_that_were_never_trained_on_may_judge() -> None:
    require_untrained([annotated("ward", Corpus((NEW,), Counter(), 0))], [KNOWN])
