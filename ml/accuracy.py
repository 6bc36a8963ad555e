"""A judgement -> gold.model_accuracy, kind backtest, and gold.feature_importance."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pyarrow as pa
from deltalake import DeltaTable

from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from ml.cells import NAIVE
from ml.figures import accuracy_rows
from ml.issued import LEAST_SKILL
from ml.judge import Judgement
from ml.materialise import region_name
from ml.speakers import Speaker
from ml.tables import is_there, path_of, replace

ACCURACY, IMPORTANCE = "gold.model_accuracy", "gold.feature_importance"


def write_accuracy(judgement: Judgement, champions: Mapping[str, str], run_id: str) -> int:
    """Put the figures of all judged models and commodities in the place of what stood there; returns the table's rows."""
    cells = judgement.cells
    names = {code: region_name(code) for code in cells.regions}
    rows = accuracy_rows(cells, judgement.bands, names, champions, run_id, datetime.now(UTC))
    for row in rows:
        if row["skill_vs_naive"] is None:  # naive was exact where the model was not
            row["skill_vs_naive"] = LEAST_SKILL
    for row in _others(set(cells.models), set(cells.goods)):
        rows.append(row | {"alias": "champion" if champions.get(row["commodity"], NAIVE) == row["model"] else None})
    table = pa.Table.from_pylist(rows, schema=arrow_schema(contracts()[ACCURACY]))
    replace(ACCURACY, table, f"backtest {run_id}", "kind = 'backtest'")
    return len(rows)


def _others(models: set[str], goods: set[str]) -> list[dict[str, object]]:
    """Rows of earlier runs, of models or commodities that this one did not judge."""
    if not is_there(ACCURACY):
        return []
    rows = DeltaTable(path_of(ACCURACY)).to_pyarrow_table().to_pylist()
    return [row for row in rows if row["kind"] == "backtest" and not (row["model"] in models and row["commodity"] in goods)]


def write_importance(speakers: Mapping[str, Speaker], run_id: str) -> int:
    """What the features of the pooled model of prices are worth; 0 rows when no model has features."""
    model = next((s.forecaster for s in speakers.values() if hasattr(s.forecaster, "importance")), None)
    shares = model.importance() if model else {}
    if not shares:
        return 0
    ordered = sorted(shares.items(), key=lambda entry: (-entry[1], entry[0]))
    rows = [
        {"model": "price", "commodity": None, "feature": name, "importance": share, "rank": rank,
         "run_id": run_id, "measured_at": datetime.now(UTC)}
        for rank, (name, share) in enumerate(ordered, 1)
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=arrow_schema(contracts()[IMPORTANCE]))
    replace(IMPORTANCE, table, f"importance {run_id}", "model = 'price'")
    return len(rows)
