"""Verdicts of a batch, run by run -> rows of silver.price_verdicts, and the evidence for a person."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.validation.prices.scores import Scores
from lakehouse.validation.prices.statistics import OF_WINDOW
from lakehouse.validation.prices.thresholds import Thresholds

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
    "forest_score",
    "source_gap",
    "source_tolerance",
    "national_ratio",
)


class Gathered:
    """Columns of all judged rows of a batch, with their row numbers in the order of judging."""

    def __init__(self) -> None:
        self._parts: list[Mapping[str, npt.NDArray[Any]]] = []
        self._rows: list[npt.NDArray[np.int64]] = []

    def add(self, rows: npt.NDArray[np.int64], columns: Mapping[str, npt.NDArray[Any]]) -> None:
        self._rows.append(rows)
        self._parts.append(columns)

    def whole(self, size: int) -> tuple[npt.NDArray[np.int64], Scores]:
        """(place of each of `size` batch rows among the judged, -1: not judged; columns of the judged)."""
        place = np.full(size, -1, dtype=np.int64)
        if not self._parts:
            return place, {}
        rows = np.concatenate(self._rows)
        place[rows] = np.arange(len(rows))
        return place, {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}


def verdict_rows(
    rows: pa.Table,
    place: npt.NDArray[np.int64],
    columns: Scores,
    landing: npt.NDArray[np.bool_],
    thresholds: Thresholds,
    rule_set: str,
) -> pa.Table:
    """Rows of silver.price_verdicts of the judged rows that no other rule refused (`landing`)."""
    schema = arrow_schema(contracts()[TABLE])
    numbers = np.flatnonzero((place >= 0) & landing)
    if not len(numbers):
        return schema.empty_table()
    chosen = rows if len(numbers) == rows.num_rows else rows.take(pa.array(numbers))
    chosen_places = place[numbers]
    arrays = {
        "policy": pa.repeat(thresholds.policy, len(numbers)),
        "thresholds": pa.repeat(thresholds.version, len(numbers)),
        "rule_set": pa.repeat(rule_set, len(numbers)),
    }
    for field in schema:
        if field.name in arrays:
            continue
        if field.name in COPIED_COLUMNS:
            arrays[field.name] = chosen[field.name]
        else:
            arrays[field.name] = pa.array(columns[field.name][chosen_places], from_pandas=True)
    return pa.table(
        {name: pc.cast(arrays[name], schema.field(name).type) for name in schema.names}, schema=schema
    )


def readable(columns: Scores, at: int, names: tuple[str, ...] = SHOWN_COLUMNS) -> dict[str, Any]:
    """Values of one judged row as JSON-able data, NaN as None, figures with six significant digits."""
    values: dict[str, Any] = {}
    for name in names:
        value = columns[name][at].item() if hasattr(columns[name][at], "item") else columns[name][at]
        if isinstance(value, float):
            value = float(f"{value:.6g}") if np.isfinite(value) else None
        values[name] = value
    return values
