"""Names in the order of time are UUIDs like any others."""

from __future__ import annotations

from uuid import RFC_4122

import pytest

from clinical_ner.serving.clock import uuid7


def test_names_are_of_version_7_and_none_is_like_another() -> None:
    names = [uuid7() for _ in range(1_000)]

    assert {(name.version, name.variant) for name in names} == {(7, RFC_4122)}
    assert len(set(names)) == len(names)


def test_a_name_of_a_later_millisecond_is_greater_and_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [1_700_000_000_000, 1_700_000_000_001, 1_800_000_000_000]
    names = []
    for milliseconds in times:
        monkeypatch.setattr("time.time_ns", lambda milliseconds=milliseconds: milliseconds * 1_000_000 + 7)
        names.append(uuid7())

    assert names == sorted(names)
    assert [name.int >> 80 for name in names] == times
