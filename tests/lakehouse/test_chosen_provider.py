"""One provider for all days of a series: the longest of those that have not ended, or the preferred one."""

from datetime import date, timedelta

import pyarrow as pa
import pytest

from lakehouse.gold.chosen_provider import chosen_rows

FIRST = date(2024, 1, 1)


def days(provider: str, start: int, stop: int, price: float = 1.0, **more: str) -> list[dict]:
    series = {"commodity": "cabai-rawit-merah", "region_code": "32", "channel": "retail", "level": "province"}
    return [
        series
        | more
        | {"provider": provider, "market_date": FIRST + timedelta(day), "median_price_idr": price + day}
        for day in range(start, stop)
    ]


def providers(rows: list[dict], priority: tuple[str, ...] = ()) -> set[str]:
    return set(chosen_rows(pa.Table.from_pylist(rows), priority)["provider"].to_pylist())


@pytest.mark.parametrize(
    ("rows", "priority", "provider"),
    [
        (days("a", 0, 100) + days("b", 10, 100), (), "a"),
        (days("a", 10, 100) + days("b", 0, 100), (), "b"),
        (days("a", 0, 100) + days("b", 0, 100), (), "a"),
        (days("a", 0, 100) + days("b", 120, 130), (), "a"),  # it may only be late
        (days("a", 0, 100) + days("b", 120, 131), (), "b"),  # ended: its level is no longer reported
        (days("a", 0, 100) + days("b", 10, 100), ("c", "b"), "b"),
        (days("a", 0, 100) + days("b", 10, 100), ("b", "a"), "b"),
        (days("a", 0, 100) + days("b", 0, 20), ("b",), "a"),  # a preferred one that has ended
        (days("a", 0, 10), (), "a"),
    ],
)
def test_series_has_the_provider(rows: list[dict], priority: tuple[str, ...], provider: str):
    assert providers(rows, priority) == {provider}
    assert providers(rows[::-1], priority) == {provider}


def test_each_series_has_its_own_and_keeps_all_of_its_rows():
    rows = days("a", 0, 50) + days("b", 10, 50) + days("b", 0, 5, level="market")
    rows += days("b", 0, 40, region_code="31") + days("a", 0, 9, commodity="garam")
    kept = chosen_rows(pa.Table.from_pylist(rows)).to_pylist()
    assert kept == days("a", 0, 50) + rows[90:]


def test_series_does_not_jump_where_another_provider_begins_or_ends():
    rows = days("a", 0, 100, 1000.0) + days("b", 30, 60, 1150.0)
    prices = chosen_rows(pa.Table.from_pylist(rows))["median_price_idr"].to_pylist()
    assert [after - before for before, after in zip(prices, prices[1:], strict=False)] == [1.0] * 99


def test_dictionaries_and_empty_tables_are_read():
    table = pa.Table.from_pylist(days("a", 0, 3) + days("b", 0, 2))
    coded = table.set_column(4, "provider", table["provider"].dictionary_encode())
    assert chosen_rows(coded).num_rows == 3 and chosen_rows(coded.slice(0, 0)).num_rows == 0
