"""Verdicts of a batch, run by run -> rows of silver.price_verdicts, and the evidence for a person."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.validation import Flags
from lakehouse.validation.prices.scores import Scores
from lakehouse.validation.prices.statistics import OF_WINDOW
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.windows import Ints

TABLE = "silver.price_verdicts"
COPIED_COLUMNS = (
    "event_id",
    "device_id",
    "provider",
    "market_id",
    "region_code",
    "level",
    "commodity",
    "channel",
    "market_date",
    "event_time",
    "price_idr",
    "ingested_at",
)
SHOWN_COLUMNS = (
    *OF_WINDOW,
    "last_price_idr",
    "days_since_last",
    "move",
    "national_move",
    "zscore",
    "deviation",
    "hampel",
    "score_r",
    "score_g",
    "sibling",
    "sibling_idr",
    "forest_score",
    "source_gap",
    "source_tolerance",
    "national_ratio",
)


def gathered(parts: Sequence[tuple[Ints, Scores]], size: int) -> tuple[Ints, Scores]:
    """(place of each of `size` batch rows among the judged, -1: not judged; columns of the judged).

    `parts`: row numbers in the order of judging, with the columns of these rows.
    """
    place = np.full(size, -1, dtype=np.int64)
    if not parts:
        return place, {}
    rows = np.concatenate([rows for rows, _ in parts])
    place[rows] = np.arange(len(rows))
    return place, {name: np.concatenate([columns[name] for _, columns in parts]) for name in parts[0][1]}


def verdict_rows(
    rows: pa.Table, place: Ints, columns: Scores, landing: Flags, thresholds: Thresholds, rule_set: str
) -> pa.Table:
    """Rows of silver.price_verdicts of the judged rows that no other rule refused (`landing`)."""
    schema = arrow_schema(contracts()[TABLE])
    numbers = np.flatnonzero((place >= 0) & landing)
    if not len(numbers):
        return schema.empty_table()
    chosen = rows if len(numbers) == rows.num_rows else rows.take(pa.array(numbers))
    common = {"policy": thresholds.policy, "thresholds": thresholds.version, "rule_set": rule_set}
    arrays = []
    for field in schema:
        if field.name in common:
            array = pa.repeat(common[field.name], len(numbers))
        elif field.name in COPIED_COLUMNS:
            array = chosen[field.name]
        else:
            array = pa.array(columns[field.name][place[numbers]], from_pandas=True)
        arrays.append(pc.cast(array, field.type))
    return pa.table(arrays, schema=schema)


def readable(columns: Scores, at: int, names: tuple[str, ...] = SHOWN_COLUMNS) -> dict[str, Any]:
    """Values of one judged row as JSON-able data, NaN as None, figures with six significant digits."""
    values: dict[str, Any] = {}
    for name in names:
        value = columns[name][at].item() if hasattr(columns[name][at], "item") else columns[name][at]
        if isinstance(value, float):
            value = float(f"{value:.6g}") if np.isfinite(value) else None
        values[name] = value
    return values
