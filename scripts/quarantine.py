"""`quarantine`: look at doubtful events and decide about them, one or many, through the API."""

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, NoReturn
from urllib.parse import quote

import httpx2
import orjson
import typer
from rich.console import Console
from rich.table import Table

from conf.settings import secrets, settings
from scripts.readiness import api_url

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(stderr=True, highlight=False)
FAILED, USAGE, MISSING, NOT_RUNNING = 1, 2, 3, 4
ROWS = "/api/v1/quarantine"
BULK = 500  # ids in one request
AsJson = Annotated[bool, typer.Option("--json", help="data as JSON on stdout")]
Why = Annotated[str, typer.Option("--reason", help="why, 5 to 500 characters; it is kept with the decision")]
Ids = Annotated[list[str] | None, typer.Argument(help="event ids; or none, and filters")]
Rule = Annotated[str | None, typer.Option(help="rows that broke this rule")]
Kind = Annotated[str | None, typer.Option(help="price, sensor, …")]
Commodity = Annotated[str | None, typer.Option(help="id or alias")]
Market = Annotated[str | None, typer.Option(help="market id as given in the event")]
Since = Annotated[str | None, typer.Option("--from", help="quarantined since: YYYY-MM-DD or RFC 3339; else the last 30 days")]
Yes = Annotated[bool, typer.Option("--yes", help="decide without asking")]


def fail(text: str, code: int) -> NoReturn:
    """Say why, and leave with `code`."""
    console.print(text, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(code)


class Api:
    """The API as an operator sees it. Leaves with 4 when it does not run, 3 without a bearer, 1 when it refuses."""

    def __init__(self) -> None:
        token = secrets().token_operator
        if not token:
            fail("no operator's bearer; remedy: ./run.sh setup", MISSING)
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx2.Client(base_url=api_url(), headers=headers, timeout=60)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """The answer's JSON."""
        try:
            answer = self._http.request(method, path, **more)
        except httpx2.TransportError:
            fail(f"no API answers at 127.0.0.1:{settings().api.port}; remedy: ./run.sh up", NOT_RUNNING)
        if answer.status_code >= 400:
            problem = answer.json()
            fail(f"{problem['title']}: {problem['detail']}", USAGE if answer.status_code == 422 else FAILED)
        return answer.json()

    def rows(self, filters: dict[str, Any], most: int | None = None) -> Iterator[dict[str, Any]]:
        """Quarantined rows, newest first, page by page."""
        asked = {name: value for name, value in filters.items() if value is not None}
        limit, cursor, seen = min(most or 1000, 1000), None, 0
        while most is None or seen < most:
            page = self.ask("GET", ROWS, params={**asked, "limit": limit, **({"cursor": cursor} if cursor else {})})
            yield from page["items"][: None if most is None else most - seen]
            seen, cursor = seen + len(page["items"]), page["next_cursor"]
            if cursor is None:
                return

    def decide_many(self, ids: list[str], decision: str, reason: str) -> list[dict[str, Any]]:
        """What became of each; an id that is there twice means two rows, which are decided one after the other."""
        found: list[dict[str, Any]] = []
        rounds: dict[int, list[str]] = {}
        for event_id, times in Counter(ids).items():
            for nth in range(times):
                rounds.setdefault(nth, []).append(event_id)
        for once in rounds.values():
            for start in range(0, len(once), BULK):
                body = {"event_ids": once[start : start + BULK], "decision": decision, "reason": reason}
                found += self.ask("POST", f"{ROWS}/decisions", json=body)["items"]
        return found


def emit(data: object) -> None:
    """One JSON document on stdout."""
    print(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())


def show_rows(rows: list[dict[str, Any]]) -> None:
    """A table on stdout."""
    shown = Table("event", "kind", "state", "quarantined", "market", "commodity", "rules")
    for row in rows:
        rules = ", ".join(reason["rule"] for reason in row["reasons"])
        place = (row["market_id"] or "–", row["commodity"] or "–")
        shown.add_row(row["event_id"], row["kind"], row["state"], row["quarantined_at"][:19], *place, rules)
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 200).print(shown)


@app.command("list")
def list_rows(
    rule: Rule = None,
    kind: Kind = None,
    commodity: Commodity = None,
    market: Market = None,
    since: Since = None,
    state: Annotated[str, typer.Option(help="open, released, corrected, rejected or all")] = "open",
    limit: Annotated[int, typer.Option(min=1, help="rows at most")] = 50,
    as_json: AsJson = False,
) -> None:
    """Doubtful events, newest first."""
    filters = {"rule": rule, "kind": kind, "commodity": commodity, "market_id": market, "from": since}
    rows = list(Api().rows(filters | {"state": None if state == "all" else state}, limit))
    if as_json:
        emit(rows)
    else:
        show_rows(rows)


@app.command()
def show(event_id: str, as_json: AsJson = False) -> None:
    """One event: its reasons, evidence, suggestion, exact bytes and decisions."""
    item = Api().ask("GET", f"{ROWS}/{quote(event_id, safe='')}")
    if as_json:
        emit(item)
        return
    show_rows([item])
    for reason in item["reasons"]:
        print(f"{reason['severity']:<6}{reason['rule']}: {reason['message']}")
    for name in ("evidence", "suggestion", "kafka"):
        if item[name] is not None:
            print(f"{name}: {orjson.dumps(item[name]).decode()}")
    print(f"payload: {item['payload'] if item['payload'] is not None else 'base64 ' + item['payload_base64']}")
    for one in item["decisions"]:
        print(f"{one['decided_at'][:19]} {one['decision']} by {one['decided_by']}: {one['reason']} -> {one['outcome']}")


def decide(decision: str, ids: list[str] | None, filters: dict[str, Any], reason: str, yes: bool, as_json: bool) -> None:
    """The same decision on named rows, or on all open rows that match the filters."""
    named = {name: value for name, value in filters.items() if value is not None}
    if bool(ids) == bool(named):
        fail("give event ids, or filters (--rule, --kind, --commodity, --market, --from), not both", USAGE)
    api = Api()
    wanted = ids or [row["event_id"] for row in api.rows(named | {"state": "open"})]
    if not ids:
        console.print(f"{decision}: {len(wanted)} open rows match", markup=False)
        if wanted and not yes and not agreed(decision, len(wanted)):
            fail("nothing was decided", USAGE)
    found = api.decide_many(wanted, decision, reason)
    if as_json:
        emit(found)
    counts = Counter(item["status"] for item in found)
    console.print(", ".join(f"{count} {status}" for status, count in counts.items()) or "nothing to decide", markup=False)
    for item in found:
        if item["status"] != "accepted":
            console.print(f"  {item['event_id']}: {item['status']}", markup=False)
    raise typer.Exit(0 if counts.total() == counts["accepted"] else FAILED)


def agreed(decision: str, count: int) -> bool:
    """Ask a person; without one --yes is needed."""
    if not sys.stdin.isatty():
        fail(f"{count} rows would be decided; add --yes", USAGE)
    return typer.confirm(f"{decision} {count} rows?", err=True)


@app.command()
def release(
    ids: Ids = None, *, reason: Why, rule: Rule = None, kind: Kind = None, commodity: Commodity = None, market: Market = None,
    since: Since = None, yes: Yes = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Let pass what was doubtful: checked again, doubts become warnings."""
    filters = {"rule": rule, "kind": kind, "commodity": commodity, "market_id": market, "from": since}
    decide("release", ids, filters, reason, yes, as_json)


@app.command()
def reject(
    ids: Ids = None, *, reason: Why, rule: Rule = None, kind: Kind = None, commodity: Commodity = None, market: Market = None,
    since: Since = None, yes: Yes = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Keep out for good; the event stays in quarantine, closed."""
    filters = {"rule": rule, "kind": kind, "commodity": commodity, "market_id": market, "from": since}
    decide("reject", ids, filters, reason, yes, as_json)


@app.command()
def correct(
    event_id: str,
    reason: Why,
    fields: Annotated[list[str] | None, typer.Option("--set", help="field=value; again for each field")] = None,
    suggested: Annotated[bool, typer.Option("--suggested", help="take the suggestion that `show` tells")] = False,
    as_json: AsJson = False,
) -> None:
    """Replace fields of the payload; the original is kept, and all checks are made again."""
    api, address = Api(), f"{ROWS}/{quote(event_id, safe='')}"
    correction = (api.ask("GET", address)["suggestion"] or {}) if suggested else {}
    correction |= dict(field_of(text) for text in fields or ())
    if not correction:
        hint = "there is no suggestion" if suggested else "give --set field=value or --suggested"
        fail(f"nothing to correct: {hint}", USAGE)
    receipt = api.ask("POST", f"{address}/decision", json={"decision": "correct", "reason": reason, "correction": correction})
    if as_json:
        emit(receipt)
    console.print(f"accepted: {receipt['decision_id']}", markup=False)


def field_of(text: str) -> tuple[str, Any]:
    """`price=55000` -> ("price", 55000); what is no JSON is text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        fail(f"--set {text}: write field=value", USAGE)
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value


if __name__ == "__main__":
    app(prog_name="./run.sh quarantine")
