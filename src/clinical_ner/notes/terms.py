"""The words a note may use for diseases and treatments: by concept, the common ones more often."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import NamedTuple

import pandas as pd

from clinical_ner.core.io import Vocabulary
from clinical_ner.core.span import DISEASE
from clinical_ner.core.text import on_one_line
from clinical_ner.notes.draws import Draws

WORDS = re.compile(r"\w+")
TRIES = 100  # concepts drawn before the less important reasons to avoid one are given up
COMMON_SHARE = 0.4  # of the mentions, drawn from the common concepts; the rest from all, mostly the long tail
COMMON_DRUG_SHARE = 0.85  # a registry holds thousands of drugs that are hardly ever prescribed
TAIL_DRUG = r"[a-z]{6,}"  # a name to write; most others of the registry are codes and chemical formulas
PREFERRED_SHARE = 0.5  # of the mentions of a concept, written as it is usually called
ACRONYM_SHARE = 0.3  # of the others, where clinicians have an acronym for it

PLURALS = (("ies", "y"), ("ides", "is"), ("ses", "sis"), ("es", ""), ("s", ""))  # and the singular
SEVERAL_IN_ONE = re.compile(
    r"(diabetes|stones|calculi|infections|fibroids|cataracts|opacities|injuries)$", re.IGNORECASE
)

ISCHEMIC = ["I20", "I21", "I22", "I23", "I24", "I25"]  # of who had an infarction nobody denies coronary artery disease


class Term(NamedTuple):
    """A surface form and the concept it names."""

    text: str
    concept_id: str


class Concepts:
    """Concepts with their surface forms, to draw from."""

    def __init__(
        self,
        forms: dict[str, list[str]],
        common: Collection[str],
        names: Mapping[str, str],
        common_share: float = COMMON_SHARE,
    ) -> None:
        self._forms = forms
        self._preferred = {key: form for key, form in names.items() if form in forms[key]}
        self._singular: dict[Term, Term] = {}
        self._all = sorted(forms)
        self._common = sorted(set(common) & set(forms))
        self._acronyms = {
            key: [form for form in forms[key] if form.isupper() and " " not in form] for key in self._common
        }
        self._common_share = common_share
        self._kin: dict[str, frozenset[str]] = {}

    @cached_property
    def _by_words(self) -> dict[tuple[str, ...], set[str]]:
        found: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        for concept_id, terms in self._forms.items():
            for term in terms:
                found[_words(term)].add(concept_id)
        return dict(found)

    @classmethod
    def from_terms(cls, frame: pd.DataFrame, common: Collection[str], common_share: float = COMMON_SHARE) -> Concepts:
        """From a vocabulary table with `term` and `concept_id`."""
        forms: defaultdict[str, list[str]] = defaultdict(list)
        for term, concept_id in zip(frame["term"], frame["concept_id"], strict=True):
            forms[concept_id].append(term)
        names = dict(zip(frame["concept_id"], frame["name"].map(running_form), strict=True)) if "name" in frame else {}
        return cls(dict(forms), common, names, common_share)

    def __contains__(self, concept_id: str) -> bool:
        return concept_id in self._forms

    def draw(self, draws: Draws, avoid: Sequence[Set[str]] = ()) -> Term:
        """A form of a random concept that is in none of the sets; if hardly any is left, in all but the first."""
        for tried in count():
            pool = self._common if self._common and draws.chance(self._common_share) else self._all
            concept_id = draws.pick(pool)
            if not any(concept_id in avoided for avoided in (avoid if tried < TRIES else avoid[:1])):
                break
        return self.form(draws, concept_id)

    def form(self, draws: Draws, concept_id: str) -> Term:
        """A surface form of the concept: the usual one, an acronym, or any."""
        if concept_id in self._preferred and draws.chance(PREFERRED_SHARE):
            return Term(self._preferred[concept_id], concept_id)
        return Term(self.acronym(draws, concept_id, ACRONYM_SHARE) or draws.pick(self._forms[concept_id]), concept_id)

    def of_one(self, term: Term) -> Term:
        """The term as it is said of one person: in the singular, if the concept has it."""
        if term not in self._singular:
            forms = self._forms.get(term.concept_id, ())
            self._singular[term] = Term(_of_one(term.text, forms), term.concept_id)
        return self._singular[term]

    def acronym(self, draws: Draws, concept_id: str, share: float) -> str:
        """In this share of the draws an acronym that clinicians have for a common concept, if there is one."""
        acronyms = self._acronyms.get(concept_id)
        return draws.pick(acronyms) if acronyms and draws.chance(share) else ""

    def kin(self, concept_id: str) -> frozenset[str]:
        """The concept and those that its terms name or contain: who has it cannot be said to have none of them."""
        if concept_id not in self._kin:
            parts = {part for form in self._forms.get(concept_id, ()) for part in _parts(form)}
            named = {other for part in parts for other in self._by_words.get(part, ())}
            self._kin[concept_id] = frozenset({concept_id, *named})
        return self._kin[concept_id]


def _of_one(form: str, forms: Collection[str]) -> str:
    """A form such as "hyperlipidemias" in the singular, if there is one: a person has hyperlipidemia."""
    if SEVERAL_IN_ONE.search(form):
        return form
    endings = (ends for ends in PLURALS if form.lower().endswith(ends[0]))
    singular = (form[: -len(plural)] + one for plural, one in endings)
    return next((found for found in singular if found in forms), form)


def _words(form: str) -> tuple[str, ...]:
    """The words of a term, lower-case, without the s of a plural."""
    return tuple(word.removesuffix("s") for word in WORDS.findall(form.lower()))


def _parts(form: str) -> set[tuple[str, ...]]:
    """Every run of words of the term: 'type 2 diabetes' has 'diabetes'."""
    words = _words(form)
    return {words[i:j] for i in range(len(words)) for j in range(i + 1, len(words) + 1)}


@dataclass
class Lexis:
    """Everything a note can name."""

    diseases: Concepts
    drugs: Concepts
    drug_classes: Concepts
    procedures: Concepts
    therapies: Concepts
    analytes: Concepts
    treatment_ids: dict[str, str]  # lower-case term -> concept
    disease_ids: dict[str, str]
    categories: dict[str, frozenset[str]]  # concept -> those of the same three characters of ICD-10-CM
    _named: dict[tuple[str, str], str] = field(default_factory=dict, init=False, repr=False)  # what has been asked for

    @cached_property
    def treatments(self) -> dict[str, Concepts]:
        """The treatments by their kind."""
        return {
            "drug": self.drugs,
            "drug_class": self.drug_classes,
            "procedure": self.procedures,
            "therapy": self.therapies,
        }

    def concept_of(self, label: str, words: str) -> str:
        """The concept that the words name, or one of their own."""
        known = self._named.get((label, words))
        if known is None:
            key = on_one_line(words.lower())
            known = (self.disease_ids if label == DISEASE else self.treatment_ids).get(key) or f"TEXT:{key}"
            self._named[label, words] = known
        return known

    def treatment_id(self, name: str) -> str:
        """The concept of a treatment of the record."""
        return self.treatment_ids.get(name.lower(), f"NAME:{name}")

    def undeniable(self, recorded: Iterable[str]) -> frozenset[str]:
        """What cannot be denied of a person with these diseases: they, their kin, and what is coded like them."""
        concepts = set(recorded)
        kin = (self.diseases.kin(concept_id) for concept_id in concepts)
        return frozenset().union(concepts, *kin, *(self.categories.get(concept_id, ()) for concept_id in concepts))


def running_form(name: str) -> str:
    """A thesaurus heading as running text has it.

    >>> running_form("Diabetes Mellitus, Type 2")
    'type 2 diabetes mellitus'
    """
    return " ".join(reversed(name.lower().split(", ")))


def lexis(vocabulary: Vocabulary, frequent: Collection[str]) -> Lexis:
    """Concepts from the vocabulary; `frequent` are the diseases that people of the population may have.

    They do not depend on who was drawn: otherwise a larger population would write of other diseases, not only of more
    people.
    """
    diseases, drugs, procedures, substances = vocabulary

    def of_kind(kind: str) -> Concepts:
        chosen = procedures[procedures["kind"] == kind]
        return Concepts.from_terms(chosen, set(chosen.loc[chosen["common"], "concept_id"]))

    return Lexis(
        Concepts.from_terms(diseases[~diseases["symptom"]], frequent),
        _drugs(drugs),
        of_kind("drug_class"),
        of_kind("procedure"),
        of_kind("therapy"),
        Concepts.from_terms(substances, set(substances.loc[substances["common"], "concept_id"])),
        _ids_by_term(procedures) | _ids_by_term(drugs),
        _ids_by_term(diseases),
        _categories(diseases),
    )


def _drugs(drugs: pd.DataFrame) -> Concepts:
    """The common drugs by all their names, and a long tail of the others by the generic one alone."""
    name = drugs["name"].str.lower()
    tail = name.str.fullmatch(TAIL_DRUG) & (drugs["term"].str.lower() == name)
    common = set(drugs.loc[drugs["common"], "concept_id"])
    return Concepts.from_terms(drugs[drugs["common"] | tail], common, COMMON_DRUG_SHARE)


def _ids_by_term(frame: pd.DataFrame) -> dict[str, str]:
    return dict(zip(frame["term"].str.lower(), frame["concept_id"], strict=True))


def _categories(diseases: pd.DataFrame) -> dict[str, frozenset[str]]:
    """The concepts that share a category of ICD-10-CM, by each of them; the ischemic heart diseases are one."""
    coded = diseases[~diseases["symptom"] & diseases["icd10cm"].notna()]
    category = coded["icd10cm"].str[:3].replace(ISCHEMIC, ISCHEMIC[-1])
    alike = coded.groupby(category)["concept_id"].agg(frozenset)
    return {concept_id: found for found in alike for concept_id in sorted(found)}
