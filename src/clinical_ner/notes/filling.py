"""Fill the slots of a sentence with words that fit its subject."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
from functools import cache
from typing import NamedTuple

from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.notes.draws import Draws
from clinical_ner.notes.measurements import DERIVED, PAIRS
from clinical_ner.notes.subjects import Allergy, Case, Given, Subject
from clinical_ner.notes.syntax import (
    DISEASE_SLOTS,
    ECHO,
    FAMILY,
    NONE_OF,
    PERHAPS_DISEASES,
    PERHAPS_TREATMENTS,
    RECORD_DISEASES,
    RECORD_TREATMENTS,
    TREATMENT_SLOTS,
    Choice,
    Mention,
    Piece,
    Slot,
    Template,
    Wants,
)
from clinical_ner.notes.templates import fillers, fit_anyway, gauged, ranges, short_names, unfit
from clinical_ner.notes.terms import Concepts, Lexis, Term

OTHERS_DISEASE = frozenset({"absent", "uncertain", "hypothetical"})  # never one of the record
RECORDED_SHARE = 0.7  # of the relatives, those of the record; the others are too distant to be in one
FEMALE_RELATIVE = re.compile(r"mother|sister|daughter|aunt|niece")
MALE_RELATIVE = re.compile(r"father|brother|\bson\b|uncle|nephew")
DIGIT_SHARE = 0.6  # of the made-up names, with a number
DESCRIBED_SHARE = 0.5  # of the findings, with an adjective
VOCABULARY_SHARE = 0.6  # of the problems, named as in the vocabulary and not as in the record
YEARS_TOLD = 40  # how far back a text's years lie
DAYS_TOLD = 300  # and its days
GIRL_OR_BOY = 16  # years, below which one is called so
KINDS_OF_TREATMENT = ("drug", "drug", "therapy", "procedure", "drug_class")
DOSE_WORDS = (  # as they are abbreviated
    ("three times daily", ("t.i.d.", "TID", "tid")),
    ("four times daily", ("q.i.d.", "QID")),
    ("twice daily", ("b.i.d.", "BID", "bid")),
    ("at bedtime", ("qhs", "q.h.s.")),
    ("nightly", ("qhs", "q.h.s.")),
    ("as needed", ("prn", "p.r.n.")),
    ("intravenously", ("IV", "i.v.")),
    ("daily", ("daily", "q.d.", "qd", "once daily")),
)
Numbers = Callable[[Draws], str]


def _code(draws: Draws) -> str:
    """The name of a gene or protein, made up: letters, and often a digit."""
    letters = "".join(chr(65 + draws.below(26)) for _ in range(draws.between(2, 5)))
    return letters + (str(draws.between(1, 29)) if draws.chance(DIGIT_SHARE) else "")


def _count_of(draws: Draws, low: int, high: int, units: tuple[str, ...]) -> str:
    return f"{draws.between(low, high)} {draws.pick(units)}"


def _tenths(draws: Draws, low: int, high: int) -> str:
    return f"{draws.between(low, high) / 10:.1f}"


NUMBERS: dict[str, Numbers] = {
    "adult_age": lambda draws: str(draws.between(35, 89)),
    "bp": lambda draws: f"{draws.between(88, 189)}/{draws.between(48, 109)}",
    "code": _code,
    "duration": lambda draws: _count_of(draws, 2, 19, ("days", "weeks", "months", "years")),
    "interval": lambda draws: _count_of(draws, 2, 12, ("days", "weeks", "months")),
    "n": lambda draws: str(draws.between(2, 139)),
    "pack_years": lambda draws: str(draws.between(5, 59)),
    "percent": lambda draws: f"{draws.between(2, 96)}%",
    "ratio": lambda draws: _tenths(draws, 2, 89),
    "size": lambda draws: f"{_tenths(draws, 2, 89)} {draws.pick(('cm', 'mm', 'x 3 cm', '× 2.5 cm'))}",
    "value": lambda draws: f"{_tenths(draws, 1, 899)} {draws.pick(fillers()['unit'])}",
}


class Blank(NamedTuple):
    """A slot's words; a label makes them an entity."""

    text: str
    label: str = ""
    concept_id: str = ""
    assertion: str = ""
    treats: Set[str] = frozenset()  # the concepts of the diseases for which the record has this treatment


NO_ENTITY = Blank("")


def initials(term: str) -> str:
    """The abbreviation that an author would define for a term.

    >>> initials("squamous cell carcinoma"), initials("metformin")
    ('SCC', 'MET')
    """
    words = re.findall(r"[^\W\d_]+", term)
    return "".join(word[0] for word in words).upper() if len(words) > 1 else term[:3].upper()


@cache
def fits(words: str, sex: str, child: bool, expecting: bool) -> bool:
    """Whether the words can be said of such a person."""
    return not unfit(sex, child=child, expecting=expecting).search(fit_anyway().sub("", words))


@cache
def choices(name: str, sex: str, child: bool, expecting: bool) -> tuple[str, ...]:
    """The words of a filler that can be said of such a person."""
    return tuple(word for word in fillers()[name] if fits(word, sex, child, expecting))


@cache
def lists(sex: str, child: bool, expecting: bool) -> dict[str, tuple[str, ...]]:
    """The words that can be said of such a person, by slot, where they are one of a list whatever else is known."""
    return {name: choices(name, sex, child, expecting) for name in lists_of_anybody()}


@cache
def lists_of_anybody() -> dict[str, tuple[str, ...]]:
    """The same of words that are about nobody in particular."""
    return {name: words for name, words in fillers().items() if name not in ("relative", "distant_relative", "finding")}


NOTHING = Template("", ())  # before the first sentence


class Kin(NamedTuple):
    """A relative with a disease."""

    relative: str
    disease: Term


class Filling:
    """Fills the slots of a text, sentence by sentence.

    In a sentence linked slots share a case, unlinked ones do not repeat one, and the years ascend.
    """

    def __init__(self, subject: Subject, lexis: Lexis, draws: Draws, *, shorthand: float = 0) -> None:
        self._subject = subject
        self._lexis = lexis
        self._draws = draws
        self._shorthand = shorthand  # how often the author abbreviates
        self._person = (subject.sex, not subject.adult, subject.expecting)
        self._of_subject = True
        self._in_full = False  # for the sake of an abbreviation that follows
        self._linked: dict[str, Case] = {}
        self._used: set[str] = set()  # concepts, and treatments of the record by name
        self._others: set[str] = set()  # diseases denied, suspected and so on in this text
        self._case: Case | None = None  # the one named last
        self._given: Given | None = None
        self._allergy: Allergy | None = None
        self._kin: Kin | None = None
        self._of_kin: set[str] = set()  # what has been told of that relative: slots
        self._kin_told: set[tuple[str, str]] = set()  # relatives and diseases of this text
        self._template = NOTHING  # of this sentence
        self._own_lists = lists(*self._person)
        self._lists = self._own_lists  # of words by slot, as they can be said of whom this sentence is about
        self._first_year = subject.written_on.year - YEARS_TOLD
        self._values: dict[str, float] = {}  # of this text, by slot
        self._of_anybody = subject.record | subject.family_concepts
        self._reason = subject.reason  # until it has been named
        self._last = NO_ENTITY  # the entity named last
        self._year = self._first_year  # the one named last

    def begin(self, template: Template, *, of_subject: bool = True, anew: bool = True) -> None:
        """Start a sentence; unless anew, what the one before has named is not repeated."""
        self._of_subject = of_subject
        self._lists = self._own_lists if of_subject else lists_of_anybody()
        self._template = template
        self._in_full = template.echoes
        self._kin = None
        self._linked.clear()
        if anew:
            self._used.clear()
        self._year = self._first_year

    def fill(self, piece: Slot | Mention) -> Blank:
        """Words for the slot, or for the mention and what is inside it."""
        if isinstance(piece, Mention):
            self._last = self._mention(piece)
            return self._last
        blank = self._slot(piece)
        if not piece.capital:
            return blank
        return Blank(blank.text[:1].upper() + blank.text[1:], *blank[1:])

    def choose(self, choice: Choice) -> tuple[Piece, ...]:
        """One of the alternatives."""
        return self._draws.pick(choice.options)

    def _mention(self, mention: Mention) -> Blank:
        """A mention's concept is that of the entity inside it, else what its own words name."""
        if len(mention.pieces) == 1 and isinstance(mention.pieces[0], str):  # as most are
            return self._named(mention, mention.pieces[0], NO_ENTITY)
        parts = self._parts(mention.pieces)
        text = "".join(part.text for part in parts)
        return self._named(mention, text, next((part for part in parts if part.concept_id), NO_ENTITY))

    def _named(self, mention: Mention, text: str, inside: Blank) -> Blank:
        concept_id = inside.concept_id or self._lexis.concept_of(mention.label, text)
        self._used.add(concept_id)
        return Blank(text, mention.label, concept_id, mention.assertion, inside.treats)

    def _parts(self, pieces: tuple[Piece, ...]) -> list[Blank]:
        parts: list[Blank] = []
        for piece in pieces:
            if isinstance(piece, Choice):
                parts += self._parts(self.choose(piece))
            else:
                parts.append(Blank(piece) if isinstance(piece, str) else self.fill(piece))
        return parts

    def _slot(self, slot: Slot) -> Blank:
        name = slot.name
        if name in self._lists:
            return Blank(self._draws.pick(self._lists[name]))
        if name in DISEASE_SLOTS:
            self._last = self._disease(slot)
            return self._last
        if name in TREATMENT_SLOTS:
            self._last = self._treatment(slot)
            return self._last
        if name == ECHO:
            return Blank(initials(self._last.text), *self._last[1:])
        return Blank(self._words(name))

    # --- diseases ---------------------------------------------------------------------------------
    def _disease(self, slot: Slot) -> Blank:
        if slot.name in PERHAPS_DISEASES:
            return self._reaction(slot)
        if slot.name in RECORD_DISEASES:
            term = self._problem_term(self._case_of(slot))
        elif slot.assertion == FAMILY:
            term = self._familial()
        elif slot.assertion in OTHERS_DISEASE:
            record = self._of_anybody if self._template.of_family else self._subject.record
            term = self._draw(self._lexis.diseases, (record, self._used, self._others))
            if self._subject.birth_date:
                self._others.add(term.concept_id)
        else:
            term = self._draw(self._lexis.diseases, (self._used,))
        self._used.add(term.concept_id)
        return Blank(term.text, DISEASE, term.concept_id, slot.assertion)

    def _reaction(self, slot: Slot) -> Blank:
        """What an allergen or a drug has done; an entity if it is a disease."""
        if slot.name == "reaction":
            words = self._allergy.reaction if self._allergy else ""
        else:
            words = self._given.side_effect if self._given else ""
        concept_id = self._lexis.concept_of(DISEASE, words)
        if concept_id not in self._lexis.diseases or words in fillers()["symptom"]:
            return Blank(words)
        return Blank(words, DISEASE, concept_id, slot.assertion)

    def _familial(self) -> Term:
        """The disease of the relative of this sentence; of nobody in particular it is any."""
        if not self._template.names & {"relative", "distant_relative"} or self._subject.birth_date is None:
            avoid = (self._subject.family_concepts, self._used, self._others)
            return self._draw(self._lexis.diseases, avoid, others=True)
        return self._kin_for("disease").disease

    def _kin_for(self, slot: str) -> Kin:
        """The relative of whom this has not been told yet."""
        if self._kin is None or slot in self._of_kin:
            self._kin = self._recorded_kin() or self._distant_kin()
            self._of_kin.clear()
        self._of_kin.add(slot)
        return self._kin

    def _recorded_kin(self) -> Kin | None:
        if "distant_relative" in self._template.names or not self._draws.chance(RECORDED_SHARE):
            return None
        told = self._kin_told
        untold = [each for each in self._subject.family if (each.relative, each.concept_id) not in told]
        barred = self._used if self._template.of_family else self._used | self._subject.record
        fresh = [each for each in untold if each.concept_id not in barred]
        if not fresh:
            return None
        chosen = self._draws.pick(fresh)
        told.add((chosen.relative, chosen.concept_id))
        if chosen.concept_id in self._lexis.diseases and self._draws.chance(VOCABULARY_SHARE):
            term = self._lexis.diseases.of_one(self._lexis.diseases.form(self._draws, chosen.concept_id))
            if not (self._in_full and term.text.isupper()):
                return Kin(chosen.relative, term)
        return Kin(chosen.relative, Term(chosen.name, chosen.concept_id))

    def _distant_kin(self) -> Kin:
        """A relative of whom the record says nothing, with a disease of that sex."""
        relative = self._draws.pick(fillers()["distant_relative"])
        sexes = [
            sex for sex, words in (("female", MALE_RELATIVE), ("male", FEMALE_RELATIVE)) if not words.search(relative)
        ]
        avoid = (self._used, self._subject.family_concepts, self._subject.record)
        while True:
            term = self._draw(self._lexis.diseases, avoid, others=True)
            if all(fits(term.text, sex, False, False) for sex in sexes):
                return Kin(relative, term)

    def _problem_term(self, case: Case) -> Term:
        """The problem as the record names it, or as the vocabulary has it."""
        diseases, draws = self._lexis.diseases, self._draws
        if case.concept_id in diseases:
            if acronym := diseases.acronym(draws, case.concept_id, 0 if self._in_full else self._shorthand):
                return Term(acronym, case.concept_id)
            if draws.chance(VOCABULARY_SHARE):
                term = diseases.of_one(diseases.form(draws, case.concept_id))
                if fits(term.text, *self._person) and not (self._in_full and term.text.isupper()):
                    return term
        return Term(case.name, case.concept_id)

    def _case_of(self, slot: Slot) -> Case:
        """The case of the slot's link, or one that has not been named yet if there is one."""
        case = self._linked.get(slot.link) if slot.link else None
        if case is None:
            name, wants = self._template.links[slot.link] if slot.link else (slot.name, ())
            case = self._fresh_case(self._subject.cases_for(name, wants), wants)
            if slot.link:
                self._linked[slot.link] = case
        self._case = case
        return case

    def _fresh_case(self, cases: tuple[Case, ...], wants: Wants) -> Case:
        linked = [case.concept_id for case in self._linked.values()]
        new = [case for case in cases if case.concept_id not in self._used and case.concept_id not in linked]
        if self._reason and any(case.concept_id == self._reason for case in new):
            reason, self._reason = self._reason, ""
            return next(case for case in new if case.concept_id == reason)
        untold = [case for case in new if all(self._has_untold(case, name) for name, _ in wants)]
        return self._draws.pick(untold or new or cases)

    def _has_untold(self, case: Case, slot: str) -> bool:
        return any(given.name not in self._used for given in case.given[slot])

    def _draw(self, concepts: Concepts, avoid: Sequence[Set[str]] = (), *, others: bool = False) -> Term:
        """A term that fits the subject, or that is about others."""
        free = others or not self._of_subject
        while True:
            term = concepts.draw(self._draws, avoid)
            if self._of_subject:
                term = concepts.of_one(term)
            if (free or fits(term.text, *self._person)) and not (self._in_full and term.text.isupper()):
                return term

    # --- treatments -------------------------------------------------------------------------------
    def _treatment(self, slot: Slot) -> Blank:
        if slot.name in PERHAPS_TREATMENTS:
            return self._allergen(slot)
        if slot.name in RECORD_TREATMENTS:
            return self._recorded_treatment(slot)
        term = self._drawn_treatment(slot.name)
        self._used.add(term.concept_id)
        return Blank(term.text, TREATMENT, term.concept_id, slot.assertion)

    def _allergen(self, slot: Slot) -> Blank:
        """A substance that has not been named yet; an entity if it is a drug."""
        allergies = self._subject.allergies
        self._allergy = next((each for each in allergies if each.substance not in self._used), allergies[0])
        words = self._allergy.substance
        self._used.add(words)
        if not self._allergy.drug:
            return Blank(words)
        return Blank(words, TREATMENT, self._lexis.treatment_id(words), slot.assertion)

    def _recorded_treatment(self, slot: Slot) -> Blank:
        cases = (self._case_of(slot),) if slot.link else self._subject.cases
        choices = [(given, case.concept_id) for case in cases for given in case.given.get(slot.name, ())]
        untold = [choice for choice in choices if choice[0].name not in self._used]
        given, _ = self._draws.pick(untold or choices)
        self._used.add(given.name)
        self._given = given
        words, concept_id = self._written(given.name), self._lexis.treatment_id(given.name)
        treats = frozenset(disease for other, disease in choices if other.name == given.name)
        return Blank(words, TREATMENT, concept_id, slot.assertion, treats)

    def _written(self, name: str) -> str:
        """A brand or an abbreviation for the name, or the name."""
        short = short_names().get(name)
        if short and self._draws.chance(0.15 + 0.4 * self._shorthand):
            return self._draws.pick(short)
        return name

    def _drawn_treatment(self, name: str) -> Term:
        if name == "treatment":
            name = self._draws.pick(KINDS_OF_TREATMENT)
        return self._draw(self._lexis.treatments[name], (self._subject.record, self._used))

    # --- what is no entity ------------------------------------------------------------------------
    def _words(self, name: str) -> str:
        if name in self._subject.details:
            return self._subject.details[name]
        if name in NONE_OF:
            return ""
        if self._subject.birth_date:
            if name in ("relative", "distant_relative") and self._template.tells_of_family:
                return self._kin_for("relative").relative
            if name in PAIRS:
                return "/".join(f"{self._value(part):.0f}" for part in PAIRS[name])
        if name in OWN_WORDS:
            return OWN_WORDS[name](self)
        if name in NUMBERS:
            return NUMBERS[name](self._draws)
        if name in ranges():
            return f"{self._value(name):.{ranges()[name].decimals}f}"
        if name in ("lab", "marker"):
            return self._analyte()
        words = fillers()[name] if not self._of_subject else choices(name, *self._person)
        word = self._draws.pick(words)
        if name == "finding" and self._draws.chance(DESCRIBED_SHARE):
            return f"{self._draws.pick(fillers()['descriptor'])} {word}"
        return word

    def _analyte(self) -> str:
        """Something that is measured; of a patient nothing of which the record may hold another value."""
        while True:
            name = self._draw(self._lexis.analytes).text
            if not (self._of_subject and name.casefold() in gauged()):
                return name

    def _value(self, name: str) -> float:
        """What was measured, or what is usual; in a text about a patient always the same."""
        subject = self._subject
        if subject.birth_date is None:
            return self._between(*ranges()[name].range)
        if name not in self._values:
            if name in DERIVED:
                source, derived = DERIVED[name]
                self._values[name] = derived(self._value(source))
            elif ranges()[name].usual is None and not ranges()[name].loinc:
                return self._between(*ranges()[name].range)
            else:
                recorded = subject.value(name)
                self._values[name] = self._between(*subject.usual(name)) if recorded is None else recorded
        return self._values[name]

    def _between(self, low: float, high: float) -> float:
        return low + self._draws.uniform() * (high - low)

    def _healthy_relative(self) -> str:
        """A relative of whom the record has no disease."""
        ill = {each.relative for each in self._subject.family}
        return self._draws.pick(
            [each for each in fillers()["relative"] if each not in ill and fits(each, *self._person)]
        )

    def _age(self) -> str:
        return str(self._subject.age)

    def _he(self) -> str:
        return "she" if self._subject.sex == "female" else "he"

    def _his(self) -> str:
        return "her" if self._subject.sex == "female" else "his"

    def _him(self) -> str:
        return "her" if self._subject.sex == "female" else "him"

    def _sex(self) -> str:
        female = self._subject.sex == "female"
        if self._subject.age < GIRL_OR_BOY:
            return "girl" if female else "boy"
        return self._draws.pick(("woman", "female", "lady") if female else ("man", "male", "gentleman"))

    def _sex_letter(self) -> str:
        return "F" if self._subject.sex == "female" else "M"

    def _honorific(self) -> str:
        return self._draws.pick(("Ms.", "Mrs.")) if self._subject.sex == "female" else "Mr."

    def _past_year(self) -> str:
        self._year += self._draws.below(self._subject.written_on.year - self._year)
        return str(self._year)

    def _past_date(self) -> str:
        """A day of the last months, in the patient's life."""
        today, born = self._subject.written_on, self._subject.birth_date
        days = min(DAYS_TOLD, (today - born).days) if born else DAYS_TOLD
        day = today.fromordinal(today.toordinal() - self._draws.between(0, days))
        return f"{day:%m/%d/%Y}"

    def _diagnosed_year(self) -> str:
        return str(self._case.diagnosed_year if self._case else "")

    def _end_year(self) -> str:
        return str(self._case.end_year or self._case.diagnosed_year if self._case else "")

    def _its_year(self) -> str:
        return str(self._given.start_year if self._given else "")

    def _its_end(self) -> str:
        return str(self._given.stop_year or self._given.start_year if self._given else "")

    def _its_measure(self) -> str:
        trend = self._given.trend if self._given else None
        return trend.names[self._draws.chance(self._shorthand)] if trend else ""

    def _its_before(self) -> str:
        return self._given.trend.before if self._given and self._given.trend else ""

    def _its_after(self) -> str:
        return self._given.trend.after if self._given and self._given.trend else ""

    def _its_dose(self) -> str:
        """The recorded dose with a space before it, or nothing."""
        dose = self._given.dose if self._given else ""
        if not dose:
            return ""
        if self._draws.chance(self._shorthand):
            for words, short in DOSE_WORDS:
                if words in dose:
                    return f" {dose.replace(words, self._draws.pick(short))}"
        return f" {dose}"


OWN_WORDS: dict[str, Callable[[Filling], str]] = {
    "age": Filling._age,
    "he": Filling._he,
    "his": Filling._his,
    "him": Filling._him,
    "sex": Filling._sex,
    "sex_letter": Filling._sex_letter,
    "honorific": Filling._honorific,
    "year": Filling._past_year,
    "past_date": Filling._past_date,
    "diagnosed_year": Filling._diagnosed_year,
    "healthy_relative": Filling._healthy_relative,
    "its_measure": Filling._its_measure,
    "its_before": Filling._its_before,
    "its_after": Filling._its_after,
    "end_year": Filling._end_year,
    "its_year": Filling._its_year,
    "its_dose": Filling._its_dose,
    "its_end": Filling._its_end,
}
