"""The words a note may use for diseases and treatments: by concept, the common ones more often."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from clinical_ner.core.io import Vocabulary
from clinical_ner.core.span import DISEASE

COMMON_SHARE = 0.4  # of the mentions, drawn from the common concepts; the rest from all, mostly the long tail
COMMON_DRUG_SHARE = 0.85  # a registry holds thousands of drugs that are hardly ever prescribed
TAIL_DRUG = r"[a-z]{6,}"  # a name to write; most others of the registry are codes and chemical formulas
PREFERRED_SHARE = 0.5  # of the mentions of a concept, written as it is usually called
ACRONYM_SHARE = 0.3  # of the others, where clinicians have an acronym for it


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
        self._all = sorted(forms)
        self._common = sorted(set(common) & set(forms))
        self._acronyms = {
            key: [form for form in forms[key] if form.isupper() and " " not in form] for key in self._common
        }
        self._common_share = common_share
        self._namesakes = _namesakes(forms)

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

    def draw(self, rng: np.random.Generator, avoid: Collection[str] = ()) -> Term:
        """A form of a random concept that is not to be avoided, nor can be written like one that is."""
        while True:
            common = self._common and rng.random() < self._common_share
            pool = self._common if common else self._all
            concept_id = pool[int(rng.integers(len(pool)))]
            if concept_id not in avoid and self._namesakes.get(concept_id, frozenset()).isdisjoint(avoid):
                return self.form(rng, concept_id)

    def form(self, rng: np.random.Generator, concept_id: str) -> Term:
        """A surface form of the concept: the usual one, an acronym, or any."""
        if concept_id in self._preferred and rng.random() < PREFERRED_SHARE:
            return Term(self._preferred[concept_id], concept_id)
        acronyms = self._acronyms.get(concept_id)
        forms = acronyms if acronyms and rng.random() < ACRONYM_SHARE else self._forms[concept_id]
        return Term(forms[int(rng.integers(len(forms)))], concept_id)


def _namesakes(forms: Mapping[str, Collection[str]]) -> dict[str, frozenset[str]]:
    """The concepts that share a surface form, by each of them."""
    named: defaultdict[str, set[str]] = defaultdict(set)
    for concept_id, terms in forms.items():
        for term in terms:
            named[term.lower()].add(concept_id)
    found: defaultdict[str, set[str]] = defaultdict(set)
    for concepts in named.values():
        if len(concepts) > 1:
            for concept_id in concepts:
                found[concept_id] |= concepts
    return {concept_id: frozenset(concepts) for concept_id, concepts in found.items()}


class Lexis(NamedTuple):
    """Everything a note can name."""

    diseases: Concepts
    drugs: Concepts
    drug_classes: Concepts
    procedures: Concepts
    therapies: Concepts
    analytes: Concepts
    treatment_ids: dict[str, str]  # lower-case term -> concept
    disease_ids: dict[str, str]

    def concept_of(self, label: str, words: str) -> str:
        """The concept that the words name, or one of their own."""
        key = " ".join(words.lower().split())
        return (self.disease_ids if label == DISEASE else self.treatment_ids).get(key) or f"TEXT:{key}"


def running_form(name: str) -> str:
    """A thesaurus heading as running text has it.

    >>> running_form("Diabetes Mellitus, Type 2")
    'type 2 diabetes mellitus'
    """
    return " ".join(reversed(name.lower().split(", ")))


def lexis(vocabulary: Vocabulary, frequent: Collection[str]) -> Lexis:
    """Concepts from the vocabulary; `frequent` are the diseases that the population has."""
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
    )


def _drugs(drugs: pd.DataFrame) -> Concepts:
    """The common drugs by all their names, and a long tail of the others by the generic one alone."""
    name = drugs["name"].str.lower()
    tail = name.str.fullmatch(TAIL_DRUG) & (drugs["term"].str.lower() == name)
    common = set(drugs.loc[drugs["common"], "concept_id"])
    return Concepts.from_terms(drugs[drugs["common"] | tail], common, COMMON_DRUG_SHARE)


def _ids_by_term(frame: pd.DataFrame) -> dict[str, str]:
    return dict(zip(frame["term"].str.lower(), frame["concept_id"], strict=True))
