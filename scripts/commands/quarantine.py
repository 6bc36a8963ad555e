"""List quarantined events and decide about them through the API, one by one or many at once."""

import sys
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Annotated, Any, Literal
from urllib.parse import quote

import orjson
import typer
from rich.console import Console

from conf.runtime.exit_codes import ExitCode
from lakehouse.contracts.contract import kinds
from lakehouse.io.terminal import translated
from lakehouse.reference import markets
from scripts.console import AsJson, ago, console, emit, fail, new_app, print_rows
from scripts.local_api import Api

app = new_app(__doc__)
ROWS = "/api/v1/quarantine"
BULK_IDS = 500  # in one request
COUNTED_ROWS = 10_000  # more are not counted: each page is a request
RowState = Literal["open", "released", "corrected", "rejected", "all"]
Reason = Annotated[
    str, typer.Option("--reason", help="why, 5 to 500 characters; it is stored with the decision")
]
Ids = Annotated[list[str] | None, typer.Argument(help="event ids; without them give filters")]
EventId = Annotated[str, typer.Argument(help="id of the event")]
Rule = Annotated[str | None, typer.Option(help="rows that violate this rule")]
Kind = Annotated[str | None, typer.Option(help="price, sensor, …")]
Commodity = Annotated[str | None, typer.Option(help="id or alias")]
Market = Annotated[str | None, typer.Option(help="market id as given in the event")]
Source = Annotated[str | None, typer.Option(help="door and sender, such as mqtt:DEV-123")]
Since = Annotated[
    str | None,
    typer.Option("--from", help="quarantined since: YYYY-MM-DD or RFC 3339; without it the last 30 days"),
]
Yes = Annotated[bool, typer.Option("--yes", help="decide without confirmation")]


def decide_many(api: Api, ids: list[str], decision: str, reason: str) -> list[dict[str, Any]]:
    """The outcome of each id. An id that is given twice names two rows, decided in two requests."""
    outcomes: list[dict[str, Any]] = []
    waiting = Counter(ids)
    while waiting:
        batch = list(islice(waiting, BULK_IDS))
        body = {"event_ids": batch, "decision": decision, "reason": reason}
        outcomes += api.request("POST", f"{ROWS}/decisions", json=body)["items"]
        waiting -= Counter(batch)
    return outcomes


def show_rows(rows: list[dict[str, Any]], out: Console | None = None) -> None:
    """Print on stdout what a decision needs: what was reported, where, against which value, and why not."""
    when = ("event", "kind", "state", "quarantined")
    headings = (*when, "source", "market", "commodity", "value", "last", "why")
    print_rows(headings, map(cells_of, rows), out)


def cells_of(row: dict[str, Any]) -> tuple[str | None, ...]:
    """The cells of a row."""
    subject = row["subject"] or dict.fromkeys(("value", "last_value", "unit", "region", "market_name"))
    value, last = (number_text(subject[name], subject["unit"]) for name in ("value", "last_value"))
    place = ", ".join(filter(None, (row["market_id"], subject["region"])))
    why = "; ".join(f"{reason['rule']}: {reason['message']}" for reason in row["reasons"])
    about = (row["source"], place, row["commodity"], value, last, why)
    return row["event_id"], row["kind"], row["state"], ago(row["quarantined_at"]), *about


def number_text(number: float | None, unit: str | None) -> str | None:
    """`61,000/kg`; None for no number."""
    return None if number is None else f"{number:,.10g}" + (f"/{unit}" if unit else "")


@app.command("list")
def list_rows(
    rule: Rule = None,
    kind: Kind = None,
    commodity: Commodity = None,
    market: Market = None,
    source: Source = None,
    since: Since = None,
    state: Annotated[RowState, typer.Option(help="current state of the rows")] = "open",
    limit: Annotated[int, typer.Option(min=1, help="rows at most")] = 50,
    as_json: AsJson = False,
) -> None:
    """List quarantined events, newest first."""
    filters = filters_of(rule, since, kind=kind, commodity=commodity, market_id=market, source=source)
    filters["state"] = None if state == "all" else state
    api = Api()
    rows = list(islice(api.rows(ROWS, filters, limit), limit))
    if not rows:
        refuse_unknown_market(market)
    if as_json:
        emit(rows)
        return
    show_rows(rows)
    if len(rows) == limit:
        matching = sum(1 for _ in islice(api.rows(ROWS, filters), COUNTED_ROWS))
        number = f"{matching}" if matching < COUNTED_ROWS else f"at least {matching}"
        console.print(f"{len(rows)} of {number} rows; --limit shows more", markup=False)


def filters_of(rule: str | None, since: str | None, **others: str | None) -> dict[str, str | None]:
    """Filters by their names in the API. Exits 2 when no rule has the name."""
    rules = {rule.name for contract in kinds().values() for rule in contract.rules}
    if rule is not None and rule not in rules:
        fail(f"no rule is called '{rule}'; nearest: {nearest(rule, rules)}", ExitCode.USAGE)
    return {"rule": rule, "from": since, **others}


def refuse_unknown_market(market: str | None) -> None:
    """Exit 2 when a market without rows is not listed: any other may be given in an event."""
    if market is not None and market not in markets():
        fail(
            f"no row and no list has the market '{market}'; nearest: {nearest(market, markets())}",
            ExitCode.USAGE,
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """The names that are spelled nearly so, for a message."""
    return ", ".join(get_close_matches(name, list(known), cutoff=0.5)) or "none"


@app.command()
def show(event_id: EventId, as_json: AsJson = False) -> None:
    """Show one event: its violations, evidence, suggestion, exact bytes and decisions."""
    item = Api().request("GET", f"{ROWS}/{quote(event_id, safe='')}")
    if as_json:
        emit(item)
        return
    show_rows([item])
    for reason in item["reasons"]:
        print(f"{reason['severity']:<6}{reason['rule']}: {reason['message']}")
    for name in ("evidence", "suggestion", "kafka"):
        if item[name] is not None:
            print(f"{name}: {orjson.dumps(item[name]).decode()}")
    payload = item["payload"] if item["payload"] is not None else f"base64 {item['payload_base64']}"
    print(f"payload: {payload}")
    for decision in item["decisions"]:
        person = translated(f"{decision['decision']} by {decision['decided_by']}")
        print(f"{decision['decided_at'][:19]} {person}: {decision['reason']} -> {decision['outcome']}")


def decide(
    decision: str, ids: list[str] | None, filters: dict[str, Any], reason: str, yes: bool, as_json: bool
) -> None:
    """Decide on the given rows, or on all open rows that match the filters."""
    named = {name: value for name, value in filters.items() if value is not None}
    if bool(ids) == bool(named):
        fail(
            "give event ids or filters (--rule, --kind, --commodity, --market, --source, --from), not both",
            ExitCode.USAGE,
        )
    api = Api()
    wanted = ids or [row["event_id"] for row in api.rows(ROWS, named | {"state": "open"})]
    if not ids:
        console.print(f"{decision}: {len(wanted)} open rows match", markup=False)
        if wanted and not yes and not confirmed(decision, len(wanted)):
            fail("nothing was decided", ExitCode.USAGE)
    outcomes = decide_many(api, wanted, decision, reason)
    if as_json:
        emit(outcomes)
    counts = Counter(item["status"] for item in outcomes)
    console.print(
        ", ".join(f"{count} {status}" for status, count in counts.items()) or "nothing to decide",
        markup=False,
    )
    for item in outcomes:
        if item["status"] != "accepted":
            reason = f" ({item['reason']})" if item["reason"] else ""
            console.print(f"  {item['event_id']}: {item['status']}{reason}", markup=False)
    raise typer.Exit(ExitCode.DONE if counts.total() == counts["accepted"] else ExitCode.FAILED)


def confirmed(decision: str, count: int) -> bool:
    """The answer of the person at the terminal. Exits 2 when there is no terminal."""
    if not sys.stdin.isatty():
        fail(f"{count} rows would be decided; add --yes to confirm", ExitCode.USAGE)
    return typer.confirm(translated(f"{decision} {count} rows?"), err=True)


def add_decision(decision: str, summary: str) -> None:
    """Add the command that decides many events alike: by id, or all open rows that match the filters."""

    @app.command(decision, help=summary)
    def decide_alike(
        ids: Ids = None,
        *,
        reason: Reason,
        rule: Rule = None,
        kind: Kind = None,
        commodity: Commodity = None,
        market: Market = None,
        source: Source = None,
        since: Since = None,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        filters = filters_of(rule, since, kind=kind, commodity=commodity, market_id=market, source=source)
        decide(decision, ids, filters, reason, yes, as_json)


add_decision("release", "Release events: they are validated again, and violations become warnings.")
add_decision("reject", "Reject events permanently: they stay in quarantine, closed.")


@app.command()
def correct(
    event_id: EventId,
    reason: Reason,
    fields: Annotated[
        list[str] | None, typer.Option("--set", help="field=value; repeat it for each field")
    ] = None,
    suggested: Annotated[
        bool, typer.Option("--suggested", help="use the suggestion that `show` prints")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Correct fields of the payload and validate it again. The original is kept."""
    api = Api()
    address = f"{ROWS}/{quote(event_id, safe='')}"
    correction = (api.request("GET", address)["suggestion"] or {}) if suggested else {}
    correction |= dict(field_of(text) for text in fields or ())
    if not correction:
        hint = "there is no suggestion" if suggested else "give --set field=value or --suggested"
        fail(f"nothing to correct: {hint}", ExitCode.USAGE)
    body = {"decision": "correct", "reason": reason, "correction": correction}
    receipt = api.request("POST", f"{address}/decision", json=body)
    if as_json:
        emit(receipt)
    console.print(f"accepted: {receipt['decision_id']}", markup=False)


def field_of(text: str) -> tuple[str, Any]:
    """`price=55000` -> ("price", 55000); a value that is no JSON is text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        fail(f"--set {text}: write field=value", ExitCode.USAGE)
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value
