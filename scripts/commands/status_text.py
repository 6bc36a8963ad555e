"""The report of `status` for a person: one screen, or with `--all` every service, job and table."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakehouse.io.terminal import translated
from scripts.console import NOTHING, ago, duration_text, print_rows

Report = Mapping[str, Any]
SHOWN_PROBLEMS = 3  # two lines each; with them the screen has at most 24 lines
NAME_WIDTH = 10  # of the first column, which is never cut
COLOURS = {"ready": "green", "starting": "yellow"}


def show(report: Report, out: Console, everything: bool = False) -> None:
    """Print the report. Without `everything` a line is cut at the width of the terminal, remedies are not."""
    _show_problems(report["problems"], out, everything)
    if everything:
        _show_services(report["services"], out)
    else:
        out.print(_services_grid(report["services"]))
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True, min_width=NAME_WIDTH)
    lines.add_column(no_wrap=not everything, overflow="fold" if everything else "ellipsis")
    for name, text in _process_lines(report, everything):
        lines.add_row(Text(translated(name), style="bold"), Text(text))
    out.print(lines)
    if everything:
        _show_tables(report["tables"], out)
    else:
        out.print(translated("more: ./run.sh status --all"), style="dim")


def _show_problems(problems: list[dict[str, str]], out: Console, everything: bool) -> None:
    if not problems:
        out.print(translated("all fine"), style="bold green")
        return
    out.print(translated(f"not fine: {len(problems)}"), style="bold red")
    shown = problems if everything else problems[:SHOWN_PROBLEMS]
    for problem in shown:
        text = Text(f"  {problem['name']}: {translated(problem['detail'])}", style="red")
        out.print(text, no_wrap=not everything, overflow="fold" if everything else "ellipsis")
        remedy = f"remedy: {problem['remedy']}"
        out.print(f"    {translated(remedy)}", soft_wrap=True)
    if left := len(problems) - len(shown):
        out.print(translated(f"  and {left} more"))


def _services_grid(services: list[dict[str, Any]]) -> Table:
    """Two services a line: name, state, how long it has been up, memory."""
    grid = Table.grid(padding=(0, 2))
    cells: list[tuple[str | Text, ...]] = [
        (
            service["name"],
            Text(translated(service["state"]), style=COLOURS.get(service["state"], "red")),
            duration_text(service["uptime_seconds"]) if service["pid"] else NOTHING,
            f"{service['rss_mb']:.0f} MB" if service["rss_mb"] else NOTHING,
        )
        for service in services
    ]
    for left, right in zip(cells[::2], [*cells[1::2], ("", "", "", "")], strict=False):
        grid.add_row(*left, *right)
    return grid


def _show_services(services: list[dict[str, Any]], out: Console) -> None:
    headings = ("service", "state", "pid", "uptime", "memory", "restarts")
    rows = [
        (
            service["name"],
            translated(service["state"]),
            service["pid"],
            duration_text(service["uptime_seconds"]) if service["pid"] else None,
            f"{service['rss_mb']} MB" if service["rss_mb"] else None,
            service["restarts"],
        )
        for service in services
    ]
    print_rows(headings, rows, out)


def _process_lines(report: Report, everything: bool) -> Iterator[tuple[str, str]]:
    """(name, text) of the processes that have written a status, of the quarantine and of the tables."""
    if stream := report["stream"]:
        waiting = "unknown" if report["lag_events"] is None else f"{report['lag_events']:,}"
        batch = "no batch yet"
        if stream["batch_id"] is not None:
            rows, seconds = stream["batch_rows"], stream["batch_seconds"]
            batch = f"batch {stream['batch_id']} ({rows} rows in {seconds} s)"
        text = f"{stream['state']}, events waiting: {waiting}; {batch}, {ago(stream['updated_at'])}"
        yield "stream", translated(text)
    if gold := report["background_gold"]:
        text = f"{gold['state']}, {gold['rounds']} rounds, {ago(gold['updated_at'])}"
        yield "gold", translated(text) + (f": {_jobs(gold['jobs'])}" if everything else "")
    if trainer := report["trainer"]:
        training = trainer["round"]
        current = f"{' '.join(training['arguments'])} ({training['why']})" if training else "idle"
        yield "trainer", translated(f"{trainer['state']}, {trainer['rounds']} rounds, now {current}")
    if worker := report["alert_worker"]:
        yield "alerts", translated(f"{worker['state']}; {sent_messages(worker['deliveries']) or 'none sent'}")
    if collectors := report["collectors"]:
        sources = collectors["sources"]
        text = collected(sources) if everything else f"{len(sources)} sources"
        yield "collectors", translated(f"{collectors['state']}; {text}")
    if waiting := report["quarantine_open"]:
        yield "quarantine", translated(f"{waiting} events wait for a decision: ./run.sh quarantine list")
    yield "tables", _tables_line(report["tables"])
    yield "API", report["api"]
    yield "home", report["home"]


def _jobs(jobs: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(f"{name} {job['failure'] or str(job['seconds']) + ' s'}" for name, job in jobs.items())


def _tables_line(tables: list[dict[str, Any]]) -> str:
    filled = [table for table in tables if table["rows"]]
    rows, files = (sum(table[name] for table in filled) for name in ("rows", "files"))
    ages = [table["age_seconds"] for table in filled]
    newest = translated(f"{duration_text(min(ages))} ago") if ages else NOTHING
    text = f"{len(filled)} of {len(tables)} have rows: {rows:,} in {files:,} files, newest commit {newest}"
    return translated(text)


def collected(sources: Mapping[str, Mapping[str, Any]]) -> str:
    """`rss 12 events, last success 3 min ago; x 0 events, failed: …`: polled sources, their newest poll."""
    texts = []
    for name, source in sources.items():
        success = f"last success {ago(source['last_success_at'])}"
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


def _show_tables(tables: list[dict[str, Any]], out: Console) -> None:
    headings = ("table", "version", "rows", "files", "newest", "committed")
    print_rows(headings, map(_table_cells, tables), out)


def _table_cells(table: dict[str, Any]) -> tuple[object, ...]:
    if table["fault"]:
        unread = translated("cannot be read: ./run.sh doctor names the remedy")
        return (table["table"], None, None, None, None, unread)
    if table["version"] is None:
        return (table["table"], None, 0, 0, None, translated("no row yet"))
    newest = (table["newest"] or "")[:16].replace("T", " ")
    committed = translated(f"{duration_text(table['age_seconds'])} ago")
    return (table["table"], table["version"], f"{table['rows']:,}", table["files"], newest, committed)
