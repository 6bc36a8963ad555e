"""A million events, 1 % of them invalid, through the stream and its peers, all from the same topic."""

import os
import time
from dataclasses import dataclass
from importlib.util import find_spec

from deltalake import DeltaTable

from conf.settings import settings
from scripts.bench.figures import Usage, sampled
from scripts.bench.place import broker_only, run_module
from scripts.stack.throwaway import Stack

MEANS = (
    "events/s from Kafka into validated Delta tables; steady: after a warm-up of as many events, "
    "cold: including the start of Spark; CPU of all processes, broker and start included; PSS: largest sum"
)
# What each does with an event and promises after a crash; all write Delta tables.
PROMISES = {
    "lumbung": "rules, statistics, duplicates, bronze + silver + quarantine + gold; exactly once",
    "naive": "Spark: parse, append; at least once",
    "delta_rs": "librdkafka + delta-rs: parse, append; exactly once a partition",
    "bytewax": "bytewax + delta-rs: parse, append; at least once",
}
PEERS = {"naive": "naive", "delta_rs": "peer_delta_rs", "bytewax": "peer_bytewax"}


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
    warm_batches = -(-warm_up_events // settings().stream.max_events_per_batch)
    with broker_only() as stack:
        run_module(stack, "scripts.bench.events", str(total))
        runs = {
            name: timed(stack, f"scripts.bench.{module}", target, target, warm_batches)
            for name, module in installed_peers().items()
            if (target := str(stack.home / name))
        }
        balance = f"{stack.lake_root}/gold/balance"
        runs["lumbung"] = timed(stack, "streaming_jobs.run", "--once", balance, warm_batches)
        rows = {
            name: count_rows(stack, name) for name in ("bronze/events", "silver/prices", "silver/quarantine")
        }
    if rows["bronze/events"] != total or rows["silver/prices"] + rows["silver/quarantine"] != total:
        raise RuntimeError(f"{total} events were sent, the tables hold {rows}")
    ours = runs["lumbung"]
    return {
        "events": total,
        "rows": rows,
        "steady_events_per_second": {name: round(run.rate) for name, run in runs.items()},
        "steady_ratio_to": {
            name: round(ours.rate / run.rate, 2) for name, run in runs.items() if run is not ours
        },
        "cold_events_per_second": {name: round(total / run.seconds) for name, run in runs.items()},
        "cold_ratio_to": {
            name: round(run.seconds / ours.seconds, 2) for name, run in runs.items() if run is not ours
        },
        "cpu_us_per_event": {
            name: round(run.usage.cpu_seconds / total * 1e6, 1) for name, run in runs.items()
        },
        "pss_mb_max": {name: round(run.usage.pss_mb_max) for name, run in runs.items()},
        "promises": {name: PROMISES[name] for name in runs},
    }


def timed(stack: Stack, module: str, argument: str, table: str, skip: int) -> Run:
    """Run the module; its rate is that of the commits of `table`, see `steady_rate`."""
    with sampled(os.getpid(), without_root=True) as usage:
        seconds = run_seconds(stack, module, argument)
    return Run(steady_rate(table, skip), seconds, usage)


def installed_peers() -> dict[str, str]:
    """Peer -> its module in this folder. Bytewax has no package for every version of Python."""
    return {name: module for name, module in PEERS.items() if name != "bytewax" or find_spec("bytewax")}


def run_seconds(stack: Stack, module: str, *arguments: str) -> float:
    """Seconds that the module ran, including the start of its process."""
    started = time.monotonic()
    run_module(stack, module, *arguments)
    return time.monotonic() - started


def steady_rate(table: str, skip: int) -> float:
    """Events per second between the commits of batch `skip` and the last but one.

    The last batch is left out because it may be small.
    """
    commits = [
        commit
        for commit in reversed(DeltaTable(table).history())
        if commit["operation"] in ("WRITE", "STREAMING UPDATE")
    ]
    times = [commit["timestamp"] / 1000 for commit in commits]
    seconds = float(times[-2] - times[skip])
    return settings().stream.max_events_per_batch * (len(times) - 2 - skip) / seconds


def count_rows(stack: Stack, table: str) -> int:
    """Number of rows of a table, from its log."""
    return DeltaTable(f"{stack.lake_root}/{table}").count()
