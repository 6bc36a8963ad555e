"""Gold computed again from all of its sources, by the code that refreshes it or on Spark."""

from enum import StrEnum
from time import monotonic

from conf.runtime.process import Refused
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import empty_table
from lakehouse.io.terminal import translated
from streaming_jobs.batch.folded_gold import fold_again
from streaming_jobs.flows import folded, job_of, refreshed
from streaming_jobs.gold.runner import make_job
from streaming_jobs.startup.checks import rebuilding_file
from streaming_jobs.startup.heal import heal


class BatchEngine(StrEnum):
    """DuckDB in this process, or Spark where the lake outgrows one machine."""

    duckdb = "duckdb"
    spark = "spark"


def gold_tables(engine: BatchEngine = BatchEngine.duckdb) -> list[str]:
    """Gold that the engine computes again, each table after those that it reads.

    It follows from other tables, and no rebuild keeps it. For Spark its contract is SQL.
    """
    tables = [*(contract.table for contract in folded()), *refreshed("seconds"), *refreshed("background")]
    computed = [table for table in tables if not contracts()[table].kept_by_rebuild]
    return [table for table in computed if engine is BatchEngine.duckdb or contracts()[table].sql]


def rebuild_gold(tables: list[str], engine: BatchEngine) -> None:
    """Compute these tables again and print how long each took.

    Killed in the middle, what refreshes them goes on from what is committed. Raises Refused when silver is
    incomplete.
    """
    if rebuilding_file().exists():
        raise Refused("silver is incomplete: run ./run.sh rebuild silver first")
    heal(tables)
    if engine is BatchEngine.duckdb:
        for group in written_together(tables):
            began = monotonic()
            compute_again(group)
            print_computed(group, began)
        return
    from streaming_jobs.spark import jobs  # seconds to import

    with jobs.batch_session() as spark:
        for table in tables:
            began = monotonic()
            jobs.rebuild(spark, table)
            print_computed([table], began)


def written_together(tables: list[str]) -> list[list[str]]:
    """All tables of the jobs that write these, a list for each job; the folded ones are a list."""
    groups: dict[str, list[str]] = {}
    for table in gold_tables():
        groups.setdefault(writer_of(table), []).append(table)
    return [groups[writer] for writer in dict.fromkeys(map(writer_of, tables))]


def writer_of(table: str) -> str:
    """Name of the job; "" for folded tables."""
    return "" if contracts()[table].refreshed == "batch" else job_of(table)


def compute_again(tables: list[str]) -> None:
    """Set back what writes these tables, and run it until nothing is left to do."""
    for table in tables:
        empty_table(table)
    if not (writer := writer_of(tables[0])):
        fold_again()
        return
    job = make_job(writer)
    job.refresh()
    while job.is_behind:
        job.refresh()


def print_computed(tables: list[str], began: float) -> None:
    """A line with the tables and the seconds since then."""
    print(translated(f"{', '.join(tables)}: computed again in {monotonic() - began:.1f} s"), flush=True)
