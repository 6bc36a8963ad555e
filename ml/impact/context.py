"""Daily series besides prices and weather that explain a move: pests in posts, deliveries, stocks."""

from collections import Counter
from datetime import date
from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.io.delta import read_columns
from lakehouse.reference import provinces, region_aliases
from lakehouse.sentiment.lexicon import mentions, named_in, words_of
from lakehouse.supply.route_time import base_hours
from ml.data.panel import ExogenousSeries, Floats, Panel
from ml.impact.factors import ARRIVALS, COVER, DELAY, DELIVERIES, PEST, STOCK

PEST_WORDS = frozenset({"hama", "wereng", "patek", "antraknosa", "ulat", "tikus", "pest"})
PEST_PATTERN = "|".join(sorted(PEST_WORDS))


def with_context(panel: Panel, root: str) -> Panel:
    """The panel with the context of the lake `root` as further exogenous series; absent tables give none."""
    series = [*_pests(panel, root), *_deliveries(panel, root), *_stocks(panel, root)]
    return panel.with_exogenous((*panel.exogenous, *series))


def on_panel(panel: Panel, cells: pd.Series) -> Floats:
    """(series, days) the values by commodity, province and day; NaN where there is none."""
    by_day = cells.unstack()
    by_day.columns = pd.DatetimeIndex(by_day.columns)
    series = pd.MultiIndex.from_tuples(panel.series)
    return np.asarray(by_day.reindex(index=series, columns=pd.DatetimeIndex(panel.days)), np.float64)


def _pests(panel: Panel, root: str) -> list[ExogenousSeries]:
    """Posts a day that mention a pest and a commodity, in the provinces that they name or in all."""
    posts = read_columns("silver.posts", ["title", "content", "commodities", "market_date"], root=root)
    if posts is None or not posts.num_rows:
        return []
    text = pc.binary_join_element_wise(pc.fill_null(posts["title"], ""), posts["content"], " ")
    mentioned = posts.filter(pc.match_substring_regex(text, PEST_PATTERN, ignore_case=True))
    cells: Counter[tuple[str, str, date]] = Counter()
    for post in mentioned.to_pylist():
        words = words_of(f"{post['title'] or ''} {post['content']}")
        if not PEST_WORDS & set(words):
            continue
        regions = {name.key for name in named_in(words, region_aliases())} or set(panel.regions)
        listed = {name.key for name in mentions(words)} | set(post["commodities"] or ())
        cells.update(product(listed, regions, [post["market_date"]]))
    index = pd.MultiIndex.from_tuples(cells, names=["commodity", "region_code", "market_date"])
    values = np.nan_to_num(on_panel(panel, pd.Series([*cells.values()], index, dtype=float)))
    return [ExogenousSeries(PEST, "posts a day", _since_first(panel, values, posts))]


def _since_first(panel: Panel, values: Floats, rows: pa.Table) -> Floats:
    """The values from the table's first day on; before it nothing was collected, which is not zero."""
    first = np.datetime64(pc.min(rows["market_date"]).as_py(), "D")
    return np.where(panel.days >= first, values, np.nan)


def _deliveries(panel: Panel, root: str) -> list[ExogenousSeries]:
    """Arrivals a day (number and kg) in a province, and their mean hours for an hour without delay."""
    columns = [
        "commodity",
        "destination_region_code",
        "arrived_at",
        "travel_hours",
        "distance_km",
        "quantity_kg",
    ]
    rows = read_columns("silver.shipments", columns, root=root)
    if rows is None:
        return []
    arrived = rows.filter(pc.is_valid(rows["arrived_at"])).to_pandas()
    arrived = arrived.assign(day=(arrived["arrived_at"] + pd.Timedelta(hours=7)).dt.date)
    arrived = arrived[arrived["destination_region_code"].isin([*provinces()])]
    if arrived.empty:
        return []
    timed = arrived[(arrived["distance_km"] > 0) & (arrived["travel_hours"] > 0)]
    delay = timed["travel_hours"] / timed["distance_km"].map(base_hours)
    cell = ["commodity", "destination_region_code", "day"]
    mass = arrived.groupby(cell)["quantity_kg"].agg(["size", "sum"])
    mean_delay = delay.groupby([timed[name] for name in cell]).mean()
    return [
        ExogenousSeries(DELIVERIES, "deliveries a day", on_panel(panel, mass["size"])),
        ExogenousSeries(ARRIVALS, "kg a day", on_panel(panel, mass["sum"])),
        ExogenousSeries(DELAY, "hours for an hour without delay", on_panel(panel, mean_delay)),
    ]


def _stocks(panel: Panel, root: str) -> list[ExogenousSeries]:
    """Stock of a province a day, and the days that it lasts at the outflow of those who report one."""
    columns = ["commodity", "region_code", "market_date", "quantity_kg", "outflow_kg"]
    rows = read_columns("gold.stock_days", columns, root=root)
    if rows is None or not rows.num_rows:
        return []
    known = rows.to_pandas()
    known["lasting"] = known["quantity_kg"].where(known["outflow_kg"] > 0)  # of those who report an outflow
    days = known.groupby(["commodity", "region_code", "market_date"]).sum()
    cover = (days["lasting"] / days["outflow_kg"])[days["outflow_kg"] > 0]
    return [
        ExogenousSeries(STOCK, "kg", on_panel(panel, days["quantity_kg"])),
        ExogenousSeries(COVER, "days", on_panel(panel, cover)),
    ]
