"""List devices, register, approve, rotate or revoke one, through the API."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from lakehouse.identity.devices import DeviceStatus
from lakehouse.identity.roles import DeviceRole
from scripts.console import AsJson, ago, console, emit, new_app, print_rows
from scripts.local_api import Api

app = new_app(__doc__)
DEVICES = "/api/v1/devices"
HEADINGS = (
    "device",
    "market",
    "role",
    "status",
    "newest event",
    "silent",
    "accepted in 24 h",
    "quarantined",
    "trust",
    "registered",
    "from address",
)
DeviceId = Annotated[str, typer.Argument(help="id of the device")]
MarketId = Annotated[str, typer.Argument(help="id of the market that it sends for")]
StepReason = Annotated[str | None, typer.Option("--reason", help="why; it is stored in the audit")]


def show_devices(devices: list[dict[str, Any]]) -> None:
    """Print devices on stdout."""
    rows = (
        (
            *(device[name] for name in ("device_id", "market_id", "role", "status")),
            ago(device["last_event_time"]),
            "yes" if device["silent"] else "no",
            device["accepted_24h"],
            device["quarantined_24h"],
            None if device["trust_score"] is None else f"{device['trust_score']:.2f}",
            ago(device["registered_at"]),
            device["registered_from"],
        )
        for device in devices
    )
    print_rows(HEADINGS, rows)


@app.command("list")
def list_devices(
    market: Annotated[str | None, typer.Option(help="devices of this market")] = None,
    status: Annotated[DeviceStatus | None, typer.Option(help="devices in this state")] = None,
    silent: Annotated[bool, typer.Option("--silent", help="only silent devices")] = False,
    limit: Annotated[int, typer.Option(min=1, help="devices at most")] = 50,
    as_json: AsJson = False,
) -> None:
    """List devices and what they sent, newest registration first."""
    filters = {"market_id": market, "status": status, "silent": silent or None}
    devices = Api().first(DEVICES, filters, limit)
    if as_json:
        emit(devices)
        return
    if devices:
        show_devices(devices)
    else:
        console.print("no such device")


@app.command()
def register(
    market_id: MarketId,
    device_id: DeviceId,
    role: Annotated[DeviceRole, typer.Option(help="operator: sends for its market alone")] = "operator",
    as_json: AsJson = False,
) -> None:
    """Register a device, approve it, and print the code by which it claims its secret."""
    body = {"market_id": market_id, "device_id": device_id, "role": role}
    show_claim(Api().request("POST", "/api/auth/device/register", json=body), as_json)


@app.command()
def approve(
    device_id: DeviceId,
    code: Annotated[
        str | None, typer.Option("--code", help="claim code of the device in front of you, also expired")
    ] = None,
    reason: StepReason = None,
    as_json: AsJson = False,
) -> None:
    """Approve a device that registered itself. Without --code compare its registration in the list first."""
    take_step(device_id, "approve", {"reason": reason, "claim_code": code}, as_json)


@app.command()
def revoke(device_id: DeviceId, reason: StepReason = None, as_json: AsJson = False) -> None:
    """Revoke a device: its connections and tokens end within seconds."""
    take_step(device_id, "revoke", {"reason": reason}, as_json)


@app.command()
def rotate(device_id: DeviceId, reason: StepReason = None, as_json: AsJson = False) -> None:
    """Print a code for a new secret; the present one is valid until the code is used."""
    show_claim(Api().request("POST", step_of(device_id, "rotate"), json={"reason": reason}), as_json)


def step_of(device_id: str, step: str) -> str:
    """The address of a step of a device."""
    return f"{DEVICES}/{quote(device_id, safe='')}/{step}"


def take_step(device_id: str, step: str, body: dict[str, Any], as_json: bool) -> None:
    """Change the state of a device and print it."""
    device = Api().request("POST", step_of(device_id, step), json=body)
    if as_json:
        emit(device)
    else:
        show_devices([device])


def show_claim(answer: dict[str, Any], as_json: bool) -> None:
    """Print the claim of a device: the code on stdout, until when it is valid on stderr."""
    if as_json:
        emit(answer)
        return
    until = answer["claim_expires_at"][:19]
    console.print(
        f"'{answer['device_id']}' claims its secret with this code until {until} UTC:", markup=False
    )
    print(answer["claim_code"])
