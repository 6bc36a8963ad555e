"""A million events, 1 % of them invalid, through the stream and its peers, all from the same topic."""

import os
import time
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import accumulate

from deltalake import DeltaTable

from scripts.bench.figures import Usage, sampled
from scripts.bench.place import ENGINES, broker_only, run_module, with_engine
from scripts.stack.throwaway import Stack

MEANS = (
    "events/s from Kafka into validated Delta tables; steady: after a warm-up of as many events, "
    "cold: including the start of the process; CPU of all processes, broker and start included; "
    "PSS: largest sum"
)
LUMBUNG = "rules, statistics, duplicates, bronze + silver + quarantine + gold; exactly once"
# What each does with an event and promises after a crash; all write Delta tables.
PROMISES = {
    "spark": f"Lumbung: {LUMBUNG}",
    "embedded": f"Lumbung without a JVM in the stream: {LUMBUNG}",
    "naive": "Spark: parse, append; at least once",
    "delta_rs": "librdkafka + delta-rs: parse, append; exactly once a partition",
    "bytewax": "bytewax + delta-rs: parse, append; at least once",
}
PEERS = {"naive": "naive", "delta_rs": "peer_delta_rs", "bytewax": "peer_bytewax"}
# What delta-rs and Spark call the rows of a commit.
ROWS_OF_COMMIT = ("num_added_rows", "numOutputRows")


@dataclass(frozen=True)
class Run:
    """One run over all events. `rate`: events/s after the warm-up; `seconds`: with the start."""

    rate: float
    seconds: float
    usage: Usage


def measure(events: int = 1_000_000, warm_up_events: int = 1_000_000) -> dict[str, object]:
    """Figures of all. `steady`: events after the warm-up. `cold`: all events, with the process start.

    Raises RuntimeError when a table lacks rows.
    """
    total = events + warm_up_events
    with broker_only() as stack:
        run_module(stack, "scripts.bench.events", str(total))
        runs = {
            name: timed(stack, f"scripts.bench.{module}", target, target, warm_up_events)
            for name, module in installed_peers().items()
            if (target := str(stack.home / name))
        }
        for engine in ENGINES:
            lake = with_engine(stack, engine)
            bronze = f"{lake.lake_root}/bronze/events"
            runs[engine] = timed(lake, "streaming_jobs.run", "--once", bronze, warm_up_events)
            check_rows(lake, total)
    peers = [name for name in runs if name not in ENGINES]
    return {
        "events": total,
        "steady_events_per_second": {name: round(run.rate) for name, run in runs.items()},
        "steady_ratio_to": {
            engine: {name: round(runs[engine].rate / runs[name].rate, 2) for name in peers}
            for engine in ENGINES
        },
        "cold_events_per_second": {name: round(total / run.seconds) for name, run in runs.items()},
        "cold_ratio_to": {
            engine: {name: round(runs[name].seconds / runs[engine].seconds, 2) for name in peers}
            for engine in ENGINES
        },
        "cpu_us_per_event": {
            name: round(run.usage.cpu_seconds / total * 1e6, 1) for name, run in runs.items()
        },
        "pss_mb_max": {name: round(run.usage.pss_mb_max) for name, run in runs.items()},
        "promises": {name: PROMISES[name] for name in runs},
    }


def timed(stack: Stack, module: str, argument: str, table: str, warm_up_events: int) -> Run:
    """Run the module; its rate is that of the commits of `table`, see `steady_rate`."""
    with sampled(os.getpid(), without_root=True) as usage:
        seconds = run_seconds(stack, module, argument)
    return Run(steady_rate(table, warm_up_events), seconds, usage)


def check_rows(stack: Stack, total: int) -> None:
    """Raises RuntimeError unless bronze, and silver with quarantine, hold so many events."""
    names = ("bronze/events", "silver/prices", "silver/quarantine")
    rows = {name: count_rows(stack, name) for name in names}
    if rows["bronze/events"] != total or rows["silver/prices"] + rows["silver/quarantine"] != total:
        raise RuntimeError(f"{total} events were sent, the tables hold {rows}")


def installed_peers() -> dict[str, str]:
    """Peer -> its module in this folder. Bytewax has no package for every version of Python."""
    return {name: module for name, module in PEERS.items() if name != "bytewax" or find_spec("bytewax")}


def run_seconds(stack: Stack, module: str, *arguments: str) -> float:
    """Seconds that the module ran, including the start of its process."""
    started = time.monotonic()
    run_module(stack, module, *arguments)
    return time.monotonic() - started


def steady_rate(table: str, warm_up_events: int) -> float:
    """Rows per second of the commits after the one that holds the last row of the warm-up."""
    commits = [
        (commit["timestamp"] / 1000, int(next(metrics[name] for name in ROWS_OF_COMMIT if name in metrics)))
        for commit in reversed(DeltaTable(table).history())
        if commit["operation"] in ("WRITE", "STREAMING UPDATE") and (metrics := commit["operationMetrics"])
    ]
    rows = list(accumulate(count for _, count in commits))
    begin = next(nth for nth, count in enumerate(rows) if count >= warm_up_events)
    return (rows[-1] - rows[begin]) / float(commits[-1][0] - commits[begin][0])


def count_rows(stack: Stack, table: str) -> int:
    """Number of rows of a table, from its log."""
    return DeltaTable(f"{stack.lake_root}/{table}").count()
