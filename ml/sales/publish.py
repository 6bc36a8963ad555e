"""A sales round -> its gold tables, and the model file that the API loads."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import skops.io

from conf.runtime.status_files import write_bytes
from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import replace_once
from lakehouse.reference import DEFAULT_SHOP
from lakehouse.sales import model_name
from ml.forecasts.accuracy_table import IMPORTANCE, importance_rows
from ml.sales.evaluate import SalesRound

SCORES = "gold.sales_model"
LEAKS = "gold.sales_leaks"
ELASTICITIES = "gold.price_elasticity"
LIFTS = "gold.discount_lift"


def model_file(shop: str = DEFAULT_SHOP) -> Path:
    """Where the champion of a shop is kept for those that serve it."""
    return settings().state_dir / "models" / f"{model_name(shop)}.skops"


def publish(outcome: SalesRound, run_id: str) -> None:
    """Write the round's tables and its model. A stopped round has no model to write."""
    now = datetime.now(UTC)
    origin = {"run_id": run_id, "data_version": outcome.data_version, "measured_at": now}
    of_shop = {"shop": outcome.shop, **origin}
    same_shop = f"shop = '{outcome.shop}'"
    _replace_rows(LEAKS, [row | of_shop for row in outcome.leaks], run_id, same_shop)
    _replace_rows(ELASTICITIES, [row | of_shop for row in outcome.elasticities], run_id, same_shop)
    _replace_rows(LIFTS, [row | of_shop for row in outcome.lifts], run_id, same_shop)
    if outcome.model is None:
        return
    # The file comes first: the tables must not describe a model that does not serve yet.
    model = outcome.model | {
        "run_id": run_id,
        "data_version": outcome.data_version,
        "trained_at": now.isoformat(),
        "reason": outcome.reason,
    }
    write_bytes(model_file(outcome.shop), skops.io.dumps(model))
    _replace_rows(SCORES, [row | of_shop for row in outcome.scores], run_id, same_shop)
    name = model_name(outcome.shop)
    shares = importance_rows(name, outcome.importance, origin)
    _replace_rows(IMPORTANCE, shares, run_id, f"model = '{name}'")


def _replace_rows(table: str, rows: list[dict[str, Any]], run_id: str, predicate: str) -> None:
    contract = contracts()[table]
    columns = [{name: row[name] for name in contract.column_names} for row in rows]
    replace_once(table, columns, f"sales {run_id}", predicate)
