"""What the CRF sees of a token, as sums of parts that repeat: words near it, marks of terms near it, two such things.

Every part depends on one word (`word_features`), on the marks of one token (`mark_features`), or on two words or the
marks and a cluster together (`pair_feature`), and on where that lies from the token: so the tagger adds up scores that
it has computed before (`emissions.py`), while training and everybody else reads the same strings from
`sentence_features`. A new feature goes into one of these three functions and nowhere else.

A change here that changes a feature string must raise FEATURE_VERSION: a model is refused by
a tagger of another version, because its weights would silently apply to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Final

from clinical_ner.ner.abbreviations import kind_of
from clinical_ner.ner.clusters import cluster
from clinical_ner.ner.gazetteer import LONGEST_WORD, Gazetteer, Match, fold, readable

FEATURE_VERSION = 3
WORD_OFFSETS: Final = (0, -2, -1, 1, 2)  # of the words that a token sees, itself included
MARK_OFFSETS: Final = (0, -1, 1)  # of the tokens whose marks it sees
PAIRS: Final = ((0, 1),)  # of the words that it sees as one
JOINT_PAIRS: Final = ((-2, -1), (-1, 0), (1, 2))  # and of more of them, in the group `joint`
JOINT_CLUSTERS: Final = (-1, 0, 1)  # of the words whose cluster it sees as one with its own marks, in the same group
OF_ANNOTATED: Final = frozenset({"joint"})  # groups learnt from annotated notes alone: of others, templates' wording
EVERYWHERE: Final = "bias"  # the feature of every token
PADDING = None  # stands for the words beyond the ends of the sentence
BEYOND: Final = ("<>", "<>", "<>")  # its clusters
Marks = tuple[str, ...]  # such as ("A-disease", "B-disease", "U-drug"): what a token abbreviates, its part in terms
ABBREVIATES: Final = "A-"
SHOUTED: Final = 4  # tokens at least of a sentence that is taken to be in capitals for no reason
LONGEST_ACRONYM: Final = 5  # letters; a longer one in capitals is a word


def sentence_features(
    words: Sequence[str], gazetteer: Gazetteer, groups: Collection[str], abbreviated: Mapping[str, str]
) -> list[list[str]]:
    """The feature strings of each word of a sentence, in a fixed order.

    Args:
        words: the tokens of one sentence.
        gazetteer: known terms; used by the group `gazetteer`.
        groups: of `word`, `affix`, `shape`, `context`, `cluster`, `gazetteer`, `abbreviation`, `joint`.
        abbreviated: what kind of term the abbreviations stand for that the text defines, `abbreviations.kinds`.
    """
    chosen, words = frozenset(groups), recased(words)
    rows: list[list[str]] = [[] for _ in words]
    _add(rows, [cached_word_features(word, chosen) for word in words], WORD_OFFSETS, word_features(PADDING, chosen))
    folded = [fold(word) for word in words]
    for left, right in word_pairs(chosen):
        _add_pairs(rows, left, right, folded)
    marks = token_marks(gazetteer.matches(words), abbreviation_marks(words, range(len(words)), abbreviated))
    parts = [mark_features(marks.get(i, ()), chosen) for i in range(len(words))]
    _add(rows, parts, MARK_OFFSETS, [[]] * len(MARK_OFFSETS))
    if "joint" in chosen:
        _add_joint(rows, [terms_of(marks.get(i, ())) for i in range(len(words))], words)
    return rows


def recased(words: Sequence[str]) -> Sequence[str]:
    """The words of a sentence, in small letters if all of it is in capitals, which then say nothing.

    >>> recased(["TREATED", "WITH", "ASPIRIN", "."]), recased(["MRI", "OK"])
    (['treated', 'with', 'aspirin', '.'], ['MRI', 'OK'])
    """
    is_shouted = (
        len(words) >= SHOUTED and any(len(word) > LONGEST_ACRONYM for word in words) and "".join(words).isupper()
    )
    return [word.lower() for word in words] if is_shouted else words


def _add(
    rows: list[list[str]], parts: Sequence[Sequence[list[str]]], offsets: Sequence[int], padding: Sequence[list[str]]
) -> None:
    """Give each row what each part says to a token at that offset from it."""
    for i, row in enumerate(rows):
        for slot, offset in enumerate(offsets):
            row.extend((parts[i + offset] if 0 <= i + offset < len(parts) else padding)[slot])


def _add_pairs(rows: list[list[str]], left: int, right: int, folded: Sequence[str]) -> None:
    prefix = pair_prefix(left, right)
    for i in range(max(0, -left), len(rows) - max(0, right)):
        rows[i].append(pair_feature(prefix, folded[i + left], folded[i + right]))


def _add_joint(rows: list[list[str]], terms: Sequence[str], words: Sequence[str]) -> None:
    clusters = [joint_cluster(PADDING), *map(joint_cluster, words), joint_cluster(PADDING)]
    for offset in JOINT_CLUSTERS:
        prefix = joint_prefix(offset)
        for i, row in enumerate(rows):
            row.append(pair_feature(prefix, terms[i], clusters[i + 1 + offset]))


# --- a word -----------------------------------------------------------------------------------
def word_features(word: str | None, groups: Collection[str]) -> list[list[str]]:
    """What a word says to a token that sees it at each of `WORD_OFFSETS`; `PADDING` for no word."""
    found: dict[int, list[str]] = {offset: [] for offset in WORD_OFFSETS}
    if word is not PADDING:
        found[0] += [EVERYWHERE, *_own_features(readable(word), groups)]
    if "cluster" in groups:
        for offset, strings in _cluster_features(BEYOND if word is PADDING else cluster(word)):
            found[offset] += strings
    if "context" in groups:
        folded = "<>" if word is PADDING else fold(word)
        for offset in (-2, -1, 1, 2):
            found[offset].append(f"{offset}={folded}")
        if word is not PADDING:
            found[-1].append(f"-1s={folded[-3:]}")
            found[1].append(f"+1s={folded[-3:]}")
    return [found[offset] for offset in WORD_OFFSETS]


def cached_word_features(word: str, groups: frozenset[str]) -> list[list[str]]:
    """`word_features`, which nobody may change, remembered for words of ordinary length."""
    return _cached(word, groups) if len(word) <= LONGEST_WORD else word_features(word, groups)


_cached = lru_cache(maxsize=50_000)(word_features)


@cache  # there are but a thousand clusters
def _cluster_features(clusters: tuple[str, str, str]) -> list[tuple[int, list[str]]]:
    """What the clusters of a word say at each of `WORD_OFFSETS`; the finest only of the token itself."""
    return [
        (offset, [f"k{level}{offset:+}={name}" for level, name in enumerate(clusters[: 3 if offset == 0 else 2])])
        for offset in WORD_OFFSETS
    ]


def _own_features(word: str, groups: Collection[str]) -> list[str]:
    """What a word says of itself."""
    lower = word.lower()
    found: list[str] = []
    if "word" in groups:
        found += [f"w={lower}", f"l={fold(word)}"]
    if "affix" in groups and lower.isalpha():
        found += [f"s{n}={lower[-n:]}" for n in (2, 3, 4, 5) if len(lower) > n]
        found += [f"p{n}={lower[:n]}" for n in (3, 4) if len(lower) > n]
    if "shape" in groups:
        found += [f"h={shape(word)}", f"n={min(len(word), 12)}"]
    return found


def shape(word: str) -> str:
    """Upper case as X, lower as x, digits as 9, runs longer than two shortened.

    >>> shape("T2DM"), shape("Metformin")
    ('X9XX', 'Xxx')
    """
    return _shortened(word.translate(OUTLINE) if word.isascii() else "".join(map(_outline, word)))


def _outline(c: str) -> str:
    return "X" if c.isupper() else "x" if c.isalpha() else "9" if c.isdigit() else c


OUTLINE: Final = {code: _outline(chr(code)) for code in range(128)}


@lru_cache(maxsize=10_000)  # words are many, their outlines few
def _shortened(outline: str) -> str:
    return re.sub(r"(.)\1{2,}", r"\1\1", outline)


# --- two together -------------------------------------------------------------------------------
def pair_feature(prefix: str, left: str, right: str) -> str:
    """What two say together: the folded words of `pair_prefix`, or the terms and a cluster of `joint_prefix`."""
    return f"{prefix}{left}|{right}"


def word_pairs(groups: Collection[str]) -> tuple[tuple[int, int], ...]:
    """The offsets of the words that a token sees as one."""
    return (PAIRS if "context" in groups else ()) + (JOINT_PAIRS if "joint" in groups else ())


def pair_prefix(left: int, right: int) -> str:
    """How the features of words at these offsets start."""
    return f"{left}|{right}="


def joint_prefix(offset: int) -> str:
    """How the features of a token's terms with the cluster of the word at this offset start."""
    return f"g|k{offset:+}="


def joint_cluster(word: str | None) -> str:
    """The cluster of a word, or of `PADDING`, that is seen together with the terms near it."""
    return (BEYOND if word is PADDING else cluster(word))[1]


def holds_word(feature: str) -> bool:
    """Whether a whole word can be read off the feature string: not its ends, its shape or its cluster.

    >>> holds_word("w=smith"), holds_word("-1=mr"), holds_word("s3=ith"), holds_word("-1s=mrs")
    (True, True, False, False)
    """
    return HOLDS_WORD.match(feature) is not None


HOLDS_WORD: Final = re.compile(r"(?:w|l|-?\d|-?\d\|-?\d)=")


# --- marks: what is known of a token as part of a term -------------------------------------------
def mark_features(marks: Marks, groups: Collection[str]) -> list[list[str]]:
    """What the marks of a token say to a token that sees it at each of `MARK_OFFSETS`."""
    found: list[list[str]] = [[] for _ in MARK_OFFSETS]
    if "gazetteer" in groups:
        terms = _terms(marks)
        for slot, name in zip(found, ("g", "g-1", "g+1"), strict=True):
            slot += [f"{name}={mark}" for mark in terms]
        found[0].append(f"g*={terms_of(marks)}")
    if "abbreviation" in groups:
        kinds = [mark.removeprefix(ABBREVIATES) for mark in marks if mark.startswith(ABBREVIATES)]
        for slot, name in zip(found, ("a", "a-1", "a+1"), strict=True):
            slot += [f"{name}={kind}" for kind in kinds]
    return found


def terms_of(marks: Marks) -> str:
    """The parts of terms among the marks as one word.

    >>> terms_of(("A-disease", "B-disease", "U-drug")), terms_of(())
    ('B-disease+U-drug', 'none')
    """
    return "+".join(_terms(marks)) or "none"


def _terms(marks: Marks) -> list[str]:
    return [mark for mark in marks if not mark.startswith(ABBREVIATES)]


def abbreviation_marks(
    words: Sequence[str | None], positions: Iterable[int], abbreviated: Mapping[str, str]
) -> dict[int, Marks]:
    """The marks of the words at these positions that are abbreviations."""
    kinds = ((position, kind_of(words[position] or "", abbreviated)) for position in positions)
    return {position: (ABBREVIATES + kind,) for position, kind in kinds if kind}


def token_marks(matches: Sequence[Match], abbreviations: Mapping[int, Marks]) -> dict[int, Marks]:
    """The marks of every token that is an abbreviation or that a match covers, in the order of the matches."""
    marks = dict(abbreviations)
    for match in matches:
        for position in range(match.first, match.past):
            marks[position] = (*marks.get(position, ()), f"{_part(match, position)}-{match.kind}")
    return marks


def _part(match: Match, position: int) -> str:
    """Place in the match: U alone, B first, E last, I between."""
    if match.past - match.first == 1:
        return "U"
    return "B" if position == match.first else "E" if position == match.past - 1 else "I"
