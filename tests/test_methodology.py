"""The methodology report holds the figures of the last run and every table, and no figure that somebody typed."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from clinical_ner.core import files, schema
from clinical_ner.core.errors import UserError
from clinical_ner.core.schema import Table
from clinical_ner.quality.assessment import headline

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/methodology.md").read_text(encoding="utf-8")
TEMPLATE = (ROOT / "docs/methodology_template.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs/methodology.py"))


def test_the_report_is_what_the_figures_of_the_last_run_make_of_the_template(script: dict[str, Any]) -> None:
    found = script["blocks"](files.read_json(script["REPORT"]), files.read_json(script["SPEED"]))

    assert script["rendered"](TEMPLATE, found) == TEXT, "run 'make methodology'"


def test_the_figures_of_the_summary_are_those_of_the_metrics() -> None:
    lead = files.read_json(ROOT / "metrics/quality.json")

    ours, met = lead["generators"]["ours"], lead["prevalence"]
    assert f"| {met['within']} of {met['targets']} | all |" in TEXT
    assert f"| {ours['worst_pair']:.3f} (" in TEXT
    assert f"| {ours['discriminator_auc']:.3f} (" in TEXT
    assert headline(files.read_json(ROOT / "reports/quality.json")) == lead


def test_no_figure_in_the_template_was_typed() -> None:
    prose = TEMPLATE.partition("## Choices")[0]

    names = re.compile(r"CKD-EPI 2021|HbA1c|census of 2020|population of 2000|NHANES 2017-2018")
    assert re.findall(r"\d[\d.,]*", names.sub("", prose)) == []


def test_the_data_dictionary_has_every_column_of_every_table() -> None:
    tables = [value for value in vars(schema).values() if isinstance(value, Table)]
    sections = dict(re.findall(r"^### (\w+)\n\n(.*?)(?=\n### |\Z)", TEXT, re.MULTILINE | re.DOTALL))

    assert len(tables) > 20
    for table in tables:
        assert set(re.findall(r"^\| `(\w+)` \|", sections[table.name], re.MULTILINE)) == set(table.schema.columns)
        assert all(f"| `{name}` |" in sections[table.name] for name in table.key)


def test_the_data_dictionary_says_what_may_be_missing_what_is_checked_and_what_is_the_key() -> None:
    patients = TEXT.partition("### patients\n")[2].partition("\n### ")[0]

    assert re.search(r"`patient_id` \| str \| no \| `str_matches.*` \| key \|", patients)
    assert re.search(r"`death_date` \| datetime64\[ns\] \| yes \|", patients)
    assert "`birth_date <= death_date`" in patients


def test_a_block_that_the_template_does_not_name_is_an_error(script: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="speed"):
        script["rendered"]("{{mean}}", {"mean": "1", "speed": "2"})


def test_the_page_needs_nothing_else() -> None:
    page = (ROOT / "docs/methodology.html").read_text(encoding="utf-8")

    assert page.count("data:image/svg+xml;base64,") == len(list((ROOT / "docs/figures").glob("*.svg"))) == 6
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"', page) == []
