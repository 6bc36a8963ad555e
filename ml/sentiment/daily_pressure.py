"""gold.sentiment -> the daily price pressure of posts as a series of the panel."""

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from lakehouse.io.delta import read_columns
from ml.data.panel import ExogenousSeries, Panel

SENTIMENT = "sentiment"


def read_pressure(panel: Panel, root: str) -> ExogenousSeries | None:
    """(series, days) pressure of the posts about each commodity, known on the day after; None without posts.

    A day without a statement is 0 between the first and the last day with posts, and NaN outside.
    """
    columns = ["subject", "market_date", "pressure"]
    of_commodities = pc.field("subject_kind") == "commodity"
    rows = read_columns("gold.sentiment", columns, of_commodities, root)
    if not rows:
        return None
    pressure = rows.to_pandas().pivot(index="subject", columns="market_date", values="pressure")
    pressure.columns = pd.DatetimeIndex(pressure.columns) + pd.Timedelta(days=1)
    every_day = pd.date_range(pressure.columns.min(), pressure.columns.max())
    stated = pressure.reindex(index=panel.commodities, columns=every_day).fillna(0.0)
    value = stated.reindex(columns=pd.DatetimeIndex(panel.days)).to_numpy(np.float64)
    return ExogenousSeries(SENTIMENT, "share, -1 to 1", value)
