"""The whole pipeline on one screen: which tables, and how often. The facts stand in the contracts.

Kafka -> bronze.events -> silver.<kind> or silver.quarantine -> gold. A gold contract's `refreshed` says who
writes it:

batch       the stream, in every micro-batch (streaming_jobs/batch/driver.py)
seconds     a thread of the stream, after batches (streaming_jobs/gold/incremental.py)
background  a process of its own, every stream.background_gold_seconds (streaming_jobs/gold/runner.py)
training    the trainer, after training and with new prices (ml/trainer.py)
"""

from graphlib import TopologicalSorter
from typing import Literal

from lakehouse.contracts.contract import Contract, contracts

Refreshed = Literal["batch", "seconds", "background", "training"]
JOBS_WITHOUT_TABLE = ("day_close", "table_files")  # publishes decisions; notes checksums


def appended() -> tuple[str, ...]:
    """Bronze and silver tables: every micro-batch appends to them."""
    return tuple(table for table in contracts() if not table.startswith("gold."))


def refreshed(when: Refreshed) -> tuple[str, ...]:
    """Gold tables written then; a table comes after those that it reads."""
    gold = {table: contract for table, contract in contracts().items() if table.startswith("gold.")}
    order = TopologicalSorter({table: contract.reads for table, contract in gold.items()}).static_order()
    return tuple(table for table in order if table in gold and gold[table].refreshed == when)


def background_jobs() -> tuple[str, ...]:
    """What the background process runs: a module of streaming_jobs/gold, which may write several tables, or
    the SQL of a contract."""
    return tuple(dict.fromkeys((*map(job_of, refreshed("background")), *JOBS_WITHOUT_TABLE)))


def job_of(table: str) -> str:
    """Name of the job that refreshes a gold table within seconds or in background."""
    return contracts()[table].job or table.partition(".")[2]


def folded() -> list[Contract]:
    """Gold tables into which the newest rows of a batch are folded."""
    return [contracts()[table] for table in refreshed("batch") if contracts()[table].refresh == "fold"]
