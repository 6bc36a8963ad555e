"""gold.weather_prices equals its recomputation, speaks only of what is there, and holds its tongue otherwise."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from conf.settings import settings
from ml import weather_prices
from ml.panel import Outside
from ml.panel_rows import panel_of
from ml.read_panel import daily_prices
from ml.tables import path_of
from ml.weather_prices import LAGS, NOTHING, TABLE, judged, pairs, refresh
from scripts.bench.weather_prices import Link, called, made, measure
from streaming_jobs.delta_sink import create_tables, open_table
from tests.streaming_jobs.written_lake import write

DAYS = 500
FIRST = date(2022, 1, 3)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path))
    settings.cache_clear()
    create_tables()
    yield settings().lake_root
    monkeypatch.undo()
    settings.cache_clear()


def fill(days: int = DAYS, seed: int = 3) -> dict[str, np.ndarray]:
    """Prices of one province and two stations' weather, some of it missing; the values by name."""
    rng = np.random.default_rng(seed)
    price = np.round(np.exp(10 + np.cumsum(rng.standard_normal(days) * 0.02)))
    rain = np.where(rng.random((2, days)) < 0.4, 0.0, rng.exponential(9, (2, days)))
    rain[:, rng.random(days) < 0.05] = np.nan
    dates = [FIRST + timedelta(days=n) for n in range(days)]
    shown = np.where(rng.random(days) < 0.05, np.nan, price)
    same = {"commodity": "bawang-merah", "region_code": "32", "region": "Jawa Barat", "channel": "retail", "level": "province"}
    write(
        "gold.daily_prices",
        ({**same, "market_date": d, "unit": "kg", "median_price_idr": p} for d, p in zip(dates, shown, strict=True) if p > 0),
    )
    write(
        "silver.weather",
        (
            {
                "event_id": f"{station}-{n}", "station_id": f"S{station}", "region_code": "32", "region": "Jawa Barat", "date": d,
                "rainfall_mm": None if np.isnan(rain[station, n]) else rain[station, n], "temperature_c": 24.0,
                "humidity_pct": None, "event_month": f"{d:%Y-%m}",
            }
            for station in range(2) for n, d in enumerate(dates)
        ),
    )  # fmt: skip
    return {"price": shown, "rain": rain}


def naive_week(values: dict[date, float], day: date) -> float | None:
    known = [values[d] for d in (day - timedelta(days=n) for n in range(7)) if d in values]
    return sum(known) / len(known) if len(known) >= 5 else None


def without_season(values: dict[date, float]) -> dict[date, float]:
    """Residuals of an ordinary regression on the waves of the year, by the normal equations."""
    days = sorted(values)
    angle = np.array([2 * np.pi * ((d - date(1970, 1, 1)).days) / 365.2425 for d in days])
    design = np.column_stack([np.ones(len(days)), np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)])
    y = np.array([values[d] for d in days])
    fitted = design @ np.linalg.solve(design.T @ design, design.T @ y)
    return dict(zip(days, y - fitted, strict=True))


def test_the_table_equals_an_independent_recomputation(lake: str):
    given = fill()
    assert refresh(lake)
    rows = open_table(TABLE).to_pyarrow_table().to_pylist()
    assert {row["variable"] for row in rows} == {"rainfall_mm"}  # constant temperature and unmeasured humidity tell nothing
    assert [row["lag_days"] for row in rows] == LAGS.tolist()
    dates = [FIRST + timedelta(days=n) for n in range(DAYS)]
    rain = {d: m for d, m in zip(dates, given["rain"].mean(axis=0), strict=True) if np.isfinite(m) and d < dates[-1]}
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


def test_nothing_new_nothing_computed(lake: str, monkeypatch: pytest.MonkeyPatch):
    assert not refresh(lake)  # no price yet
    fill()
    assert refresh(lake)
    version = open_table(TABLE).version()
    monkeypatch.setattr(weather_prices, "pairs", None)  # would raise
    assert not refresh(lake) and open_table(TABLE).version() == version
    monkeypatch.undo()


def test_a_lake_without_weather_has_no_findings(tmp_path: Path):
    assert not refresh(str(tmp_path))


def test_too_few_days_in_common_have_no_rows(lake: str):
    fill(days=300)
    assert refresh(lake)  # a year is not over: the table says so by being empty
    assert open_table(TABLE).to_pyarrow_table().num_rows == 0
    assert path_of(TABLE).endswith("gold/weather_prices")


def test_weather_of_the_day_counts_as_of_its_own_day(lake: str):
    """The panel has it a day later, when it is known; a lag of 0 must still mean the same days."""
    fill()
    panel = daily_prices(lake)
    rain = next(one.value for one in panel.outside if one.name == "rainfall_mm")
    stations = open_table("silver.weather").to_pyarrow_table().to_pandas().groupby("date")["rainfall_mm"].mean()
    own = pd.Series(weather_prices.measured_on(rain)[0], index=pd.to_datetime(panel.days))
    for day in (10, 200, 350):
        at = pd.Timestamp(FIRST + timedelta(days=day))
        assert own[at] == pytest.approx(stations[at.date()], nan_ok=True)


def test_a_planted_link_is_found_where_it_was_put():
    rows, found = called(made(5, 1919, Link(1, "rainfall_mm", 21, -0.35)))
    assert ("bawang-putih", "rainfall_mm") in found and len(found) <= 2  # one discovery in ten may be false: that is the rate
    best = next(r for r in rows if r["strongest"] and (r["commodity"], r["variable"]) == ("bawang-putih", "rainfall_mm"))
    assert abs(best["lag_days"] - 21) <= 3 and best["ci_high"] < 0 and best["n_eff"] < best["n"]
    assert best["text"].startswith("hubungan bermakna: curah hujan di atas normal, harga cenderung turun")
    assert {row["text"] for row in rows if not row["significant"]} == {NOTHING}


def test_chance_is_not_called_a_link():
    """Few tables here; `./run.sh bench weather` measures the rates on many."""
    figures = measure(tables=3)
    assert figures["false_pairs_pct"] <= 6 and figures["p_below_5_pct"] <= 9
    assert figures["power_pct"] >= 80


def test_same_panel_same_figures_and_input_unchanged():
    panel = made(9, 800)
    before = panel.price.copy(), panel.outside[0].value.copy()
    first, again = judged(pairs(panel)), judged(pairs(panel))
    assert first == again
    assert np.array_equal(panel.price, before[0]) and np.array_equal(panel.outside[0].value, before[1], equal_nan=True)


def test_jawa_barat_as_published():
    """Five years of rain and chilli: no link that survives the number of questions asked."""
    file = settings().shared / "data" / "jabar_price_weather_daily" / "dataset_vegenation.csv"
    if not file.is_file():
        pytest.skip(f"no published set at {file.parent}")
    given = pd.read_csv(file, parse_dates=["Date"])
    names = {"bawang-merah": "Bawang Merah", "bawang-putih": "Bawang Putih", "cabai-rawit-merah": "Cabai Rawit"}
    rows = [
        pd.DataFrame({"commodity": name, "region": "32", "unit": "kg", "date": given["Date"], "price": given[column]})
        for name, column in names.items()
    ]
    panel = panel_of(pd.concat(rows), {})
    rain = np.concatenate([[np.nan], given["RR"].to_numpy(float)[:-1]])
    panel = replace(panel, outside=(Outside("rainfall_mm", "mm a day", np.tile(rain, (3, 1))),))
    found = {row["commodity"]: row for row in judged(pairs(panel)) if row["strongest"]}
    assert set(found) == set(names)
    assert found["cabai-rawit-merah"]["correlation"] == pytest.approx(-0.175, abs=0.01)
    assert found["cabai-rawit-merah"]["n_eff"] < found["cabai-rawit-merah"]["n"] / 3
    assert all(not row["significant"] and row["text"] == NOTHING for row in found.values())
