"""One provider for all days of a series: the longest of those that have not ended, or the preferred one."""

from datetime import date, timedelta

import pyarrow as pa
import pytest

from lakehouse.gold.chosen_provider import chosen_rows, spliced_rows

FIRST = date(2024, 1, 1)


def days(provider: str, start: int, stop: int, price: float = 1.0, **more: str) -> list[dict]:
    series = {"commodity": "cabai-rawit-merah", "region_code": "32", "channel": "retail", "level": "province"}
    return [
        series
        | {"unit": "kg"}
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
    coded = table.set_column(
        table.schema.get_field_index("provider"), "provider", table["provider"].dictionary_encode()
    )
    assert chosen_rows(coded).num_rows == 3 and chosen_rows(coded.slice(0, 0)).num_rows == 0


def spliced(rows: list[dict]) -> list[dict]:
    """The rows by day."""
    return spliced_rows(pa.Table.from_pylist(rows)).sort_by("market_date").to_pylist()


def test_days_of_an_ended_provider_are_put_in_front_at_the_level_of_the_overlap():
    rows = spliced(days("a", 0, 100, 1000.0) + days("b", 90, 300, 2000.0))
    ratios = sorted((2000.0 + day) / (1000.0 + day) for day in range(90, 100))
    factor = (ratios[4] * ratios[5]) ** 0.5  # the median of logs of an even number
    assert len(rows) == 300 and {row["provider"] for row in rows} == {"b"}
    first = rows[0]
    own = rows[90]
    seam = {"spliced_from": "a", "splice_day": FIRST + timedelta(90), "splice_factor": pytest.approx(factor)}
    assert {name: first[name] for name in seam} == seam
    assert first["median_price_idr"] == pytest.approx(1000 * factor)
    assert abs(own["median_price_idr"] / rows[89]["median_price_idr"] - 1) < 0.01
    assert own["spliced_from"] is own["splice_factor"] is own["splice_day"] is None
    assert [row for row in rows if row["spliced_from"]] == rows[:90]


def test_without_an_overlap_the_ends_are_put_at_one_level():
    rows = spliced(days("a", 0, 100, 1000.0) + days("b", 400, 401, 3000.0))
    factor = rows[0]["splice_factor"]
    assert len(rows) == 101 and rows[-1]["median_price_idr"] == 3400.0
    assert factor == pytest.approx(3400 / ((1085 * 1086) ** 0.5), rel=1e-6), (
        "its last 28 days are 1072 to 1099"
    )


@pytest.mark.parametrize(
    "rows",
    [
        days("a", 0, 29) + days("b", 60, 300),  # too few days
        days("a", 0, 100, unit="kg") + days("b", 140, 300, unit="litre"),
        days("a", 0, 100, level="market") + days("b", 140, 300),  # another series
        days("b", 0, 300) + days("a", 0, 100),  # none is earlier
    ],
)
def test_nothing_is_spliced_to_a_series_that_it_does_not_fit(rows: list[dict]):
    kept = spliced(rows)
    assert {row["spliced_from"] for row in kept} == {None}
    assert len(kept) == chosen_rows(pa.Table.from_pylist(rows)).num_rows


def test_splice_does_not_change_while_later_days_arrive():
    """The first 180 days in common make the level."""
    early = days("b", 90, 340, 2000.0)
    before = spliced(days("a", 0, 300, 1000.0) + early)
    after = spliced(days("a", 0, 400, 1000.0) + early + days("b", 340, 500, 9000.0))
    assert before[0]["splice_factor"] == after[0]["splice_factor"] != 1


def test_dictionaries_are_spliced():
    table = pa.Table.from_pylist(days("a", 0, 40) + days("b", 90, 93))
    coded = table.set_column(
        table.schema.get_field_index("provider"), "provider", table["provider"].dictionary_encode()
    )
    assert spliced_rows(coded)["spliced_from"].null_count == 3
    assert spliced_rows(coded.slice(0, 0)).num_rows == 0
