"""Forecasts of two models that were issued, and their accuracy once prices followed."""

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from statistics import fmean
from zoneinfo import ZoneInfo

from conf.settings import settings
from ml.data.panel import NothingToLearn, Panel
from ml.forecasts import live_accuracy
from ml.forecasts.fitted_model import FittedModel
from ml.forecasts.issue import known_panel
from ml.forecasts.rows import ServedModels, forecast_rows
from ml.models.naive import Drift, Naive
from tests.support.daily_prices_lake import of_panel
from tests.support.gold.subject import Row, Tables
from tests.support.panels import gappy, walks

JAKARTA = ZoneInfo("Asia/Jakarta")
LEAST_STEP = 0.001  # of the mean price
LEAST_SKILL = -99.0  # also where naive was exact
Prices = dict[tuple[str, str], dict[date, float]]  # (commodity, region) -> day -> rupiah


class AccuracyJob:
    """Measures as a training round does."""

    def refresh(self) -> None:
        with suppress(NothingToLearn):
            live_accuracy.measure(known_panel(datetime.now(UTC)))


def issue_rows(
    panel: Panel, origin: int, at: datetime, scale: float = 1.0, champion: str = "drift"
) -> list[Row]:
    """An issue from one origin of a panel whose prices were `scale` times as high; `champion`: of teh."""
    known = panel.until(origin)
    served = ServedModels([FittedModel(Naive()), FittedModel(Drift())], {"teh": champion})
    issued: list[Row] = forecast_rows(
        replace(known, price=scale * known.price), served, range(1, 8), at
    ).to_pylist()
    return issued


def issued_at(panel: Panel, origin: int, days: int = 0, minute: int = 0) -> datetime:
    """So many days after the cut of the origin, and minutes later."""
    return datetime.combine(panel.days[origin].item() + timedelta(days), time(7, minute), UTC)


def forecasts_of(panel: Panel, origins: Sequence[int], twice: int) -> list[Row]:
    """An issue from each origin; that from `twice` replaces an earlier one."""
    rows = issue_rows(panel, twice, issued_at(panel, twice), scale=3)
    for number, origin in enumerate(origins, 1):
        rows += issue_rows(panel, origin, issued_at(panel, origin, minute=number))
    return rows


def forecasts_and_prices(rng: random.Random) -> dict[str, list[Row]]:
    """Prices of three provinces and the nation, with gaps, and issues from five origins.

    The last issue came when three of its targets had passed.
    """
    panel = gappy(walks(rng.randrange(99), 100, regions=("11", "32", "51", "ID")), rng.randrange(99))
    forecasts = issue_rows(panel, 63, issued_at(panel, 63), champion="naive")
    forecasts += forecasts_of(panel, [70, 77, 78, 90], twice=78)
    forecasts += issue_rows(panel, 77, issued_at(panel, 77, days=3), scale=2)
    return {"gold.daily_prices": of_panel(panel), "gold.forecasts": forecasts}


def model_accuracy(tables: Tables, newest: datetime) -> list[Row]:
    """Cell by cell."""
    return accuracy_of(tables["gold.daily_prices"].to_pylist(), tables["gold.forecasts"].to_pylist())


def accuracy_of(daily: Iterable[Row], forecasts: Sequence[Row]) -> list[Row]:
    """Rows of issued forecasts from rows of gold.daily_prices and gold.forecasts."""
    prices: Prices = defaultdict(dict)
    for row in daily:
        prices[row["commodity"], row["region_code"]][row["market_date"]] = row["median_price_idr"]
    served = {
        row["commodity"]: row["model"]
        for row in sorted(forecasts, key=lambda row: row["issued_at"])
        if row["champion"]
    }
    groups: dict[tuple, list[Row]] = defaultdict(list)
    for cell in _cells(prices, forecasts):
        for place in ((cell["region_code"], cell["region"]), ("ID", "Indonesia")):
            groups[cell["model"], cell["commodity"], *place, cell["horizon_days"]].append(cell)
    names = ("model", "commodity", "region_code", "region", "horizon_days")
    return [
        dict(zip(names, key, strict=True))
        | {"kind": "issued", "alias": "champion" if served.get(key[1]) == key[0] else None}
        | _figures(cells)
        for key, cells in groups.items()
    ]


def _counted(forecasts: Sequence[Row]) -> dict[tuple, Row]:
    """Of each model and cell the newest forecast that was issued before the cut of its target day."""
    newest = {}
    for row in sorted(forecasts, key=lambda row: row["issued_at"]):
        cut = datetime.combine(row["target_date"], settings().forecast.cut_local_time, JAKARTA)
        if row["issued_at"] < cut and row["region_code"] != "ID":
            newest[row["model"], *_cell_of(row)] = row
    return newest


def _cells(prices: Prices, forecasts: Sequence[Row]) -> list[Row]:
    """Forecasts that count, of weekdays with a price: with that price, naive's, and the usual step."""
    counted = _counted(forecasts)
    steps: dict[tuple, float] = {}
    cells = []
    for row in counted.values():
        series = prices.get((row["commodity"], row["region_code"]), {})
        naive = counted.get(("naive", *_cell_of(row)))
        if naive is None or row["target_date"] not in series or row["target_date"].weekday() > 4:
            continue
        place = _cell_of(row)[:3]
        if place not in steps:
            steps[place] = _usual_step(series, row["origin_date"])
        known = {"actual": series[row["target_date"]], "naive": naive["price_idr"], "step": steps[place]}
        cells.append(row | known)
    return cells


def _usual_step(series: dict[date, float], origin: date) -> float:
    """Mean move from a day to the next one, up to the origin."""
    known = {day: price for day, price in series.items() if day <= origin}
    days = [day for day in known if day + timedelta(1) in known]
    moves = [abs(known[day + timedelta(1)] - known[day]) for day in days]
    return max(fmean(moves or [0.0]), LEAST_STEP * fmean(known.values()))


def _cell_of(row: Row) -> tuple:
    return row["commodity"], row["region_code"], row["origin_date"], row["horizon_days"]


def _figures(cells: list[Row]) -> Row:
    error = [abs(c["actual"] - c["price_idr"]) for c in cells]
    other = [abs(c["actual"] - c["naive"]) for c in cells]
    low = [
        max(0.1 * (c["actual"] - c["lower_80_idr"]), -0.9 * (c["actual"] - c["lower_80_idr"])) for c in cells
    ]
    high = [
        max(0.9 * (c["actual"] - c["upper_80_idr"]), -0.1 * (c["actual"] - c["upper_80_idr"])) for c in cells
    ]
    return {
        "mape_pct": 100 * fmean(e / c["actual"] for e, c in zip(error, cells, strict=True)),
        "wape_pct": 100 * sum(error) / sum(c["actual"] for c in cells),
        "mae_idr": fmean(error),
        "rmse_idr": math.sqrt(fmean(e * e for e in error)),
        "mase": fmean(e / c["step"] for e, c in zip(error, cells, strict=True)),
        "pinball": (fmean(low) + fmean(high)) / 2,
        "skill_vs_naive": _skill(sum(error), sum(other)),
        "coverage_80": fmean(c["lower_80_idr"] <= c["actual"] <= c["upper_80_idr"] for c in cells),
        "coverage_95": fmean(c["lower_95_idr"] <= c["actual"] <= c["upper_95_idr"] for c in cells),
        "origins": len({c["origin_date"] for c in cells}),
        "cells": len(cells),
        "from_date": min(c["target_date"] for c in cells),
        "to_date": max(c["target_date"] for c in cells),
    }


def _skill(error: float, other: float) -> float:
    if error == other:
        return 0.0
    return max(1 - error / other, LEAST_SKILL) if other else LEAST_SKILL
