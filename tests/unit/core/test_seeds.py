"""Randomness has a name: what is drawn depends on the seed, the name and the position, and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clinical_ner.core import seeds

SEEDS = st.integers(0, 2**63)
NAMES = st.text(min_size=1, max_size=20)


def test_the_first_draws_of_a_stream_never_change() -> None:
    assert seeds.entropy(1, "age") == 0xD5C3247985CB5370F80DBBC00BE1FBA8
    assert seeds.uniforms(1, "age", 2) == pytest.approx([0.93788303, 0.94532233], abs=1e-7)


@given(SEEDS, NAMES)
def test_a_stream_of_the_same_seed_and_name_draws_the_same(seed: int, name: str) -> None:
    assert (seeds.uniforms(seed, name, 5) == seeds.uniforms(seed, name, 5)).all()


@given(SEEDS, NAMES, NAMES)
def test_streams_of_other_names_or_seeds_draw_otherwise(seed: int, name: str, other: str) -> None:
    drawn = seeds.uniforms(seed, name, 5)

    assert not (drawn == seeds.uniforms(seed + 1, name, 5)).any()
    assert name == other or not (drawn == seeds.uniforms(seed, other, 5)).any()


@settings(max_examples=50)
@given(SEEDS, st.integers(0, 200), st.integers(0, 50))
def test_a_stream_begun_later_is_the_tail_of_the_whole(seed: int, start: int, size: int) -> None:
    whole = seeds.uniforms(seed, "x", start + size)

    assert (whole[start:] == seeds.uniforms(seed, "x", size, start)).all()
    assert (whole[start:] == seeds.stream(seed, "x", start).random(size)).all()


@settings(max_examples=50)
@given(SEEDS, st.integers(0, 100), st.integers(0, 100))
def test_the_first_rows_of_a_large_column_are_those_of_a_small_one(seed: int, few: int, more: int) -> None:
    assert (seeds.uniforms(seed, "x", few + more)[:few] == seeds.uniforms(seed, "x", few)).all()


def test_uniforms_are_uniform() -> None:
    drawn = seeds.uniforms(7, "x", 20_000)

    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert stats.kstest(drawn, "uniform").pvalue > 0.001


def test_unit_hashes_are_uniform_and_independent_of_another_name_and_seed() -> None:
    first, other_name, other_seed = (
        np.array([seeds.unit_hash(seed, name, f"P{i}") for i in range(5_000)])
        for seed, name in ((7, "patients"), (7, "terms"), (8, "patients"))
    )

    assert stats.kstest(first, "uniform").pvalue > 0.001
    assert abs(np.corrcoef([first, other_name, other_seed])[np.triu_indices(3, 1)]).max() < 0.06


@given(SEEDS, NAMES, st.text())
def test_a_unit_hash_is_fixed_and_within_the_unit(seed: int, name: str, key: str) -> None:
    assert 0 <= seeds.unit_hash(seed, name, key) < 1
    assert seeds.unit_hash(seed, name, key) == seeds.unit_hash(seed, name, key)
    assert seeds.unit_hash(seed, name, key) != seeds.unit_hash(seed, name, key + "x")
