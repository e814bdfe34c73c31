"""Ages and sexes as notes put them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.figures import AGES
from clinical_ner.monitoring.subjects import age_band, sex, stated_years


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("A 58-year-old woman", 58),
        ("RICHARD HOPKINS, 60-YEAR-OLD MAN", 60),
        ("11 y/o M c/o swelling", 11),
        ("Patient: Betty Schneider (3 F)", 3),
        ("72yo", 72),
        ("Age: 41", 41),
        ("a 6-week-old boy", 0),
        ("18 months old", 0),
        ("Patient: G M   DOB: 2008-01-07   Date: 01/30/2022", 14),
        ("DOB 01/07/1950, seen 2020", 70),
        ("Ann Lee / 2015-11-13 / 01/15/2022", 6),
        ("Ann Lee / 11/13/2015 / 2022-01-15", 6),
        ("Date 01/15/2022 / 3 pages", None),
        ("DOB: 2010-07-28\n11F, shortness of breath", 11),
        ("DOB: 2010-07-28", None),
        ("DOB: 1950-07-28\n71F with chest pain. CABG 1999.", 71),
        ("DOB: 06/11/1963\nA 58-year-old woman, MI in 2010, stent 2012.", 58),
        ("His mother, born 1950, died in 2019. A 30-year-old man", 30),
        ("Date of Birth: 01/07/1950   Date: 01/30/2022", 72),
        ("D.O.B. 01/07/1950, seen on 01/06/2022, fluids 2050 mL", 71),
        ("Chest\nMRI brain / 2021-03-04 / 2021-06-01: stable. A 70-year-old man", 70),
        ("Temp 98.6 F", None),
        ("Re: A. Lee, born 1991-11-05, seen 2023-03-01. Her neighbour, a 54-year-old man, found her.", 31),
        ("She came at nine with 5 mg of folate.", None),
    ],
)
def test_an_age_is_read_as_it_is_written(text: str, years: int | None) -> None:
    assert stated_years(text) == years


def test_a_band_begins_with_its_first_year() -> None:
    assert [age_band(f"{years}-year-old") for years in (4, 5, 17, 18, 44, 45, 64, 65, 74, 75)] == [
        "under_5",
        *("5_to_17", "5_to_17", "18_to_44", "18_to_44", "45_to_64", "45_to_64", "65_to_74", "65_to_74"),
        "75_and_over",
    ]


@given(st.text())
def test_every_text_has_a_band(text: str) -> None:
    assert age_band(text) in AGES


def test_the_sex_is_that_of_most_words() -> None:
    assert sex(["she", "saw", "her", "he"]) == "female"
    assert sex(["mr", "x"]) == "male"
    assert sex(["she", "he"]) == sex([]) == "unsaid"
