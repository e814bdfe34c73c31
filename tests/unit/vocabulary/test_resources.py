"""Our own lists are well formed: sorted, without repetition, of ids and codes that exist."""

from __future__ import annotations

import csv
import re
from collections import Counter

import pytest
import yaml

from clinical_ner.core.io import Vocabulary
from clinical_ner.vocabulary import sources
from clinical_ner.vocabulary.sources import RESOURCES

MESH_ID = re.compile(r"D\d{6}(\d{3})?")
MAPS = {
    "mesh_id_corrections.csv": ["name", "mesh_id"],
    "mesh_icd10cm.csv": ["mesh_id", "icd10cm"],
    "icd10cm_common.csv": ["mesh_id", "icd10cm", "name"],
}


def rows(name: str) -> list[list[str]]:
    with (RESOURCES / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.reader(lines, strict=True))


def lines(name: str) -> list[str]:
    content = (RESOURCES / name).read_text(encoding="utf-8").splitlines()
    return [line for line in content if not line.startswith("#")]


def icd10cm_codes() -> set[str]:
    folder = sources.package_folder("simple_icd_10_cm") / "data"
    listed = next(folder.glob("code-list-*.txt")).read_text(encoding="utf-8").split()
    return {code for code in listed if "-" not in code}  # no blocks of categories


@pytest.mark.parametrize("name", MAPS)
def test_a_map_has_its_header_and_as_many_cells_a_row_none_blank(name: str) -> None:
    header, *body = rows(name)

    assert header == MAPS[name]
    assert body
    assert [
        row for row in body if len(row) != len(header) or not all(cell and cell == cell.strip() for cell in row)
    ] == []


@pytest.mark.parametrize("name", MAPS)
def test_a_map_is_sorted_and_has_each_key_once(name: str) -> None:
    keys = [row[0] for row in rows(name)[1:]]

    assert keys == sorted(set(keys))


def test_ids_and_codes_have_their_form() -> None:
    assert all(MESH_ID.fullmatch(mesh_id) for _, mesh_id in rows("mesh_id_corrections.csv")[1:])
    assert all(MESH_ID.fullmatch(mesh_id) for mesh_id, _ in rows("mesh_icd10cm.csv")[1:])


@pytest.mark.parametrize("name", ["mesh_icd10cm.csv", "icd10cm_common.csv"])
def test_every_mapped_icd10cm_code_exists(name: str) -> None:
    codes = icd10cm_codes()

    assert [row for row in rows(name)[1:] if row[1].replace(".", "") not in codes] == []


def test_a_code_that_was_chosen_is_no_category_and_stands_beside_the_name_of_its_disease(
    vocabulary: Vocabulary,
) -> None:
    names = dict(zip(vocabulary.diseases["concept_id"], vocabulary.diseases["name"], strict=True))
    above = {code[:length] for code in icd10cm_codes() for length in range(3, len(code))}

    chosen = [row for row in rows("icd10cm_common.csv")[1:] if names.get(row[0]) is not None]

    assert [row for row in chosen if row[2] != names[row[0]]] == []
    assert [row for row in chosen if row[1].replace(".", "") in above] == []


def test_every_code_of_the_vocabulary_exists(vocabulary: Vocabulary) -> None:
    used = set(vocabulary.diseases["icd10cm"].dropna().str.replace(".", ""))

    assert used - icd10cm_codes() == set()


def test_a_correction_names_a_descriptor_of_the_packages_and_changes_its_id() -> None:
    packed = [*sources.diseases()["disease_canonical_to_data"].values()]
    packed += sources.drugs()["drug_canonical_to_data"].values()
    ids = {(data["name"], data["mesh_id"]) for data in packed if "mesh_id" in data}
    names = {name for name, _ in ids}

    corrections = [tuple(row) for row in rows("mesh_id_corrections.csv")[1:]]

    assert [name for name, _ in corrections if name not in names] == []
    assert [row for row in corrections if row in ids] == []


@pytest.mark.parametrize("name", ["diseases", "drugs"])
def test_common_terms_belong_to_known_concepts_and_are_kept(vocabulary: Vocabulary, name: str) -> None:
    common = yaml.safe_load((RESOURCES / "common_terms.yaml").read_text(encoding="utf-8"))[name]
    table = getattr(vocabulary, name)
    found = set(zip(table["concept_id"], table["term"], strict=True))

    wanted = {(mesh_id, term) for mesh_id, terms in common.items() for term in terms}

    assert set(common) <= set(table["concept_id"])
    assert {(mesh_id, term) for mesh_id, term in wanted - found if len(term) > 2} == set()


def test_treatments_have_a_known_kind_and_are_listed_once() -> None:
    pairs = [line.split(": ") for line in lines("treatments.txt")]

    counts = Counter(term.strip() for _, terms in pairs for term in re.split("[,=]", terms))

    assert {kind for kind, _ in pairs} == {"procedure", "therapy", "drug_class"}
    assert [term for term, count in counts.items() if count > 1 or not term] == []


def test_analytes_are_sorted_without_repetition() -> None:
    analytes = lines("analytes.txt")

    assert len(analytes) == len(set(analytes))
    assert all(analyte and analyte == analyte.strip() for analyte in analytes)
