"""Alerts as the API shows them, from the snapshot of gold.alerts."""

from collections.abc import Mapping
from typing import Any

from lakehouse.alerts.lifecycle import OPEN_STATES
from lakehouse.translation import Language
from serving_api.reads.names import commodity_ids, region_code
from serving_api.reads.responses import KeyedItem, to_json_value
from serving_api.reads.snapshots import Snapshot
from serving_api.schemas.alerts import AlertItem, AlertsQuery

SHOWN = tuple(AlertItem.model_fields)
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


def alert_rows(snapshot: Snapshot) -> list[tuple[tuple[float, str], dict[str, Any]]]:
    """(sort key, row) of all alerts, newest first."""

    def read() -> list[tuple[tuple[float, str], dict[str, Any]]]:
        assert snapshot.rows is not None
        rows = [((-row["opened_at"].timestamp(), row["alert_id"]), row) for row in snapshot.rows.to_pylist()]
        return sorted(rows, key=lambda row: row[0])

    return snapshot.cached("alerts", read)


def rows_by_alert_id(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Alert id -> row."""
    return snapshot.cached("alerts by id", lambda: {row["alert_id"]: row for _, row in alert_rows(snapshot)})


def matching_alerts(snapshot: Snapshot, query: AlertsQuery, language: Language) -> list[KeyedItem]:
    """(sort key, item) of the alerts that the query asks for. Raises Problem 404 for an unknown name."""
    ids = commodity_ids(query.commodity) if query.commodity else None
    code = region_code(query.region)
    states = OPEN_STATES if query.state is None else (query.state,)
    return [
        (sort_key, alert_item(row, language))
        for sort_key, row in alert_rows(snapshot)
        if row["state"] in states
        and (ids is None or row["commodity"] in ids)
        and code in (None, row["region_code"])
        and query.level in (None, row["level"])
    ]
