"""gold.weather_prices equals its recomputation, finds planted links, and calls chance not significant."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from conf.settings import settings
from lakehouse.io.delta import open_table, table_uri
from ml.data.from_rows import panel_from_rows
from ml.data.load import daily_prices
from ml.data.panel import ExogenousSeries
from ml.weather import job
from ml.weather.job import LAGS, NOTHING, TABLE, correlate, correlation_rows, refresh
from scripts.bench.weather_prices import Link, correlate_pairs, measure, synthetic_panel
from tests.support.written_lake import write

DAYS = 500
FIRST = date(2022, 1, 3)


def fill(days: int = DAYS, seed: int = 3) -> dict[str, np.ndarray]:
    """Prices of one province and two stations' weather, some of it missing; the values by name."""
    rng = np.random.default_rng(seed)
    price = np.round(np.exp(10 + np.cumsum(rng.standard_normal(days) * 0.02)))
    rain = np.where(rng.random((2, days)) < 0.4, 0.0, rng.exponential(9, (2, days)))
    rain[:, rng.random(days) < 0.05] = np.nan
    dates = [FIRST + timedelta(days=n) for n in range(days)]
    shown = np.where(rng.random(days) < 0.05, np.nan, price)
    same = {
        "commodity": "bawang-merah",
        "region_code": "32",
        "region": "Jawa Barat",
        "channel": "retail",
        "level": "province",
        "provider": "panel-harga",
    }
    write(
        "gold.daily_prices",
        (
            {**same, "market_date": d, "unit": "kg", "median_price_idr": p}
            for d, p in zip(dates, shown, strict=True)
            if p > 0
        ),
    )
    write(
        "silver.weather",
        (
            {
                "event_id": f"{station}-{n}",
                "station_id": f"S{station}",
                "region_code": "32",
                "region": "Jawa Barat",
                "date": d,
                "rainfall_mm": None if np.isnan(rain[station, n]) else rain[station, n],
                "temperature_c": 24.0,
                "humidity_pct": None,
                "event_month": f"{d:%Y-%m}",
            }
            for station in range(2)
            for n, d in enumerate(dates)
        ),
    )
    return {"price": shown, "rain": rain}


def naive_week(values: dict[date, float], day: date) -> float | None:
    known = [values[d] for d in (day - timedelta(days=n) for n in range(7)) if d in values]
    return sum(known) / len(known) if len(known) >= 5 else None


def without_season(values: dict[date, float]) -> dict[date, float]:
    """Residuals of an ordinary regression on the waves of the year, by the normal equations."""
    days = sorted(values)
    angle = np.array([2 * np.pi * ((d - date(1970, 1, 1)).days) / 365.2425 for d in days])
    design = np.column_stack(
        [np.ones(len(days)), np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)]
    )
    y = np.array([values[d] for d in days])
    fitted = design @ np.linalg.solve(design.T @ design, design.T @ y)
    return dict(zip(days, y - fitted, strict=True))


def test_table_equals_an_independent_recomputation(lake: str):
    given = fill()
    assert refresh(lake)
    rows = open_table(TABLE).to_pyarrow_table().to_pylist()
    assert {row["variable"] for row in rows} == {
        "rainfall_mm"
    }  # temperature is constant and humidity was not measured
    assert [row["lag_days"] for row in rows] == LAGS.tolist()
    dates = [FIRST + timedelta(days=n) for n in range(DAYS)]
    rain = {
        d: m
        for d, m in zip(dates, given["rain"].mean(axis=0), strict=True)
        if np.isfinite(m) and d < dates[-1]
    }
    week = {d: mean for d in dates if (mean := naive_week(rain, d)) is not None}
    price = {d: float(p) for d, p in zip(dates, given["price"], strict=True) if np.isfinite(p)}
    change = {
        d: np.log(price[d] / price[d - timedelta(days=7)])
        for d in dates
        if d.weekday() < 5 and d in price and d - timedelta(days=7) in price
    }
    x, y = without_season(week), without_season(change)
    for row in rows:
        lag = timedelta(days=row["lag_days"])
        common = [(x[d - lag], y[d]) for d in dates if d in y and d - lag in x]
        assert row["n"] == len(common)
        assert row["correlation"] == pytest.approx(pearsonr(*zip(*common, strict=True))[0], abs=1e-9)
        assert row["ci_low"] < row["correlation"] < row["ci_high"] and 4 <= row["n_eff"] <= row["n"]
    ranked = sorted(row["p_value"] for row in rows)
    for row in rows:
        adjusted = min(len(rows) * p / (1 + at) for at, p in enumerate(ranked) if p >= row["p_value"])
        assert row["p_value_adjusted"] == pytest.approx(min(adjusted, 1.0), rel=1e-9)
    assert sum(row["strongest"] for row in rows) == 1
    assert (rows[0]["from_date"], rows[0]["to_date"]) == (dates[0], max(price))


def test_links_are_of_the_prices_of_a_provider_that_has_ended(lake: str):
    """Of the one with most days, unmixed: the few days of a newer one change nothing."""
    fill()
    assert refresh(lake)
    alone = open_table(TABLE).to_pyarrow_table().drop_columns(["measured_at", "prices_version"])
    newer = {"commodity": "bawang-merah", "region_code": "32", "region": "Jawa Barat", "channel": "retail"}
    newer |= {"level": "province", "provider": "market", "unit": "kg", "median_price_idr": 90_000.0}
    write(
        "gold.daily_prices",
        (newer | {"market_date": FIRST + timedelta(days=DAYS + n)} for n in range(60, 65)),
    )
    assert refresh(lake)
    rows = open_table(TABLE).to_pyarrow_table()
    assert set(rows["provider"].to_pylist()) == {"panel-harga"} and rows.num_rows == len(LAGS)
    compared = rows.drop_columns(["measured_at", "prices_version"]).sort_by("lag_days").to_pylist()
    for row, before in zip(compared, alone.sort_by("lag_days").to_pylist(), strict=True):
        assert row["n"] == before["n"] and row["to_date"] == before["to_date"]
        assert row["correlation"] == pytest.approx(before["correlation"])


def test_unchanged_inputs_are_not_computed_again(lake: str, monkeypatch: pytest.MonkeyPatch):
    assert not refresh(lake)  # no price yet
    fill()
    assert refresh(lake)
    version = open_table(TABLE).version()
    monkeypatch.setattr(job, "correlate", None)  # would raise
    assert not refresh(lake) and open_table(TABLE).version() == version
    monkeypatch.undo()


def test_lake_without_weather_is_not_refreshed(tmp_path: Path):
    assert not refresh(str(tmp_path))


def test_too_few_common_days_give_no_rows(lake: str):
    fill(days=300)
    assert refresh(lake)  # less than a year of data: the table is empty
    assert open_table(TABLE).to_pyarrow_table().num_rows == 0
    assert table_uri(TABLE).endswith("gold/weather_prices")


def test_weather_counts_on_its_own_day(lake: str):
    """The panel has it a day later, when it is known; a lag of 0 must still pair the same days."""
    fill()
    panel = daily_prices(lake)
    rain = next(series.value for series in panel.exogenous if series.name == "rainfall_mm")
    stations = (
        open_table("silver.weather").to_pyarrow_table().to_pandas().groupby("date")["rainfall_mm"].mean()
    )
    own = pd.Series(job.weather_of_own_day(rain)[0], index=pd.to_datetime(panel.days))
    for day in (10, 200, 350):
        at = pd.Timestamp(FIRST + timedelta(days=day))
        assert own[at] == pytest.approx(stations[at.date()], nan_ok=True)


def test_planted_link_is_found_at_its_lag():
    rows, significant = correlate_pairs(synthetic_panel(1919, 5, Link(1, "rainfall_mm", 21, -0.35)))
    assert ("bawang-putih", "rainfall_mm") in significant
    assert len(significant) <= 2  # one discovery in ten may be false: that is the rate
    best = next(
        r
        for r in rows
        if r["strongest"] and (r["commodity"], r["variable"]) == ("bawang-putih", "rainfall_mm")
    )
    assert abs(best["lag_days"] - 21) <= 3 and best["ci_high"] < 0 and best["n_eff"] < best["n"]
    assert best["text"].startswith("hubungan bermakna: curah hujan di atas normal, harga cenderung turun")
    assert {row["text"] for row in rows if not row["significant"]} == {NOTHING}


def test_independent_series_are_rarely_significant():
    """Few tables here; `./run.sh bench weather` measures the rates on many."""
    figures = measure(tables=3)
    assert figures["false_pairs_pct"] <= 6 and figures["p_below_5_pct"] <= 9
    assert figures["power_pct"] >= 80


def test_same_panel_gives_the_same_rows_and_is_unchanged():
    panel = synthetic_panel(800, 9)
    before = panel.price.copy(), panel.exogenous[0].value.copy()
    first, again = correlation_rows(correlate(panel)), correlation_rows(correlate(panel))
    assert first == again
    assert np.array_equal(panel.price, before[0]) and np.array_equal(
        panel.exogenous[0].value, before[1], equal_nan=True
    )


def test_published_jawa_barat_has_no_significant_link():
    """Five years of rain and chilli: no link is significant after correction for the number of tests."""
    file = settings().shared / "data" / "jabar_price_weather_daily" / "dataset_vegenation.csv"
    if not file.is_file():
        pytest.skip(f"no published set at {file.parent}")
    given = pd.read_csv(file, parse_dates=["Date"])
    names = {
        "bawang-merah": "Bawang Merah",
        "bawang-putih": "Bawang Putih",
        "cabai-rawit-merah": "Cabai Rawit",
    }
    rows = [
        pd.DataFrame(
            {"commodity": name, "region": "32", "unit": "kg", "date": given["Date"], "price": given[column]}
        )
        for name, column in names.items()
    ]
    panel = panel_from_rows(pd.concat(rows), {})
    rain = np.concatenate([[np.nan], given["RR"].to_numpy(float)[:-1]])
    panel = replace(panel, exogenous=(ExogenousSeries("rainfall_mm", "mm a day", np.tile(rain, (3, 1))),))
    strongest = {row["commodity"]: row for row in correlation_rows(correlate(panel)) if row["strongest"]}
    assert set(strongest) == set(names)
    assert strongest["cabai-rawit-merah"]["correlation"] == pytest.approx(-0.175, abs=0.01)
    assert strongest["cabai-rawit-merah"]["n_eff"] < strongest["cabai-rawit-merah"]["n"] / 3
    assert all(not row["significant"] and row["text"] == NOTHING for row in strongest.values())
