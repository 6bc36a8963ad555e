"""Which events are an operator's own: those of the provinces that the account is limited to."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lakehouse.contracts.contract import kinds
from lakehouse.event import lenient_payload
from lakehouse.identity.roles import Principal
from lakehouse.reference import matching_key, place_aliases, region_aliases
from serving_api.reads.names import region_code_of_market
from serving_api.reads.snapshots import Snapshots

NEEDED = ("market_id", "payload")
REGION = "region_not_own"  # code of the fault
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
    return code or region_aliases().get(matching_key(payload_of(row["payload"]).get("region", "")))


def payload_of(body: bytes | None) -> dict[str, Any]:
    """The texts that an event names; none when it cannot be read."""
    payload = lenient_payload(body or b"")
    given = payload if isinstance(payload, dict) else {}
    return {name: value for name, value in given.items() if isinstance(value, str)}


def is_own_event(
    caller: Principal, names: Iterable[str], payload: Mapping[str, Any], snapshots: Snapshots
) -> bool:
    """Whether all provinces of an event of these kinds are the caller's own; of a way, one of its ends.

    An event whose province is not known belongs to those who are limited to none. Posts and listings have
    no province.
    """
    if caller.unlimited:
        return True
    fields = {field.name: field for kind in names for field in kinds()[kind].payload}
    given = {name: payload[name] for name in fields if isinstance(payload.get(name), str)}

    def named(kind: str, aliases: Mapping[str, str]) -> set[str | None]:
        texts = (text for name, text in given.items() if fields[name].names == kind)
        return {aliases.get(matching_key(text)) for text in texts}

    ends = named("place", place_aliases())
    codes = named("region", region_aliases()) | {region_code_of_market(snapshots, given.get("market_id"))}
    known = codes - {None}
    has_province = "market_id" in fields
    return all(map(caller.covers, known)) and (
        bool(known) or not has_province or any(map(caller.covers, ends))
    )
