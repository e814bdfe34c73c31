"""The syntax of a sentence template: literal text, slots, mentions and alternatives.

- `{name}`, `{name:assertion}`, `{name#link}` or both in either order: a slot. A capital first letter of the
  name capitalises what fills it. Entities that share a link belong together: the treatment is for the disease.
  Slots of the record that share a digit are of one case. A letter decides nothing that is written: an entity may have
  several, and they are no part of the template's id.
- `[D words]`, `[T:hypothetical#1 words]`: a mention, DISEASE or TREATMENT, with the same marks; slots inside are part
  of it.
- `<one|another|>`: alternatives, one of which is written; they hold slots and mentions, not each other.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from clinical_ner.core.errors import closest
from clinical_ner.core.span import ASSERTIONS, DISEASE, TREATMENT

FAMILY = "family"  # an assertion, and the section in which the family's diseases are denied
ECHO = "abbr"  # the initials of the entity named last, in the same sense
RECORD_DISEASES = frozenset({"problem", "past_problem", "indication"})  # under way, over, operated on today
OUTCOMES = frozenset({"effective", "ineffective", "tolerated", "improving", "switched_to"})  # of what is given now
STOPPED = frozenset({"failed", "not_tolerated", "switched_from"})  # and why
RECORD_TREATMENTS = (
    frozenset({"regimen", "medication", "past_regimen", "past_procedure", "operation"}) | OUTCOMES | STOPPED
)
PAST_SLOTS = (
    frozenset({"past_problem", "past_regimen", "past_procedure", "allergen", "reaction", "side_effect"}) | STOPPED
)
# Words of the record that are an entity only if they name a drug or a disease: a food or a cough is none.
PERHAPS_DISEASES = frozenset({"reaction", "side_effect"})
PERHAPS_TREATMENTS = frozenset({"allergen"})
DISEASE_SLOTS = RECORD_DISEASES | PERHAPS_DISEASES | {"disease"}
TREATMENT_SLOTS = RECORD_TREATMENTS | PERHAPS_TREATMENTS | {"drug", "drug_class", "procedure", "therapy", "treatment"}
ENTITY_SLOTS = DISEASE_SLOTS | TREATMENT_SLOTS
RECORD_SLOTS = RECORD_DISEASES | RECORD_TREATMENTS | PERHAPS_TREATMENTS
LABELS = {"D": DISEASE, "T": TREATMENT}
PLAIN_MARKS = ("present", "", "")  # assertion and links of a slot of which nothing is said
RECORD_DISEASE, RECORD_TREATMENT = "a disease of the record", "a treatment of the record"
ALLERGEN, INTOLERANCE, IMPROVEMENT = "an allergen", "what was not tolerated", "what has improved something"
REFERS_TO = {  # what has to be named before
    ECHO: ECHO,
    "diagnosed_year": RECORD_DISEASE,
    "end_year": RECORD_DISEASE,
    "its_dose": RECORD_TREATMENT,
    "its_year": RECORD_TREATMENT,
    "its_end": RECORD_TREATMENT,
    "reaction": ALLERGEN,
    "side_effect": INTOLERANCE,
    "its_measure": IMPROVEMENT,
    "its_before": IMPROVEMENT,
    "its_after": IMPROVEMENT,
}
NONE_OF = {  # slots that write nothing, for sentences that are true only of who has none of these
    "no_problem": ("problem", "past_problem"),
    "no_regimen": ("regimen",),
    "no_procedure": ("past_procedure", "operation"),
    "no_allergy": ("allergen",),
    "no_family": ("family",),
    "no_fever": ("fever",),
}
KNOWN_ONLY = frozenset({"weight", "bmi", "pack_years", "weeks", "weeks_at_birth"})  # never made up for a patient
Wants = tuple[tuple[str, int], ...]  # of a case: how many treatments each slot asks for

MARKS = r"((?::[a-z]+|#[0-9a-z])*)"  # in either order
SLOT = re.compile(rf"\{{([A-Za-z_]+){MARKS}\}}")
OPENING = re.compile(rf"\[([DT]){MARKS} (?=[^\s\]])")
MARKED = re.compile(rf"{SLOT.pattern}|{OPENING.pattern}")
LETTER_LINK = re.compile(r"#[a-z]")
CHOICE = re.compile(r"<(?=[^<>]*\|[^<>]*>)")
PLAIN = re.compile(r"[^{}\[\]<>|]+")
COMPARISON = re.compile(r"<(?![A-Za-z])|>")  # 'p < 0.05': a sign that opens no alternatives


class Slot(NamedTuple):
    """A place to fill: what goes there, how it is meant, what it belongs to."""

    name: str
    capital: bool
    assertion: str
    link: str  # a digit
    pairs: str = ""  # links that are letters


class Mention(NamedTuple):
    """An entity written out, or around a slot: all of it is one gold span."""

    label: str
    assertion: str
    link: str
    pieces: tuple[Piece, ...]
    pairs: str = ""


class Choice(NamedTuple):
    """Alternatives, one of which is written."""

    options: tuple[tuple[Piece, ...], ...]


Piece = str | Slot | Mention | Choice


@dataclass(frozen=True, eq=False)
class Template:
    """A sentence: its pieces in order; the id changes with what is written.

    Each is read once, so it is equal to itself alone: to compare all pieces would cost more than to write them.
    """

    template_id: str
    pieces: tuple[Piece, ...]

    @cached_property
    def slots(self) -> list[Slot]:
        """The slots, in order, also those of mentions and of every alternative."""
        return [piece for piece in walk(self.pieces) if isinstance(piece, Slot)]

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the slots."""
        return frozenset(slot.name for slot in self.slots)

    @cached_property
    def literals(self) -> list[str]:
        """The words that stand in the template itself, of every alternative."""
        return [piece for piece in walk(self.pieces) if isinstance(piece, str)]

    @cached_property
    def diseases(self) -> list[str]:
        """The diseases that are written out, but those of a family."""
        mentions = (piece for piece in walk(self.pieces) if isinstance(piece, Mention) and piece.label == DISEASE)
        found = (mention for mention in mentions if mention.assertion != "family")
        return ["".join(mention.pieces) for mention in found if all(isinstance(part, str) for part in mention.pieces)]  # type: ignore[arg-type]

    @cached_property
    def counts(self) -> tuple[tuple[str, int], ...]:
        """How many diseases and treatments of the record the template names at most, by slot."""
        counted = Counter(slot.name for slot in self.slots if slot.name in RECORD_SLOTS)
        return tuple(sorted(counted.items()))

    @cached_property
    def none_of(self) -> tuple[str, ...]:
        """The slots of the record of which the subject must have nothing."""
        return tuple(asked for name in sorted(self.names & NONE_OF.keys()) for asked in NONE_OF[name])

    @cached_property
    def echoes(self) -> bool:
        """Whether the initials of an entity follow it."""
        return ECHO in self.names

    @cached_property
    def of_family(self) -> bool:
        """Whether the template stands in a section on the family."""
        return self.template_id.startswith(FAMILY)

    @cached_property
    def tells_of_family(self) -> bool:
        """Whether the template asks for a disease of the family."""
        return any(slot.name == "disease" and slot.assertion == "family" for slot in self.slots)

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """The slots that are told of a patient only if the record says them."""
        return tuple(sorted(self.names & KNOWN_ONLY))

    @cached_property
    def asks(self) -> bool:
        """Whether there are subjects of whom the record does not allow the template."""
        return bool(self.counts or self.none_of or self.needs or self.demands or self.diseases)

    @cached_property
    def links(self) -> dict[str, tuple[str, Wants]]:
        """The disease slot of each link ("" for none), and the treatments of the record that its case must have."""
        slots = [slot for slot in self.slots if slot.link and slot.name in RECORD_SLOTS]
        found: dict[str, tuple[str, Wants]] = {}
        for link in sorted({slot.link for slot in slots}):
            names = Counter(slot.name for slot in slots if slot.link == link)
            disease = next((name for name in sorted(names) if name in RECORD_DISEASES), "")
            wants = tuple(sorted((name, count) for name, count in names.items() if name in RECORD_TREATMENTS))
            found[link] = (disease, wants)
        return found

    @cached_property
    def demands(self) -> tuple[tuple[str, Wants, int], ...]:
        """The links of the record without their digits, each with how many cases it takes."""
        return tuple((disease, wants, count) for (disease, wants), count in Counter(self.links.values()).items())


def walk(pieces: tuple[Piece, ...]) -> Iterator[Piece]:
    """Every piece, and what is inside it after it."""
    for piece in pieces:
        yield piece
        if isinstance(piece, Mention):
            yield from walk(piece.pieces)
        elif isinstance(piece, Choice):
            for option in piece.options:
                yield from walk(option)


def parse(section: str, text: str) -> Template:
    """A template from its line.

    Raises:
        ValueError: the line is malformed; the message says how.

    >>> parse("plan", "Continue {drug}.").pieces
    ('Continue ', Slot(name='drug', capital=False, assertion='present', link='', pairs=''), '.')
    >>> parse("plan", "[T IV fluids]").pieces
    (Mention(label='TREATMENT', assertion='present', link='', pieces=('IV fluids',), pairs=''),)
    """
    reader = _Reader(text)
    pieces = reader.pieces(until="")
    wording = MARKED.sub(lambda found: LETTER_LINK.sub("", found[0]), text)
    digest = hashlib.sha256(wording.encode()).hexdigest()[:8]
    return Template(f"{section}/{digest}", pieces)


class _Reader:
    """Reads a template from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def pieces(self, until: str) -> tuple[Piece, ...]:
        """The pieces up to one of these signs, or to the end of the line when there is none."""
        found: list[Piece] = []
        while self._position < len(self._text):
            if self._text[self._position] in until:
                return tuple(found)
            piece = self._piece()
            if isinstance(piece, str) and found and isinstance(found[-1], str):
                found[-1] += piece
            else:
                found.append(piece)
        if until:
            raise ValueError(f"'{until[-1]}' is missing")
        return tuple(found)

    def _piece(self) -> Piece:
        if words := self._take(PLAIN):
            return words.group()
        if slot := self._take(SLOT):
            name, marks = slot.groups()
            return Slot(name.lower(), name[0].isupper(), *_meant(name.lower(), marks))
        if opening := self._take(OPENING):
            return self._mention(*opening.groups())
        if self._take(CHOICE):
            return self._choice()
        if sign := self._take(COMPARISON):
            return sign.group()
        raise ValueError(f"nothing to read at '{self._text[self._position :][:12]}'")

    def _mention(self, letter: str, marks: str) -> Mention:
        inner = self.pieces(until="]")
        self._position += 1
        assertion, link, pairs = _meant("", marks)
        return Mention(LABELS[letter], assertion, link, inner, pairs)

    def _choice(self) -> Choice:
        options = [self.pieces(until="|>")]
        while self._text[self._position] == "|":
            self._position += 1
            options.append(self.pieces(until="|>"))
        self._position += 1
        return Choice(tuple(options))

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._position)
        if found:
            self._position = found.end()
        return found


def _meant(name: str, marks: str) -> tuple[str, str, str]:
    """The assertion, the digit and the letters of the links that the marks after a name say."""
    assertions = re.findall(r":([a-z]+)", marks) or ["historical" if name in PAST_SLOTS else "present"]
    links, letters = re.findall(r"#(\d)", marks) or [""], "".join(re.findall(r"#([a-z])", marks))
    if len(assertions) > 1 or len(links) > 1:
        raise ValueError(f"more than one assertion or link: '{marks}'")
    if assertions[0] not in ASSERTIONS:
        known = closest(assertions[0], ASSERTIONS) or "known: " + ", ".join(ASSERTIONS)
        raise ValueError(f"unknown assertion '{assertions[0]}'; {known}")
    return assertions[0], links[0], letters


def check(template: Template, known: frozenset[str]) -> None:
    """Whether the template makes sense, besides being well formed.

    Raises:
        ValueError: a slot is unknown, is asserted though it is no entity, or has nothing that it refers to.
    """
    for slot in template.slots:
        if slot.name not in known:
            raise ValueError(f"unknown slot '{slot.name}'; {closest(slot.name, known)}")
        if (slot.assertion, slot.link, slot.pairs) != PLAIN_MARKS and slot.name not in ENTITY_SLOTS:
            raise ValueError(f"slot '{slot.name}' is no entity: it has neither assertion nor link")
    for piece in walk(template.pieces):
        if isinstance(piece, Mention):
            _check_mention(piece)
    _check_borders(template.pieces)
    _named(template.pieces, frozenset())
    _check_links(template.pieces)


def _check_mention(mention: Mention) -> None:
    inside = list(walk(mention.pieces))
    if any(isinstance(piece, Mention) for piece in inside):
        raise ValueError("a mention inside a mention")
    if any(isinstance(piece, Slot) and (piece.assertion, piece.link, piece.pairs) != PLAIN_MARKS for piece in inside):
        raise ValueError("assertion and link belong to the bracket, not to the slot inside")
    if isinstance(mention.pieces[-1], str) and mention.pieces[-1].endswith(" "):
        raise ValueError("a mention ends with a space")


def _check_borders(pieces: tuple[Piece, ...]) -> None:
    """No letter may touch an entity: a gold span begins and ends with its words."""
    for piece in pieces:
        for option in piece.options if isinstance(piece, Choice) else ():
            _check_borders(option)
    for before, after in pairwise(pieces):
        touching = (isinstance(after, str) and after[0].isalnum() and _is_entity(before)) or (
            isinstance(before, str) and before[-1].isalnum() and _is_entity(after)
        )
        if touching:
            raise ValueError(f"a letter touches an entity: '{before if isinstance(before, str) else after}'")


def _is_entity(piece: Piece) -> bool:
    return isinstance(piece, Mention) or (isinstance(piece, Slot) and label_of(piece) != "")


def _named(pieces: tuple[Piece, ...], before: frozenset[str]) -> frozenset[str]:
    """The entity slots that are surely named by the end of the pieces; what refers to one must follow it."""
    named = before
    for piece in pieces:
        if isinstance(piece, Choice):
            named |= frozenset.intersection(*(_named(option, named) for option in piece.options))
        elif isinstance(piece, Mention):
            named = _named(piece.pieces, named) | {ECHO}
        elif isinstance(piece, Slot):
            if piece.name in REFERS_TO and REFERS_TO[piece.name] not in named:
                raise ValueError(f"'{piece.name}' has nothing before it to refer to")
            named |= NAMES.get(piece.name, frozenset())
    return named


NAMES = {
    **dict.fromkeys(ENTITY_SLOTS, frozenset({ECHO})),
    **dict.fromkeys(RECORD_DISEASES, frozenset({ECHO, RECORD_DISEASE})),
    **dict.fromkeys(RECORD_TREATMENTS, frozenset({ECHO, RECORD_TREATMENT})),
    "allergen": frozenset({ECHO, ALLERGEN}),
    "not_tolerated": frozenset({ECHO, RECORD_TREATMENT, INTOLERANCE}),
    "improving": frozenset({ECHO, RECORD_TREATMENT, IMPROVEMENT}),
}


def _check_links(pieces: tuple[Piece, ...]) -> None:
    linked: dict[str, set[str]] = {}
    for piece in walk(pieces):
        if isinstance(piece, Slot | Mention):
            for link in piece.link + piece.pairs:
                linked.setdefault(link, set()).add(label_of(piece))
    for link, labels in linked.items():
        if len(labels) < len(LABELS):
            raise ValueError(f"link #{link} does not join a treatment and a disease")


def label_of(piece: Slot | Mention) -> str:
    """DISEASE, TREATMENT, or an empty string for a slot that is no entity."""
    if isinstance(piece, Mention):
        return piece.label
    return DISEASE if piece.name in DISEASE_SLOTS else TREATMENT if piece.name in TREATMENT_SLOTS else ""
