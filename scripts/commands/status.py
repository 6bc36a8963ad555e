"""`status`: what is not fine, processes, lag, rows and freshness of the tables."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import psutil
import typer
from deltalake.exceptions import DeltaError

from conf.runtime.exit_codes import ExitCode
from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.checkpoint import count_waiting
from lakehouse.io.delta import open_if_exists
from lakehouse.io.kafka import is_open
from lakehouse.io.process_status import (
    background_gold_status,
    collectors_status,
    failed_gold_jobs,
    stream_failure,
    was_killed,
)
from lakehouse.io.table_files import UnreadableTable, reading
from lakehouse.silence import COLUMNS, total_silence
from lakehouse.times import utc_text
from scripts.commands.status_text import show
from scripts.console import AsJson, emit, fail, new_app, result_console
from scripts.stack import ports, readiness, supervision
from scripts.stack.patience import process_tree
from scripts.stack.services import service_names
from streaming_jobs.startup.checks import Finding

app = new_app(None)
WATCH_SECONDS = 2.0
SILENT_ROUNDS = 10  # a round that starts from nothing takes as long as some ordinary ones
SILENT = "gold.silent_series"


@dataclass(frozen=True)
class ServiceStatus:
    """One service of this home."""

    name: str
    state: str  # "ready", "starting", "restarting" (again and again) or "down"
    pid: int | None
    uptime_seconds: float | None
    rss_mb: float | None  # with its children
    restarts: int  # after ends by a fault, since the stack was started


@dataclass(frozen=True)
class TableStatus:
    """One table of the contracts."""

    table: str
    version: int | None = None  # None: no row yet
    rows: int = 0
    files: int = 0
    newest: str | None = None  # newest event or batch time, UTC
    age_seconds: float | None = None  # since the last commit
    fault: str | None = None  # why it cannot be read


def services() -> list[ServiceStatus]:
    """Every service of this home; all are down when supervisord does not run."""
    processes = supervision.processes()
    return [_service(name, processes.get(name)) for name in service_names()]


def _service(name: str, info: dict[str, Any] | None) -> ServiceStatus:
    restarts = supervision.restarts(name)
    if not info or not info["pid"]:
        waits = info is not None and info["statename"] == "BACKOFF"  # for its next start
        state = "restarting" if waits or restarts.again_and_again else "down"
        return ServiceStatus(name, state, None, None, None, restarts.count)
    state = "ready" if readiness.ready(name, info) else "starting"
    state = "restarting" if restarts.again_and_again else state
    uptime = info["now"] - info["start"]
    return ServiceStatus(name, state, info["pid"], uptime, _rss_mb(info["pid"]), restarts.count)


def _rss_mb(pid: int) -> float | None:
    try:
        return round(sum(process.memory_info().rss for process in process_tree(pid)) / 2**20, 1) or None
    except psutil.NoSuchProcess:
        return None


def tables() -> list[TableStatus]:
    """Every table of the contracts, read from its log alone (rows by file statistics)."""
    return [_table(name, contract.time_column) for name, contract in contracts().items()]


def _table(name: str, time_column: str) -> TableStatus:
    try:
        with reading(name):
            table = open_if_exists(name)
            if table is None:
                return TableStatus(name)
            files = table.get_add_actions(flatten=True)
            rows = sum(value or 0 for value in files["num_records"].to_pylist())
            age = round(time.time() - table.history(1)[0]["timestamp"] / 1000, 1)
            return TableStatus(name, table.version(), rows, files.num_rows, _newest(files, time_column), age)
    except UnreadableTable as error:
        return TableStatus(name, fault=str(error))


def _newest(files: Any, time_column: str) -> str | None:
    """The newest time of the batch, for a table without one the newest `time_column`, by file statistics."""
    for column in ("ingested_at", time_column):
        if f"max.{column}" in files.schema.names:
            times = [time for time in files[f"max.{column}"].to_pylist() if time is not None]
            return max(times).isoformat() if times else None
    return None


def read_status() -> dict[str, Any]:
    """Everything as one JSON-able object; `ok` is false when a service is down; `problems`: all faults."""
    services_now = services()
    tables_now = tables()
    rows = {table.table: table.rows for table in tables_now}
    report = {
        "ok": all(service.state == "ready" for service in services_now),
        "home": str(settings().home),
        "api": readiness.api_url(),
        "services": [asdict(service) for service in services_now],
        **{name: with_current_state(read()) for name, (read, _) in readiness.READY_STATES.items()},
        "lag_events": lag_now(),
        "landing_refused": refused_files(),
        "quarantine_open": rows["silver.quarantine"] - rows["gold.reviews"],
        "silence": silence_now(),
        "ports": {port.use: is_open(port.host, port.number) for port in ports.wanted()},
        "tables": [asdict(table) for table in tables_now],
    }
    return report | {"problems": [fault_fields(fault) for fault in faults_in(report)]}


def fault_fields(fault: Finding) -> dict[str, str]:
    """What a reader of the report gets of a fault."""
    return {"name": fault.name, "detail": fault.detail, "remedy": fault.remedy}


def faults_in(report: dict[str, Any]) -> Iterator[Finding]:
    """What is not fine in the report, with its remedy; of a stack that does not run that alone."""
    services_now = report["services"]
    if not any(service["pid"] for service in services_now):
        yield Finding("stack", False, "no service runs", "./run.sh up")
    else:
        for service in services_now:
            if service["state"] != "ready":
                name = service["name"]
                detail = f"{service['state']}, {service['restarts']} restarts"
                yield Finding(name, False, detail, f"./run.sh logs {name}; ./run.sh up")
        checks = (*stream_findings(), *background_gold_findings(), *collector_findings())
        yield from (finding for finding in checks if not finding.ok)
    for table in report["tables"]:
        if table["fault"]:
            remedy = "./run.sh doctor names the remedy"
            yield Finding(f"table {table['table']}", False, table["fault"], remedy)
    if (trainer := report["trainer"]) and trainer["failure"]:
        detail = f"the last round failed: {trainer['failure']}"
        yield Finding("trainer", False, detail, "./run.sh logs trainer")
    if refused := report["landing_refused"]:
        reason = (
            f"{refused['files']} files were refused, the newest {refused['newest']} ({refused['reason']})"
        )
        remedy = f"correct them and drop them again; they are in {settings().landing_dir / 'refused'}"
        yield Finding("landing folder", False, reason, remedy)
    if silence := report["silence"]:
        detail = (
            f"most of the {silence['series']} markets and devices that used to report are silent, "
            f"the newest event is of {silence['since'][:16]}"
        )
        yield Finding("silence", False, detail, "check what sends, then ./run.sh logs gateway")


def stream_findings() -> Iterator[Finding]:
    """A batch that fails again and again keeps every later event waiting."""
    if failure := stream_failure():
        since = f"newest at {failure['updated_at']}: {failure['reason']}"
        detail = f"batch {failure['batch_id']} failed {failure['failures']} times, {since}"
        yield Finding("stream", False, detail, "./run.sh logs stream")


def background_gold_findings() -> Iterator[Finding]:
    """The last rounds of the background gold process; nothing before its first start."""
    status = background_gold_status()
    if status is None:
        return
    failures = [f"{name}: {reason}" for name, reason in failed_gold_jobs(status).items()]
    age = (datetime.now(UTC) - datetime.fromisoformat(status["updated_at"])).total_seconds()
    is_running = status["state"] == "running" and psutil.pid_exists(status["pid"])
    is_silent = is_running and age > SILENT_ROUNDS * settings().stream.background_gold_seconds
    detail = "; ".join(failures) or f"{status['state']}, {status['rounds']} rounds, updated {age:.0f} s ago"
    remedy = "./run.sh logs background_gold; ./run.sh up"
    yield Finding("background gold", not failures and not is_silent, detail, remedy)


def collector_findings() -> Iterator[Finding]:
    """The newest poll of each source while the collectors run."""
    status = collectors_status()
    if status is None or status["state"] != "running":
        return
    for name, source in status["sources"].items():
        detail = f"{source['events']} events"
        remedy = f"./run.sh logs collectors; ./run.sh collect {name} --once"
        if source["failure"]:
            detail = f"newest poll failed: {source['failure']}"
        elif unknown := ", ".join(source["unknown_fields"]):
            detail = f"the source renamed or added fields: {unknown}"
            remedy = f"adapt producers/collectors/sources/{name}.py and fields in conf/collectors/{name}.yml"
        is_usual = not source["failure"] and not source["unknown_fields"]
        yield Finding(f"collector {name}", is_usual, detail, remedy)


def lag_now() -> int | None:
    """Events in Kafka that wait for the stream; None when Kafka or gold.balance cannot be read."""
    try:
        return count_waiting()
    except DeltaError:
        return None  # the list of tables names it


def refused_files() -> dict[str, Any] | None:
    """Number of refused files of the landing folder, the newest and its reason; None without any."""
    folder = settings().landing_dir / "refused"
    reasons = sorted(folder.rglob("*.reason.txt"), key=lambda file: file.stat().st_mtime)
    if not reasons:
        return None
    newest = reasons[-1]
    reason = newest.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    return {"files": len(reasons), "newest": newest.name.removesuffix(".reason.txt"), "reason": reason}


def silence_now() -> dict[str, Any] | None:
    """Since when no market and no device reports, of how many that used to; None while one of them does."""
    try:
        with reading(SILENT):
            table = open_if_exists(SILENT)
            rows = table.to_pyarrow_table(columns=list(COLUMNS)).to_pylist() if table else []
    except UnreadableTable:
        return None  # the list of tables names it
    silence = total_silence(rows, datetime.now(UTC))
    return {"since": utc_text(silence.since), "series": silence.series} if silence else None


def with_current_state(status: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The status; its state is "not running" when its process was killed and could not write that."""
    if status is None:
        return None
    return {**status, "state": "not running" if was_killed(status) else status["state"]}


@app.command()
def status(
    everything: Annotated[
        bool, typer.Option("--all", help="also each service, job, polled source and table")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="show it again every 2 s until Ctrl-C")] = False,
    as_json: AsJson = False,
) -> None:
    """Show on one screen whether all is fine, and if not the remedies; exit 4 when a service is down."""
    if watch and as_json:
        fail("--watch is for people: leave it out with --json", ExitCode.USAGE)
    out = result_console()
    while True:
        report = read_status()
        if as_json:
            emit(report)
        else:
            if watch:
                out.clear()
            show(report, out, everything)
        if not watch:
            raise typer.Exit(ExitCode.DONE if report["ok"] else ExitCode.NOT_RUNNING)
        time.sleep(WATCH_SECONDS)
