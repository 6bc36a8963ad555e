"""gold.daily_prices with silver.weather and gold.sentiment -> gold.weather_prices: lagged correlations."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, partial
from typing import Any, cast

import numpy as np

from lakehouse.io.delta import inputs_fingerprint, last_made_from, open_if_exists, replace_once
from lakehouse.reference import provinces
from ml.data.load import daily_prices
from ml.data.panel import NothingToLearn, Panel
from ml.features import rolling
from ml.features.related_series import mean_of_rows
from ml.sentiment.daily_pressure import SENTIMENT, read_pressure
from ml.weather.lagged_correlation import (
    Floats,
    Ints,
    LaggedCorrelation,
    deseasonalised,
    false_discovery,
    lagged_correlation,
    resampled_days,
)

TABLE = "gold.weather_prices"
VARIABLES = {
    "rainfall_mm": "curah hujan",
    "temperature_c": "suhu",
    "humidity_pct": "kelembapan",
    SENTIMENT: "tekanan harga dalam berita",
}
NATION = ("ID", "Indonesia")  # code and name of the mean over the provinces
LAGS = np.arange(61)
WINDOW_DAYS = 7  # of the price's change, and of the weather's mean
LEAST_IN_WINDOW = 5  # measured days of it
LEAST_DAYS = 200  # weekdays with both a price change and weather
LEAST_SPAN_DAYS = 365  # a season cannot be estimated from less than a year
FALSE_DISCOVERY_RATE = 0.10
PLACEBO_LEVEL = 0.05
SEED = 7
NOTHING = "tidak ada hubungan bermakna"
METHOD = (
    "Pearson, 7-day change of log price v 7-day mean of the variable, "
    "two harmonics of the year taken out of both; "
    "t-test on the effective sample size, Benjamini-Hochberg q <= 0.10 over all rows, "
    "95 % moving-block bootstrap (30 days), placebo by the displaced variable <= 0.05; "
    "prices of the provider with most days"
)


@dataclass(frozen=True)
class Pair:
    """One price series with one variable of its province; of the nation, with the sentiment of posts."""

    commodity: str
    region_code: str
    variable: str
    correlation: LaggedCorrelation


def correlate(panel: Panel, lags: Ints = LAGS, seed: int = SEED) -> list[Pair]:
    """Correlations of every pair with enough days in common. The panel's weather must be per series."""
    if len(panel.days) < LEAST_SPAN_DAYS:
        return []
    day = panel.days.astype(np.int64)
    resamples = resampled_days(len(day), seed)
    weather = {
        series.name: weather_of_own_day(series.value)
        for series in panel.exogenous
        if series.name in VARIABLES
    }
    changes = [weekly_change(log_price, day) for log_price in panel.log_price]
    pairs: list[Pair] = []

    def add(commodity: str, region: str, variable: str, values: Floats, change: Floats) -> None:
        mean = rolling.mean(values, WINDOW_DAYS, LEAST_IN_WINDOW)
        common_days = np.sum(np.isfinite(mean) & np.isfinite(change))
        if common_days >= LEAST_DAYS and np.nanstd(values) * np.nanstd(change) > 0:
            x = deseasonalised(mean, day)
            y = deseasonalised(change, day)
            pairs.append(Pair(commodity, region, variable, lagged_correlation(x, y, lags, resamples)))

    for row, (commodity, region) in enumerate(panel.series):
        for variable, values in weather.items():
            add(commodity, region, variable, values[row], changes[row])
    if SENTIMENT in weather:
        for commodity in panel.distinct_commodities:
            rows = panel.rows_of(commodity)
            mean_change = mean_of_rows(np.stack([changes[row] for row in rows]))
            add(commodity, NATION[0], SENTIMENT, weather[SENTIMENT][rows[0]], mean_change)
    return pairs


def weather_of_own_day(known: Floats) -> Floats:
    """(series, days) weather on the day that it describes; a panel has it on the next, when it is known."""
    own = np.full(known.shape, np.nan)
    own[:, :-1] = known[:, 1:]
    return own


def weekly_change(log_price: Floats, day: Ints) -> Floats:
    """(days,) change of log price over a week, on weekdays with a price on both ends.

    Weekends are left out, because surveys repeat Friday's prices there.
    """
    return np.where((day + 3) % 7 < 5, log_price - rolling.lagged(log_price, WINDOW_DAYS), np.nan)


def correlation_rows(pairs: list[Pair]) -> list[dict[str, Any]]:
    """One row per pair and lag; the false-discovery rate is controlled over all of them."""
    if not pairs:
        return []
    q = false_discovery(np.concatenate([pair.correlation.p for pair in pairs]))
    ends = np.cumsum([len(pair.correlation.lags) for pair in pairs])
    parts = zip(pairs, np.split(q, ends[:-1]), strict=True)
    return [row for pair, own in parts for row in _rows_of_pair(pair, own)]


def _rows_of_pair(pair: Pair, q: Floats) -> list[dict[str, Any]]:
    result = pair.correlation
    province = provinces().get(pair.region_code)
    excludes_zero = (result.low > 0) | (result.high < 0)
    significant = (q <= FALSE_DISCOVERY_RATE) & excludes_zero & (result.placebo_p <= PLACEBO_LEVEL)
    strongest = int(np.nanargmin(result.p))
    return [
        {
            "commodity": pair.commodity,
            "region_code": pair.region_code,
            "region": province.name if province else NATION[1],
            "variable": pair.variable,
            "lag_days": lag,
            "correlation": _finite(result.r[nth]),
            "n": int(result.n[nth]),
            "n_eff": _finite(result.n_eff[nth]),
            "ci_low": _finite(result.low[nth]),
            "ci_high": _finite(result.high[nth]),
            "p_value": _finite(result.p[nth]),
            "p_value_adjusted": _finite(q[nth]),
            "placebo_p_value": _finite(result.placebo_p),
            "significant": bool(significant[nth]),
            "strongest": nth == strongest,
            "text": sentence(pair.variable, lag, float(result.r[nth])) if significant[nth] else NOTHING,
            "method": METHOD,
        }
        for nth, lag in enumerate(result.lags.tolist())
    ]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def sentence(variable: str, lag: int, r: float) -> str:
    """The text of a significant row, in Indonesian: an association, not a cause."""
    when = f"{lag} hari kemudian" if lag else "pada minggu yang sama"
    direction = "naik" if r > 0 else "turun"
    return (
        f"hubungan bermakna: {VARIABLES[variable]} di atas normal, "
        f"harga cenderung {direction} {when} (r = {r:+.2f})"
    )


def prices_of(panel: Panel, commodity: str, region: str) -> dict[str, Any]:
    """Provider, first and last day of the prices of a pair; of the nation those of all provinces."""
    rows = [row for row in panel.rows_of(commodity) if region in (panel.series[row][1], NATION[0])]
    days = panel.days[np.isfinite(panel.price[rows]).any(axis=0)]
    provider_of = cast("dict[str, str]", panel.source["provider_of"])
    names = {provider_of[" ".join(panel.series[row])] for row in rows}
    return {
        "provider": ", ".join(sorted(names)),
        "from_date": days[0].astype(date),
        "to_date": days[-1].astype(date),
    }


def refresh(root: str) -> bool:
    """Bring the table of the lake `root` up to date.

    False, and nothing computed, when its inputs have not changed, or there are no prices, or neither weather
    nor posts.
    """
    tables = (open_if_exists(name, root=root) for name in ("silver.weather", "gold.sentiment"))
    weather_version, sentiment_version = (table.version() if table else None for table in tables)
    if weather_version is None and sentiment_version is None:
        return False
    try:
        panel = daily_prices(root, longest=True)
    except NothingToLearn:
        return False
    prices_version = panel.source["version"]
    made_from = (
        f"{METHOD}: gold.daily_prices {prices_version}, silver.weather {weather_version}, "
        f"gold.sentiment {sentiment_version}"
    )
    if last_made_from(TABLE) == inputs_fingerprint(made_from):
        return False
    pressure = read_pressure(panel, root)
    if pressure is not None:
        panel = panel.with_exogenous((*panel.exogenous, pressure))
    inputs = {
        "prices_version": prices_version,
        "weather_version": weather_version,
        "sentiment_version": sentiment_version,
        "measured_at": datetime.now(UTC),
    }
    of_pair = cache(partial(prices_of, panel))
    rows = [
        row | inputs | of_pair(row["commodity"], row["region_code"])
        for row in correlation_rows(correlate(panel))
    ]
    return replace_once(TABLE, rows, made_from)
