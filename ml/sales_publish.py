"""A round of sales -> its gold tables, and the file that answers."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import skops.io

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from ml.sales import SalesRound
from ml.sales_stack import Model
from ml.tables import replace

FIGURES, LEAKS, IMPORTANCE = "gold.sales_model", "gold.sales_leaks", "gold.feature_importance"


def model_file() -> Path:
    """Where the champion lies for those that serve it."""
    return settings().state_dir / "models" / "sales.skops"


def publish(done: SalesRound, run_id: str) -> None:
    """Write the round's tables and the file that answers. A round that was stopped says what stopped it, and no more."""
    now = datetime.now(UTC)
    marks = {"run_id": run_id, "data_version": done.data_version, "measured_at": now}
    write(LEAKS, [row | marks for row in done.leaks], run_id)
    if done.model is None:
        return
    # The file first: tables that tell of a model which does not answer yet would be the greater lie.
    export(
        done.model | {"run_id": run_id, "data_version": done.data_version, "trained_at": now.isoformat(), "reason": done.reason}
    )
    write(FIGURES, [row | marks for row in done.figures], run_id)
    ranked = sorted(done.importance.items(), key=lambda pair: (-pair[1], pair[0]))
    shares = [
        {"model": "sales", "commodity": None, "feature": name, "importance": share, "rank": rank, **marks}
        for rank, (name, share) in enumerate(ranked, 1)
    ]
    write(IMPORTANCE, shares, run_id, "model = 'sales'")


def write(table: str, rows: list[dict[str, Any]], run_id: str, where: str | None = None) -> None:
    columns = contracts()[table].column_names
    told = pa.Table.from_pylist([{name: row[name] for name in columns} for row in rows], schema=arrow_schema(contracts()[table]))
    replace(table, told, f"sales {run_id}", where)


def export(model: Model) -> None:
    """Put the file in its place in one step: a reader sees the old one or the new one."""
    file = model_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".tmp")
    skops.io.dump(model, fresh)
    fresh.replace(file)
