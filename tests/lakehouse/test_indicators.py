"""Each formula of gold.indicators against a case computed by hand, with the arithmetic in comments."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from lakehouse.contracts.contract import contracts
from lakehouse.gold import indicators
from lakehouse.gold.indicator_rows import indicator_rows
from lakehouse.gold.price_panel import PricePanel, lagged, panels
from lakehouse.reference import Ceiling

NAN = float("nan")
RISES = {"naik": 5.0, "waspada": 8.0, "siaga": 12.0, "kritis": 20.0}
DAY = date(2024, 6, 10)


def panel(price: list[list[float]], days: list[int]) -> PricePanel:
    matrix = np.array(price, dtype=float)
    counts = np.ones(matrix.shape, dtype=np.int64)
    codes = ("32", "11", "91")[: len(price)]
    return PricePanel(
        "retail",
        "province",
        "kg",
        codes,
        codes,
        ("pihps",) * len(codes),
        np.array(days, dtype=np.int64),
        matrix,
        counts,
        counts,
    )


def test_change_needs_a_price_of_that_very_day():
    prices = panel([[100, 110, 121, 99]], days=[10, 11, 17, 18])
    assert lagged(prices, 1)[0].tolist() == pytest.approx(
        [NAN, 100, NAN, 121], nan_ok=True
    )  # day 17: no price on day 16
    assert lagged(prices, 7)[0].tolist() == pytest.approx(
        [NAN, NAN, 100, 110], nan_ok=True
    )  # 17-7 = 10, 18-7 = 11


def test_level_of_a_weekly_rise_begins_above_its_threshold():
    rises = np.array([NAN, -30, 5, 5.01, 8, 8.01, 12, 12.01, 20, 20.01])
    named = [None, "normal", "normal", "naik", "naik", "waspada", "waspada", "siaga", "siaga", "kritis"]
    assert indicators.change_level(rises, RISES).tolist() == named


def test_volatility_is_the_sd_of_log_changes_between_observed_days():
    # changes ln2, -ln2, ln2 over a gap: mean ln2/3,
    # squares (2/3)²+(4/3)²+(2/3)² = 24/9 ln2², / (3-1) = 4/3 ln2²
    price = np.array([[100, 200, NAN, 100, 200]])
    sd = 100 * np.sqrt(4 / 3) * np.log(2)
    assert indicators.volatility_pct(price, window=3)[0].tolist() == pytest.approx(
        [NAN, NAN, NAN, NAN, sd], nan_ok=True
    )


def test_volatility_needs_thirty_changes():
    price = 100 * np.exp(np.cumsum(np.tile([0.01, -0.01], 16)))[None, :31]
    volatility = indicators.volatility_pct(price)[0]
    assert np.isnan(volatility[:30]).all()
    # 30 changes: the first is -0.01, they alternate: mean 0, sd² = 30·0.01²/29
    assert volatility[30] == pytest.approx(100 * 0.01 * np.sqrt(30 / 29))


def test_the_national_price_is_a_weighted_mean_of_those_that_reported():
    price = np.array([[100.0, 100.0], [200.0, NAN], [600.0, 300.0]])
    equal, count = indicators.national_price(price, np.ones(3))
    assert equal.tolist() == [300.0, 200.0] and count.tolist() == [3, 2]  # 900/3, 400/2
    weighted, _ = indicators.national_price(price, np.array([2.0, 1.0, 1.0]))
    assert weighted.tolist() == pytest.approx([250.0, 500 / 3])  # (200+200+600)/4, (200+300)/3


def test_dispersion_is_sd_over_mean():
    price = np.array([[100.0, 100.0], [200.0, NAN], [300.0, NAN]])
    # mean 200, squares 100²+0+100² = 20000, /2 = 10000, sd 100, CV 50 %; one province: none
    assert indicators.dispersion_pct(price).tolist() == pytest.approx([50.0, NAN], nan_ok=True)


def ceiling(start: date, high: float | None, low: float | None = None, end: date | None = None) -> Ceiling:
    return Ceiling(
        "x", "Z1", "consumer" if high else "producer", "HET", low, high, "kg", start, end, "act", "press"
    )


def test_ceiling_changes_on_its_day_and_may_end():
    first = (DAY - date(1970, 1, 1)).days
    rows = [ceiling(DAY, 100.0), ceiling(DAY + timedelta(2), 200.0, end=DAY + timedelta(3))]
    figure, kind = indicators.bounds(np.arange(first - 1, first + 5), [rows, []])
    assert figure[0].tolist() == pytest.approx([NAN, 100, 100, 200, 200, NAN], nan_ok=True)
    assert kind[0].tolist() == [None, "HET", "HET", "HET", "HET", None]
    assert np.isnan(figure[1]).all() and set(kind[1]) == {None}


def test_gap_is_above_the_ceiling_or_below_the_producers_floor():
    assert indicators.gap_pct(np.array([110.0]), np.array([100.0]), producer=False) == pytest.approx([10.0])
    assert indicators.gap_pct(np.array([80.0]), np.array([100.0]), producer=True) == pytest.approx(
        [20.0]
    )  # (100-80)/100


def test_days_above_counts_consecutive_observed_days():
    gap = np.array([[1, NAN, 2, 0, 3, 4, -1, 5], [NAN] * 8])
    assert indicators.days_in_a_row(gap)[0].tolist() == pytest.approx([1, NAN, 2, 0, 1, 2, 0, 1], nan_ok=True)
    assert np.isnan(indicators.days_in_a_row(gap)[1]).all()


def test_margin_is_the_share_that_does_not_reach_the_producer():
    assert indicators.margin_pct(np.array([50000.0]), np.array([30000.0])) == pytest.approx(
        [40.0]
    )  # (50-30)/50


def daily(rows: list[dict]) -> pa.Table:
    """Rows of gold.daily_prices of rice, with defaults for what `rows` leave out."""
    rest = {
        "commodity": "beras-medium",
        "channel": "retail",
        "level": "province",
        "provider": "panel-harga",
        "unit": "kg",
        "observations": 2,
        "markets": 1,
    }
    whole = [rest | {"region": row["region_code"]} | row for row in rows]
    return pa.table({name: [row[name] for row in whole] for name in whole[0]})


def indicators_of(rows: list[dict], since: int = 0) -> dict[tuple, dict]:
    of_day, _ = indicator_rows(
        daily(rows), since, RISES, contracts()["gold.indicators"], contracts()["gold.monthly_indicators"]
    )
    return {(row["channel"], row["region_code"], row["market_date"]): row for row in of_day.to_pylist()}


def price(region: str, day: int, idr: float, **more: object) -> dict:
    return {
        "region_code": region,
        "market_date": DAY + timedelta(day),
        "median_price_idr": float(idr),
        **more,
    }


def test_each_row_describes_one_province_and_day():
    # 10 June 2024: ceilings 12,500 (zone 1), 13,100 (2), 13,500 (3); a week later zone 1 rises by 12.5 %
    rows_by_key = indicators_of(
        [price("32", 0, 12000), price("11", 0, 13100), price("91", 0, 16200), price("32", 7, 13500)]
    )
    first, aceh, papua, later = (
        rows_by_key["retail", region, DAY + timedelta(day)]
        for region, day in (("32", 0), ("11", 0), ("91", 0), ("32", 7))
    )
    assert first["reference_price_idr"] == 12500 and first["reference_kind"] == "HET"
    assert first["gap_pct"] == pytest.approx(-4.0) and first["days_above"] == 0  # -500/12500
    assert aceh["gap_pct"] == 0 and aceh["days_above"] == 0
    assert papua["gap_pct"] == pytest.approx(20.0) and papua["days_above"] == 1  # 2700/13500
    # nation: (12000+13100+16200)/3 = 13766.67
    assert first["national_price_idr"] == pytest.approx(41300 / 3) and first["provinces"] == 3
    assert (
        first["national_gap_pct"] == pytest.approx(100 * (36000 / 41300 - 1))
        and first["national_weights"] == "equal"
    )
    assert first["change_7d_pct"] is None and first["change_level"] is None
    assert later["change_7d_pct"] == pytest.approx(12.5) and later["change_level"] == "siaga"
    assert later["change_1d_pct"] is None and later["dispersion_pct"] is None and later["provinces"] == 1
    assert later["gap_pct"] == pytest.approx(8.0)  # 1000/12500
    assert (later["observations"], later["markets"], later["market_month"]) == (2, 1, "2024-06")


def test_channels_and_levels_are_never_mixed():
    chilli = {"commodity": "cabai-rawit-merah"}
    rows = [
        price("32", 0, 50000, **chilli),
        price("32", 0, 20000, channel="producer", **chilli),
        price("32", 0, 45000, channel="wholesale", **chilli),
    ]
    rows_by_channel = {channel: row for (channel, _, _), row in indicators_of(rows).items()}
    assert {row["national_price_idr"] for row in rows_by_channel.values()} == {50000, 20000, 45000}
    assert rows_by_channel["producer"]["reference_price_idr"] == 25000 and rows_by_channel["producer"][
        "gap_pct"
    ] == pytest.approx(20.0)
    assert (
        rows_by_channel["wholesale"]["reference_kind"] is None
        and rows_by_channel["wholesale"]["gap_pct"] is None
    )
    assert rows_by_channel["retail"]["producer_margin_pct"] == pytest.approx(60.0)  # (50-20)/50
    assert rows_by_channel["producer"]["producer_margin_pct"] is None


def test_reports_of_markets_and_of_whole_provinces_are_never_mixed():
    table = daily(
        [price("32", 0, 50000), price("32", 0, 60000, level="market"), price("11", 0, 70000, level="market")]
    )
    of_day, _ = indicator_rows(
        table, 0, RISES, contracts()["gold.indicators"], contracts()["gold.monthly_indicators"]
    )
    assert [(r["level"], r["national_price_idr"]) for r in of_day.sort_by("level").to_pylist()] == [
        ("market", 65000.0), ("market", 65000.0), ("province", 50000.0),
    ]  # fmt: skip


def test_rows_before_the_first_touched_day_are_not_recomputed():
    rows = [price("32", day, 12000 + day) for day in range(4)]
    since = (DAY - date(1970, 1, 1)).days + 2
    late, whole = indicators_of(rows, since), indicators_of(rows)
    assert {day for _, _, day in late} == {DAY + timedelta(2), DAY + timedelta(3)}
    assert all(whole[key] == row for key, row in late.items())


def test_province_appears_under_its_own_name():
    table = daily([price("91", 0, 1), price("11", 0, 2)])
    table = table.set_column(table.column_names.index("region"), "region", pa.array(["Papua", "Aceh"]))
    (price_panel,) = panels(table)
    assert (price_panel.regions, price_panel.names) == (
        ("11", "91"),
        ("Aceh", "Papua"),
    ) and price_panel.price[:, 0].tolist() == [
        2,
        1,
    ]


def test_spliced_days_are_marked_and_compared_with_the_ceiling_as_published():
    """12,000 of another provider is 15,000 at the level of the own one; the ceiling then was 12,500."""
    seam = {"spliced_from": "pihps", "splice_day": DAY + timedelta(7), "splice_factor": 1.25}
    none = dict.fromkeys(seam)
    rows = indicators_of([price("32", 0, 15_000, **seam), price("32", 7, 15_750, **none)])
    first, own = rows["retail", "32", DAY], rows["retail", "32", DAY + timedelta(7)]
    assert {name: first[name] for name in seam} == seam and {name: own[name] for name in none} == none
    assert first["gap_pct"] == pytest.approx(-4.0) and own["gap_pct"] == pytest.approx(26.0)
    assert own["change_7d_pct"] == pytest.approx(5.0) and first["days_above"] == 0
