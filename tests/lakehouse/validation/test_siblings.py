"""Levels of siblings: what a price may read of them, and where a batch is cut so that it reads no more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.families import family_of, siblings
from lakehouse.reference import commodities
from lakehouse.validation.prices.siblings import lies_at
from lakehouse.validation.prices.validator import cuts
from tests.support.plugins.examples import examples


def test_family_is_the_largest_group_of_a_commodity():
    assert {family_of(name) for name in ("cabai-merah-keriting", "cabai-merah", "cabai")} == {"cabai"}
    assert family_of("gula-konsumsi") == "gula-konsumsi" and siblings("gula-konsumsi") == ()
    assert "cabai-rawit-merah" in siblings("cabai-merah-besar")
    assert all(name in siblings(other) for name in commodities() for other in siblings(name))


@pytest.mark.parametrize(
    ("price", "is_there"), [(48_000, True), (51_000, True), (45_000, True), (56_000, False), (40_000, False)]
)
def test_price_lies_at_the_level_of_a_sibling_that_is_near_it(price: float, is_there: bool):
    own, other = np.log(60_000), np.log(48_000)
    assert lies_at(np.log(price), own, other) == is_there


def test_levels_that_are_hardly_apart_are_not_compared():
    assert not lies_at(np.log(50_000), np.log(55_000), np.log(50_000))


@given(
    rows=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), max_size=30), lateness=st.integers(0, 2)
)
@examples(100)
def test_no_price_reads_one_of_another_panel_in_its_part(rows: list[tuple[int, int]], lateness: int):
    days, panels = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    at = cuts(days, panels, lateness)
    assert at == sorted(set(at)) and 0 not in at
    for part in np.split(np.arange(len(rows)), at):
        for row in part:
            others = part[panels[part] != panels[row]]
            assert not (days[others] < days[row] - lateness).any()


def test_days_of_one_panel_and_one_day_of_many_are_not_cut():
    days = np.arange(9)
    assert cuts(days, np.zeros(9, dtype=np.int64), 0) == []
    assert cuts(np.zeros(9, dtype=np.int64), days % 3, 0) == []
    assert cuts(days // 3, days % 3, 0) == [3, 6]
