"""gold.sentiment -> the daily price pressure of posts as a series of the panel."""

from datetime import date

import numpy as np
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
    first: date = panel.days[0].astype(date)
    known_on = [(day - first).days + 1 for day in rows["market_date"].to_pylist()]
    begin = max(min(known_on), 0)
    value = np.full(panel.price.shape, np.nan)
    value[:, begin : max(known_on) + 1] = 0.0
    for subject, column, pressure in zip(
        rows["subject"].to_pylist(), known_on, rows["pressure"].to_pylist(), strict=True
    ):
        if 0 <= column < len(panel.days):
            value[panel.rows_of(subject), column] = pressure or 0.0
    return ExogenousSeries(SENTIMENT, "share, -1 to 1", value)
