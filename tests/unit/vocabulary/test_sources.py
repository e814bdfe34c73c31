"""The packages' data is read without running their code."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from pathlib import Path

import pytest

from clinical_ner.core.errors import UserError
from clinical_ner.vocabulary import sources
from clinical_ner.vocabulary.sources import DataUnpickler


@pytest.mark.parametrize("thing", [print, Path("x"), OrderedDict(a=1), {1}.__class__, ValueError("x")])
def test_a_pickle_that_names_a_class_or_a_function_is_refused(thing: object) -> None:
    packed = io.BytesIO(pickle.dumps({"harmless": 1, "thing": thing}))

    with pytest.raises(pickle.UnpicklingError, match="refused: the file names "):
        DataUnpickler(packed).load()


def test_plain_data_is_read() -> None:
    content = {"a": ["b", 1, 2.5, None, True], "c": {"d": ("e",)}}

    assert DataUnpickler(io.BytesIO(pickle.dumps(content))).load() == content


def test_a_package_that_is_not_installed_is_named_with_a_remedy() -> None:
    with pytest.raises(UserError, match=r"(?s)no_such_package is not installed.*remedy: "):
        sources.package_folder("no_such_package")


def test_icd10cm_has_titles_and_inclusion_terms() -> None:
    diagnoses = {diagnosis.code: diagnosis for diagnosis in sources.icd10cm()}

    assert diagnoses["I10"].title == "Essential (primary) hypertension"
    assert "Classical cholera" in diagnoses["A00.0"].inclusion_terms


def test_icd10pcs_has_a_title_a_code_without_runs_of_spaces() -> None:
    titles = dict(sources.icd10pcs())

    assert titles["0FT44ZZ"] == "Resection of Gallbladder, Percutaneous Endoscopic Approach"
    assert len(titles) > 78_000
    assert not any("  " in title or title != title.strip() for title in titles.values())
