"""Which quarantined rows are an operator's own: those of the provinces that the account is limited to."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from lakehouse.identity.roles import Principal
from lakehouse.reference import matching_key, region_aliases
from serving_api.reads.names import region_code_of_market
from serving_api.reads.snapshots import Snapshots

NEEDED = ("market_id", "payload")
IsOwn = Callable[[Mapping[str, Any]], bool]


def own_rows(caller: Principal, snapshots: Snapshots) -> IsOwn | None:
    """Whether a row with the columns NEEDED is the caller's own; None when all rows are.

    A row whose province is not known belongs to those who are limited to none.
    """
    if caller.unlimited:
        return None
    return lambda row: caller.covers(region_of(row, snapshots))


def region_of(row: Mapping[str, Any], snapshots: Snapshots) -> str | None:
    """Code of the province: that of the market, else the one that the event names; None when unknown."""
    code = region_code_of_market(snapshots, row["market_id"])
    if code is not None:
        return code
    try:
        payload = orjson.loads(row["payload"] or b"null")
    except orjson.JSONDecodeError:
        return None
    named = payload.get("region") if isinstance(payload, dict) else None
    return region_aliases().get(matching_key(named)) if isinstance(named, str) else None
