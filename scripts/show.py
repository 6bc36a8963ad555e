"""How `status` looks to a person."""

from typing import Any

from rich.console import Console
from rich.table import Table


def show_status(found: dict[str, Any]) -> None:
    """Services and tables on stdout."""
    out = Console(highlight=False)
    services = Table("service", "state", "pid", "up", "memory")
    for part in found["services"]:
        pid = str(part["pid"]) if part["pid"] else "–"
        up = f"{part['uptime_seconds']} s" if part["pid"] else "–"
        memory = f"{part['rss_mb']} MB" if part["rss_mb"] else "–"
        services.add_row(part["name"], part["state"], pid, up, memory)
    out.print(services)
    stream = found["stream"]
    if stream:
        out.print(
            f"stream: {stream['state']}, batch {stream['batch_id']} "
            f"({stream['batch_rows']} rows in {stream['batch_seconds']} s), told at {stream['updated_at']}; "
            f"{'unknown' if found['lag_events'] is None else found['lag_events']} events wait in Kafka",
            markup=False,
        )
    if heavy := found["heavy_gold"]:
        jobs = ", ".join(f"{name} {job['failure'] or str(job['seconds']) + ' s'}" for name, job in heavy["jobs"].items())
        out.print(
            f"heavier gold: {heavy['state']}, {heavy['rounds']} rounds ({jobs or 'no job yet'}), told at {heavy['updated_at']}",
            markup=False,
        )
    if trainer := found["trainer"]:
        doing = f"{' '.join(trainer['round']['arguments'])} ({trainer['round']['why']})" if trainer["round"] else "nothing"
        failed = f", last one failed: {trainer['failure']}" if trainer["failure"] else ""
        out.print(f"trainer: {trainer['state']}, {trainer['rounds']} rounds, doing {doing}{failed}", markup=False)
    tables = Table("table", "version", "rows", "files", "newest", "last commit")
    for table in found["tables"]:
        if table["version"] is None:
            tables.add_row(table["table"], "–", "0", "0", "–", "no row yet")
            continue
        numbers = (str(table["version"]), f"{table['rows']:,}", str(table["files"]))
        tables.add_row(table["table"], *numbers, table["newest"] or "–", f"{table['age_seconds']:.0f} s ago")
    out.print(tables)
    out.print(f"API {found['api']}   home {found['home']}", markup=False)
