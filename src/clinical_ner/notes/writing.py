"""Write a text piece by piece; a gold span is recorded when its words are written, never searched for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

WORD = re.compile(r"[a-z]{5,}")


class Mention(NamedTuple):
    """A gold entity of a text."""

    start: int
    end: int
    label: str
    concept_id: str
    assertion: str


class Segment(NamedTuple):
    """The stretch of text that a template wrote."""

    start: int
    end: int
    template_id: str


@dataclass
class Page:
    """A text under construction."""

    rng: np.random.Generator
    typo_rate: float
    text: str = ""
    mentions: list[Mention] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    links: dict[str, list[Mention]] = field(default_factory=dict)  # of the sentence being written
    relations: list[tuple[int, int]] = field(default_factory=list)  # starts of treatment and disease

    def literal(self, words: str) -> None:
        """Write words that are no entity; each may be misspelt."""
        self.text += WORD.sub(self._misspell, words) if self.typo_rate else words

    def mention(self, words: str, label: str, concept_id: str, assertion: str, link: str) -> None:
        """Write an entity."""
        start = len(self.text)
        self.text += words
        found = Mention(start, len(self.text), label, concept_id, assertion)
        self.mentions.append(found)
        if link:
            self.links.setdefault(link, []).append(found)

    def close(self, start: int, template_id: str) -> None:
        """End the sentence that began at `start`: note its template and its treatment-disease pairs."""
        self.segments.append(Segment(start, len(self.text), template_id))
        for linked in self.links.values():
            diseases = [m.start for m in linked if m.label == "DISEASE"]
            treatments = [m.start for m in linked if m.label == "TREATMENT"]
            self.relations += [(treatment, disease) for treatment in treatments for disease in diseases]
        self.links.clear()

    def _misspell(self, match: re.Match[str]) -> str:
        word = match.group()
        if self.rng.random() >= self.typo_rate:
            return word
        i = int(self.rng.integers(1, len(word) - 1))
        swapped = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        return swapped if self.rng.random() < 0.5 else word[:i] + word[i + 1 :]
