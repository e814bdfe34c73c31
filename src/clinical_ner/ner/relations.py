"""Which treatment is for which disease: by the words between them, by lists, by what the note is about there, and by
what treatments are usually given for.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from clinical_ner.core.span import DISEASE, TREATMENT, Span
from clinical_ner.ner.assertion import Trigger
from clinical_ner.ner.concepts import LONGEST_NAME, Concept
from clinical_ner.ner.indications import NOTHING_KNOWN, Uses, is_for, uses

FAMILY = "family"
NEVER_TREATED = frozenset({"absent", FAMILY})  # in the patient
STOPPED = frozenset({"absent", "historical"})
NOT_GIVEN = STOPPED | {"hypothetical"}
ALLERGY = re.compile(r"allerg|intoleran|anaphyla|hypersens|reaction", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]+|[^\w\s]")
LIST = re.compile(r"(?:[\s,/+&]|\b(?:and|or|plus|with|then|later)\b|\b\d[\d.,]*\s*(?:mg|mcg|g|units|ml)?\b)*")
ITEM = re.compile(r"(?P<indent>\s*)(?:(?P<number>\d+[.)])|(?P<sign>[-*•#]))")  # a line of a list of problems

PURPOSE = frozenset({"for", "against", "treat", "treating", "prevents", "prevent", "controls", "improves", "("})
GIVEN = frozenset({"on", "with", ":", "-", "–", "—", "continue", "continued", "received", "taking", "takes", "/"})
GIVEN |= {"responded", "underwent", "p", "post", "required", "start", "started", "which", "(", "by", "after"}
# "neuropathy from docetaxel", "anaemia due to chemotherapy": the treatment is the cause
CAUSED = frozenset({"from", "due", "caused", "secondary", "complicating", "induced"})
CAUSES = frozenset(
    {"associated", "caused", "causes", "causing", "induced", "related"}
)  # "lisinopril caused angioedema"
ENDED = frozenset({"avoided", "contraindicated", "discontinued", "held", "hold", "stopped", "withheld"})
BECAUSE = frozenset({"because", "due", "given", "until", "by"})  # "stopped because of": the disease is the reason
APART = frozenset({";", "."})
FAR, NEAR = 12, 6  # what a boundary costs and a word that links is worth, in words
USUAL, UNUSUAL = -8, 8  # what it costs that the treatment is usually given for the disease, and for others only
CANDIDATES = 2  # diseases looked at on either side, so that time stays bounded
NEIGHBOURS = 30  # and in other sentences
MEMBERS = 5  # of a list, that are looked up
NEXT = 3  # words before treatments, one of which says that they are for what stands before
LONGEST_ITEM, LONGEST_LIST = 1_000, 100  # characters
# Where nothing else says, these sections are about the first disease of the assessment, or of the reason for the visit.
ABOUT_THE_MAIN = frozenset({"plan", "procedure", "hospital_course"})
MAIN = ("assessment", "chief_complaint")


class Labelled(Protocol):
    """A mention: its span, how it is meant and by which words, the section it stands in, and what it names."""

    @property
    def span(self) -> Span: ...
    @property
    def assertion(self) -> str: ...
    @property
    def trigger(self) -> Trigger | None: ...
    @property
    def section(self) -> str | None: ...
    @property
    def concept(self) -> Concept | None: ...


def link(sentences: Sequence[Sequence[Labelled]], text: str) -> list[tuple[Span, Span]]:
    """(treatment, disease) pairs; each treatment has at most one disease, and never one that is denied.

    A treatment belongs to the disease of its own sentence that the words between speak for most, else the nearest; in
    a sentence without one to the disease that the item of a list is about, or the last one of the sentence before; in
    a plan to the first of the assessment. Where no word says so, and it is usually given for other diseases, or where
    there is none, it belongs to the nearest of the note that it is usually given for, if there is one. A relative's
    treatment belongs to a relative's disease. What a treatment has caused, or was stopped for, is no disease that it is
    for; one that is not tolerated is for none.
    """
    pairs: list[tuple[Span, Span]] = []
    topic, note = _Topic(text), _Note(sentences, text)
    for sentence in sentences:
        diseases = [mention for mention in sentence if mention.span.label == DISEASE]
        for group in _lists([mention for mention in sentence if _is_taken(mention, text)], text):
            near, barred = _nearest(group, diseases, note)
            is_said = near is not None and _is_said(group, near, text)
            for treatment in group:
                disease = near if diseases else topic.of(treatment)
                if not is_said and (disease is None or note.is_usual(treatment, disease) is False):
                    disease = note.usual(treatment, barred) or disease
                if disease:
                    pairs.append((treatment.span, disease.span))
        topic.take(diseases)
    return pairs


def _is_said(group: Sequence[Labelled], disease: Labelled, text: str) -> bool:
    """Whether a word between treatments and disease says that they are for it."""
    if disease.span.start >= group[-1].span.end:
        return not PURPOSE.isdisjoint(_between(text, group[-1].span.end, disease.span.start))
    return not GIVEN.isdisjoint(_between(text, disease.span.end, group[0].span.start)[-NEXT:])


def _is_taken(mention: Labelled, text: str) -> bool:
    """Whether it is a treatment, and named for another reason than that it is not tolerated."""
    if mention.span.label != TREATMENT or mention.section == "allergies":
        return False
    return mention.trigger is None or not ALLERGY.search(text, mention.trigger.start, mention.trigger.end)


def _lists(treatments: Sequence[Labelled], text: str) -> Iterator[list[Labelled]]:
    """The treatments of a sentence, those together between which nothing stands but commas, doses and "and"."""
    group: list[Labelled] = []
    for treatment in treatments:
        if group and not _joined(text, group[-1].span.end, treatment.span.start):
            yield group
            group = []
        group.append(treatment)
    if group:
        yield group


def _joined(text: str, start: int, end: int) -> bool:
    return end - start <= LONGEST_LIST and LIST.fullmatch(text, start, end) is not None


def _nearest(
    group: Sequence[Labelled], diseases: Sequence[Labelled], note: _Note
) -> tuple[Labelled | None, list[Labelled]]:
    """The disease of the sentence that the treatments of a list are for, the one before at equal cost; and what they
    have caused, or were stopped for.
    """
    first, last = group[0], group[-1]
    fitting = [disease for disease in diseases if _fits(first, disease)]
    before = [disease for disease in fitting if disease.span.end <= first.span.start][-CANDIDATES:]
    after = [disease for disease in fitting if disease.span.start >= last.span.end][:CANDIDATES]
    costs = [(_cost_before(disease, first, note.text), disease) for disease in reversed(before)]
    costs += [(_cost_after(last, disease, note.text), disease) for disease in after]
    known = [(cost + note.unusual(group, disease), disease) for cost, disease in costs if cost is not None]
    best = min(known, key=lambda row: row[0])[1] if known else None
    return best, [disease for cost, disease in costs if cost is None]


def _fits(treatment: Labelled, disease: Labelled) -> bool:
    """Whether both are the same person's, who has the disease."""
    if FAMILY in {treatment.assertion, disease.assertion}:
        return treatment.assertion == disease.assertion
    return disease.assertion not in NEVER_TREATED


def _cost_before(disease: Labelled, treatment: Labelled, text: str) -> int | None:
    """How far the disease stands before the treatment, in words; None if the treatment is its cause."""
    words = _between(text, disease.span.end, treatment.span.start)
    if CAUSED.intersection(words[-3:]) or words[-2:] == ["since", "the"]:
        return None
    return len(words) + FAR * len(APART.intersection(words)) - NEAR * (not GIVEN.isdisjoint(words))


def _cost_after(treatment: Labelled, disease: Labelled, text: str) -> int | None:
    """How far the disease stands after the treatment; None if that has caused it or is not given because of it."""
    words = _between(text, treatment.span.end, disease.span.start)
    if treatment.assertion in STOPPED and BECAUSE.intersection(words):
        return None
    if CAUSES.intersection(words[:3]) or (words[-1:] == ["for"] and ENDED.intersection(words[-2:])):
        return None
    return len(words) + FAR * len(APART.intersection(words)) - NEAR * 2 * (not PURPOSE.isdisjoint(words))


def _between(text: str, start: int, end: int) -> list[str]:
    return WORD.findall(text[start:end].lower())


class _Note:
    """All diseases of a note, and what its treatments are usually given for."""

    def __init__(self, sentences: Sequence[Sequence[Labelled]], text: str) -> None:
        self.text = text
        self._diseases = [mention for sentence in sentences for mention in sentence if mention.span.label == DISEASE]
        self._names = {disease.span.start: self._name(disease).lower() for disease in self._diseases}

    def usual(self, treatment: Labelled, barred: Sequence[Labelled]) -> Labelled | None:
        """The nearest disease that a treatment is usually given for, if it is not denied; none that is barred."""
        known = self._uses(treatment)
        if known == NOTHING_KNOWN or treatment.assertion == "absent":
            return None
        start, left_out = treatment.span.start, {self._meant(disease) for disease in barred}
        place = bisect_left(self._diseases, start, key=lambda disease: disease.span.start)
        around = self._diseases[max(0, place - NEIGHBOURS) : place + NEIGHBOURS]
        usual = [each for each in around if _fits(treatment, each) and self._is_for(known, each)]
        free = [disease for disease in usual if self._meant(disease) not in left_out]
        return min(free, key=lambda disease: abs(disease.span.start - start), default=None)

    def is_usual(self, treatment: Labelled, disease: Labelled) -> bool | None:
        """Whether the treatment is usually given for the disease; None if that is not known."""
        return self._is_for(self._uses(treatment), disease)

    def unusual(self, group: Sequence[Labelled], disease: Labelled) -> int:
        """What it costs that treatments are usually given for other diseases."""
        said = {self.is_usual(treatment, disease) for treatment in group[:MEMBERS]}
        return USUAL if True in said else UNUSUAL if False in said else 0

    def _is_for(self, known: Uses, disease: Labelled) -> bool | None:
        return is_for(known, self._names[disease.span.start], disease.concept.icd10cm if disease.concept else None)

    def _meant(self, disease: Labelled) -> str:
        return disease.concept.id if disease.concept else self._names[disease.span.start]

    def _uses(self, treatment: Labelled) -> Uses:
        return uses(self._name(treatment))

    def _name(self, mention: Labelled) -> str:
        """What the text calls it, with the name of its concept after it; nothing if that is too long for a name."""
        start, end, _ = mention.span
        if end - start > LONGEST_NAME // 2:
            return ""
        return f"{self.text[start:end]}; {mention.concept.name}" if mention.concept else self.text[start:end]


class _Topic:
    """What the note is about where a sentence names no disease."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._item: Labelled | None = None  # the problem of this item of a list
        self._last: Labelled | None = None  # of the sentence before
        self._first: dict[str | None, Labelled] = {}  # of a section

    def of(self, treatment: Labelled) -> Labelled | None:
        """What a treatment in the next sentence is for, if that names no disease; it must be given, not thought of."""
        if treatment.assertion in NOT_GIVEN:
            return None
        for disease in (self._item, self._last):
            if disease and _fits(treatment, disease) and self._goes_on(disease, treatment):
                return disease
        if treatment.section not in ABOUT_THE_MAIN or treatment.assertion == FAMILY:
            return None
        return next((self._first[section] for section in MAIN if section in self._first), None)

    def take(self, diseases: Sequence[Labelled]) -> None:
        """Remember which diseases a sentence names."""
        self._last = diseases[-1] if diseases else None
        own = next((disease for disease in diseases if disease.assertion not in NEVER_TREATED), None)
        if own:
            self._first.setdefault(own.section, own)
            self._item = own if self._begins_item(own.span.start) else self._item

    def _begins_item(self, position: int) -> bool:
        return _mark(self._line_before(position)) is not None

    def _line_before(self, position: int) -> str:
        """The line of the position, up to there."""
        return self._text[self._text.rfind("\n", max(0, position - LONGEST_ITEM), position) + 1 : position]

    def _goes_on(self, disease: Labelled, treatment: Labelled) -> bool:
        """Whether the section is the same, and neither another item nor an empty line begins between them."""
        if disease.section != treatment.section or treatment.span.start - disease.span.end > LONGEST_ITEM:
            return False
        between = self._text[disease.span.end : treatment.span.start]
        if "\n\n" in between:
            return False
        marks = [mark for mark in map(_mark, between.split("\n")[1:]) if mark]
        own = _mark(self._line_before(disease.span.start)) if marks else None
        return not marks or (own is not None and all(mark.is_below(own) for mark in marks))


class _Mark(NamedTuple):
    """What an item of a list begins with: how far from the margin, and a sign or any number."""

    indent: int
    sign: str | None

    def is_below(self, other: _Mark) -> bool:
        """Whether it marks a part of the other's item: further in, or by a sign that is not the other's."""
        if self.indent == other.indent:
            return self.sign not in {None, other.sign}
        return self.indent > other.indent


def _mark(line: str) -> _Mark | None:
    found = ITEM.match(line)
    return _Mark(len(found["indent"].expandtabs()), found["sign"]) if found else None
