"""The concept an entity names: exactly, by other word order or word forms, with a typo, or by its main words.

Everything is in one trie of bytes, mapped from a file beside the model: a worker neither parses nor holds a table. No
library of string distances is needed: a mention is spelt right, one edit away, or found by the words that tell most.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import combinations
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, NamedTuple

import marisa_trie
import yaml

from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.ner.gazetteer import CACHED, fold
from clinical_ner.ner.tokenize import tokens

if TYPE_CHECKING:
    import pandas as pd

    from clinical_ner.core.io import Vocabulary

RESOURCE = Path(__file__).with_name("resources") / "word_forms.yaml"
KINDS = ("disease", "symptom", "drug", "procedure", "therapy", "drug_class")
TERM, BAG, WORD, CONCEPT = "t", "b", "w", "c"  # what a key of the trie is about
RAREST = ""  # stands for any word that is in no term
LEAST_SCORE = 0.55  # below it a guess is more often wrong than right
REORDERED, RESPELT, CUT = 0.95, 0.85, 0.9  # factors: other order or forms; a word a letter off; the end cut off
LITTLE = 0.15  # of its weight has a word that tells a place, a degree or a form, or a number
LONGEST_NAME = 120  # characters of a mention that is looked up
MOST_WORDS = 7  # of which every choice is tried; of more, the heaviest
SHORTEST_PREFIX = 4  # letters of a cut drug name: "azithro"
SHORTEST_RESPELT = 7  # letters of a stem: of shorter names another is too often one letter off
WEIGHT_STEP, MOST_WEIGHT = 16, 255  # a weight is stored in a byte
COMMON, RARE = b"+", b"-"
UNCOMMON = 4  # the least rank of a term that is not common
# Longest first; what remains has at least four letters.
ENDINGS = tuple(
    "atous ation ical atic osis oses otic ial ous ary ies ing ac al ar ed es ia ic is um us a e y".split()  # noqa: SIM905
)
LEAST_STEM = 4
DECISIVE = frozenset({"non"})  # never dropped: without it a name says the opposite


class Concept(NamedTuple):
    """A concept of the vocabulary, one of KINDS, and how surely it is meant: 1.0 if the mention is one of its terms."""

    id: str
    name: str
    kind: str
    icd10cm: str | None
    score: float


class Form(NamedTuple):
    """A term of a concept; of two concepts with the same term the one with the smaller rank is meant."""

    term: str
    label: str
    concept_id: str
    name: str
    kind: str
    icd10cm: str | None
    rank: int


def forms(diseases: pd.DataFrame, drugs: pd.DataFrame, procedures: pd.DataFrame) -> list[Form]:
    """The terms of the tables DISEASES, DRUGS and PROCEDURES; common terms go before rare, diseases before symptoms."""
    treatments = [*_drug_forms(_records(drugs)), *_procedure_forms(list(_records(procedures)))]
    return [*_disease_forms(_records(diseases)), *treatments]


def _disease_forms(rows: Iterable[Any]) -> Iterator[Form]:
    for row in rows:
        rank = UNCOMMON * (not row.common) + 2 * row.symptom
        kind = "symptom" if row.symptom else "disease"
        yield Form(row.term, DISEASE, row.concept_id, row.name, kind, row.icd10cm, rank)


def _drug_forms(rows: Iterable[Any]) -> Iterator[Form]:
    for row in rows:
        rank = UNCOMMON * (not row.common) + 2 * row.brand
        yield Form(row.term, TREATMENT, row.concept_id, row.name, "drug", None, rank)


def _procedure_forms(rows: Sequence[Any]) -> Iterator[Form]:
    """A procedure is called by the term of its id, else by the shortest."""
    names: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: (not row.concept_id.endswith(_slug(row.term)), len(row.term), row.term)):
        names.setdefault(row.concept_id, row.term)
    for row in rows:
        rank = UNCOMMON * (not row.common) + 1
        yield Form(row.term, TREATMENT, row.concept_id, names[row.concept_id], row.kind, None, rank)


def _slug(term: str) -> str:
    return ":" + re.sub(r"[^a-z0-9]+", "-", term.lower())


def _records(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows in an order that does not depend on the table's."""
    return frame.astype(object).where(frame.notna(), None).sort_values(["concept_id", "term"]).itertuples(index=False)


class Concepts:
    """Finds the concept of a mention; safe to share between threads."""

    def __init__(self, trie: marisa_trie.BytesTrie) -> None:
        self._trie = trie
        self._found = lru_cache(CACHED)(self._find)

    @classmethod
    def build(cls, terms: Iterable[Form]) -> Concepts:
        """From terms; the same terms give the same bytes in any order."""
        best: dict[str, tuple[tuple[int, bool, int, str], str]] = {}
        concepts: dict[str, str] = {}
        frequency: Counter[str] = Counter()
        for form in terms:
            words, stems, name = _words(form.term), _stems(form.term), _stems(form.name)
            concepts[form.concept_id] = "\t".join([form.name, form.kind, form.icd10cm or ""])
            frequency.update(set(stems))
            order = (form.rank, stems != name, len(form.term), form.concept_id)
            bags = [_key(BAG, form.label, bag) for bag in (stems, name) if bag]
            for key in (_key(TERM, form.label, words), *bags):
                best[key] = min(best.get(key, (order, form.concept_id)), (order, form.concept_id))
        total = max(1, frequency.total())
        rows = [(key, _payload(order[0], concept_id)) for key, (order, concept_id) in best.items()]
        rows += [(CONCEPT + concept_id, row.encode()) for concept_id, row in concepts.items()]
        frequency[RAREST] = 1
        rows += [(WORD + word, bytes([_weight(total, count)])) for word, count in frequency.items()]
        return cls(marisa_trie.BytesTrie(sorted(rows)))

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Concepts:
        """From the tables of the vocabulary."""
        return cls.build(forms(vocabulary.diseases, vocabulary.drugs, vocabulary.procedures))

    @classmethod
    def load(cls, path: Path) -> Concepts:
        """From a file of `save`, which the caller has checked against its sha256."""
        trie = marisa_trie.BytesTrie()
        trie.mmap(str(path))
        return cls(trie)

    def save(self, path: Path) -> None:
        """Write the trie."""
        self._trie.save(str(path))

    def lookup(self, mention: str, label: str) -> Concept | None:
        """The concept that the mention names, or None if no guess is good enough."""
        return self._found(mention, label) if len(mention) <= LONGEST_NAME else None

    def _find(self, mention: str, label: str) -> Concept | None:
        words, stems = _words(mention), _stems(mention)
        exact = self._at(_key(TERM, label, words))
        if exact:
            return self._concept(exact, 1.0)
        reordered = self._at(_key(BAG, label, stems)) if stems else None
        if reordered:
            return self._concept(reordered, REORDERED)
        guesses = [self._by_prefix(words, label), self._by_main_words(stems, label)]
        found = max((guess for guess in guesses if guess), key=lambda guess: guess[1], default=None)
        return self._concept(*found) if found and found[1] >= LEAST_SCORE else None

    def _at(self, key: str) -> str | None:
        payload = self._trie.get(key)
        return payload[0][1:].decode() if payload else None

    def _concept(self, concept_id: str, score: float) -> Concept:
        name, kind, icd10cm = self._trie[CONCEPT + concept_id][0].decode().split("\t")
        return Concept(concept_id, name, kind, icd10cm or None, round(score, 4))

    def _by_prefix(self, words: Sequence[str], label: str) -> tuple[str, float] | None:
        """The one treatment whose name begins so: "azithro", "methylpred"; of several the only common one."""
        if len(words) != 1 or len(words[0]) < SHORTEST_PREFIX or label != TREATMENT:
            return None
        start = _key(TERM, label, words)
        whole = {key: payload for key, payload in self._trie.iteritems(start) if " " not in key[len(start) :]}
        common = {payload[1:] for payload in whole.values() if payload[:1] == COMMON}
        chosen = common if len(common) == 1 else {payload[1:] for payload in whole.values()}
        if len(chosen) != 1:
            return None
        longest = min(len(key) for key, payload in whole.items() if payload[1:] in chosen) - len(start) + len(words[0])
        return chosen.pop().decode(), CUT * (0.5 + len(words[0]) / longest / 2)

    def _by_main_words(self, stems: Sequence[str], label: str) -> tuple[str, float] | None:
        """The known term made of the heaviest words, each as it is or a letter off; the score is their share."""
        weights: dict[str, float] = {}
        factor = 1.0
        total = 0.0
        for stem in stems:
            known = stem if self._weighs(stem) else self._respelt(stem)
            if known and known != stem:
                factor = RESPELT
            weight = self._weighs(known or RAREST) * (LITTLE if _tells_little(stem) else 1)
            total += weight
            if known:
                weights[known] = weight
        chosen = None if DECISIVE & set(stems) - weights.keys() else self._heaviest(weights, label)
        return (chosen[0], factor * REORDERED * chosen[1] / total) if chosen else None

    def _heaviest(self, weights: dict[str, float], label: str) -> tuple[str, float] | None:
        """The concept of the heaviest choice of words that is a term, and the weight of that choice."""
        words = sorted(weights, key=lambda word: (-weights[word], word))[:MOST_WORDS]
        choices = [choice for size in range(1, len(words) + 1) for choice in combinations(words, size)]
        for choice in sorted(choices, key=lambda choice: (-sum(weights[word] for word in choice), choice)):
            found = self._at(_key(BAG, label, sorted(choice)))
            if found and not DECISIVE & weights.keys() - set(choice):
                return found, sum(weights[word] for word in choice)
        return None

    def _weighs(self, stem: str) -> float:
        stored = self._trie.get(WORD + stem)
        return float(stored[0][0]) if stored else 0.0

    def _respelt(self, stem: str) -> str | None:
        """The commonest known word that is one edit away, the first letter aside."""
        if len(stem) < SHORTEST_RESPELT or not stem.isalpha():
            return None
        known = {word: weight for word in _edits(stem) if (weight := self._weighs(word))}
        return min(known, key=lambda word: (known[word], word), default=None)


def _payload(rank: int, concept_id: str) -> bytes:
    return (COMMON if rank < UNCOMMON else RARE) + concept_id.encode()


def _weight(total: int, count: int) -> int:
    """How much a word tells, in steps: the logarithm of how rare it is."""
    return min(MOST_WEIGHT, max(1, round(WEIGHT_STEP * math.log(total / count))))


def _key(kind: str, label: str, words: Iterable[str]) -> str:
    return kind + label[0] + " ".join(words)


def _words(term: str) -> list[str]:
    return [fold(token.text) for token in tokens(term)]


def _stems(term: str) -> list[str]:
    """What the words of a term come down to, in alphabetical order and each once."""
    same, empty, _ = _word_forms()
    words = (word for word in _words(term) if word not in empty and any(map(str.isalnum, word)))
    return sorted({_stem(same.get(word, word)) for word in words})


@lru_cache(CACHED)
def _stem(word: str) -> str:
    """The word without its ending, spelt the American way.

    >>> [_stem(word) for word in ("diabetic", "diabetes", "anaemia", "cirrhotic", "cirrhosis")]
    ['diabet', 'diabet', 'anem', 'cirrh', 'cirrh']
    """
    spelt = word.replace("ae", "e").replace("oe", "e").replace("our", "or").replace("ph", "f")
    for ending in ENDINGS:
        if spelt.endswith(ending) and len(spelt) - len(ending) >= LEAST_STEM:
            return spelt[: -len(ending)]
    return spelt


def _edits(word: str) -> Iterator[str]:
    """All words one deletion, exchange, replacement or insertion away; the first letter stays."""
    for place in range(1, len(word) + 1):
        head, tail = word[:place], word[place:]
        if tail:
            yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in ascii_lowercase:
            if tail:
                yield head + letter + tail[1:]
            yield head + letter + tail


@cache
def _word_forms() -> tuple[dict[str, str], frozenset[str], frozenset[str]]:
    """From a word to the one that stands for it, words that tell nothing, and the stems of those that tell little."""
    content = yaml.safe_load(RESOURCE.read_text(encoding="utf-8"))
    same = {word: key for key, words in content["same"].items() for word in words}
    little = (_stem(same.get(fold(word), fold(word))) for word in content["of_little_weight"])
    return same, frozenset(map(fold, content["without_meaning"])), frozenset(little)


def _tells_little(stem: str) -> bool:
    """Whether a concept may lack it: a word of place, degree or form, or a number.

    >>> [_tells_little(stem) for stem in ("lower", "81", "x3", "lobar", "pneumon")]
    [True, True, True, True, False]
    """
    return stem.removeprefix("x").isdecimal() or stem in _word_forms()[2]
