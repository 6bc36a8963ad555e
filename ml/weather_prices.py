"""gold.daily_prices and silver.weather -> gold.weather_prices: lagged correlations that say when there is nothing."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable

from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.paths import table_path
from lakehouse.reference import provinces
from ml.lagged_correlation import Floats, Lagged, deseasonalised, false_discovery, lagged, resampled_days
from ml.panel import NothingToLearn, Panel
from ml.read_panel import daily_prices
from ml.tables import fingerprint, last_made_from, replace

TABLE = "gold.weather_prices"
VARIABLES = {"rainfall_mm": "curah hujan", "temperature_c": "suhu", "humidity_pct": "kelembapan"}
LAGS = np.arange(61)
WINDOW_DAYS = 7  # of the price's change, and of the weather's mean
LEAST_IN_WINDOW = 5  # measured days of it
LEAST_DAYS = 200  # weekdays in common; and a year, or there is no season to take out
LEAST_SPAN_DAYS = 365
FALSE_DISCOVERY_RATE = 0.10
PLACEBO_LEVEL = 0.05
SEED = 7
NOTHING = "tidak ada hubungan bermakna"
METHOD = (
    "Pearson, 7-day change of log price v 7-day mean weather, two harmonics of the year taken out of both; t-test on the "
    "effective sample size, Benjamini-Hochberg q <= 0.10 over all rows, 95 % moving-block bootstrap (30 days), placebo by "
    "displaced weather <= 0.05"
)


@dataclass(frozen=True)
class Pair:
    """One series of prices with one variable of the weather of its province."""

    commodity: str
    region_code: str
    variable: str
    found: Lagged


def pairs(panel: Panel, lags: np.ndarray = LAGS, seed: int = SEED) -> list[Pair]:
    """Every pair of the panel with enough days in common, lag by lag. The panel's weather must be per series."""
    if len(panel.days) < LEAST_SPAN_DAYS:
        return []
    day = panel.days.astype(np.int64)
    resamples = resampled_days(len(day), seed)
    weather = {one.name: measured_on(one.value) for one in panel.outside if one.name in VARIABLES}
    made = []
    for row, (commodity, region) in enumerate(zip(panel.commodities, panel.regions, strict=True)):
        change = weekly_change(panel.log_price[row], day)
        for variable, values in weather.items():
            before = trailing_mean(values[row])
            if np.sum(np.isfinite(before) & np.isfinite(change)) >= LEAST_DAYS and np.nanstd(values[row]) * np.nanstd(change) > 0:
                found = lagged(deseasonalised(before, day), deseasonalised(change, day), lags, resamples)
                made.append(Pair(commodity, region, variable, found))
    return made


def measured_on(known: Floats) -> Floats:
    """(series, days) weather back on its own day: a panel holds it on the next one, when it was known."""
    own = np.full(known.shape, np.nan)
    own[:, :-1] = known[:, 1:]
    return own


def weekly_change(log_price: Floats, day: np.ndarray) -> Floats:
    """(days,) change of log price over a week, on weekdays with a price on both ends: surveys repeat Friday at weekends."""
    change = np.full(len(log_price), np.nan)
    change[WINDOW_DAYS:] = log_price[WINDOW_DAYS:] - log_price[:-WINDOW_DAYS]
    return np.where((day + 3) % 7 < 5, change, np.nan)


def trailing_mean(values: Floats) -> Floats:
    """(days,) mean of the week that ends on the day, with at least five of its days measured."""
    known = np.isfinite(values)
    window = np.ones(WINDOW_DAYS)
    count = np.convolve(known, window)[: len(values)]
    total = np.convolve(np.where(known, values, 0.0), window)[: len(values)]
    mean = np.full(len(values), np.nan)
    np.divide(total, count, out=mean, where=count >= LEAST_IN_WINDOW)
    return mean


def judged(found: list[Pair]) -> list[dict[str, Any]]:
    """One row per pair and lag; the false-discovery rate is over all of them."""
    if not found:
        return []
    q = false_discovery(np.concatenate([pair.found.p for pair in found]))
    ends = np.cumsum([len(pair.found.lags) for pair in found])
    return [row for pair, own in zip(found, np.split(q, ends[:-1]), strict=True) for row in rows_of(pair, own)]


def rows_of(pair: Pair, q: Floats) -> list[dict[str, Any]]:
    one, place = pair.found, provinces().get(pair.region_code)
    holds = (q <= FALSE_DISCOVERY_RATE) & ((one.low > 0) | (one.high < 0)) & (one.placebo_p <= PLACEBO_LEVEL)
    strongest = int(np.nanargmin(one.p))
    return [
        {
            "commodity": pair.commodity,
            "region_code": pair.region_code,
            "region": place.name if place else pair.region_code,
            "variable": pair.variable,
            "lag_days": int(lag),
            "correlation": number(one.r[nth]),
            "n": int(one.n[nth]),
            "n_eff": number(one.n_eff[nth]),
            "ci_low": number(one.low[nth]),
            "ci_high": number(one.high[nth]),
            "p_value": number(one.p[nth]),
            "p_value_adjusted": number(q[nth]),
            "placebo_p_value": number(one.placebo_p),
            "significant": bool(holds[nth]),
            "strongest": nth == strongest,
            "text": sentence(pair.variable, int(lag), float(one.r[nth])) if holds[nth] else NOTHING,
            "method": METHOD,
        }
        for nth, lag in enumerate(one.lags)
    ]


def number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def sentence(variable: str, lag: int, r: float) -> str:
    """What a significant row says, in Indonesian; an association, not a cause."""
    when = f"{lag} hari kemudian" if lag else "pada minggu yang sama"
    goes = "naik" if r > 0 else "turun"
    return f"hubungan bermakna: {VARIABLES[variable]} di atas normal, harga cenderung {goes} {when} (r = {r:+.2f})"


def refresh(root: str) -> bool:
    """Bring the table of the lake `root` up to date. False, and nothing computed, when nothing is new or there is no weather."""
    path = table_path(root, "silver.weather")
    if not DeltaTable.is_deltatable(path):
        return False
    weather_version = DeltaTable(path).version()
    try:
        panel = daily_prices(root)
    except NothingToLearn:
        return False
    made_from = f"{METHOD}: gold.daily_prices {panel.source['version']}, silver.weather {weather_version}"
    if last_made_from(TABLE) == fingerprint(made_from):
        return False
    first, last = (day.astype(date) for day in (panel.days[0], panel.days[-1]))
    about = {
        "from_date": first,
        "to_date": last,
        "prices_version": panel.source["version"],
        "weather_version": weather_version,
        "measured_at": datetime.now(UTC),
    }
    rows = [row | about for row in judged(pairs(panel))]
    return replace(TABLE, pa.Table.from_pylist(rows, schema=arrow_schema(contracts()[TABLE])), made_from)
