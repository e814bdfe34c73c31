"""The weights of a trained CRF as arrays: read from CRFsuite's own file, to the last bit, and kept in a compact one.

The compact file is three NumPy arrays one after the other - a row of weights an attribute, the weights of the
transitions, and the names in UTF-8 - so that it loads in milliseconds, without CRFsuite and without pickle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import marisa_trie
import numpy as np
from numpy.typing import NDArray

from clinical_ner.ner import bio
from clinical_ner.ner.features import EVERYWHERE

Floats = NDArray[np.float64]

IMPOSSIBLE: Final = -10_000.0  # e to this power is 0
CONTRADICTION: Final = -40.0  # of BIOES tags that contradict each other: e to this power is nothing beside what is left

# CRFsuite's file format, as in its crf1d_model.c and cqdb.c; all numbers are little-endian.
_HEADER: Final = np.dtype(
    [("magic", "S4"), ("size", "<u4"), ("type", "S4"), ("version", "<u4"), ("counts", "<u4", 3), ("offsets", "<u4", 5)]
)
_FEATURE: Final = np.dtype([("type", "<u4"), ("source", "<u4"), ("target", "<u4"), ("weight", "<f8")])
_CHUNK_HEADER = 12  # bytes: four letters, size, count
_STATE, _TRANSITION = 0, 1


@dataclass(frozen=True)
class Weights:
    """A linear-chain CRF: what each attribute adds to the score of each tag, and each pair of adjacent tags."""

    tags: tuple[str, ...]
    attributes: Mapping[str, int]  # attribute -> its row
    states: Floats  # (attributes, tags)
    transitions: Floats  # (tags, tags): from the row's tag to the column's

    def with_tags(self, tags: Sequence[str], unseen_score: float = IMPOSSIBLE) -> Weights:
        """The same CRF with every tag of `tags`; those that it never saw are impossible, or have the score given."""
        unseen = [tag for tag in tags if tag not in self.tags]
        if not unseen:
            return self
        known, size = len(self.tags), len(self.tags) + len(unseen)
        attributes = {EVERYWHERE: len(self.attributes), **self.attributes}
        states, transitions = np.zeros((len(attributes), size)), np.zeros((size, size))
        states[: len(self.states), :known] = self.states
        states[attributes[EVERYWHERE], known:] = unseen_score
        transitions[:known, :known] = self.transitions
        return Weights((*self.tags, *unseen), attributes, states, transitions)

    @property
    def endings(self) -> Floats:
        """What each tag of a sentence's last token adds to the score: nothing, or what makes it impossible."""
        return np.where(bio.unfinished(self.tags), CONTRADICTION, 0.0)

    def save(self, path: Path) -> None:
        """Write the arrays; the same weights give the same bytes."""
        by_row = sorted(self.attributes, key=self.attributes.__getitem__)
        names = "\0".join([*self.tags, *by_row]).encode("utf-8")
        with path.open("wb") as file:
            for array in (self.transitions, self.states, np.frombuffer(names, np.uint8)):
                np.save(file, np.ascontiguousarray(array), allow_pickle=False)

    @classmethod
    def load(cls, path: Path) -> Weights:
        """From a file of `save`, which the caller has checked against its SHA-256; the rows may be in another order.

        The names are a trie, which takes a tenth of the memory of a dictionary.
        """
        with path.open("rb") as file:
            transitions, states, names = (np.load(file, allow_pickle=False) for _ in range(3))
        words = names.tobytes().decode("utf-8").split("\0")
        size = len(transitions)
        attributes = marisa_trie.Trie(words[size:])
        ordered = np.empty_like(states)
        ordered[[attributes[name] for name in words[size:]]] = states
        return cls(tuple(words[:size]), attributes, ordered, transitions)


def from_crfsuite(path: Path) -> Weights:
    """The weights that a raw CRFsuite file holds, attributes in the file's order."""
    content = path.read_bytes()
    header = np.frombuffer(content, _HEADER, 1)[0]
    if (header["magic"], header["type"]) != (b"lCRF", b"FOMC"):
        raise ValueError(f"{path} is not a linear-chain model of CRFsuite")
    features, tags, attributes = (int(offset) for offset in header["offsets"][:3])
    names = _strings(content, attributes)
    labels = _strings(content, tags)
    states, transitions = np.zeros((len(names), len(labels))), np.zeros((len(labels), len(labels)))
    rows = _features(content, features)
    for array, kind in ((states, _STATE), (transitions, _TRANSITION)):
        own = rows[rows["type"] == kind]
        array[own["source"], own["target"]] = own["weight"]
    return Weights(tuple(labels), _numbered(names), states, transitions)


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: row for row, name in enumerate(names)}


def _features(content: bytes, offset: int) -> NDArray[np.void]:
    count = int(np.frombuffer(content, "<u4", 1, offset + 8)[0])
    return np.frombuffer(content, _FEATURE, count, offset + _CHUNK_HEADER)


def _strings(content: bytes, chunk: int) -> list[str]:
    """The strings of a constant quark database, by number."""
    count, table = (int(value) for value in np.frombuffer(content, "<u4", 2, chunk + 16))
    places = np.frombuffer(content, "<u4", count, chunk + table).tolist() if count else []
    return [_string(content, chunk + place) for place in places]


def _string(content: bytes, record: int) -> str:
    """The string of a record: number, size with the closing NUL byte, characters."""
    size = int.from_bytes(content[record + 4 : record + 8], "little")
    return content[record + 8 : record + 8 + size - 1].decode("utf-8")
