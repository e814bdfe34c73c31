"""What is done to a text moves no offset."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.text import recased


@pytest.mark.parametrize("change", [str.upper, str.lower])
@given(text=st.text(max_size=40))
def test_another_case_keeps_every_offset(change: Callable[[str], str], text: str) -> None:
    found = recased(change, text)

    assert len(found) == len(text)
    assert all(new in (old, change(old)) for old, new in zip(text, found, strict=True) if old.isascii())


def test_what_has_no_single_capital_stays() -> None:
    assert recased(str.upper, "Straße, 5 mg") == "STRAßE, 5 MG"
