"""Whether an entity is said to be present, absent, uncertain, past, a relative's or conditional, and by which words.

Rules over our own tokens, after NegEx and ConText: medspaCy and negspaCy are well kept, but need a spaCy pipeline,
several times the size of a worker, for what is a table look-up a word here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence, Set
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import yaml

from clinical_ner.core.span import ASSERTIONS, DISEASE, LABELS, TREATMENT
from clinical_ner.ner.tokenize import Token, tokens

RESOURCE = Path(__file__).with_name("resources") / "assertion.yaml"
PRESENT, ABSENT = ASSERTIONS[:2]
YEAR, RELATIVE = "<year>", "<relative>"
JOINED = frozenset({",", "and", "or", "/", "&", "nor"})  # all that stands between the parts of a list
GAP = 2  # tokens between two cues that still count as one phrase: "no prior documented history of"
FINDING = 6  # tokens between a negation and what a finding would mean: "no new focal consolidation to suggest"
MARKS = ("but_lasting", "over_plans", "of_findings", "weak")
FAR = 1_000  # more tokens than any sentence has


class Labelled(Protocol):
    """Whatever has offsets and a label: a span, an entity."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def label(self) -> str: ...


class Trigger(NamedTuple):
    """The words that say so: `text[start:end]`."""

    start: int
    end: int


class Assertion(NamedTuple):
    """One of `ASSERTIONS`, and the words that say so; none if it is present because nothing says otherwise."""

    name: str
    trigger: Trigger | None


BY_DEFAULT = Assertion(PRESENT, None)


class Section(NamedTuple):
    """The section an entity stands in, one of `SECTIONS` or None, and its heading."""

    name: str | None
    heading: Trigger | None


class Rule(NamedTuple):
    """What a phrase says of the entities with this label that are at most `window` tokens away."""

    assertion: str
    label: str
    forward: bool
    window: int
    but_lasting: bool  # of a disease that lasts it says that it is present
    over_plans: bool  # it reaches over the words of a plan: "if sepsis recurs, start"
    of_findings: bool  # it says what a finding would mean, which may be denied before: "no defect to suggest"
    weak: bool  # any other cue that reaches the entity goes before it


class Cue(NamedTuple):
    """Tokens `first` to `past` (exclusive) are a phrase of the table."""

    first: int
    past: int
    rules: tuple[Rule, ...]
    stops: bool
    plans: bool


class Phrase(NamedTuple):
    """The words of a phrase, in lower case, and what they say."""

    words: tuple[str, ...]
    rules: tuple[Rule, ...]
    stops: bool
    plans: bool  # it stops all but what reaches over plans


class Table(NamedTuple):
    """The resource, ready for use."""

    phrases: dict[str, dict[str, tuple[Phrase, ...]]]  # by first and second word, "" for none; longest first
    rank: dict[str, int]
    sections: dict[str, dict[str, str]]
    lasting: frozenset[str]


@cache
def table() -> Table:
    """The rules of `assertion.yaml`."""
    content = yaml.safe_load(RESOURCE.read_text(encoding="utf-8"))
    rules: dict[tuple[str, ...], list[Rule]] = {}
    for phrase, rule in _rules(content):
        rules.setdefault(_words(phrase), []).append(rule)
    plans = set(map(_words, content["plans"]))
    stops = plans.union(map(_words, content["stops"]))
    plain = stops.union(map(_words, _expanded(content["pseudo"], content))) - rules.keys()
    by_word: dict[str, dict[str, tuple[Phrase, ...]]] = {}
    for words in sorted([*rules, *plain], key=lambda words: (-len(words), words)):
        second = by_word.setdefault(words[0], {})
        key = words[1] if len(words) > 1 else ""
        second[key] = (*second.get(key, ()), Phrase(words, tuple(rules.get(words, ())), words in stops, words in plans))
    rank = {name: place for place, name in enumerate(content["precedence"])}
    return Table(by_word, rank, content["sections"], frozenset(content["lasting"]))


def _rules(content: dict[str, Any]) -> Iterator[tuple[str, Rule]]:
    for forward in (True, False):
        for group in content["forward" if forward else "backward"]:
            for label in group.get("labels", LABELS):
                marks = {name: group.get(name, False) for name in MARKS}
                rule = Rule(group["assertion"], label, forward, group.get("window", FAR), **marks)
                yield from ((phrase, rule) for phrase in _expanded(group["phrases"], content))


def _expanded(phrases: Iterable[str], content: dict[str, Any]) -> Iterator[str]:
    """The phrases, with every relative in place of <relative>."""
    for phrase in phrases:
        relatives = content["relatives"] if RELATIVE in phrase else [""]
        yield from (phrase.replace(RELATIVE, relative) for relative in relatives)


def _words(phrase: str) -> tuple[str, ...]:
    words = phrase.split()
    return tuple(word for part in words for word in ([part] if part == YEAR else [t.text for t in tokens(part)]))


def assertions(
    sentence: Sequence[Token], entities: Sequence[Labelled], sections: Sequence[Section] | None = None
) -> list[Assertion]:
    """What the sentence says of each of its entities, which are in order and lie on whole tokens.

    `sections` holds for each entity the section it stands in, whose heading may say it too.

    >>> from clinical_ner.core.span import Span
    >>> assertions(tokens("No asthma."), [Span(3, 9, "DISEASE")])
    [Assertion(name='absent', trigger=Trigger(start=0, end=2))]
    """
    if not entities:
        return []
    reading = _reading(sentence, entities)
    said = [_said(sentence, reading, number, entity.label) for number, entity in enumerate(entities)]
    if sections is None:
        return said
    return [_in_section(*row) for row in zip(said, entities, sections, strict=True)]


def _in_section(said: Assertion, entity: Labelled, section: Section) -> Assertion:
    """The section's own meaning, unless the sentence says what goes before it."""
    meant = table().sections.get(section.name or "", {}).get(entity.label)
    rank = table().rank
    return Assertion(meant, section.heading) if meant and rank[meant] < rank[said.name] else said


def _said(sentence: Sequence[Token], reading: Reading, number: int, label: str) -> Assertion:
    decision = _decision(reading, number, label)
    if decision is None:
        return BY_DEFAULT
    _, rule, cue = decision
    name = PRESENT if rule.but_lasting and reading.lasts(number) else rule.assertion
    return Assertion(name, Trigger(sentence[cue.first].start, sentence[cue.past - 1].end))


class Decision(NamedTuple):
    """A cue that reaches an entity over `distance` tokens, and what it says of it."""

    distance: int
    rule: Rule
    cue: Cue


class Reading(NamedTuple):
    """A sentence: its words in lower case, the tokens of its entities, its cues in order."""

    words: list[str]
    places: list[tuple[int, int]]
    labels: list[str]  # of its entities
    cues: list[Cue]
    purposes: list[int]  # the tokens "for" after a treatment: what is said of it is not said of the disease after them

    def lasts(self, number: int) -> bool:
        """Whether an entity is a disease that one has for good."""
        first, past = self.places[number]
        return not table().lasting.isdisjoint(self.words[first:past])


def _reading(sentence: Sequence[Token], entities: Sequence[Labelled]) -> Reading:
    words = [_word(token.text) for token in sentence]
    starts = [token.start for token in sentence]
    places = [(bisect_right(starts, entity.start) - 1, bisect_left(starts, entity.end)) for entity in entities]
    taken = {position for first, past in places for position in range(first, past)}
    labels = [entity.label for entity in entities]
    treatments = [past for label, (_, past) in zip(labels, places, strict=True) if label == TREATMENT]
    purposes = [past for past in treatments if words[past : past + 1] == ["for"]]
    return Reading(words, places, labels, list(_cues(words, taken)), purposes)


@lru_cache(maxsize=10_000)
def _word(text: str) -> str:
    """A token as the phrases have it: in lower case, any year as YEAR."""
    is_year = len(text) == 4 and text.startswith(("19", "20")) and text.isdecimal()
    return YEAR if is_year else text.lower()


def _cues(words: Sequence[str], taken: Set[int]) -> Iterator[Cue]:
    """The phrases of the table among the words, the longest at each, none of them in a word that is taken."""
    phrases = table().phrases
    following = [*words[1:], ""]
    free = 0
    for position, (word, second) in enumerate(zip(words, following, strict=True)):
        known = phrases.get(word)
        if not known or position < free:
            continue
        for phrase in (*known.get(second, ()), *known.get("", ())):
            past = position + len(phrase.words)
            if tuple(words[position:past]) == phrase.words and taken.isdisjoint(range(position, past)):
                yield Cue(position, past, phrase.rules, phrase.stops, phrase.plans)
                free = past
                break


def _decision(reading: Reading, number: int, label: str) -> Decision | None:
    """The nearest of the cues before and after; at equal distance the first by precedence."""
    rank = table().rank
    found = [*_before(reading, number, label), *_after(reading, number, label)]
    return min(found, key=lambda decision: (decision.distance, rank[decision.rule.assertion]), default=None)


def _before(reading: Reading, number: int, label: str) -> Iterator[Decision]:
    """What the nearest cue before the entity says, and those say that stand directly before that cue."""
    first = reading.places[number][0]
    nearest: Decision | None = None
    follower, planned = first, False
    for cue in reversed(reading.cues):
        if cue.past > first:
            continue
        rule = _says(cue, label, first - cue.past, forward=True)
        if rule is None:
            if nearest or (cue.stops and not cue.plans):
                return
            planned = planned or cue.stops
        elif _is_of_a_treatment(reading, rule, (cue.past, first)):
            continue
        elif planned and not rule.over_plans:
            return
        elif nearest is None or _adjoin(reading, cue.past, follower, _gap(nearest.rule, rule)):
            nearest, follower = nearest or Decision(first - cue.past, rule, cue), cue.first
            yield Decision(FAR if rule.weak else nearest.distance, rule, cue)
        else:
            return


def _is_of_a_treatment(reading: Reading, rule: Rule, between: tuple[int, int]) -> bool:
    """Whether the rule denies a treatment and not the disease that it would be for: "no insulin for her diabetes"."""
    denies = rule.assertion == ABSENT and rule.label == DISEASE
    return denies and any(between[0] <= place < between[1] for place in reading.purposes)


def _gap(nearest: Rule, rule: Rule) -> int:
    return FINDING if nearest.of_findings and rule.assertion == ABSENT else GAP


def _adjoin(reading: Reading, past: int, first: int, gap: int) -> bool:
    """Whether two cues are one phrase: little between them, no part of a list and no entity."""
    entity = any(start < first and end > past for start, end in reading.places)
    return first - past <= gap and JOINED.isdisjoint(reading.words[past:first]) and not entity


def _after(reading: Reading, number: int, label: str) -> Iterator[Decision]:
    """What the nearest cue says that follows the entity, or the list which the entity is in."""
    past, end = _list_end(reading, number)
    for cue in reading.cues:
        if cue.first < past:
            continue
        if cue.first >= end:
            return
        rule = _says(cue, label, cue.first - past, forward=False)
        if rule:
            yield Decision(cue.first - past, rule, cue)
        if rule or cue.stops:
            return


def _list_end(reading: Reading, number: int) -> tuple[int, int]:
    """Where the list that starts with the entity ends, and where the next entity after it, or nothing, begins.

    Another name in parentheses is part of the list: "pulmonary embolism (PE) was ruled out".
    """
    past = reading.places[number][1] + _is_other_name(reading, number)
    for other in range(number + 1, len(reading.places)):
        first, next_past = reading.places[other]
        is_other_name = _is_other_name(reading, other)
        if not is_other_name and not JOINED.issuperset(reading.words[past:first]):
            return past, first
        past = next_past + is_other_name
    return past, len(reading.words)


def _is_other_name(reading: Reading, number: int) -> bool:
    """Whether an entity stands alone in parentheses, directly after one with its label."""
    if number == 0 or reading.labels[number - 1] != reading.labels[number]:
        return False
    first, past = reading.places[number]
    before = reading.places[number - 1][1]
    return reading.words[before:first] == ["("] and reading.words[past : past + 1] == [")"]


def _says(cue: Cue, label: str, distance: int, *, forward: bool) -> Rule | None:
    """What the cue says of an entity so far away, if it reaches that far in that direction."""
    rank = table().rank
    said = [rule for rule in cue.rules if rule.label == label and rule.forward == forward and distance <= rule.window]
    return min(said, key=lambda rule: rank[rule.assertion], default=None)
