"""Exogenous series: world prices, exchange rates, inflation and weather, each on the day it became known."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from conf.settings import settings
from lakehouse.io.delta import read_columns
from lakehouse.io.source_files.formats import formats
from lakehouse.io.source_files.source_format import SourceFormat
from ml.data.panel import Days, ExogenousSeries

PandasData = TypeVar("PandasData", pd.Series, pd.DataFrame)
JAKARTA_HOURS = 7  # ahead of UTC, all year
WEATHER_UNITS = {"rainfall_mm": "mm a day", "temperature_c": "°C", "humidity_pct": "percent"}


def read_folder(folder: Path, days: Days) -> tuple[ExogenousSeries, ...]:
    """Quotes in the files below `folder` that match conf/sources/futures.yml or currency.yml.

    A quote is known on the day after its own.
    """
    known = formats()
    return tuple(
        _quotes(file, known[name], days)
        for name in ("futures", "currency")
        for file in sorted(folder.rglob("*.csv"))
        if name in known and known[name].misplaced(file, is_requested=True) is None
    )


def _quotes(file: Path, source: SourceFormat, days: Days) -> ExogenousSeries:
    """The quotes of one file; its name is that of an instrument in the format."""
    (event,) = source.events
    origins = source.origins(file)
    rows = pd.read_csv(file, thousands=event.fields["value"].thousands or None)
    released = pd.to_datetime(rows[event.time.column]) + pd.Timedelta(seconds=event.time.lag_seconds)
    values = pd.to_numeric(rows[event.fields["value"].column], errors="coerce")
    of_file = event.fields["indicator"], event.fields["unit"]
    name, unit = (str(field.value(origins[field.origin or ""])) for field in of_file)
    return ExogenousSeries(name, unit, _on_days(values.set_axis(_known_on(released)), days).to_numpy())


def read_lake(root: str, days: Days, regions: Iterable[str]) -> tuple[ExogenousSeries, ...]:
    """silver.macro by day of release, silver.weather by the day after the measurement.

    Empty where a table is absent.
    """
    return (*_macro(root, days), *_weather(root, days, tuple(regions)))


def _macro(root: str, days: Days) -> list[ExogenousSeries]:
    table = read_columns("silver.macro", ["indicator", "value", "unit", "released_at"], root=root)
    if table is None:
        return []
    rows = table.to_pandas().dropna(subset=["value"]).sort_values(["indicator", "released_at"])
    rows["known"] = _known_on(rows["released_at"].dt.tz_convert("UTC").dt.tz_localize(None))
    return [
        ExogenousSeries(
            str(name),
            str(part["unit"].iloc[-1]),
            _on_days(part.set_index("known")["value"], days).to_numpy(np.float64),
        )
        for name, part in rows.groupby("indicator")
    ]


def _weather(root: str, days: Days, regions: tuple[str, ...]) -> list[ExogenousSeries]:
    table = read_columns("silver.weather", ["region_code", "date", *WEATHER_UNITS], root=root)
    if not table:
        return []
    rows = table.to_pandas()
    rows["known"] = pd.to_datetime(rows["date"]) + pd.Timedelta(days=1)
    means = rows.groupby(["region_code", "known"])[list(WEATHER_UNITS)].mean().unstack("region_code")
    on_days = _on_days(means, days)
    return [
        ExogenousSeries(measure, unit, on_days[measure].reindex(columns=list(regions)).to_numpy().T)
        for measure, unit in WEATHER_UNITS.items()
    ]


def _known_on(moment: pd.Series) -> pd.Series:
    """The first day whose cut (knob forecast.cut_local_time, Jakarta) is not before a moment (UTC)."""
    cut = settings().forecast.cut_local_time
    after_cut = pd.Timedelta(hours=24 + JAKARTA_HOURS - cut.hour, minutes=-cut.minute)
    return (moment + after_cut - pd.Timedelta(1)).dt.normalize()


def _on_days(values: PandasData, days: Days) -> PandasData:
    """The values, whose index is the day on which each became known, by day: the last one of a day.

    Earlier values count on the first day.
    """
    in_order = values.sort_index(kind="stable")
    first = pd.Timestamp(days[0])
    newest = in_order.groupby(in_order.index.where(in_order.index >= first, first)).last()
    return newest.reindex(pd.DatetimeIndex(days))
