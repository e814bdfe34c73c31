"""Write a text piece by piece; a gold span is recorded when its words are written, never searched for."""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple

from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.notes.draws import Draws
from clinical_ner.notes.noise import Typos

OF_PATIENT = frozenset({"present", "historical"})


class Mention(NamedTuple):
    """A gold entity of a text."""

    start: int
    end: int
    label: str
    concept_id: str
    assertion: str
    section: str | None


class Stretch(NamedTuple):
    """A piece of the text and what it is: the template that wrote it, or the section it belongs to."""

    start: int
    end: int
    name: str


class Page:
    """A text under construction."""

    def __init__(self, draws: Draws, typo_rate: float = 0, entity_typo_rate: float = 0) -> None:
        self.length = 0
        self.shown = ""  # the text as a reader sees it, of the same length, if that differs
        self.mentions: list[Mention] = []
        self.segments: list[Stretch] = []  # by template
        self.blocks: list[Stretch] = []  # by section of the layout, heading included
        self.relations: list[tuple[int, int]] = []  # starts of treatment and disease
        self.headings: list[tuple[int, str | None]] = []  # where each begins, and its section
        self._section: str | None = None
        self._parts: list[str] = []
        self._treats: dict[int, Set[str]] = {}  # start of a treatment of the record: the concepts of what it is for
        self._links: dict[str, list[Mention]] = {}  # of the sentence being written
        self._typos = Typos(draws, typo_rate)
        self._entity_typos = Typos(draws, entity_typo_rate)

    @property
    def text(self) -> str:
        """What has been written."""
        return "".join(self._parts)

    def write(self, words: str) -> None:
        """Write words as they are."""
        self._parts.append(words)
        self.length += len(words)

    def space(self, words: str) -> None:
        """Write what stands between two parts, if there is one before."""
        if self.length:
            self.write(words)

    def literal(self, words: str) -> None:
        """Write words that are no entity; some may be misspelt."""
        written = self._typos.applied(words)
        self._parts.append(written)
        self.length += len(written)

    def heading(self, words: str, section: str | None) -> None:
        """Write a heading: what follows stands in its section."""
        self.headings.append((self.length, section))
        self._section = section
        self.write(words)

    def mention(
        self, words: str, label: str, concept_id: str, assertion: str, links: str, treats: Set[str] = frozenset()
    ) -> None:
        """Write an entity; it too may be misspelt. Each character of its links is one that others may share."""
        start, written = self.length, self._entity_typos.applied(words)
        self._parts.append(written)
        self.length = end = start + len(written)
        found = Mention(start, end, label, concept_id, assertion, self._section)
        self.mentions.append(found)
        if treats:
            self._treats[start] = treats
        for link in links:
            self._links.setdefault(link, []).append(found)

    def close(self, start: int, template_id: str) -> None:
        """End the sentence that began at `start`: note its template and its pairs; what is denied has no treatment."""
        self.segments.append(Stretch(start, self.length, template_id))
        if not self._links:
            return
        pairs: dict[tuple[int, int], None] = {}  # each once, though two links may join the same
        for linked in self._links.values():
            diseases = [m.start for m in linked if m.label == DISEASE and m.assertion != "absent"]
            treatments = [m.start for m in linked if m.label == TREATMENT]
            pairs |= dict.fromkeys((treatment, disease) for treatment in treatments for disease in diseases)
        self.relations += pairs
        self._links.clear()

    def relate_to_record(self) -> None:
        """Relate each treatment of the record whose sentence does not say for what to the nearest mention of that."""
        told = {treatment for treatment, _ in self.relations}
        diseases = [m for m in self.mentions if m.label == DISEASE and m.assertion in OF_PATIENT]
        for treatment, concepts in self._treats.items():
            away = [(abs(m.start - treatment), m.start) for m in diseases if m.concept_id in concepts]
            if away and treatment not in told:
                self.relations.append((treatment, min(away)[1]))

    def close_block(self, start: int, name: str) -> None:
        """End the section that began at `start`."""
        self.blocks.append(Stretch(start, self.length, name))

    def copy(self, earlier: Page, block: Stretch) -> None:
        """Write a block of another text again, with all that is known of it."""
        shift = self.length - block.start
        self.write(earlier.text[block.start : block.end])
        for start, section in earlier.headings:
            if block.start <= start < block.end:
                self.headings.append((start + shift, section))
                self._section = section
        within = range(block.start, block.end)
        self.mentions += [  # under the heading that stands above them here
            m._replace(start=m.start + shift, end=m.end + shift, section=self._section)
            for m in earlier.mentions
            if m.start in within
        ]
        self.segments += [
            s._replace(start=s.start + shift, end=s.end + shift) for s in earlier.segments if s.start in within
        ]
        self.relations += [
            (t + shift, d + shift) for t, d in earlier.relations if t in within and d in within
        ]  # to another part it is related anew
        self._treats |= {t + shift: concepts for t, concepts in earlier._treats.items() if t in within}
        self.close_block(block.start + shift, block.name)

    def sections(self) -> list[Stretch]:
        """The stretch under each heading that names a section, heading included."""
        ends = [*(start for start, _ in self.headings[1:]), self.length]
        return [
            Stretch(start, end, section)
            for (start, section), end in zip(self.headings, ends, strict=False)  # no heading: an end too many
            if section is not None
        ]
