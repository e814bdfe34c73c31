"""Build the term tables: diseases and symptoms, drugs, procedures and therapies, one row a surface form."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from typing import Any

import pandas as pd
import yaml

from clinical_ner.core.io import Vocabulary
from clinical_ner.core.params import VocabularyParams
from clinical_ner.vocabulary import sources
from clinical_ner.vocabulary.icd10cm import icd10cm, normalise

SYMPTOM_TREE = "C23.888"  # MeSH: Signs and Symptoms
ANIMAL_TREE = "C22"  # MeSH: Animal Diseases
DISEASE_TREES = ("C", "F03")  # MeSH: Diseases, Mental Disorders
ANALYTE_TREES = ("D08", "D12", "D23")  # MeSH: Enzymes, Proteins, Biological Factors
DRUG_REGISTERS = ("medline_plus_id", "nhs_url", "wikipedia_url", "drugbank_id")
ACRONYM_LENGTH = 6
MARKUP = re.compile(r"[<>]|&[a-z]+;")  # of the web pages that a package was made from

# ICD-10-PCS root operations (third character of the medical and surgical section) as clinicians name them.
OPERATIONS = {
    "Bypass": "bypass",
    "Dilation": "dilation",
    "Drainage": "drainage",
    "Excision": "excision",
    "Extirpation of Matter from": "evacuation",
    "Fusion": "fusion",
    "Occlusion": "embolization",
    "Release": "release",
    "Repair": "repair",
    "Replacement": "replacement",
    "Resection": "resection",
    "Transplantation": "transplantation",
}
PCS_TITLE = re.compile(
    rf"^({'|'.join(OPERATIONS)})(?: of)? (?:Left |Right |Bilateral )?([A-Z][A-Za-z' -]+?)(?: (?:with|using|to) .*)?$"
)


def disease_terms(params: VocabularyParams) -> pd.DataFrame:
    """Diseases and symptoms as DISEASES: MeSH terms in running-text form, with ids and codes."""
    content = sources.diseases()
    ids = sources.csv_map("mesh_id_corrections.csv")
    rows = []
    for canonical, terms in _terms_by_canonical(content["disease_variant_to_canonical"]).items():
        data = content["disease_canonical_to_data"][canonical]
        if not _is_human_disease(data["mesh_tree"]):
            continue
        mesh_id = ids.get(data["name"], data["mesh_id"])
        code = icd10cm(mesh_id, data["name"], terms)
        symptom = all(tree.startswith(SYMPTOM_TREE) for tree in data["mesh_tree"])
        written = [*_written(terms), *_common_terms("diseases").get(mesh_id, [])]
        common = mesh_id in _common_terms("diseases")
        rows += [(term, mesh_id, data["name"], symptom, code, common) for term in _kept(written, params)]
    frame = pd.DataFrame(rows, columns=["term", "concept_id", "name", "symptom", "icd10cm", "common"])
    return frame.drop_duplicates(["term", "concept_id"]).sort_values(["term", "concept_id"], ignore_index=True)


def drug_terms(params: VocabularyParams) -> pd.DataFrame:
    """Medicines as DRUGS: generic and brand names; enzymes, receptors and reagents of MeSH are left out."""
    content = sources.drugs()
    ids = sources.csv_map("mesh_id_corrections.csv")
    rows = []
    for canonical, terms in _terms_by_canonical(content["drug_variant_to_canonical"]).items():
        data = content["drug_canonical_to_data"].get(canonical, {})
        if not any(register in data for register in DRUG_REGISTERS):
            continue
        terms = [term for term in terms if normalise(term) not in _analytes()]
        common = "medline_plus_id" in data or "nhs_url" in data
        concept, name = _drug_id(data, ids, canonical), data.get("name", canonical).lower()
        brands = {term for term in terms if _is_brand(term, canonical, content["drug_variant_to_variant_data"])}
        written = [(term, term in brands) for term in _kept(terms, params)]
        rows += [(term.title() if brand else term, concept, name, brand, common) for term, brand in written]
        rows += [(term, concept, name, False, common) for term in _common_terms("drugs").get(concept, [])]
    frame = pd.DataFrame(rows, columns=["term", "concept_id", "name", "brand", "common"])
    return frame.drop_duplicates(["term", "concept_id"]).sort_values(["term", "concept_id"], ignore_index=True)


def procedure_terms(params: VocabularyParams) -> pd.DataFrame:
    """Procedures, therapies and drug classes as PROCEDURES: our list, then forms made from ICD-10-PCS titles."""
    listed = list(_own_treatments())
    known = {normalise(name) for _, name, _ in listed}
    own = [
        (term, f"OWN:{_singular(normalise(name), known).replace(' ', '-')}", kind, True) for kind, name, term in listed
    ]
    made = [(term, f"PCS:{code[:4]}", "procedure", False) for term, code in _pcs_terms()]
    frame = pd.DataFrame(own + made, columns=["term", "concept_id", "kind", "common"])
    frame = frame[frame["term"].isin(set(_kept(frame["term"], params)))]
    return frame.drop_duplicates("term").sort_values("term", ignore_index=True)


def substance_terms(params: VocabularyParams) -> pd.DataFrame:
    """Enzymes, antigens, hormones and other analytes as SUBSTANCES: what looks like a drug and is none."""
    content = sources.drugs()
    ids = sources.csv_map("mesh_id_corrections.csv")
    rows = [(term, f"OWN:{normalise(term).replace(' ', '-')}", True) for term in sorted(_analytes().values())]
    for canonical, terms in _terms_by_canonical(content["drug_variant_to_canonical"]).items():
        data = content["drug_canonical_to_data"].get(canonical, {})
        if _is_analyte(data):
            rows += [(term, _drug_id(data, ids, canonical), False) for term in _kept(terms, params)]
    frame = pd.DataFrame(rows, columns=["term", "concept_id", "common"])
    return frame.drop_duplicates("term").sort_values("term", ignore_index=True)


def build(params: VocabularyParams) -> Vocabulary:
    """All term tables; the same packages give the same tables."""
    return Vocabulary(disease_terms(params), drug_terms(params), procedure_terms(params), substance_terms(params))


def vocabulary_metrics(vocabulary: Vocabulary) -> dict[str, Any]:
    """How many terms and concepts there are, and what share of the diseases has an ICD-10-CM code."""
    tables = vocabulary._asdict()
    concepts = vocabulary.diseases.drop_duplicates("concept_id")
    return {
        "terms": {name: len(table) for name, table in tables.items()},
        "concepts": {name: int(table["concept_id"].nunique()) for name, table in tables.items()},
        "diseases_with_icd10cm": round(float(concepts["icd10cm"].notna().mean()), 4),
    }


@cache
def _common_terms(table: str) -> dict[str, list[str]]:
    content = yaml.safe_load((sources.RESOURCES / "common_terms.yaml").read_text(encoding="utf-8"))
    found: dict[str, list[str]] = content[table]
    return found


@cache
def _analytes() -> dict[str, str]:
    lines = (sources.RESOURCES / "analytes.txt").read_text(encoding="utf-8").splitlines()
    return {normalise(line): line for line in lines if line and not line.startswith("#")}


def _own_treatments() -> Iterator[tuple[str, str, str]]:
    """The kind, the name of the concept and the term."""
    for line in (sources.RESOURCES / "treatments.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, terms = line.split(": ", 1)
            for names in (group.split("=") for group in terms.split(",")):
                yield from ((kind, names[0].strip(), term.strip()) for term in names)


def _singular(term: str, known: Collection[str]) -> str:
    """The term without the s of its plural, if the list has it so: "statins" and "statin" are one concept."""
    return term.removesuffix("s") if term.removesuffix("s") in known else term


def _pcs_terms() -> Iterator[tuple[str, str]]:
    for code, title in sources.icd10pcs():
        found = PCS_TITLE.match(title.split(",")[0]) if code.startswith("0") else None
        if found:
            operation, part = OPERATIONS[found[1]], found[2].lower()
            yield f"{part} {operation}", code
            yield f"{operation} of the {part}", code


def _terms_by_canonical(canonical_of: dict[str, list[str]]) -> dict[str, list[str]]:
    grouped = defaultdict(list)
    for term in sorted(canonical_of):
        for canonical in canonical_of[term]:
            grouped[canonical].append(term)
    return dict(sorted(grouped.items()))


def _is_human_disease(trees: list[str]) -> bool:
    return any(tree.startswith(DISEASE_TREES) and not tree.startswith(ANIMAL_TREE) for tree in trees)


def _is_analyte(data: dict[str, Any]) -> bool:
    registered = any(register in data for register in DRUG_REGISTERS)
    return not registered and any(tree.startswith(ANALYTE_TREES) for tree in data.get("mesh_tree", []))


def _drug_id(data: dict[str, Any], ids: dict[str, str], canonical: str) -> str:
    if "mesh_id" in data:
        return f"MESH:{ids.get(data['name'], data['mesh_id'])}"
    return f"DRUGBANK:{data['drugbank_id']}" if "drugbank_id" in data else f"NAME:{canonical}"


def _is_brand(term: str, canonical: str, variants: dict[str, dict[str, bool]]) -> bool:
    """Whether the source marks it as a brand; it marks few, so a word unlike the generic name is guessed to be one."""
    marked = variants.get(term)
    if marked is not None:
        return marked["is_brand"]
    is_one_word = term.isascii() and term.isalpha() and len(term) > ACRONYM_LENGTH - 2
    return is_one_word and term[:4] != canonical[:4] and term[-4:] != canonical[-4:]


def _kept(terms: Iterable[str], params: VocabularyParams) -> list[str]:
    """Terms fit for running text: long enough, short enough, not in inverted order ('diabetes, type 2')."""
    return [
        term
        for term in terms
        if "," not in term
        and not MARKUP.search(term)
        and len(term.split()) <= params.max_words
        and (len(term) >= params.min_characters or term.isupper())
    ]


def _written(terms: list[str]) -> list[str]:
    """Terms in the case of running text: acronyms in capitals, proper names capitalised."""
    initials = {_initials(term) for term in terms if " " in term or "-" in term}
    return [term.upper() if _is_acronym(term, initials) else _capitalise_names(term) for term in terms]


def _initials(term: str) -> str:
    return "".join(word[0] for word in re.split(r"[\s-]+", term) if word)


def _is_acronym(term: str, initials: set[str]) -> bool:
    letters = re.sub(r"[\d-]", "", term)
    if not term.replace("-", "").isalnum() or len(term) > ACRONYM_LENGTH or len(letters) < 2:
        return False
    return letters in initials or not re.search(r"[aeiouy]", letters)


def _capitalise_names(term: str) -> str:
    names = proper_names()
    return re.sub(r"[a-zé]+", lambda word: word[0].title() if word[0] in names else word[0], term)


@cache
def proper_names() -> frozenset[str]:
    """Words that ICD-10-CM, which writes sentence case, only ever capitalises within a title: Crohn, Hodgkin."""
    inner, lower = set(), set()
    texts = (text for diagnosis in sources.icd10cm() for text in (diagnosis.title, *diagnosis.inclusion_terms))
    for text in texts:
        lower.update(re.findall(r"\b[a-zé]{4,}\b", text))
        inner.update(re.findall(r"(?<=[a-z] )[A-Z][a-zé]{3,}\b(?! [A-Z])", text))
        inner.update(re.findall(r"\b[A-Z][a-zé]{3,}(?=['’]s\b|-[A-Z])", text))
    return frozenset(word.lower() for word in inner if word.lower() not in lower)
