"""Alerts as the API shows them, from the snapshot of gold.alerts."""

from collections.abc import Mapping
from typing import Any

from lakehouse.translation import Language
from serving_api.reads.responses import to_json_value

COLUMNS = (
    "alert_id, rule, commodity, market_id, region, level, risk_score, risk_reason, tier, message, action, "
    "state, stale, value, price_idr, market_date, opened_at, active_at, respond_by, acknowledged_at, "
    "closed_at, outcome_pct, updated_at"
)
SHOWN = frozenset(COLUMNS.split(", "))
OF_PEOPLE = ("acknowledged_by", "acknowledged_at", "note", "raised_by")


def alert_item(row: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """A row of gold.alerts as an item, with its texts in a language."""
    texts = {}
    if language == "id":
        texts = {"message": row["message_indonesian"], "action": row["action_indonesian"]}
    return {name: to_json_value(value) for name, value in ({**row, **texts}).items() if name in SHOWN}


def operator_alert_item(row: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """The item with what people did about the alert, for those who may act on it."""
    return alert_item(row, language) | {name: to_json_value(row[name]) for name in OF_PEOPLE}
