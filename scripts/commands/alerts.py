"""List alerts and acknowledge them, through the API."""

from typing import Annotated, Literal
from urllib.parse import quote

import typer

from scripts.console import AsJson, ago, console, emit, new_app, print_rows
from scripts.local_api import Api

app = new_app(__doc__)
AlertState = Literal["open", "pending", "active", "acknowledged", "cleared", "self_corrected"]
HEADINGS = ("alert", "state", "level", "rule", "commodity", "place", "since", "what", "to do")


@app.command("list")
def list_alerts(
    commodity: Annotated[str | None, typer.Option(help="id or alias")] = None,
    region: Annotated[str | None, typer.Option(help="province name or two-digit code")] = None,
    level: Annotated[str | None, typer.Option(help="naik, waspada, siaga or kritis")] = None,
    state: Annotated[AlertState, typer.Option(help="open: pending, active and acknowledged ones")] = "open",
    limit: Annotated[int, typer.Option(min=1, help="alerts at most")] = 50,
    as_json: AsJson = False,
) -> None:
    """List alerts, newest first."""
    filters = {
        "commodity": commodity,
        "region": region,
        "level": level,
        "state": None if state == "open" else state,
    }
    shown = Api().first("/api/public/alerts/live", filters, limit)
    if as_json:
        emit(shown)
        return
    rows = (
        (
            *(alert[name] for name in ("alert_id", "state", "level", "rule", "commodity")),
            alert["market_id"] or alert["region"],
            ago(alert["opened_at"]),
            *(alert[name] for name in ("message", "action")),
        )
        for alert in shown
    )
    if shown:
        print_rows(HEADINGS, rows)
    else:
        console.print("no such alert")


@app.command()
def acknowledge(
    alert_id: Annotated[str, typer.Argument(help="id of the alert")],
    note: Annotated[str | None, typer.Option(help="a remark, at most 500 characters")] = None,
    as_json: AsJson = False,
) -> None:
    """Acknowledge an active alert. It stays open until its exit rule holds."""
    address = f"/api/v1/alerts/{quote(alert_id, safe='')}/acknowledge"
    receipt = Api().request("POST", address, json={"note": note})
    if as_json:
        emit(receipt)
    console.print(f"accepted: {receipt['event_id']}", markup=False)
