"""Another case moves no offset, and of white space only single spaces are left."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.text import on_one_line, recased


@pytest.mark.parametrize("change", [str.upper, str.lower])
@given(text=st.text(max_size=40))
def test_another_case_keeps_every_offset(change: Callable[[str], str], text: str) -> None:
    found = recased(change, text)

    assert len(found) == len(text)
    assert all(new in (old, change(old)) for old, new in zip(text, found, strict=True) if old.isascii())


def test_what_has_no_single_capital_stays() -> None:
    assert recased(str.upper, "Straße, 5 mg") == "STRAßE, 5 MG"


@given(text=st.text(st.sampled_from("ab \t\r\n\u00a0\u2028"), max_size=20))
def test_on_one_line_the_words_stay_and_nothing_but_single_spaces_is_between_them(text: str) -> None:
    found = on_one_line(text)

    assert found.split(" ") == (text.split() or [""])
