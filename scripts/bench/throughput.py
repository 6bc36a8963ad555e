"""Events of one market day, 1 % of them invalid, through the stream and its peers, from the same topic."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path

import pyarrow.compute as pc
from deltalake import DeltaTable

from lakehouse.io.delta import open_table
from scripts.bench.harness import ENGINES, Usage, broker_only, run_module, with_engine
from scripts.stack.throwaway import Stack

MEANS = (
    "events/s from Kafka into validated Delta tables; steady: after a warm-up of as many events; "
    "CPU of all processes, broker and start included; PSS: largest sum"
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


@dataclass(frozen=True)
class Run:
    """One run over all events. `rate`: events/s after the warm-up."""

    rate: float
    usage: Usage


def measure(events: int = 1_000_000) -> dict[str, object]:
    """Figures of `compare` over prices of one market day, after a warm-up of as many events."""
    return compare("one_day", 2 * events, events)


def compare(shape: str, events: int, warm_up_events: int) -> dict[str, object]:
    """Figures of all over the same events, one after the other. `shape`: of `event_shapes.SHAPES`.

    `steady`: events after the warm-up. Raises RuntimeError when a table lacks rows.
    """
    with broker_only() as stack:
        run_module(stack, "scripts.bench.events", str(events), shape)
        runs = {
            name: timed(stack, f"scripts.bench.{module}", target, target, warm_up_events)
            for name, module in installed_peers().items()
            if (target := str(stack.home / name))
        }
        sent = DeltaTable(str(stack.home / "delta_rs")).count()  # it appends every record
        outcomes = {}
        for engine in ENGINES:
            lake = with_engine(stack, engine)
            bronze = f"{lake.lake_root}/bronze/events"
            runs[engine] = timed(lake, "streaming_jobs.run", "--once", bronze, warm_up_events)
            outcomes[engine] = checked_outcomes(lake, sent)
    return {"events": sent, "outcomes": outcomes, **figures(runs, sent)}


def figures(runs: Mapping[str, Run], events: int) -> dict[str, object]:
    """Rates, CPU and memory of all, and what each engine reaches of each peer's rate."""
    peers = [name for name in runs if name not in ENGINES]
    return {
        "steady_events_per_second": {name: round(run.rate) for name, run in runs.items()},
        "steady_ratio_to": {
            engine: {name: round(runs[engine].rate / runs[name].rate, 2) for name in peers}
            for engine in ENGINES
        },
        "cpu_us_per_event": {
            name: round(run.usage.cpu_seconds / events * 1e6, 1) for name, run in runs.items()
        },
        "pss_mb_max": {name: round(run.usage.pss_mb_max) for name, run in runs.items()},
        "promises": {name: PROMISES[name] for name in runs},
    }


def timed(stack: Stack, module: str, argument: str, table: str, warm_up_events: int) -> Run:
    """Run the module; its rate is that of the commits of `table`, see `steady_rate`."""
    with Usage(os.getpid(), without_root=True) as usage:
        run_module(stack, module, argument)
    return Run(steady_rate(table, warm_up_events), usage)


def checked_outcomes(stack: Stack, sent: int) -> dict[str, int]:
    """Events by where they landed. Raises RuntimeError unless they are those that were sent."""
    balance = open_table("gold.balance", root=stack.lake_root).to_pyarrow_table()
    counts = {name: pc.sum(balance[name]).as_py() for name in ("silver", "quarantine", "duplicates")}
    bronze = open_table("bronze.events", root=stack.lake_root).count()
    if bronze != sent or sum(counts.values()) != sent:
        raise RuntimeError(f"{sent} events were sent, bronze holds {bronze}, the balance {counts}")
    return counts


def installed_peers() -> dict[str, str]:
    """Peer -> its module in this folder. Bytewax has no package for every version of Python."""
    return {name: module for name, module in PEERS.items() if name != "bytewax" or find_spec("bytewax")}


def steady_rate(table: str, warm_up_events: int) -> float:
    """Rows per second of the commits after the one that holds the last row of the warm-up."""
    files = sorted(Path(table, "_delta_log").glob("*[0-9].json"))
    commits = [commit for file in files if (commit := time_and_rows(file))[1]]
    rows = list(accumulate(count for _, count in commits))
    begin = next(nth for nth, count in enumerate(rows) if count >= warm_up_events)
    return (rows[-1] - rows[begin]) / float(commits[-1][0] - commits[begin][0])


def time_and_rows(commit: Path) -> tuple[float, int]:
    """When the commit was made, seconds since 1970, and the number of rows that it adds."""
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    added = [action["add"] for action in actions if action.get("add", {}).get("dataChange")]
    (info,) = (action["commitInfo"] for action in actions if "commitInfo" in action)
    return info["timestamp"] / 1000, sum(json.loads(file["stats"])["numRecords"] for file in added)
