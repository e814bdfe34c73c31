"""The one tag codec: spans to BIO tags and back, and the finer BIOES tags. Tags exist only here.

A CRF that knows where entities end and which are of one token finds the boundaries of annotated notes better (Ratinov
and Roth, "Design challenges and misconceptions in named entity recognition", 2009, who say BILOU), so adaptation
refines its tags.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from clinical_ner.core.span import LABELS, Extent, Span
from clinical_ner.ner.tokenize import Token, sentences

OUTSIDE = "O"
BEGIN, INSIDE = "B-", "I-"  # before the label
SINGLE, END = "S-", "E-"  # in BIOES: a BEGIN and an INSIDE after which the entity does not go on
LAST = {BEGIN: SINGLE, INSIDE: END}
NOT_LAST = {last: prefix for prefix, last in LAST.items()}
TAGS = (OUTSIDE, *(prefix + label for label in LABELS for prefix in LAST))


def finer(tag: str) -> tuple[str, ...]:
    """The BIOES tags that a BIO tag may be.

    >>> finer("B-DISEASE"), finer("O")
    (('B-DISEASE', 'S-DISEASE'), ('O',))
    """
    if tag == OUTSIDE:
        return (OUTSIDE,)
    prefix, label = tag[:2], tag[2:]
    return tag, LAST[prefix] + label


def coarser(tag: str) -> str:
    """The BIO tag of a tag of either kind.

    >>> coarser("S-DISEASE"), coarser("I-DISEASE")
    ('B-DISEASE', 'I-DISEASE')
    """
    return NOT_LAST.get(tag[:2], tag[:2]) + tag[2:]


def to_bioes(tags: Sequence[str]) -> list[str]:
    """The BIO tags of a sentence as BIOES tags.

    >>> to_bioes(["B-DISEASE", "I-DISEASE", "O", "B-TREATMENT"])
    ['B-DISEASE', 'E-DISEASE', 'O', 'S-TREATMENT']
    """
    return [finer(tag)[0 if goes_on(tag, after) else -1] for tag, after in pairwise([*tags, OUTSIDE])]


def unfinished(tags: Sequence[str]) -> list[bool]:
    """Which of these BIO or BIOES tags no sentence can end with: those of BIOES that say that the entity goes on.

    >>> unfinished(["O", "B-DISEASE"]), unfinished(["O", "B-DISEASE", "S-DISEASE"])
    ([False, False], [False, True, False])
    """
    return [tag[:2] in LAST and LAST[tag[:2]] + tag[2:] in tags for tag in tags]


def are_bioes(tags: Iterable[str]) -> bool:
    """Whether there are tags of BIOES among these that BIO lacks.

    >>> are_bioes(["O", "B-DISEASE", "I-DISEASE"]), are_bioes(["O", "B-DISEASE", "S-DISEASE"])
    (False, True)
    """
    return any(tag[:2] in NOT_LAST for tag in tags)


def goes_on(tag: str, after: str) -> bool:
    """Whether the entity of a BIO tag goes on with the one that follows."""
    return tag != OUTSIDE and after == INSIDE + tag[2:]


class EntityTags(NamedTuple):
    """The numbers of the tags that the tokens of a label's entities have; BIO tags have two places each."""

    single: int  # of an entity of one token
    first: int
    inner: int  # of a token between; and of the first one of an entity that starts with an I
    last: int  # and of such an entity's only one

    @property
    def tell_the_end(self) -> bool:
        """Whether they say where an entity ends, as BIOES tags do."""
        return self.last != self.inner


def entity_tags(tags: Sequence[str], label: str) -> EntityTags:
    """Those of a label among all BIO or all BIOES tags.

    >>> entity_tags(["O", "B-DISEASE", "S-DISEASE", "I-DISEASE", "E-DISEASE"], "DISEASE")
    EntityTags(single=2, first=1, inner=3, last=4)
    >>> entity_tags(["O", "B-DISEASE", "I-DISEASE"], "DISEASE")
    EntityTags(single=1, first=1, inner=2, last=2)
    """
    first, inner = tags.index(BEGIN + label), tags.index(INSIDE + label)
    if SINGLE + label not in tags:
        return EntityTags(first, first, inner, inner)
    return EntityTags(tags.index(SINGLE + label), first, inner, tags.index(END + label))


class Encoded(NamedTuple):
    """One tag a token; how many spans were widened to whole tokens, and how many dropped as overlapping."""

    tags: list[str]
    widened: int
    dropped: int


def encode(tokens: Sequence[Extent], spans: Iterable[Span]) -> Encoded:
    """BIO tags of the tokens.

    A span that cuts a token is widened to it and counted; of overlapping spans the longest, then the
    first, is kept and the others are counted as dropped. A span without a token is dropped.
    """
    tags = [OUTSIDE] * len(tokens)
    widened = dropped = 0
    for span in sorted(set(spans), key=lambda span: (span.start - span.end, span.start, span.label)):
        covered = [i for i, token in enumerate(tokens) if token.start < span.end and span.start < token.end]
        if not covered or any(tags[i] != OUTSIDE for i in covered):
            dropped += 1
            continue
        widened += (tokens[covered[0]].start, tokens[covered[-1]].end) != (span.start, span.end)
        tags[covered[0]] = BEGIN + span.label
        for i in covered[1:]:
            tags[i] = INSIDE + span.label
    return Encoded(tags, widened, dropped)


class EncodedText(NamedTuple):
    """The sentences of a text, each with one tag a token, and what had to be done to the spans of all."""

    sentences: list[tuple[list[Token], list[str]]]
    widened: int
    dropped: int

    def spans(self) -> list[Span]:
        """The spans that the tags mark, in order: of whole tokens, and none overlaps another."""
        return [span for sentence, tags in self.sentences for span in decode(sentence, tags)]


def encode_text(text: str, spans: Collection[Span]) -> EncodedText:
    """BIO tags of the tokens of each sentence, as `encode` gives them.

    A span belongs to the sentence it starts in, or to the next one if it starts in the space between.
    """
    found, read = [], 0
    for sentence in sentences(text):
        inside = [span for span in spans if read <= span.start < sentence[-1].end]
        read = sentence[-1].end
        found.append((sentence, encode(sentence, inside)))
    widened, dropped = sum(own.widened for _, own in found), sum(own.dropped for _, own in found)
    after_all = {span for span in spans if span.start >= read}
    return EncodedText([(sentence, own.tags) for sentence, own in found], widened, dropped + len(after_all))


def runs(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """The entities as (first token, one past the last token, label); two adjacent ones stay two.

    An I tag that continues nothing opens an entity, so that no tag is lost.

    >>> runs(["B-DISEASE", "B-DISEASE", "I-DISEASE", "O"])
    [(0, 1, 'DISEASE'), (1, 3, 'DISEASE')]
    """
    found: list[tuple[int, int, str]] = []
    for position, tag in enumerate(tags):
        if tag == OUTSIDE:
            continue
        prefix, label = tag.split("-", 1)
        if prefix == "I" and found and found[-1][1:] == (position, label):
            found[-1] = (found[-1][0], position + 1, label)
        else:
            found.append((position, position + 1, label))
    return found


def decode(tokens: Sequence[Extent], tags: Sequence[str]) -> list[Span]:
    """The spans that the tags mark, in order."""
    return [Span(tokens[first].start, tokens[past - 1].end, label) for first, past, label in runs(tags)]
