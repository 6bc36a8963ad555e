"""Gold whose files are damaged is emptied at the start: it follows from silver and is written again."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from conf.runtime.process import Refused
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import empty_table, ensure_table, open_table, table_uri
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
