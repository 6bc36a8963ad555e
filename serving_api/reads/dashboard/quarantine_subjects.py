"""What a quarantined event is about, by the names of the reference lists, and the names of its neighbours."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from lakehouse.event import lenient_payload
from lakehouse.reference import commodities, commodity_aliases, markets, matching_key, provinces
from lakehouse.times import parse_time
from serving_api.reads.names import region_code_of_market, timezone_of
from serving_api.reads.review.own_regions import region_of
from serving_api.reads.snapshots import Snapshots

NEEDED = ("payload", "evidence")  # columns of silver.quarantine, besides those of the list
# Kind -> the payload field that a reader looks at first.
MAIN_FIELDS = {
    "price": "price",
    "stock": "quantity_kg",
    "shipment": "quantity_kg",
    "listing": "Price",
    "macro": "value",
    "bar": "close",
}
LONGEST_UNIT = 32  # characters; longer ones are no unit


def subject_of(row: Mapping[str, Any], snapshots: Snapshots) -> dict[str, Any] | None:
    """Commodity, market, region, day, value and last accepted value of an event; None when it is no object.

    A name that the reference lists do not have is null, or the market's id.
    """
    payload = lenient_payload(row["payload"] or b"")
    if not isinstance(payload, dict):
        return None
    evidence = evidence_of(row, snapshots) or {}
    commodity = commodities().get(commodity_aliases().get(matching_key(row["commodity"] or ""), ""))
    province = provinces().get(region_of(row, snapshots) or "")
    return {
        "commodity": commodity.id if commodity else None,
        "commodity_name": commodity.name if commodity else None,
        "market_name": market_name(row["market_id"], snapshots),
        "region": province.name if province else None,
        "market_date": evidence.get("market_date") or market_day(row, payload),
        "value": number(payload.get(MAIN_FIELDS.get(row["kind"], ""))),
        "last_value": number((evidence.get("statistics") or {}).get("last_price_idr")),
        "unit": unit_of(row["kind"], payload, commodity.unit if commodity else None),
    }


def evidence_of(row: Mapping[str, Any], snapshots: Snapshots) -> dict[str, Any] | None:
    """The evidence with the names of neighbours and their provinces; None when there is none."""
    evidence: dict[str, Any] | None = orjson.loads(row["evidence"]) if row["evidence"] else None
    if evidence is None or "neighbours" not in evidence:
        return evidence
    return evidence | {"neighbours": [_with_names(near, snapshots) for near in evidence["neighbours"]]}


def _with_names(neighbour: dict[str, Any], snapshots: Snapshots) -> dict[str, Any]:
    market_id = neighbour["market_id"]
    province = provinces().get(region_code_of_market(snapshots, market_id) or "")
    return neighbour | {
        "market_name": market_name(market_id, snapshots),
        "region": province.name if province else None,
    }


def market_name(market_id: str | None, snapshots: Snapshots) -> str | None:
    """Name of a market that is listed or has reported; else its id."""
    if market_id is None or market_id in markets():
        return markets()[market_id].name if market_id else None
    reported = snapshots["gold.markets"].rows_by("market_id").get(market_id)
    return reported["name"] if reported else market_id


def market_day(row: Mapping[str, Any], payload: Mapping[str, Any]) -> str | None:
    """The market's local day of the event, YYYY-MM-DD; of the receipt when it names no time."""
    given = payload.get("event_time")
    at: datetime | None = row["received_at"] if given is None else parse_time(str(given))
    if at is None:
        return None
    region = payload.get("region")
    zone = timezone_of(row["market_id"], region if isinstance(region, str) else None)
    local = at.replace(tzinfo=at.tzinfo or UTC).astimezone(ZoneInfo(zone))
    return local.date().isoformat()


def unit_of(kind: str, payload: Mapping[str, Any], usual: str | None) -> str | None:
    """The unit of the value: the commodity's own when the event names none."""
    if MAIN_FIELDS.get(kind) == "quantity_kg":
        return "kg"
    given = payload.get("unit")
    return given if isinstance(given, str) and len(given) <= LONGEST_UNIT else usual


def number(value: Any) -> float | None:
    """The value when it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None
