"""Compose a text: choose templates for each section and fill their slots."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection
from functools import cache
from typing import NamedTuple

import numpy as np

from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.notes.subjects import Problem, Subject, pick, problem_term
from clinical_ner.notes.syntax import DISEASE_SLOTS, ECHO, TREATMENT_SLOTS, Choice, Mention, Piece, Slot, Template
from clinical_ner.notes.templates import ADULT, fillers, layout, templates, unfit
from clinical_ner.notes.terms import Concepts, Lexis, Term
from clinical_ner.notes.writing import Page

LITERATURE = ("case_report", "abstract", "genetics", "drug_safety")
ABOUT_PATIENTS = ("progress", "discharge", "consult", "emergency", "referral")
# about many people: a sentence fits nobody unless it speaks of one
STUDIES = frozenset({"abstract", "genetics", "drug_safety"})
TITLE = "title"  # stands on a line of its own
OTHERS_DISEASE = frozenset({"absent", "family", "uncertain", "hypothetical"})  # never one of the record
DIGIT_SHARE = 0.6  # of the made-up names, with a number
DESCRIBED_SHARE = 0.5  # of the findings, with an adjective
YEARS_TOLD = 40  # how far back a text's years lie
ADULT_SLOTS = frozenset({"occupation", "smoking", "pack_years"})
GENDERED = frozenset({"sex", "he", "his", "him"})
PERSONAL = GENDERED | {"age"}
NOTHING = re.compile(r"(?!)")
Numbers = Callable[[np.random.Generator], str]


def _code(rng: np.random.Generator) -> str:
    """The name of a gene or protein, made up: letters, and often a digit."""
    letters = "".join(chr(65 + int(n)) for n in rng.integers(0, 26, size=int(rng.integers(2, 6))))
    return letters + (str(rng.integers(1, 30)) if rng.random() < DIGIT_SHARE else "")


NUMBERS: dict[str, Numbers] = {
    "adult_age": lambda rng: str(rng.integers(35, 90)),
    "bp": lambda rng: f"{rng.integers(88, 190)}/{rng.integers(48, 110)}",
    "code": _code,
    "duration": lambda rng: f"{rng.integers(2, 20)} {pick(rng, ('days', 'weeks', 'months', 'years'))}",
    "n": lambda rng: str(rng.integers(2, 140)),
    "pack_years": lambda rng: str(rng.integers(5, 60)),
    "percent": lambda rng: f"{rng.integers(2, 97)}%",
    "ratio": lambda rng: f"{rng.integers(2, 90) / 10:.1f}",
    "size": lambda rng: f"{rng.integers(2, 90) / 10:.1f} {pick(rng, ('cm', 'mm', 'x 3 cm', '× 2.5 cm'))}",
    "temp": lambda rng: f"{rng.integers(360, 402) / 10:.1f}",
    "value": lambda rng: f"{rng.integers(1, 900) / 10:.1f} {pick(rng, fillers()['unit'])}",
}


class Blank(NamedTuple):
    """A slot's words; a label makes them an entity."""

    text: str
    label: str = ""
    concept_id: str = ""
    assertion: str = ""


def compose(kind: str, subject: Subject, lexis: Lexis, rng: np.random.Generator, typo_rate: float) -> Page:
    """A text of this kind about the subject, with its gold mentions, segments and relations."""
    page = Page(rng, typo_rate)
    style = kind if kind in LITERATURE else "clinical"
    joint = " " if kind in LITERATURE else "\n"  # sentences of a section share a line in literature
    for section, low, high in layout(kind):
        eligible = [t for t in fitting(style, section, subject.sex, subject.age < ADULT) if _is_eligible(t, subject)]
        count = min(int(rng.integers(low, high + 1)), len(eligible))
        for place, index in enumerate(rng.permutation(len(eligible))[:count]):
            if page.text:
                page.text += joint if place else "\n"
            _write(page, eligible[int(index)], Filling(subject, lexis, rng, speaks_of_one(eligible[int(index)], style)))
    return page


@cache
def fitting(style: str, section: str, sex: str, child: bool) -> tuple[Template, ...]:
    """The templates of the section whose own words can be said of such a person."""
    words = unfit(sex, child=child)
    return tuple(
        template
        for template in templates(style)[section]
        if not (speaks_of_one(template, style) and any(words.search(literal) for literal in template.literals))
    )


def speaks_of_one(template: Template, style: str) -> bool:
    """Whether the sentence is about the subject; those of studies are about many people."""
    return style not in STUDIES or not PERSONAL.isdisjoint(slot.name for slot in template.slots)


def _is_eligible(template: Template, subject: Subject) -> bool:
    wanted = Counter(slot.name for slot in template.slots)
    if wanted.keys() & ADULT_SLOTS and subject.age < ADULT:
        return False
    return wanted["problem"] <= len(subject.problems) and wanted["regimen"] <= len(subject.regimens())


def _write(page: Page, template: Template, filling: Filling) -> None:
    start = len(page.text)
    _write_pieces(page, template.pieces, filling)
    page.close(start, template.template_id)


def _write_pieces(page: Page, pieces: tuple[Piece, ...], filling: Filling) -> None:
    for piece in pieces:
        if isinstance(piece, str):
            page.literal(piece)
        elif isinstance(piece, Choice):
            _write_pieces(page, filling.choose(piece), filling)
        else:
            blank = filling.fill(piece)
            if blank.label:
                page.mention(blank.text, blank.label, blank.concept_id, blank.assertion, piece.link)
            else:
                page.text += blank.text


def initials(term: str) -> str:
    """The abbreviation that an author would define for a term.

    >>> initials("squamous cell carcinoma"), initials("metformin")
    ('SCC', 'MET')
    """
    words = re.findall(r"[^\W\d_]+", term)
    return "".join(word[0] for word in words).upper() if len(words) > 1 else term[:3].upper()


class Filling:
    """Fills the slots of one sentence; linked slots share a problem, unlinked ones do not repeat one."""

    def __init__(self, subject: Subject, lexis: Lexis, rng: np.random.Generator, of_subject: bool = True) -> None:
        self._subject = subject
        self._lexis = lexis
        self._rng = rng
        self._linked: dict[str, Problem] = {}
        self._used: set[str] = set()  # concepts, and treatments of the record by name
        self._onset_year = 0  # of the problem named last
        self._last = Blank("")  # the entity named last
        self._details = dict(subject.details)
        self._year = subject.year - YEARS_TOLD  # the one named last: the years of a sentence ascend
        self._unfit = unfit(subject.sex, child=subject.age < ADULT) if of_subject else NOTHING

    def fill(self, piece: Slot | Mention) -> Blank:
        """Words for the slot, or for the mention and what is inside it."""
        if isinstance(piece, Mention):
            self._last = self._mention(piece)
            return self._last
        blank = self._slot(piece)
        return blank._replace(text=blank.text[0].upper() + blank.text[1:]) if piece.capital else blank

    def choose(self, choice: Choice) -> tuple[Piece, ...]:
        """One of the alternatives."""
        return choice.options[int(self._rng.integers(len(choice.options)))]

    def _mention(self, mention: Mention) -> Blank:
        """A mention's concept is that of the entity inside it, else what its own words name."""
        parts = self._parts(mention.pieces)
        text = "".join(part.text for part in parts)
        inside = next((part.concept_id for part in parts if part.concept_id), "")
        concept_id = inside or self._lexis.concept_of(mention.label, text)
        self._used.add(concept_id)
        return Blank(text, mention.label, concept_id, mention.assertion)

    def _parts(self, pieces: tuple[Piece, ...]) -> list[Blank]:
        parts: list[Blank] = []
        for piece in pieces:
            if isinstance(piece, Choice):
                parts += self._parts(self.choose(piece))
            else:
                parts.append(Blank(piece) if isinstance(piece, str) else self.fill(piece))
        return parts

    def _slot(self, slot: Slot) -> Blank:
        if slot.name == ECHO:
            return self._last._replace(text=initials(self._last.text))
        if slot.name in DISEASE_SLOTS:
            self._last = self._disease(slot)
            return self._last
        if slot.name in TREATMENT_SLOTS:
            self._last = self._treatment(slot)
            return self._last
        return Blank(self._words(slot.name))

    def _disease(self, slot: Slot) -> Blank:
        if slot.name == "problem":
            term = problem_term(self._rng, self._problem(slot.link), self._lexis)
        else:
            avoid = self._subject.record if slot.assertion in OTHERS_DISEASE else frozenset()
            term = self._draw(self._lexis.diseases, avoid | self._used, others=slot.assertion == "family")
        self._used.add(term.concept_id)
        return Blank(term.text, DISEASE, term.concept_id, slot.assertion)

    def _draw(self, concepts: Concepts, avoid: Collection[str] = (), *, others: bool = False) -> Term:
        """A term that fits the subject, or that is about others."""
        term = concepts.draw(self._rng, avoid)
        while not others and self._unfit.search(term.text):
            term = concepts.draw(self._rng, avoid)
        return term

    def _problem(self, link: str, *, treated: bool = False) -> Problem:
        if link in self._linked:
            return self._linked[link]
        choices = self._subject.problems
        if treated or link:
            choices = tuple(p for p in choices if not self._used.issuperset(p.regimens))
        fresh = [p for p in choices if p.concept_id not in self._used] or choices
        problem = fresh[int(self._rng.integers(len(fresh)))]
        if link:
            self._linked[link] = problem
        self._onset_year = problem.onset_year
        return problem

    def _treatment(self, slot: Slot) -> Blank:
        if slot.name == "regimen":
            problem = self._problem(slot.link, treated=True)
            name = pick(self._rng, [name for name in problem.regimens if name not in self._used])
            self._used.add(name)
            return Blank(name, TREATMENT, self._lexis.treatment_ids.get(name.lower(), f"NAME:{name}"), slot.assertion)
        term = self._drawn_treatment(slot.name)
        self._used.add(term.concept_id)
        return Blank(term.text, TREATMENT, term.concept_id, slot.assertion)

    def _drawn_treatment(self, name: str) -> Term:
        if name == "treatment":
            name = pick(self._rng, ("drug", "drug", "therapy", "procedure", "drug_class"))
        concepts = {
            "drug": self._lexis.drugs,
            "drug_class": self._lexis.drug_classes,
            "procedure": self._lexis.procedures,
            "therapy": self._lexis.therapies,
        }[name]
        return self._draw(concepts, self._used)

    def _words(self, name: str) -> str:
        if name in self._details:
            return self._details[name]
        if name == "age":
            return str(self._subject.age)
        if name == "onset_year":
            return str(self._onset_year)
        if name in GENDERED:
            return self._gendered(name)
        if name == "year":
            self._year = int(self._rng.integers(self._year, self._subject.year))
            return str(self._year)
        if name in NUMBERS:
            return NUMBERS[name](self._rng)
        if name in ("lab", "marker"):
            return self._draw(self._lexis.analytes).text
        if name == "finding" and self._rng.random() < DESCRIBED_SHARE:
            return f"{pick(self._rng, fillers()['descriptor'])} {pick(self._rng, fillers()['finding'])}"
        return pick(self._rng, [word for word in fillers()[name] if not self._unfit.search(word)])

    def _gendered(self, name: str) -> str:
        female = self._subject.sex == "female"
        if name == "he":
            return "she" if female else "he"
        if name in ("his", "him"):
            return "her" if female else name
        if self._subject.age < 16:
            return "girl" if female else "boy"
        return pick(self._rng, ("woman", "female", "lady") if female else ("man", "male", "gentleman"))
