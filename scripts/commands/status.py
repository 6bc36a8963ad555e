"""`status`: processes, lag, rows and freshness per table."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import psutil
import typer
from deltalake.exceptions import DeltaError
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from conf.runtime.exit_codes import ExitCode
from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.checkpoint import count_waiting
from lakehouse.io.delta import open_if_exists
from lakehouse.io.kafka import is_open
from lakehouse.io.process_status import was_killed
from lakehouse.io.table_files import UnreadableTable, reading
from lakehouse.io.terminal import translated
from lakehouse.silence import COLUMNS, total_silence
from lakehouse.times import utc_text
from scripts.console import AsJson, emit, new_app, result_console
from scripts.stack import ports, readiness, supervision
from scripts.stack.patience import process_tree
from scripts.stack.services import service_names

app = new_app(None)
NONE = "–"
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
    """Everything as one JSON-able object; `ok` is false when a service is down."""
    services_now = services()
    tables_now = tables()
    rows = {table.table: table.rows for table in tables_now}
    return {
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
def status(as_json: AsJson = False) -> None:
    """Show processes, lag, rows and freshness per table; exit 4 when a service is down."""
    report = read_status()
    if as_json:
        emit(report)
    else:
        show(report, result_console())
    raise typer.Exit(ExitCode.DONE if report["ok"] else ExitCode.NOT_RUNNING)


def show(report: dict[str, Any], out: Console) -> None:
    """Print the report for a person."""
    out.print(_services_shown(report["services"]))
    for line in _process_lines(report):
        out.print(translated(line))
    out.print(_tables_shown(report["tables"]))
    out.print(translated(f"API {report['api']}   home {report['home']}"))


def _services_shown(services_now: list[dict[str, Any]]) -> Table:
    headings = ("service", "state", "pid", "uptime", "memory", "restarts")
    shown = Table(*map(translated, headings))
    for service in services_now:
        pid = str(service["pid"]) if service["pid"] else NONE
        uptime = f"{service['uptime_seconds']} s" if service["pid"] else NONE
        memory = f"{service['rss_mb']} MB" if service["rss_mb"] else NONE
        state = translated(service["state"])
        shown.add_row(service["name"], state, pid, uptime, memory, str(service["restarts"]))
    return shown


def _process_lines(report: dict[str, Any]) -> list[str]:
    """A line per process that has written a status, and for what waits for a person."""
    lines = []
    if stream := report["stream"]:
        lag = "unknown" if report["lag_events"] is None else report["lag_events"]
        if stream["batch_id"] is None:
            lines.append(
                f"stream: {stream['state']}, no batch yet, updated {stream['updated_at']}; "
                f"events waiting in Kafka: {lag}"
            )
        else:
            lines.append(
                f"stream: {stream['state']}, last batch {stream['batch_id']} "
                f"({stream['batch_rows']} rows in {stream['batch_seconds']} s), "
                f"updated {stream['updated_at']}; events waiting in Kafka: {lag}"
            )
    if gold := report["background_gold"]:
        jobs = ", ".join(
            f"{name} {job['failure'] or str(job['seconds']) + ' s'}" for name, job in gold["jobs"].items()
        )
        lines.append(
            f"background gold: {gold['state']}, {gold['rounds']} rounds ({jobs or 'no job yet'}), "
            f"updated {gold['updated_at']}"
        )
    if trainer := report["trainer"]:
        training = trainer["round"]
        current = f"{' '.join(training['arguments'])} ({training['why']})" if training else "idle"
        failure = f"; the last round failed: {trainer['failure']}" if trainer["failure"] else ""
        lines.append(f"trainer: {trainer['state']}, {trainer['rounds']} rounds, now {current}{failure}")
    if worker := report["alert_worker"]:
        lines.append(f"alerts: {worker['state']}; {sent_messages(worker['deliveries'])}")
    if collectors := report["collectors"]:
        lines.append(f"collectors: {collectors['state']}; {collected(collectors['sources'])}")
    if waiting := report["quarantine_open"]:
        lines.append(f"quarantine: {waiting} events wait for a decision; ./run.sh quarantine list shows them")
    if refused := report["landing_refused"]:
        lines.append(
            f"landing folder: {refused['files']} files were refused, the newest {refused['newest']} "
            f"({refused['reason']}); they are in {settings().landing_dir / 'refused'}"
        )
    if silence := report["silence"]:
        lines.append(
            f"silence: most of the {silence['series']} markets and devices that used to report are silent, "
            f"the newest event is of {silence['since'][:16]}; check what sends, then ./run.sh logs gateway"
        )
    return lines


def collected(sources: Mapping[str, Mapping[str, Any]]) -> str:
    """`rss 12 events, last success 2026-…; x 0 events, failed: …`: polled sources with their newest poll."""
    texts = []
    for name, source in sources.items():
        success = f"last success {source['last_success_at'] or NONE}"
        outcome = f"failed: {source['failure']}" if source["failure"] else success
        if unknown := ", ".join(source["unknown_fields"]):
            outcome += f", unknown fields: {unknown}"
        texts.append(f"{name} {source['events']} events, {outcome}")
    return "; ".join(texts)


def sent_messages(counts: Mapping[str, Mapping[str, int]]) -> str:
    """`email 2 sent, telegram 3 mock`: messages by channel and state."""
    return ", ".join(
        f"{channel} {number} {state}"
        for channel, states in sorted(counts.items())
        for state, number in sorted(states.items())
    )


def _tables_shown(tables_now: list[dict[str, Any]]) -> Table:
    headings = ("table", "version", "rows", "files", "newest", "committed")
    name, *others = map(translated, headings)
    shown = Table(
        Column(name, no_wrap=True),
        *others,
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for table in tables_now:
        if table["fault"]:
            unread = translated("cannot be read: ./run.sh doctor names the remedy")
            shown.add_row(table["table"], NONE, NONE, NONE, NONE, unread)
            continue
        if table["version"] is None:
            shown.add_row(table["table"], NONE, "0", "0", NONE, translated("no row yet"))
            continue
        numbers = (str(table["version"]), f"{table['rows']:,}", str(table["files"]))
        age = translated(f"{table['age_seconds']:.0f} s ago")
        shown.add_row(table["table"], *numbers, (table["newest"] or NONE)[:16].replace("T", " "), age)
    return shown
