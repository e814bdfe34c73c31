"""What is read: files, folders, patterns and object stores, in an order that does not depend on the machine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate
from typing import Literal, NamedTuple

from fsspec.utils import glob_translate

from clinical_ner.batch.places import Place, out_of_reach
from clinical_ner.core.errors import UserError

SourceFormat = Literal["parquet", "jsonl", "csv"]
FORMATS: dict[str, SourceFormat] = {
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz"), "jsonl"),
    **dict.fromkeys((".csv", ".csv.gz"), "csv"),
}
HIDDEN = (".", "_")  # how the names of files begin that are not data
PATTERN = frozenset("*?[")


class Source(NamedTuple):
    """A file: its short name is the same wherever the input lies, unless others have the same."""

    place: Place
    name: str
    format: SourceFormat

    @property
    def is_packed(self) -> bool:
        """Whether it can be read from its beginning alone."""
        return self.name.lower().endswith(".gz")


class Inputs(NamedTuple):
    """The sources, and the names of the other files that lie in the folders beside them."""

    sources: list[Source]
    others: list[str]


def looked_through(inputs: Iterable[str]) -> Inputs:
    """Every file of the inputs once, in the order in which they are named and then of their names.

    Raises:
        UserError: an input does not exist, is out of reach, or holds nothing of a format that is known.
    """
    all_inputs = [_reached(name) for name in inputs]
    found = {source.place.name: source for one in all_inputs for source in one.sources}
    return Inputs(_told_apart(list(found.values())), [name for one in all_inputs for name in one.others])


def _told_apart(found: list[Source]) -> list[Source]:
    """The sources; of those with the same name each has as much more of its place as it takes to tell them apart."""
    while repeated := {name for name, count in Counter(source.name for source in found).items() if count > 1}:
        found = [_longer(source) if source.name in repeated else source for source in found]
    return found


def _longer(source: Source) -> Source:
    parts = source.place.name.split("/")
    return source._replace(name="/".join(parts[-source.name.count("/") - 2 :]))


def refuse_output_within(inputs: Iterable[str], found: Iterable[Source], out: Place) -> None:
    """Refuse to write where something is read, which the next time would be read as well.

    Raises:
        UserError: the output is an input, or lies in one, or holds one.
    """
    for name in inputs:
        place = Place(name)
        pattern = re.compile(glob_translate(place.name))
        if place.holds(out) or any(pattern.match(above) for above in accumulate(out.name.split("/"), "{}/{}".format)):
            raise UserError(f"{out} lies within what is read: {name}", "name a folder elsewhere")
    for source in found:
        if out.holds(source.place):
            raise UserError(f"{out} holds what is read: {source.place}", "name a folder elsewhere")


def _reached(name: str) -> Inputs:
    try:
        return _of_input(name)
    except ValueError as error:  # fsspec knows patterns that are none
        raise UserError(f"{name} cannot be looked through: {error}", "see how it is spelled") from None
    except out_of_reach() as error:
        place = getattr(error, "filename", None) or name
        raise UserError(f"{place} cannot be read: {type(error).__name__}", "see the address and the rights") from None


def _of_input(name: str) -> Inputs:
    place = Place(name)
    if not place.exists():
        if not PATTERN & set(name):
            raise UserError(f"{name} does not exist", "name a file, a folder or a quoted pattern")
        found = _known(place.matches(), _above(re.split(r"[*?[]", place.name)[0]))
    elif place.is_folder():
        found = _known(place.files(), place.name.rstrip("/") + "/")
    else:
        found = _known([place], _above(place.name))
    if not found.sources:
        raise UserError(f"{name} holds no file of a known format", f"known are {', '.join(FORMATS)}")
    return found


def _above(name: str) -> str:
    """Up to the last slash."""
    return name[: name.rfind("/") + 1]


def _known(places: Iterable[Place], above: str) -> Inputs:
    """What is data by its name, and what is not; hidden files are neither."""
    found = Inputs([], [])
    for place in places:
        short, form = place.name.removeprefix(above), _format(place.name)
        if any(part.startswith(HIDDEN) for part in short.split("/")):
            continue
        if form:
            found.sources.append(Source(place, short, form))
        else:
            found.others.append(short)
    return found


def _format(name: str) -> SourceFormat | None:
    return next((form for suffix, form in FORMATS.items() if name.lower().endswith(suffix)), None)
