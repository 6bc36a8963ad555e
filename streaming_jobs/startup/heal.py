"""Damaged tables at the start: torn commits are taken back, gold is emptied and written again from silver."""

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

from conf.runtime.process import Refused
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import clear_cache, empty_table, ensure_table, open_table, table_uri
from lakehouse.io.table_files import UNREADABLE, faults, remedy_of
from streaming_jobs.flows import folded, refreshed

log = logging.getLogger("lumbung.repair")


def gold_of_the_stream() -> list[str]:
    """Gold that the stream computes from silver and can compute again while it runs."""
    return [*(contract.table for contract in folded()), *refreshed("seconds")]


def heal(tables: Iterable[str]) -> list[str]:
    """Empty those tables that have faults, for their one writer; returns their names.

    Raises Refused for a table that no other table holds the rows of.
    """
    healed = []
    for table in tables:
        if not (problems := faults(table)):
            continue
        if contracts()[table].kept_by_rebuild:
            raise Refused(f"{table}: {'; '.join(problems[:3])}. Remedy: {remedy_of(table)}")
        log.warning("%s: %s. It is emptied and written again from silver", table, "; ".join(problems[:3]))
        start_over(table)
        healed.append(table)
    return healed


def start_over(table: str) -> None:
    """Empty the table; one whose log cannot be read is moved away and created again."""
    if any(fault.startswith(UNREADABLE) for fault in faults(table)):
        folder = Path(table_uri(table))
        kept = folder.with_name(f"{folder.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        folder.rename(kept)
        log.warning("%s cannot be read; it is kept in %s", table, kept)
        ensure_table(table)
        return
    empty_table(table)
    open_table(table).create_checkpoint()  # readers begin there: a damaged commit before it does not count


def take_back_torn_commits() -> dict[str, list[int]]:
    """Table -> versions that were taken back, newest first.

    Every table then ends with a complete commit; the batch that wrote the others was not finished and is
    repeated. Their files are kept with the suffix `.torn`. An object store stores a file whole or not at all.
    """
    taken: dict[str, list[int]] = {}
    for table in contracts():
        folder = Path(table_uri(table))
        while (
            "://" not in table_uri(table) and (commit := _newest_commit(folder)) and _is_torn(commit, folder)
        ):
            log.warning("%s: version %d is incomplete and is taken back", table, int(commit.stem))
            commit.rename(commit.with_suffix(".torn"))
            commit.with_name(f".{commit.name}.crc").unlink(missing_ok=True)
            taken.setdefault(table, []).append(int(commit.stem))
    if taken:
        clear_cache()
    return taken


def _newest_commit(folder: Path) -> Path | None:
    """The newest commit of a table that no checkpoint contains; None when there is none."""
    log_folder = folder / "_delta_log"
    newest = max(log_folder.glob("[0-9]*.json"), default=None)
    summary = max((file.name.partition(".")[0] for file in log_folder.glob("[0-9]*.checkpoint*")), default="")
    return newest if newest is not None and newest.stem > summary else None


def _is_torn(commit: Path, folder: Path) -> bool:
    """Whether the commit cannot be read whole, or a file that it adds is not as long as it says."""
    try:
        actions = [json.loads(line) for line in commit.read_bytes().splitlines()]
    except ValueError:
        return True
    files = [
        (folder / unquote(action["add"]["path"]), action["add"]["size"])
        for action in actions
        if "add" in action
    ]
    return not actions or any(not file.exists() or file.stat().st_size != size for file, size in files)
