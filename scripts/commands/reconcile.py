"""`reconcile`: events in = silver + quarantine + duplicates, gold as silver gives it, the lag in Kafka."""

import time
from typing import Any

import duckdb
import typer
from rich.table import Table

from conf.runtime.exit_codes import ExitCode
from conf.settings import settings
from lakehouse.contracts.contract import Contract, contracts, kinds
from lakehouse.event import TOPIC_PREFIX
from lakehouse.io import checkpoint
from lakehouse.io.delta import Positions, open_if_exists, tags_of
from lakehouse.io.process_status import is_alive, stream_status, was_killed
from lakehouse.io.query import lake_database, reference_tables, sql_of
from lakehouse.io.table_files import faults, remedy_of
from lakehouse.io.terminal import translated
from lakehouse.paths import view_name
from scripts.console import AsJson, console, emit, fail, new_app, progress
from streaming_jobs.flows import folded, refreshed
from streaming_jobs.startup import checks as startup_checks

app = new_app(None)
SETTLE_SECONDS = 20.0  # a batch takes less, also after a burst
PAUSE_SECONDS = 0.5
# Counts in events. `rows_in`: records in bronze, and those that it lacks between two offsets of a partition
# that it has. `lost`: what no other column accounts for.
COLUMNS = ("kind", "rows_in", "silver", "quarantine", "duplicates", "lost")
BALANCES = """
with counted(kind, place, events) as (
  select kind, 'rows_in', count(*) from bronze.events group by kind
  union all
  select split_part(topic, '.', 2), 'rows_in', sum(skipped)
  from (
    select topic, max("offset") - min("offset") + 1 - count(distinct "offset") as skipped
    from bronze.events group by topic, partition
  )
  where topic like ? and skipped > 0 group by all
  -- an event that was evaluated again has one more row per round (generation 1, 2, …)
  union all select kind, 'quarantine', count(*) from silver.quarantine where generation = 0 group by kind
  -- a quarantined event that was let through since is counted in silver
  union all select kind, 'quarantine', -count(*) from gold.reviews where outcome = 'silver' group by kind
  union all select kind, 'duplicates', sum(duplicates) from gold.balance group by kind
  union all {silver}
)
select
  kind,
  coalesce(sum(events) filter (place = 'rows_in'), 0)::bigint as rows_in,
  coalesce(sum(events) filter (place = 'silver'), 0)::bigint as silver,
  coalesce(sum(events) filter (place = 'quarantine'), 0)::bigint as quarantine,
  coalesce(sum(events) filter (place = 'duplicates'), 0)::bigint as duplicates,
  rows_in - silver - quarantine - duplicates as lost
from counted group by kind order by kind
"""
# One event may be several rows.
IN_SILVER = """
select '{kind}', 'silver', count(distinct (topic, "partition", "offset", event_id)) from {table}
"""
# Of gold, besides the key; what is summed up from many rows may differ in its last digit.
COMPARED = ("event_id", "event_time", "price_idr", "value", "observations", "last_event_time", "commodities")
# The line that `demo` ends with.
LINE = "IN={rows_in} SILVER={silver} QUARANTINE={quarantine} DUP={duplicates} LOST={lost}"
REVIEWS_SQL = "select event_id as decision_id from silver_decisions"
LOOKS = 10


@app.command()
def reconcile(as_json: AsJson = False) -> None:
    """Check that events in = silver + quarantine + duplicates, and that gold follows from silver.

    Exit 1 on any difference, and while events wait in Kafka; a running stream is first given 20 seconds.
    Events that arrive after the start of this command are not asked for.
    """
    console.print(f"home {settings().home}", markup=False)
    refuse_missing_tables()
    refuse_damaged_tables()
    ends = checkpoint.kafka_ends()
    try:
        wait_for_stream(ends)
        differences = gold_differences()
        report = balance_report(ends) | {"gold_differences": differences}
    except (duckdb.Error, OSError, ValueError) as error:
        message = str(error).partition("\n")[0]
        console.print(
            f"a table cannot be read ({message}): ./run.sh doctor --deep names the file", markup=False
        )
        raise typer.Exit(ExitCode.FAILED) from None
    if as_json:
        emit(report)
    else:
        show(report)
        show_differences(differences)
    raise typer.Exit(ExitCode.DONE if report["balanced"] and not differences else ExitCode.FAILED)


def refuse_missing_tables() -> None:
    """Exit 5 when a batch was finished and no table exists: nothing can be counted."""
    finding = startup_checks.check_presence()
    if not finding.ok:
        fail(f"{finding.detail} in {settings().home}; remedy: {finding.remedy}", ExitCode.REFUSED)


def wait_for_stream(ends: Positions | None) -> None:
    """Return when no event before `ends` waits, or no stream would take it up, or after SETTLE_SECONDS."""
    end = time.monotonic() + SETTLE_SECONDS
    while checkpoint.count_waiting(ends=ends) and is_alive(stream_status()) and time.monotonic() < end:
        time.sleep(PAUSE_SECONDS)


def refuse_damaged_tables() -> None:
    """Exit 1 naming the tables that cannot be counted."""
    tables = progress(tuple(contracts()), "reading tables")
    broken = {table: problems for table in tables if (problems := faults(table))}
    for table, problems in broken.items():
        console.print(f"{table}: {problems[0]}; remedy: {remedy_of(table)}", markup=False)
    if broken:
        raise typer.Exit(ExitCode.FAILED)


def show_differences(differences: list[dict[str, Any]] | None) -> None:
    """Print on stderr how gold differs from silver."""
    if differences is None:
        if was_killed(stream_status()):
            console.print(
                "gold was not compared with silver: the stream was killed; ./run.sh up continues it"
            )
        else:
            console.print("gold was not compared with silver: the stream writes all the time")
        return
    for row in differences:
        counts = f"{row['missing']} rows are missing, {row['surplus']} do not follow from what it reads"
        console.print(f"{row['table']}: {counts}", markup=False)
    if differences:
        console.print("./run.sh doctor --deep names damaged files; ./run.sh rebuild silver repairs gold")


def show(report: dict[str, Any]) -> None:
    """Print the summary line on stdout, everything else on stderr."""
    headings = ("kind", "in", "silver", "quarantine", "duplicates", "lost")
    shown = Table(*map(translated, headings))
    for row in (*report["kinds"], report["total"]):
        shown.add_row(*(str(value) for value in row.values()))
    console.print(shown)
    print(report["line"])
    lag = report["lag_events"]
    waiting = "unknown: Kafka does not answer" if lag is None else lag
    console.print(f"events in Kafka not processed yet: {waiting}", markup=False)
    if lag:
        console.print("not balanced before the stream has processed them: ./run.sh up, then run this again")
    if report["batch_under_way"] and not is_alive(stream_status()):
        console.print("a batch was interrupted and is not counted yet: ./run.sh up finishes it")


def balance_report(ends: Positions | None = None) -> dict[str, Any]:
    """The balance of every kind and of all together, as one JSON-able object.

    `ends`: events of Kafka before these offsets must be in it; None: all that Kafka holds now.
    """
    newest = checkpoint.newest_batch()
    under_way = checkpoint.batch_under_way() is not None
    counted = last_counted_batch() if under_way else None
    balances = kind_balances(counted["versions"] if counted else None)
    if checkpoint.newest_batch() != newest and not counted:
        # A batch has begun while the tables were opened: their newest versions do not agree.
        counted = last_counted_batch()
        balances = kind_balances(counted["versions"] if counted else None)
    waiting = checkpoint.count_waiting(positions=counted["offsets"] if counted else None, ends=ends)
    whole = {name: sum(balance[name] for balance in balances) for name in COLUMNS[1:]}
    return {
        "home": str(settings().home),
        "balanced": all(balance["lost"] == 0 for balance in balances) and not waiting,
        "kinds": balances,
        "total": {"kind": "total", **whole},
        "line": LINE.format(**whole),
        "batch_under_way": under_way,
        "lag_events": waiting,
    }


def kind_balances(versions: dict[str, int] | None = None) -> list[dict[str, Any]]:
    """COLUMNS of each kind, of the tables at these versions; None: at the newest."""
    tables = {kind: contract.table for kind, contract in kinds().items()}
    names = ["bronze.events", "silver.quarantine", "gold.reviews", "gold.balance", *tables.values()]
    silver = " union all ".join(IN_SILVER.format(kind=kind, table=table) for kind, table in tables.items())
    rows = lake_database(names, versions).execute(BALANCES.format(silver=silver), [f"{TOPIC_PREFIX}%"])
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows.fetchall()]


def last_counted_batch() -> dict[str, Any] | None:
    """Tag of the newest batch in gold.balance: its offsets, and the versions of the tables that agree.

    Between the commits of a batch the newest versions do not agree, whether the stream runs or was killed.
    """
    tag = next((tag for tag in tags_of("gold.balance", 100) if tag.get("versions")), None)
    return tag and tag | {"versions": {**tag["versions"], "gold.balance": tag["version"]}}


# ----------------------------------------------------------------------------------- gold against silver


def gold_differences() -> list[dict[str, Any]] | None:
    """Tables that differ from silver; None when the stream writes all the time, or was killed.

    While the stream runs, a difference counts when nothing was written between two looks.
    """
    if was_killed(stream_status()):
        return None  # its next start brings gold up to silver
    for _ in range(LOOKS):
        before = _versions()
        differences = differences_now()
        if not is_alive(stream_status()) or not differences:
            return differences
        time.sleep(settings().stream.incremental_gold_seconds + 1)  # gold has followed by then
        if _versions() == before and not checkpoint.batch_under_way():
            return differences
    return None


def differences_now() -> list[dict[str, Any]]:
    """As the tables are now: the rows that each lacks, and those that follow from nothing.

    Tables without a commit are left out.
    """
    plans = [(contract, sql_of(contract), _columns(contract)) for contract in _compared_contracts()]
    plans.append((contracts()["gold.reviews"], REVIEWS_SQL, ["decision_id"]))
    written = [plan for plan in plans if open_if_exists(plan[0].table) is not None]
    outcomes = [_difference(*plan) for plan in progress(written, "comparing gold with silver")]
    return [outcome for outcome in outcomes if outcome["missing"] or outcome["surplus"]]


def _compared_contracts() -> list[Contract]:
    """Gold that one statement computes from silver, from other gold and from the reference lists."""
    return [*folded(), *(contracts()[table] for table in refreshed("seconds"))]


def _columns(contract: Contract) -> list[str]:
    return [
        *contract.key,
        *(name for name in COMPARED if name in set(contract.column_names) - set(contract.key)),
    ]


def _difference(contract: Contract, sql: str, columns: list[str]) -> dict[str, Any]:
    reads = ["silver.decisions"] if contract.table == "gold.reviews" else list(contract.reads)
    lake = lake_database([contract.table, *reads])
    for name, rows in reference_tables().items():
        lake.register(name, rows)
    listed = ", ".join(columns)
    expected = f"select {listed} from ({sql}) as computed"
    actual = f"select {listed} from {view_name(contract.table)}"
    missing, surplus = (
        lake.execute(f"select count(*) from ({first} except all {second})").fetchall()[0][0]
        for first, second in ((expected, actual), (actual, expected))
    )
    return {"table": contract.table, "missing": missing, "surplus": surplus}


def _versions() -> dict[str, int]:
    tables = {table for contract in _compared_contracts() for table in (contract.table, *contract.reads)}
    opened = {table: open_if_exists(table) for table in sorted(tables)}
    return {name: table.version() for name, table in opened.items() if table}
