"""`prices`: a chart of daily prices in the terminal, with the forecast and its interval."""

import shutil
import sys
from datetime import date
from typing import Annotated, Any

import typer

from conf.runtime.exit_codes import ExitCode
from lakehouse.io.terminal import translated
from lakehouse.reference import matching_key, provinces, region_aliases
from scripts.console import AsJson, console, emit, fail, new_app, result_console
from scripts.local_api import Api

app = new_app(None)
NATION = "Indonesia"
HEIGHT = 20  # lines of the chart; with its summary it fits a terminal of 24
WIDTH_OFF_TERMINAL = 100
TICKS = 6  # on each axis
BOUNDS = ("lower_idr", "upper_idr")
WEEK = 7


@app.command()
def prices(
    commodity: Annotated[str, typer.Argument(help="id or alias, such as cabai-rawit-merah")],
    region: Annotated[str | None, typer.Argument(help="province; without it the whole country")] = None,
    days: Annotated[int, typer.Option(min=2, max=365, help="how many days up to the newest price")] = 90,
    as_json: AsJson = False,
) -> None:
    """Draw the daily prices of a commodity and the forecast with the interval that holds 80 %."""
    api = Api()
    series = series_of(api, commodity, region, days)
    if as_json:
        emit(series)
        return
    if not any(row["price_idr"] for row in series["prices"]):
        fail(f"no price of {series['name']} in {series['region']} in these days", ExitCode.FAILED)
    print(summary_of(series))
    print(chart_of(series))
    if series["forecast"] is None:
        console.print(f"no forecast: {series['no_forecast']}", markup=False)


def series_of(api: Api, commodity: str, region: str | None, days: int) -> dict[str, Any]:
    """Prices and forecast of a commodity and place. Exits 2 for an unknown province, 1 for a commodity."""
    code = None
    if region is not None:
        code = region_aliases().get(matching_key(region))
        if code is None:
            fail(f"there is no province with the name or code '{region}'", ExitCode.USAGE)
    daily = api.request("GET", "/api/v1/series/daily", params={"commodity": commodity})
    codes = [place["code"] for place in daily["regions"]]
    column = (
        daily["national"] if code is None else daily["price_idr"][codes.index(code)] if code in codes else []
    )
    pairs = list(zip(daily["dates"], column, strict=False))[-days:]
    place = provinces()[code].name if code else NATION
    query = {"commodity": daily["commodity"], **({"region": place} if code else {})}
    answer = api.response("GET", "/api/public/forecast", params=query)
    forecast = answer.json()
    return {
        **{name: daily[name] for name in ("commodity", "name", "unit")},
        "region": place,
        "prices": [{"date": day, "price_idr": price} for day, price in pairs],
        "forecast": forecast["forecast"] if answer.is_success else None,
        "interval_level": forecast.get("interval_level"),
        "model": (forecast.get("meta") or {}).get("model"),
        "no_forecast": None if answer.is_success else forecast["detail"],
    }


def summary_of(series: dict[str, Any]) -> str:
    """The newest price, its change in a week, and the last day of the forecast."""
    known = {row["date"]: row["price_idr"] for row in series["prices"] if row["price_idr"]}
    newest = max(known)
    text = f"{series['name']}, {series['region']}: Rp {known[newest]:,.0f}/{series['unit']} ({newest})"
    before = known.get(date.fromordinal(date.fromisoformat(newest).toordinal() - WEEK).isoformat())
    if before:
        text += translated(f", {100 * (known[newest] / before - 1):+.1f} % in 7 days")
    if series["forecast"]:
        last = series["forecast"][-1]
        interval = f"{last['lower_idr']:,.0f} – {last['upper_idr']:,.0f}, {series['interval_level']:.0%}"
        model = series["model"]["name"]
        text += "\n" + translated(
            f"forecast for {last['date']}: Rp {last['price_idr']:,.0f} ({interval}), {model}"
        )
    return text


def chart_of(series: dict[str, Any]) -> str:
    """The chart as text, in colours on a terminal."""
    import plotext  # a chart alone needs it

    known = [(day_of(row), row["price_idr"]) for row in series["prices"] if row["price_idr"]]
    plotext.clear_figure()
    plotext.theme("clear")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH_OFF_TERMINAL
    plotext.plot_size(width, HEIGHT)
    plotext.plot(*zip(*known, strict=True), marker="braille", color="green", label=translated("price"))
    if forecast := series["forecast"]:
        ahead = [day_of(row) for row in forecast]
        for bound in BOUNDS:
            label = translated("interval") if bound == "upper_idr" else None
            values = [row[bound] for row in forecast]
            plotext.plot(ahead, values, marker="braille", color="orange", label=label)
        values = [row["price_idr"] for row in forecast]
        plotext.scatter(ahead, values, marker="x", color="orange", label=translated("forecast"))
    heights = [price for _, price in known] + [row[name] for row in forecast or () for name in BOUNDS]
    levels = [min(heights) + (max(heights) - min(heights)) * step / (TICKS - 1) for step in range(TICKS)]
    plotext.yticks(levels, [f"{level:,.0f}" for level in levels])
    last = day_of(forecast[-1]) if forecast else known[-1][0]
    ticks = [known[0][0] + (last - known[0][0]) * step // (TICKS - 1) for step in range(TICKS)]
    plotext.xticks(ticks, [date.fromordinal(day).isoformat() for day in ticks])
    text = str(plotext.build())
    return text if result_console().color_system else str(plotext.uncolorize(text))


def day_of(row: dict[str, Any]) -> int:
    """The day of a row, by number."""
    return date.fromisoformat(row["date"]).toordinal()
