"""Compact: merge small files of tables, and remove those that no version within their retention needs."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Annotated

import orjson
import typer

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import Refused
from lakehouse.contracts.contract import contracts
from lakehouse.io import delta
from lakehouse.io.terminal import fail, translated
from streaming_jobs.gold import runner
from streaming_jobs.repair.rebuild_gold import BatchEngine
from streaming_jobs.startup import checks

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    table: Annotated[str | None, typer.Option(help="this table alone")] = None,
    engine: Annotated[
        BatchEngine | None, typer.Option(help="spark: executors merge the files; else this process")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the data as JSON on stdout")] = False,
) -> None:
    """Merge small files of every table, and remove those that no version within its retention needs.

    The processes that write tables do so by themselves, with one table at a time. Use it for tables that
    outgrow one machine, or after a long pause. The stack must be down.
    """
    if table and table not in contracts():
        fail(f"there is no table '{table}'", ExitCode.USAGE)
    with ExitStack() as held:
        try:
            held.enter_context(checks.repair_lock())
            held.enter_context(checks.lock())
            held.enter_context(runner.lock())
        except Refused as refusal:
            fail(str(refusal), ExitCode.REFUSED)
        compact: Callable[[str], tuple[int, int]] = in_this_process
        if engine is BatchEngine.spark:
            from streaming_jobs.spark import jobs  # seconds to import

            compact = partial(jobs.compact, held.enter_context(jobs.batch_session()))
        counts = []
        for name in [table] if table else contracts():
            if delta.table_exists(name):
                removed, added = compact(name)
                counts.append({"table": name, "files_removed": removed, "files_added": added})
                if not as_json:
                    print(translated(f"{name}: {removed} files merged into {added}"), flush=True)
    if as_json:
        print(orjson.dumps(counts).decode())


def in_this_process(table: str) -> tuple[int, int]:
    """Files that were merged, and those that they became."""
    merged = delta.compact(table)
    delta.vacuum(table)
    delta.clean_log(table)
    return merged["numFilesRemoved"], merged["numFilesAdded"]
