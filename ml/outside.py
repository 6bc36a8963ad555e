"""What moves prices and is no price of the panel: world prices, exchange rates, inflation, rain. Each at the day it was known."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import yaml
from deltalake import DeltaTable

from conf.settings import settings
from lakehouse.paths import table_path
from ml.panel import Days, Outside

JAKARTA_HOURS = 7  # ahead of UTC, all year
FORMATS = Path(__file__).resolve().parent.parent / "conf" / "sources"
MEASURES = {"rainfall_mm": "mm a day", "temperature_c": "°C", "humidity_pct": "percent"}


def of_folder(folder: Path, days: Days) -> tuple[Outside, ...]:
    """Quotes in files of the formats conf/sources/futures.yml and currency.yml; a quote is known on the day after its own."""
    found = []
    for name in ("futures", "currency"):
        wanted = yaml.safe_load((FORMATS / f"{name}.yml").read_text(encoding="utf-8"))
        fields = wanted["fields"]
        for file in sorted(folder.rglob("*.csv")):
            match = re.fullmatch(wanted["file_name"], file.name)
            listed = fields["indicator"]["values"]
            if match is None or match[1] not in listed:
                continue
            rows = pd.read_csv(file, thousands=fields["value"].get("thousands"))
            known = pd.to_datetime(rows[wanted["time"]["column"]]) + pd.Timedelta(seconds=wanted["time"]["lag_seconds"])
            value = pd.to_numeric(rows[fields["value"]["column"]], errors="coerce")
            found.append(Outside(listed[match[1]], fields["unit"]["values"][match[1]], _placed(_known_on(known), value, days)))
    return tuple(found)


def of_lake(root: str, days: Days, regions: Iterable[str]) -> tuple[Outside, ...]:
    """silver.macro by its day of release, silver.weather by the day after it was measured. Nothing where a table is absent."""
    return (*_macro(root, days), *_weather(root, days, tuple(regions)))


def _macro(root: str, days: Days) -> list[Outside]:
    rows = _rows(root, "silver.macro", ["indicator", "value", "unit", "released_at"])
    if rows is None:
        return []
    rows = rows.dropna(subset=["value"]).sort_values(["indicator", "released_at"])
    known = _known_on(rows["released_at"].dt.tz_convert("UTC").dt.tz_localize(None))
    return [
        Outside(str(name), str(part["unit"].iloc[-1]), _placed(known[part.index], part["value"], days))
        for name, part in rows.groupby("indicator")
    ]


def _weather(root: str, days: Days, regions: tuple[str, ...]) -> list[Outside]:
    rows = _rows(root, "silver.weather", ["region_code", "date", *MEASURES])
    if rows is None or rows.empty:
        return []
    known = pd.to_datetime(rows["date"]) + pd.Timedelta(days=1)
    means = rows.assign(known=known).groupby(["region_code", "known"])[list(MEASURES)].mean()
    found = []
    for measure, unit in MEASURES.items():
        value = np.full((len(regions), len(days)), np.nan)
        for region, part in means[measure].groupby(level="region_code"):
            here = [row for row, code in enumerate(regions) if code == region]
            value[here] = _placed(part.index.get_level_values("known").to_series(), part, days)
        found.append(Outside(measure, unit, value))
    return found


def _rows(root: str, table: str, columns: list[str]) -> pd.DataFrame | None:
    path = table_path(root, table)
    if not DeltaTable.is_deltatable(path):
        return None
    dataset: ds.Dataset = DeltaTable(path).to_pyarrow_dataset()
    return dataset.to_table(columns=columns).to_pandas()


def _known_on(moment: pd.Series) -> pd.Series:
    """The first day at whose cut (knob forecast.cut_local_time, Jakarta) a moment (UTC) lies in the past."""
    cut = settings().forecast.cut_local_time
    after_cut = pd.Timedelta(hours=24 + JAKARTA_HOURS - cut.hour, minutes=-cut.minute)
    return (moment + after_cut - pd.Timedelta(1)).dt.normalize()


def _placed(known: pd.Series, value: pd.Series, days: Days) -> np.ndarray:
    """(days,) value at the day it became known, the last one of a day; what was known before the first day stands there."""
    moved = np.maximum(known.to_numpy().astype("datetime64[D]"), days[0])
    order = np.argsort(known.to_numpy(), kind="stable")
    placed = np.full(len(days), np.nan)
    for at, one in zip((moved - days[0]).astype(int)[order], value.to_numpy(dtype=np.float64)[order], strict=True):
        if at < len(days) and np.isfinite(one):
            placed[at] = one
    return placed
