"""The check of a single price by the statistics of its series; with a token, it is also sent as an event."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from anyio.to_thread import run_sync
from fastapi import Request, Response
from pydantic import BaseModel, Field

from conf.settings import settings
from lakehouse.event import Fault, faults, parse_time
from lakehouse.identity.roles import Principal, Role
from lakehouse.reference import (
    commodities,
    commodity_aliases,
    markets,
    matching_key,
    region_aliases,
    unit_aliases,
)
from lakehouse.validation.prices.single_check import PriceCheck, check_price
from serving_api.http.dependencies import KNOWN_CALLER
from serving_api.http.problems import Problem, invalid_fields, language_of
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.names import known_market, timezone_of
from serving_api.reads.provenance import current_rule_set
from serving_api.reads.responses import CurrentResponses, to_json_value
from serving_api.reads.review.quarantine import reasons_in_indonesian
from serving_api.reads.series_statistics import series_statistics
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.schemas.envelope import Meta
from serving_api.schemas.problem import problems
from serving_api.schemas.quarantine import ViolatedRule
from serving_api.writes.intake import EventIntake, SubmittedEvent, require_own
from serving_api.writes.publish import RememberingProducer

router = Router(prefix="/api/validation/price", tags=["validation"])


class PriceCheckBody(BaseModel):
    """A price as a market would report it."""

    market_id: str = Field(examples=["PASAR-001"])
    commodity: str = Field(examples=["cabai-rawit-merah"])
    price: float = Field(gt=0, description="rupiah per unit", examples=[55000])
    region: str | None = Field(None, examples=["Jawa Barat"])
    unit: str | None = Field(None, examples=["kg"])
    event_time: datetime | None = Field(None, description="default: now")
    event_id: str | None = None


class ValidatorFlags(BaseModel):
    """The result of each validator.

    A validator that abstains is false; `multi_source_ok` is true when there is no other source.
    """

    zscore: bool
    iqr: bool
    ai: bool
    multi_source_ok: bool


class SourcePrice(BaseModel):
    """The newest price of another source."""

    name: str = Field(examples=["partner_feed"])
    price_idr: float | None
    event_time: datetime | None


class PolicyVerdicts(BaseModel):
    """Whether each policy would quarantine the price."""

    seed: bool
    calibrated: bool


class PriceCheckReport(BaseModel):
    """The verdict on a price."""

    flags: ValidatorFlags
    quarantined: bool = Field(description="under the policy in force")
    sources: list[SourcePrice]
    reasons: list[ViolatedRule]
    policies: PolicyVerdicts
    dry_run: bool = Field(description="true when nothing was sent")
    event_id: str | None = Field(description="of the event that was sent")
    meta: Meta


FIELDS = frozenset(PriceCheckBody.model_fields)
SCHEMA = PriceCheckBody.model_json_schema()


@router.post(
    "/check",
    response_model=PriceCheckReport,
    responses=problems(403),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": SCHEMA}}},
        "security": [{}, {"bearer": []}],
    },
    summary="Check a price; with the token of a device or an operator, send it too",
)
async def validate_price(
    request: Request,
    caller: Annotated[Principal | None, KNOWN_CALLER],
    producer: Shared[RememberingProducer],
    responses: CurrentResponses,
) -> Response:
    """Without a token, and for a plain user, a dry run.

    With the token of a device or an operator the price is also sent as an event: then the verdict of the
    stream is final, and `event_id` identifies it. A series without a past has no flags.
    """
    snapshots = responses.snapshots
    body = await request.json()
    if caller is not None:
        require_own(body, caller)
    invalid = faults_of(body) or unknown_names(body, snapshots)
    if invalid:
        raise invalid_fields(invalid)
    language = language_of(request)
    intake = None
    if caller is not None and caller.role is not Role.USER and caller.may("ingest"):
        intake = EventIntake(request, producer, caller, snapshots)
        intake.require_own_region("price", body)
    snapshot, report = await run_sync(check, snapshots, body)
    event_id = None
    if intake is not None:
        (event_id,) = await intake.send([SubmittedEvent(await request.body(), body, ["price"], [])])
    item = {
        "flags": report.flags,
        "quarantined": report.quarantined,
        "sources": [
            {name: to_json_value(value) for name, value in source.items()} for source in report.sources
        ],
        "reasons": report.reasons if language == "en" else reasons_in_indonesian("price", report.reasons),
        "policies": report.policies,
        "dry_run": event_id is None,
        "event_id": event_id,
    }
    return responses.personal([snapshot], item, rule_set=current_rule_set())


def faults_of(payload: Any) -> list[Fault]:
    """Faults of a price event, and fields that a check does not have."""
    invalid = faults(payload, ["price"])
    reported = {fault.pointer for fault in invalid}
    names = payload if isinstance(payload, dict) else {}
    unknown = [name for name in names if name not in FIELDS and f"/{name}" not in reported]
    return invalid + [Fault(f"/{name}", "field_unknown", f"unknown field '{name}'") for name in unknown]


def unknown_names(payload: dict[str, Any], snapshots: Snapshots) -> list[Fault]:
    """Names that are in no reference list. A market may be unknown when its region is given."""
    unknown = []
    for name, aliases, kind in (
        ("commodity", commodity_aliases(), "commodity"),
        ("region", region_aliases(), "province with the name or code"),
        ("unit", unit_aliases(), "unit"),
    ):
        given = payload.get(name)
        if given is not None and matching_key(given) not in aliases:
            unknown.append(Fault(f"/{name}", f"unknown_{name}", f"there is no {kind} '{given[:60]}'"))
    if payload.get("region") is None:
        try:
            known_market(snapshots, payload["market_id"])
        except Problem:
            message = f"there is no market with the id '{payload['market_id'][:64]}'; give its region"
            unknown.append(Fault("/market_id", "unknown_market", message))
    return unknown


def check(snapshots: Snapshots, payload: dict[str, Any]) -> tuple[Snapshot, PriceCheck]:
    """The verdict of the validators, and of the row rules that a well-formed payload can violate."""
    commodity = commodity_aliases()[matching_key(payload["commodity"])]
    event_time = parse_time(payload["event_time"]) if payload.get("event_time") else None
    zone = ZoneInfo(timezone_of(payload["market_id"], payload.get("region")))
    snapshot, rows = series_statistics(snapshots, commodity)
    report = check_price(
        rows,
        market_id=payload["market_id"],
        commodity=commodity,
        price_idr=float(payload["price"]),
        market_date=(event_time or datetime.now(UTC)).astimezone(zone).date(),
        knobs=settings().rule_values(),
    )
    return snapshot, with_row_rules(report, violated_row_rules(payload, commodity, event_time))


def violated_row_rules(
    payload: dict[str, Any], commodity: str, event_time: datetime | None
) -> list[dict[str, str]]:
    """Rules of silver.prices that a well-formed price with known names can still violate, as reasons."""
    violated = []
    unit = unit_aliases().get(matching_key(payload.get("unit") or ""))
    expected = commodities()[commodity].unit
    if unit is not None and unit != expected:
        message = f"unit '{payload['unit']}' is not the unit of '{commodity}' ({expected})"
        violated.append(("unit_fits", message))
    market = markets().get(payload["market_id"])
    region = region_aliases().get(matching_key(payload.get("region") or ""))
    if market and region and market.region_code != region:
        message = f"region '{payload['region']}' is not the region of market '{payload['market_id']}'"
        violated.append(("region_agrees", message))
    now = datetime.now(UTC)
    knobs = settings().validation
    if event_time is not None and event_time > now + timedelta(minutes=knobs.future_tolerance_minutes):
        message = f"event_time {payload['event_time']} is after its receipt"
        violated.append(("event_time_future", message))
    if event_time is not None and event_time < now - timedelta(days=knobs.max_age_days):
        message = f"event_time {payload['event_time']} is more than {knobs.max_age_days} days old"
        violated.append(("event_time_old", message))
    return [{"rule": rule, "severity": "error", "message": message} for rule, message in violated]


def with_row_rules(report: PriceCheck, violated: list[dict[str, str]]) -> PriceCheck:
    """The report with violated row rules, which quarantine under every policy."""
    if not violated:
        return report
    policies = dict.fromkeys(report.policies, True)
    return replace(report, quarantined=True, reasons=violated + report.reasons, policies=policies)
