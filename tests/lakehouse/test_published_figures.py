"""Indicators over the published price sets, against the figures that the handbook gives for them."""

import csv
from datetime import date
from statistics import median

import pyarrow as pa
import pytest

from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.gold.indicator_rows import indicator_rows
from lakehouse.reference import commodities, commodity_aliases, matching_key, provinces, region_aliases

RISES = {"naik": 5.0, "waspada": 8.0, "siaga": 12.0, "kritis": 20.0}
PANEL = settings().shared / "data" / "panelharga_prov_daily" / "Harga_Bahan_Pangan" / "train"
JABAR = settings().shared / "data" / "jabar_price_weather_daily" / "dataset_vegenation.csv"
needs_panel = pytest.mark.skipif(
    not PANEL.exists(), reason=f"the Panel Harga files are not below {settings().shared}"
)
needs_jabar = pytest.mark.skipif(
    not JABAR.exists(), reason=f"the Jawa Barat file is not below {settings().shared}"
)


def panel_harga(name: str) -> list[tuple[str, date, float]]:
    """(province code, day, rupiah) of a published matrix; empty cells are no prices."""
    with (PANEL / f"{name}.csv").open() as file:
        reader = csv.reader(file)
        codes = [region_aliases()[matching_key(region)] for region in next(reader)[1:]]
        return [
            (code, date.fromisoformat(row[0]), float(cell))
            for row in reader
            for code, cell in zip(codes, row[1:], strict=True)
            if cell
        ]


def jawa_barat(column: str) -> list[tuple[str, date, float]]:
    with JABAR.open() as file:
        return [("32", date.fromisoformat(row["Date"]), float(row[column])) for row in csv.DictReader(file)]


def computed(name: str, prices: list[tuple[str, date, float]]) -> tuple[list[dict], list[dict]]:
    """(rows by day, rows by month) of prices that are one a day and province."""
    commodity = commodities()[commodity_aliases()[matching_key(name)]]
    rows = [
        {
            "commodity": commodity.id,
            "region_code": code,
            "region": provinces()[code].name,
            "channel": "retail",
            "level": "province",
            "provider": "published",
            "market_date": day,
            "unit": commodity.unit,
            "median_price_idr": price,
            "observations": 1,
            "markets": 1,
        }
        for code, day, price in prices
    ]
    tables = contracts()["gold.indicators"], contracts()["gold.monthly_indicators"]
    of_day, of_month = indicator_rows(pa.Table.from_pylist(rows), 0, RISES, *tables)
    assert of_day.num_rows == len(prices)
    return of_day.to_pylist(), of_month.to_pylist()


@needs_panel
def test_medium_rice_is_above_its_ceiling_in_93_percent_of_province_days():
    rows, _ = computed("Beras_Medium", panel_harga("Beras_Medium"))
    summer = [row for row in rows if date(2024, 6, 1) <= row["market_date"] <= date(2024, 9, 30)]
    assert {row["reference_kind"] for row in summer} == {"HET"}
    above = sum(row["gap_pct"] > 0 for row in summer) / len(summer)
    east = [row["gap_pct"] for row in summer if provinces()[row["region_code"]].rice_zone == "Z3"]
    assert round(100 * above) == 93
    assert 6 <= median(row["gap_pct"] for row in summer) < 7  # 6.8; from the act of 10 June on 6.2
    assert round(median(east)) == 15


@needs_panel
def test_cayenne_is_above_its_reference_price_in_47_percent_of_days_since_2023():
    rows, months = computed("Cabai_Rawit_Merah", panel_harga("Cabai_Rawit_Merah"))
    since = [row for row in rows if row["market_date"] >= date(2023, 1, 1)]
    assert round(100 * sum(row["gap_pct"] > 0 for row in since) / len(since)) == 47
    # 33 months: too few for either early warning, and each row has the reason
    assert {row["ifpa"] for row in months} == {row["alps"] for row in months} == {None}
    last = [row for row in months if row["market_month"] == "2024-09"]
    assert {row["alps_reason"] for row in last} == {"insufficient: 33 months, 36 needed"}
    assert {row["ifpa_reason"] for row in last} == {"insufficient: 2 years of this month, 5 needed"}
    # every row of a day has its value or its reason
    assert all((row["alps"] is None) == (row["alps_reason"] is not None) for row in rows)
    assert all((row["ifpa"] is None) == (row["ifpa_reason"] is not None) for row in rows)
    assert any(row["level"] and row["change_level"] == "kritis" for row in rows)


@needs_jabar
@pytest.mark.parametrize("column", ["Bawang Merah", "Bawang Putih", "Cabai Rawit"])
def test_63_months_of_jawa_barat_suffice_for_both_warnings(column: str):
    rows, months = computed(column, jawa_barat(column))
    of = {row["market_month"]: row for row in months}
    assert len(of) == 64 and of["2019-12"]["days"] == 2  # two days of December 2019 before 63 whole months
    warned = [month for month, row in of.items() if row["ifpa"] is not None]
    # five yearly changes of one calendar month:
    # a December because of those two days, then January to March 2025
    assert sorted(warned) == ["2024-12", "2025-01", "2025-02", "2025-03"]
    assert {of[month]["ifpa_years"] for month in warned} == {5}
    assert all(abs(of[month]["ifpa"]) <= 1.27 for month in warned)
    eligible = [row for row in months if row["alps"] is not None]
    assert [row["market_month"] for row in eligible][0] == "2022-11" and len(eligible) == 64 - 35
    assert {row["vintage_month"] for row in months} == {"2025-03"}
    # a row of a day uses the last complete month, no later one
    march = next(row for row in rows if row["market_date"] == date(2025, 3, 15))
    assert (march["alps"], march["ifpa"]) == (of["2025-02"]["alps"], of["2025-02"]["ifpa"])
