"""The chart of a commodity as columns and as CSV: what its page draws for the same parameters."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from conf.settings import settings
from lakehouse.strange_text import spreadsheet_text
from serving_api.http.problems import Problem
from serving_api.reads.dashboard.daily_figures import figures_of, read_series, series_commodity, sources_of
from serving_api.reads.dashboard.plain_page import Words, words_of
from serving_api.reads.forecasts import served_forecasts
from serving_api.reads.names import commodity_ids, forecast_commodity, region_of
from serving_api.reads.predictions import PredictionRequest, predict
from serving_api.reads.provenance import from_simulated
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.schemas.daily import ChartQuery

Values = Sequence[float | None]
PAGE = "/komoditas"
LEVELS = (0.8, 0.95)
NO_FORECAST = ("no-forecast", "model-unavailable")  # the chart then has none
MOST_COMPARED = 3


@dataclass(frozen=True)
class ChartView:
    """A chart. `item`: its columns, without `meta`; `tables`, `model`: what they come from."""

    item: dict[str, Any]
    tables: list[Snapshot]
    model: dict[str, Any] | None
    compared: tuple[str, ...]
    demo: bool
    words: Words
    query: ChartQuery

    @property
    def as_of(self) -> date | None:
        """The newest day with a price; None without one."""
        prices = zip(self.days, self.item["national"], strict=True)
        return max((day for day, price in prices if price is not None), default=None)

    @property
    def days(self) -> list[date]:
        """The days of the chart."""
        return [date.fromisoformat(day) for day in self.item["dates"]]


def read_chart(snapshots: Snapshots, query: ChartQuery) -> ChartView:
    """The chart of a query; blocks. Raises Problem 404 for an unknown commodity or province."""
    figures = figures_of(snapshots, query.known_on, commodity_ids(query.commodity))
    commodity = series_commodity(query.commodity, figures)
    code, region = region_of(query.region)
    compared = tuple(region_of(name)[1] for name in names_of(query.compared))
    last = query.day or figures.newest_day([commodity]) or date.today()
    first = last - timedelta(days=query.days - 1)
    key = ("series", commodity, first, last, query.known_on)
    series = figures.snapshots[0].cached(key, lambda: read_series(figures, commodity, first, last))
    forecasts = snapshots["gold.forecasts"]
    issued = None if query.day else champion_days(forecasts, query.commodity, code, region)
    words = words_of(query.lang)
    item = {
        "title": words.text("chart_title", name=series["name"], unit=series["unit"]),
        **{name: series[name] for name in ("commodity", "name", "unit", "level")},
        "region": region,
        **drawn(series, issued, query),
        "sources": sources_of(series["providers"], query.lang),
        "page": page_of(query),
    }
    tables = [*figures.snapshots, forecasts]
    demo = from_simulated(snapshots, [commodity])
    model = issued[1] if issued and item["forecast"] else None
    return ChartView(item, tables, model, compared, demo, words, query)


def names_of(text: str) -> list[str]:
    """The first three names of a list with commas, as many as the page compares."""
    return [name for part in text.split(",") if (name := part.strip())][:MOST_COMPARED]


def page_of(query: ChartQuery) -> str:
    """The address of the page with the chart."""
    given = query.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    parameters = urlencode({"komoditas": query.commodity, **given})
    return f"{settings().public_url}{PAGE}?{parameters}"


def champion_days(
    snapshot: Snapshot, name: str, code: str, region: str
) -> tuple[list[dict[str, Any]], dict[str, Any]] | None:
    """(the forecast at each level of `LEVELS`, its model); None without a forecast."""
    served = served_forecasts(snapshot)
    commodity = forecast_commodity(name, served, code)
    try:
        predictions = [
            predict(served, PredictionRequest(commodity, code, region, level=level)) for level in LEVELS
        ]
    except Problem as problem:
        if problem.slug not in NO_FORECAST:
            raise
        return None
    return [item for item, _, _ in predictions], predictions[0][1]


def drawn(
    series: dict[str, Any],
    issued: tuple[list[dict[str, Any]], dict[str, Any]] | None,
    query: ChartQuery,
) -> dict[str, Any]:
    """The columns of the chart: the last days with those of the forecast, of them those of `zoom`."""
    dates = list(series["dates"])
    ahead = [day["date"] for day in issued[0][0]["predictions"] if day["date"] not in dates] if issued else []
    fits = issued is not None and bool(ahead) and issued[0][0]["origin_date"] in dates
    dates += ahead if fits else []
    first, last = (day.isoformat() for day in query.span) if query.span else ("", "9")
    kept = [nth for nth in range(len(dates))[-query.days :] if first <= dates[nth] <= last]

    def cut(values: Values) -> list[float | None]:
        return [values[nth] if nth < len(values) else None for nth in kept]

    days = [dates[nth] for nth in kept]
    return {
        "dates": days,
        "regions": series["regions"],
        "price_idr": [cut(prices) for prices in series["price_idr"]],
        "national": cut(series["national"]),
        "reference_idr": cut(series["reference_idr"]),
        "forecast": forecast_columns(*issued, days) if fits and issued else None,
    }


def forecast_columns(levels: list[dict[str, Any]], model: dict[str, Any], days: list[str]) -> dict[str, Any]:
    """Prices and intervals of a forecast, an element per day of the chart."""

    def column(predicted: dict[str, Any], name: str) -> list[float | None]:
        values = {day["date"]: day[name] for day in predicted["predictions"]}
        return [values.get(day) for day in days]

    intervals = [
        {"level": level, "lower": column(item, "lower_idr"), "upper": column(item, "upper_idr")}
        for level, item in zip(LEVELS, levels, strict=True)
    ]
    head = {name: levels[0][name] for name in ("origin_date", "issued_at")}
    return {"model": model["name"], **head, "price_idr": column(levels[0], "price_idr"), "levels": intervals}


def csv_of(view: ChartView) -> bytes:
    """A row for each day; the columns have the names of the file that the page saves."""
    item = view.item
    names = [spreadsheet_text(region["name"]) for region in item["regions"]]
    columns: dict[str, Sequence[Any]] = {
        "market_date": item["dates"],
        "reference_price_idr": item["reference_idr"],
        **dict(zip(names, item["price_idr"], strict=True)),
        "national_price_idr": item["national"],
    }
    if forecast := item["forecast"]:
        columns["forecast_idr"] = forecast["price_idr"]
        for interval in forecast["levels"]:
            percent = round(100 * interval["level"])
            columns[f"forecast_low_{percent}"] = interval["lower"]
            columns[f"forecast_high_{percent}"] = interval["upper"]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue().encode()
