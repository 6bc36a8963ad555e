"""Panels from where prices are kept: a lake's gold.daily_prices, or files."""

from pathlib import Path

import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.io.delta import open_if_exists
from ml.data.exogenous import read_lake
from ml.data.files import SCHEMA, read_files
from ml.data.panel import NothingToLearn, Panel
from ml.data.sources import panel_of_sources, two_sources


def daily_prices(root: str, lag_days: int = 0, *, longest: bool = False) -> Panel:
    """Panel of the retail prices of gold.daily_prices in the lake `root`, with macro and weather series.

    A commodity in a province is one series. It is taken from one level, markets or province, and from one
    provider (lakehouse.gold.chosen_provider); neither is ever mixed. Prices of another provider are an
    exogenous series (ml.data.sources).
    `lag_days`: publishing lag of the source. `longest`: each series is that of the provider with most days,
    also when it has ended; `source["provider_of"]` names it by "commodity region". Raises NothingToLearn
    while the table is missing or holds no retail price.
    """
    table = open_if_exists("gold.daily_prices", root=root)
    if table is None:
        raise NothingToLearn(f"no table gold.daily_prices in {root}")
    retail = pc.field("channel") == "retail"
    daily = table.to_pyarrow_dataset().to_table(columns=SCHEMA.names, filter=retail)
    if not daily.num_rows:
        raise NothingToLearn(f"gold.daily_prices in {root} holds no retail price")
    rows, second = two_sources(daily, settings().lake.providers, longest)
    providers = ", ".join(sorted(rows["provider"].unique()))
    source = {"table": "gold.daily_prices", "version": table.version(), "providers": providers}
    if longest:
        first = rows.groupby(["commodity", "region"], observed=True)["provider"].first()
        source["provider_of"] = {f"{name} {region}": provider for (name, region), provider in first.items()}
    panel = panel_of_sources(rows, second, source, lag_days)
    return panel.with_exogenous((*panel.exogenous, *read_lake(root, panel.days, panel.regions)))


def read_panel(place: str | Path, lag_days: int = 0) -> Panel:
    """Panel of a lake's root or of files (`read_files`), whichever `place` is.

    Raises NothingToLearn when there is no price.
    """
    path = Path(place)
    if "://" in str(place) or (path / "gold").is_dir():
        return daily_prices(str(place), lag_days)
    return read_files(path, lag_days)
