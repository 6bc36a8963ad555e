"""Rights and faults of what people do with devices."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import segno

from lakehouse.identity.roles import Principal, Role, role_named
from lakehouse.io.identity.devices import Check, ClaimInvalid, Devices, IssuedClaim, UnknownDevice, WrongState
from lakehouse.io.identity.tables import Device
from lakehouse.reference import markets
from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid
from serving_api.reads.responses import to_json_value


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


@contextmanager
def steps(device_id: str) -> Iterator[None]:
    """Errors of a step as problems: 404, 409, and 422 for a claim code."""
    try:
        yield
    except UnknownDevice:
        raise Problem("not-found", reason=message("no_device", name=device_id)) from None
    except WrongState as error:
        raise Problem("wrong-state", name=device_id, state=str(error)) from None
    except ClaimInvalid:
        raise invalid("/claim_code", "claim_code_right", message("claim_code_right")) from None
