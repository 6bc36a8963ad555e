"""Would this price pass? Judged by the statistics of its series as they stand; with a token it is also sent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response

from conf.settings import settings
from lakehouse.event import Fault, faults, parse_time
from lakehouse.reference import commodities, commodity_aliases, markets, matching_key, region_aliases, unit_aliases
from lakehouse.validation.price_check import PriceCheck, check_price
from serving_api.access import Role, role_of
from serving_api.answers import JSON, accepts, meta, plain, rules_now
from serving_api.bodies import Element, document
from serving_api.gold import Gold, Snapshot
from serving_api.names import known_market, zone_of
from serving_api.problems import Problem
from serving_api.routes.ingest import Door
from serving_api.shapes import problems
from serving_api.shapes_quality import PriceCheckBody, PriceChecked

router = APIRouter(tags=["validation"])
STATS = "gold.series_stats"
ASKED = frozenset(PriceCheckBody.model_fields)
BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": PriceCheckBody.model_json_schema()}}},
    "security": [{}, {"bearer": []}],
}


@router.post(
    "/api/validation/price/check",
    responses={200: {"model": PriceChecked}, **problems(400, 401, 413, 415, 422, 503)},
    openapi_extra=BODY,
    summary="Would this price be quarantined?",
)
async def price_check(request: Request) -> Response:
    """Without a token, and for a plain user, a dry run. With the token of a device or an operator the price is also sent as an
    event: then the stream's verdict is final, and `event_id` finds it. A series without a past raises no flag."""
    accepts(request, "application/json")
    given = await document(request, role_of)
    wrong = faults(given.value, ["price"])
    told = {fault.pointer for fault in wrong}
    names = given.value if isinstance(given.value, dict) else {}
    surplus = [name for name in names if name not in ASKED and f"/{name}" not in told]
    wrong += [Fault(f"/{name}", "field_unknown", f"'{name}' is not asked here") for name in surplus]
    wrong = wrong or unknown_names(given.value, request.app.state.gold)
    if wrong:
        raise Problem("validation", wrong[:100], why="; ".join(fault.message for fault in wrong[:5]))
    snapshot, said = await run_sync(judged, request.app.state.gold, given.value)
    event_id = None
    if given.who is not None and given.who is not Role.USER:
        door = Door(request.app.state.producer, given.who, "application/json")
        (event_id,) = await door.send([Element(given.body, given.value, ["price"], [])])
    sources = [{name: plain(value) for name, value in source.items()} for source in said.sources]
    body = {
        "flags": said.flags,
        "quarantined": said.quarantined,
        "sources": sources,
        "reasons": said.reasons,
        "policies": said.policies,
        "dry_run": event_id is None,
        "event_id": event_id,
        "meta": meta(request, [snapshot], rules_now(), False),
    }
    return Response(orjson.dumps(body), headers={"Cache-Control": "private, no-store"}, media_type=JSON)


def unknown_names(payload: dict[str, Any], gold: Gold) -> list[Fault]:
    """Names that are in no list; a market that is in none may be asked about when its region is given."""
    found = []
    region = payload.get("region")
    if matching_key(payload["commodity"]) not in commodity_aliases():
        found.append(Fault("/commodity", "unknown_commodity", f"no commodity is called '{payload['commodity'][:60]}'"))
    if region is not None and matching_key(region) not in region_aliases():
        found.append(Fault("/region", "unknown_region", f"no province has the name or code '{region[:60]}'"))
    if (unit := payload.get("unit")) is not None and matching_key(unit) not in unit_aliases():
        found.append(Fault("/unit", "unknown_unit", f"no unit is called '{unit[:60]}'"))
    if region is None:
        try:
            known_market(gold, payload["market_id"])
        except Problem:
            message = f"no market has the id '{payload['market_id'][:64]}'; give its region"
            found.append(Fault("/market_id", "unknown_market", message))
    return found


def judged(gold: Gold, payload: dict[str, Any]) -> tuple[Snapshot, PriceCheck]:
    """The verdict of the validators on the series' statistics, and of those row rules that look beyond the payload."""
    commodity = commodity_aliases()[matching_key(payload["commodity"])]
    at = parse_time(payload["event_time"]) if payload.get("event_time") else None
    zone = ZoneInfo(zone_of(payload["market_id"], payload.get("region")))
    snapshot, rows = statistics_of(gold, commodity)
    said = check_price(
        rows,
        market_id=payload["market_id"],
        commodity=commodity,
        price_idr=float(payload["price"]),
        market_date=(at or datetime.now(UTC)).astimezone(zone).date(),
        knobs=settings().validation.model_dump(),
    )
    return snapshot, with_gates(said, gates(payload, commodity, at))


def statistics_of(gold: Gold, commodity: str) -> tuple[Snapshot, list[dict[str, Any]]]:
    """The statistics of every retail series of a commodity, and the version they stand in, as of its newest closing."""
    snapshot = gold.now(STATS)
    rows: list[dict[str, Any]] = snapshot.cached((commodity, "rows"), lambda: series_of(snapshot, commodity))
    days = [row["last_day"] for row in rows if row["last_day"]]
    return replace(snapshot, newest=datetime.combine(max(days), datetime.min.time(), UTC) if days else None), rows


def series_of(snapshot: Snapshot, commodity: str) -> list[dict[str, Any]]:
    """The statistics of every retail series of a commodity."""
    if snapshot.delta is None:
        return []
    wanted = (pc.field("commodity") == commodity) & (pc.field("channel") == "retail")
    rows: list[dict[str, Any]] = snapshot.delta.to_pyarrow_dataset().to_table(filter=wanted).to_pylist()
    return rows


def gates(payload: dict[str, Any], commodity: str, at: datetime | None) -> list[dict[str, str]]:
    """Rules of silver.prices that a well-formed price with known names can still break, as reasons."""
    found = []
    unit, wanted = unit_aliases().get(matching_key(payload.get("unit") or "")), commodities()[commodity].unit
    if unit is not None and unit != wanted:
        found.append(("unit_fits", f"unit '{payload['unit']}' is not how '{commodity}' is priced ({wanted})"))
    listed = markets().get(payload["market_id"])
    region = region_aliases().get(matching_key(payload.get("region") or ""))
    if listed and region and listed.region_code != region:
        found.append(("region_agrees", f"region '{payload['region']}' is not where market '{payload['market_id']}' lies"))
    now, knobs = datetime.now(UTC), settings().validation
    if at is not None and at > now + timedelta(minutes=knobs.future_tolerance_minutes):
        found.append(("event_time_future", f"event_time {payload['event_time']} lies after its receipt"))
    if at is not None and at < now - timedelta(days=knobs.max_age_days):
        found.append(("event_time_old", f"event_time {payload['event_time']} is more than {knobs.max_age_days} days old"))
    return [{"rule": rule, "severity": "error", "message": message} for rule, message in found]


def with_gates(said: PriceCheck, broken: list[dict[str, str]]) -> PriceCheck:
    """A broken row rule quarantines under every policy."""
    if not broken:
        return said
    return replace(said, quarantined=True, reasons=broken + said.reasons, policies=dict.fromkeys(said.policies, True))
