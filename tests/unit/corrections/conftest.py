"""Corrections of a made-up note, whose parts are easily counted."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from clinical_ner.core.span import Span
from clinical_ner.corrections.records import Correction, known_by

TEXT = "Gout and severe asthma, on aspirin."
LABELS = {"Gout": "DISEASE", "severe asthma": "DISEASE", "asthma": "DISEASE", "aspirin": "TREATMENT"}
Make = Callable[..., Correction]


def spans(*words: str, text: str = TEXT) -> tuple[Span, ...]:
    found = [(re.search(re.escape(word), text), LABELS.get(word, "DISEASE")) for word in words]
    return tuple(sorted(Span(match.start(), match.end(), label) for match, label in found if match))


@pytest.fixture
def correction() -> Make:
    """A correction of one annotator, the words of its entities given."""

    def make(annotator: str, *words: str, text: str = TEXT) -> Correction:
        marked = spans(*words, text=text)
        return Correction(
            known_by(text), annotator, f"2026-03-0{len(annotator)}", f"f-{annotator}", "0123456789ab", text, marked
        )

    return make
