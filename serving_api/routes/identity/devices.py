"""Devices: register, claim, and what people do with them afterwards."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

import segno
from anyio.to_thread import run_sync
from fastapi import Depends, Path, Query, Request, Response

from lakehouse.identity.roles import Principal, Role, role_named
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.device_access import TOKEN_SECONDS, claim_answer, device_token
from lakehouse.io.identity.devices import (
    Check,
    ClaimInvalid,
    DeviceExists,
    Devices,
    IssuedClaim,
    UnknownDevice,
    WrongState,
)
from lakehouse.io.identity.tables import Device
from lakehouse.io.identity.tokens import TokenSigner
from lakehouse.reference import markets
from serving_api.http.callers import address_of, principal_of
from serving_api.http.cursors import Key
from serving_api.http.dependencies import OWNER_OR_OPERATOR, CurrentOperator
from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.operation.device_health import device_health, tables_of_health
from serving_api.reads.responses import (
    PRIVATE,
    CurrentResponses,
    KeyedItem,
    Responses,
    json_response,
    to_json_value,
)
from serving_api.reads.snapshots import Snapshot
from serving_api.schemas.envelope import Page
from serving_api.schemas.identity.devices import (
    ApprovalBody,
    ClaimBody,
    ClaimedDevice,
    DeviceItem,
    DeviceRegistration,
    DeviceRow,
    DevicesQuery,
    DeviceToken,
    DeviceTokenBody,
    RegisteredDevice,
    RotatedDevice,
    StepBody,
)
from serving_api.schemas.problem import problems

router = Router(tags=["devices"])
T = TypeVar("T")
FIELDS = ("device_id", "market_id", "role", "status")
DeviceIdInPath = Annotated[
    str, Path(min_length=1, max_length=64, description="id of the device", examples=["DEV-123"])
]


def require_rank(role: str, principal: Principal | None) -> None:
    """Raises Problem 403 when a device's role is above that of who registers it or changes it."""
    if role_named(role) > (principal.role if principal else Role.OPERATOR):
        raise Problem("role-too-high", name=role)


def covers(principal: Principal, market_id: str) -> bool:
    """Whether the market lies in a region of the caller."""
    market = markets().get(market_id)
    return principal.covers(market.region_code if market else None)


async def known_device(devices: Devices, device_id: str, principal: Principal) -> Device:
    """The device, if the caller may see it. Raises Problem 404."""
    device = await devices.get(device_id)
    own = principal.device_id in (None, device_id)
    if device is None or not own or not (principal.device_id or covers(principal, device.market_id)):
        raise Problem("not-found", reason=message("no_device", name=device_id))
    return device


def require_changeable(principal: Principal) -> Check:
    """A check that raises Problem 404 for a device of a foreign region, 403 for a role above the caller's."""

    def check(device: Device) -> None:
        if not covers(principal, device.market_id):
            raise Problem("not-found", reason=message("no_device", name=device.device_id))
        require_rank(device.role, principal)

    return check


def markets_to_list(principal: Principal, market_id: str | None) -> list[str] | None:
    """Markets whose devices the caller may see; None: all. Raises Problem 404 for another one."""
    if market_id is not None:
        if market_id not in markets() or not covers(principal, market_id):
            raise Problem("unknown-market", name=market_id)
        return [market_id]
    if principal.covers(None):
        return None
    return [known for known in markets() if covers(principal, known)]


def claim_fields(claim: IssuedClaim) -> dict[str, Any]:
    """The claim as text and as a QR code: a PNG, and an SVG for screens and labels of any size."""
    code = segno.make(claim.code, error="m")
    return {
        "qr_data_url": code.png_data_uri(scale=6),
        "qr_svg_data_url": code.svg_data_uri(light="#fff"),
        "claim_code": claim.code,
        "claim_expires_at": to_json_value(claim.expires_at),
    }


async def _devices(database: Shared[Database]) -> Devices:
    return Devices(database)


CurrentDevices = Annotated[Devices, Depends(_devices)]


async def registrar(request: Request) -> Principal | None:
    """The operator or above who registers; None for everybody else, whose device waits for an approval.

    Raises Problem 401 for a bad token.
    """
    principal = principal_of(request)
    return principal if principal and principal.role >= Role.OPERATOR and principal.scopes is None else None


REGISTER: dict[str, Any] = {
    "status_code": 201,
    "response_model": RegisteredDevice,
    "responses": {202: {"model": RegisteredDevice, "description": "pending until somebody approves it"}}
    | problems(401, 403, 404, 409),
    "openapi_extra": {"security": [{}, {"bearer": []}]},
    "summary": "Register a device",
}


@router.post(
    "/api/public/device/register",
    **REGISTER,
    name="register_device_public",
    description="The same as /api/auth/device/register.",
)
@router.post("/api/auth/device/register", **REGISTER)
async def register_device(
    request: Request,
    body: DeviceRegistration,
    principal: Annotated[Principal | None, Depends(registrar)],
    devices: CurrentDevices,
    signer: Shared[TokenSigner],
) -> Response:
    """201 for an operator and above: the device is approved. 202 without a token: somebody must approve it.

    A known id is 409, also a pending one, which is removed after seven days. An operator of its region may
    replace it.
    """
    require_rank(body.role, principal)
    market = markets().get(body.market_id)
    if market is None:
        raise invalid("/market_id", "unknown_market", message("unknown_market", name=body.market_id[:64]))
    if principal is not None and not principal.covers(market.region_code):
        raise Problem("unknown-market", name=body.market_id)
    by = principal.subject if principal else None

    def may_replace(pending: Device) -> bool:
        return principal is not None and covers(principal, pending.market_id)

    names = (body.device_id, body.market_id, body.role)
    try:
        device, claim = await devices.register(*names, by, address_of(request.scope), may_replace)
    except DeviceExists:
        raise Problem("device-exists", name=body.device_id) from None
    answer = {
        **{name: getattr(device, name) for name in FIELDS},
        "token": device_token(signer, device) if by else None,
        "token_type": "bearer",
        "expires_in": TOKEN_SECONDS,
        **claim_fields(claim),
    }
    return json_response(answer, 201 if by else 202, PRIVATE)


@router.post(
    "/api/auth/device/claim",
    response_model=ClaimedDevice,
    responses=problems(401),
    summary="Exchange a claim code for the secret of a device",
)
async def claim_device(
    body: ClaimBody,
    devices: CurrentDevices,
    signer: Shared[TokenSigner],
) -> Response:
    """The secret is shown this once; it is the password of MQTT and gives tokens.

    A code that is wrong, used, expired or of a device that is not approved has the same answer.
    """
    try:
        issued = await devices.claim(body.device_id, body.claim_code)
    except ClaimInvalid:
        raise Problem("claim-invalid") from None
    return json_response(claim_answer(signer, issued), cache=PRIVATE)


@router.post(
    "/api/auth/token", response_model=DeviceToken, responses=problems(401), summary="A token for a device"
)
async def issue_device_token(
    body: DeviceTokenBody,
    devices: CurrentDevices,
    signer: Shared[TokenSigner],
) -> Response:
    """A bearer for a day, by the secret of the device."""
    device = await devices.with_secret(body.device_id, body.secret)
    if device is None:
        raise Problem("bad-credentials")
    token = device_token(signer, device)
    return json_response(
        {"token": token, "token_type": "bearer", "expires_in": TOKEN_SECONDS, "role": device.role},
        cache=PRIVATE,
    )


@router.get(
    "/api/v1/devices",
    response_model=Page[DeviceRow],
    responses=problems(404),
    summary="Devices and what they sent",
)
async def list_devices(
    principal: CurrentOperator,
    query: Annotated[DevicesQuery, Query()],
    devices: CurrentDevices,
    responses: CurrentResponses,
) -> Response:
    """Newest registration first. An operator sees the devices of its regions."""
    tables = tables_of_health(responses.snapshots)

    async def read(key: Key | None, number: int) -> list[KeyedItem]:
        market_ids = markets_to_list(principal, query.market_id)
        rows: list[KeyedItem] = []
        while len(rows) < number:
            after = key_of(key) if key else None
            listed = await devices.listed(number, after, market_ids, query.status)
            items = await run_sync(device_items, tables, listed)
            rows += [
                ((device.created_at.isoformat(), device.device_id), item)
                for device, item in zip(listed, items, strict=True)
                if query.silent in (None, item["silent"])
            ]
            if len(listed) < number:
                break
            key = (listed[-1].created_at.isoformat(), listed[-1].device_id)
        return rows

    return await responses.stored(query, read, tables)


def key_of(key: Key) -> tuple[datetime, str]:
    """Creation time and id in a cursor."""
    created_at, device_id = key
    return datetime.fromisoformat(created_at), device_id


def device_items(tables: list[Snapshot], devices: Sequence[Device]) -> list[dict[str, Any]]:
    """Devices as items of the list. Call it in a thread: it reads files."""
    health = device_health(tables, {device.device_id: device.market_id for device in devices})
    return [
        {name: getattr(device, name) for name in FIELDS}
        | health[device.device_id]
        | {"registered_at": to_json_value(device.created_at), "registered_from": device.created_from}
        | {"revoked_at": to_json_value(device.revoked_at)}
        for device in devices
    ]


@router.get(
    "/api/v1/devices/{device_id}",
    response_model=DeviceItem,
    summary="A device and what it sent",
)
async def get_device(
    device_id: DeviceIdInPath,
    principal: Annotated[Principal, OWNER_OR_OPERATOR],
    devices: CurrentDevices,
    responses: CurrentResponses,
) -> Response:
    """A device sees itself alone."""
    device = await known_device(devices, device_id, principal)
    return await device_response(device, responses)


async def device_response(device: Device, responses: Responses, claim: IssuedClaim | None = None) -> Response:
    """The item, with a claim if there is one."""
    tables = tables_of_health(responses.snapshots)
    (item,) = await run_sync(device_items, tables, [device])
    return responses.personal(tables, item | (claim_fields(claim) if claim else {}))


@dataclass(frozen=True)
class DeviceStep:
    """A request that changes the state of a device."""

    device_id: DeviceIdInPath
    caller: CurrentOperator
    devices: CurrentDevices
    responses: CurrentResponses

    async def of(self, body: StepBody, change: Callable[..., Awaitable[T]], **more: str | None) -> T:
        """What `change` of Devices returns. Raises Problem 403, 404, 409 or 422."""
        check = require_changeable(self.caller)
        try:
            return await change(self.device_id, self.caller.subject, body.reason, check, **more)
        except UnknownDevice:
            raise Problem("not-found", reason=message("no_device", name=self.device_id)) from None
        except WrongState as error:
            raise Problem("wrong-state", name=self.device_id, state=str(error)) from None
        except ClaimInvalid:
            raise invalid("/claim_code", "claim_code_right", message("claim_code_right")) from None

    async def response(self, device: Device, claim: IssuedClaim | None = None) -> Response:
        """The item of the device, with a claim if there is one."""
        return await device_response(device, self.responses, claim)


CurrentStep = Annotated[DeviceStep, Depends()]


@router.post(
    "/api/v1/devices/{device_id}/approve",
    response_model=DeviceItem,
    summary="Approve a device",
)
async def approve_device(step: CurrentStep, body: ApprovalBody) -> Response:
    """From then on its claim is valid. A revoked device may come back; rotate then gives it a claim.

    Anybody can register an id. Give the code of the device in front of you as `claim_code`, also when it has
    expired, or compare `registered_at` and `registered_from`.
    """
    code = body.claim_code
    return await step.response(await step.of(body, step.devices.approve, claim_code=code))


@router.post(
    "/api/v1/devices/{device_id}/rotate",
    response_model=RotatedDevice,
    summary="Give a device a claim for a new secret",
)
async def rotate_device(step: CurrentStep, body: StepBody) -> Response:
    """The present secret is valid until the claim is used; revoke a device whose secret is known."""
    device, claim = await step.of(body, step.devices.rotate)
    return await step.response(device, claim)


@router.post(
    "/api/v1/devices/{device_id}/revoke",
    response_model=DeviceItem,
    summary="Revoke a device",
)
async def revoke_device(step: CurrentStep, body: StepBody) -> Response:
    """Its MQTT connections end within 2 s, its tokens within 5 s."""
    return await step.response(await step.of(body, step.devices.revoke))
