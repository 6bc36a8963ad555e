"""Bronze -> everything else, again: silver, quarantine, gold; and a lost checkpoint from what bronze holds."""

import json
import logging
import shutil
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rich.console import Console
from rich.progress import track

from conf.settings import settings
from lakehouse.contract import contracts, kinds
from streaming_jobs import guard, heavy_gold, kafka_source
from streaming_jobs.batch import judge_all, rows_of, written_versions
from streaming_jobs.bronze_ids import bronze_until
from streaming_jobs.counts import balance_row, quality_rows
from streaming_jobs.delta_sink import BatchTag, append_arrow, append_frame, create_tables, empty_table, open_table
from streaming_jobs.event_ids import EventIds
from streaming_jobs.hot_gold import HotGold
from streaming_jobs.judging import Judge, KindResult, accepted_tables
from streaming_jobs.kafka_source import Positions, batch_offsets
from streaming_jobs.reviews import DECISION, Review, Reviews, review_rows
from streaming_jobs.session import session
from streaming_jobs.slow_gold import SlowGold

log = logging.getLogger("lumbung.rebuild")
console = Console(stderr=True)
REBUILT = "rebuilt"  # stream id of batches whose own is not known any more
REFUSED = 5
# The source; the record of what was shown; what was issued, measured or judged by training, which a rebuild
# does not repeat.
KEPT_BY_A_REBUILD = (
    "bronze.events", "gold.ledger", "gold.forecasts", "gold.model_accuracy", "gold.feature_importance", "gold.weather_prices",
    "gold.sales_model", "gold.sales_leaks", "gold.anomalies",
)  # fmt: skip


def finished_positions() -> tuple[Positions | None, str, int]:
    """(where the last finished batch ended; None: take all of bronze, stream id, its number). An unfinished batch runs again."""
    stream, planned, finished = kafka_source.stream_id(), kafka_source.planned_batches(), kafka_source.finished_batches()
    if stream is None or not planned:
        return None, REBUILT, -1
    if not finished or planned[-1] > finished[-1]:
        return batch_offsets(planned[-1]).start, stream, planned[-1] - 1
    return batch_offsets(planned[-1]).end, stream, planned[-1]


def known_batches() -> dict[str, list[Any]]:
    """Batch time -> [stream id, batch number], as the balance has it, or as an unfinished rebuild noted it."""
    noted = guard.rebuilding_file()
    if noted.exists():
        return dict(json.loads(noted.read_text()))
    rows = open_table("gold.balance").to_pyarrow_table(columns=["ingested_at", "stream_id", "batch_id"]).to_pylist()
    found = {row["ingested_at"].isoformat(): [row["stream_id"], row["batch_id"]] for row in rows}
    fresh = noted.with_suffix(".tmp")
    fresh.write_text(json.dumps(found))
    fresh.replace(noted)
    return found


def chunks(counts: list[tuple[datetime, int, int]], most: int) -> Iterator[list[datetime]]:
    """(batch time, events, decisions), oldest first -> batch times in groups of about `most` events; a batch is never cut.

    A batch with decisions stays alone: they are about what stood in quarantine before it.
    """
    group: list[datetime] = []
    size = 0
    for time, count, decisions in counts:
        if group and (decisions or size + count > most):
            yield group
            group, size = [], 0
        group.append(time)
        size += count
        if decisions:
            size = most  # the next one begins a group
    if group:
        yield group


class Rebuild:
    """Silver, quarantine and gold from bronze: the same rows as the stream wrote, judged by today's rules."""

    def __init__(self, spark: SparkSession, ids: EventIds, batches: dict[str, list[Any]]) -> None:
        self._judge = Judge(spark, ids)
        self._reviews = Reviews()
        self._gold = HotGold()
        self._batches = batches

    def _tag(self, time: datetime) -> BatchTag:
        stream, number = self._batches.get(time.isoformat(), [REBUILT, -1])
        return BatchTag(stream, number)

    def chunk(self, bronze: DataFrame, times: list[datetime]) -> int:
        """Judge and write the batches of these times; returns the number of events."""
        rows = bronze.filter(F.col("ingested_at").between(times[0], times[-1])).persist()
        present = [row.kind for row in rows.select("kind").distinct().collect() if row.kind in kinds()]
        last = self._tag(times[-1])
        results, reviews = judge_all(self._judge, self._reviews, rows, present, b"", times[-1])
        for result in results:
            if result.accepted.any():
                append_frame(self._judge.silver(result), kinds()[result.kind].table, last, 2)
            if result.judgement and result.judgement.verdicts is not None:
                append_arrow(result.judgement.verdicts, contracts()["silver.price_verdicts"], last.text())
        if any(result.refused.any() for result in results):
            append_frame(self._judge.quarantine(results), "silver.quarantine", last, 2)
        self._gold.update(accepted_tables(results), last)
        self._count(results, reviews, times)
        for result in results:
            result.frame.unpersist()
        rows.unpersist()
        return sum(int(result.arrived.sum()) for result in results)

    def _count(self, results: list[KindResult], reviews: list[Review], times: list[datetime]) -> None:
        judge, last = self._judge, self._tag(times[-1])
        counted: dict[str, list[dict[str, Any]]] = {"gold.data_quality": [], "gold.reviews": review_rows(reviews, results)}
        counted["gold.balance"] = []
        for time in times:
            tag = self._tag(time)
            parts = results if len(times) == 1 else [part for one in results if len((part := one.taken_at(time)).verdict)]
            for part in parts:
                counted["gold.data_quality"] += quality_rows(part, judge.rules[part.kind], judge.rule_set, tag)
                counted["gold.balance"].append(balance_row(part, tag, time))
        for table, rows in counted.items():
            if rows:
                versions = {"versions": written_versions()} if table == "gold.balance" else {}
                append_arrow(rows_of(table, rows), contracts()[table], last.text(**versions))


def rebuild_silver(spark: SparkSession) -> int:
    """Returns the number of events judged. Killed in the middle, run it again: the stream refuses to start until then."""
    until, stream_id, batch_id = finished_positions()
    batches = known_batches()
    bronze = bronze_until(spark, until)
    decisions = F.sum(F.when(F.col("kind") == DECISION, 1).otherwise(0)).alias("decisions")
    grouped = bronze.groupBy("ingested_at").agg(F.count("*").alias("events"), decisions).orderBy("ingested_at").toArrow()
    counts = list(zip(*(grouped[name].to_pylist() for name in ("ingested_at", "events", "decisions")), strict=True))
    for name, contract in contracts().items():
        if name not in KEPT_BY_A_REBUILD:
            empty_table(contract)
    place = settings().state_dir / "event_ids"
    shutil.rmtree(place, ignore_errors=True)
    ids, events = EventIds(place), 0
    work = Rebuild(spark, ids, batches)
    groups = list(chunks(counts, settings().stream.max_events_per_batch))
    for times in track(groups, "rebuild silver", console=console, disable=not groups):
        events += work.chunk(bronze, times)
        ids.commit(REBUILT, -1)
    SlowGold(1).refresh()
    heavy_gold.HeavyGold([make() for make in heavy_gold.JOBS], threading.Event()).round()
    ids.commit(stream_id, batch_id)
    ids.close()
    guard.rebuilding_file().unlink()
    return events


# ----------------------------------------------------------------------------------------------------- checkpoint


def bronze_positions() -> Positions:
    """Next offset per topic and partition behind the last record in bronze; those without any are left out."""
    rows = open_table("bronze.events").to_pyarrow_table(columns=["topic", "partition", "offset", "ingested_at"])
    newest = rows.group_by(["topic", "partition"]).aggregate([("offset", "max")]).to_pylist()
    found: Positions = {}
    for row in newest:
        found.setdefault(row["topic"], {})[str(row["partition"])] = row["offset_max"] + 1
    return found


def rebuild_checkpoint() -> Positions:
    """Set the checkpoint aside and note where the next one begins. Raises Refused when Kafka cannot say what it holds."""
    bronze, positions = bronze_positions(), Positions()
    for topic, parts in guard.kafka_bounds().items():
        positions[topic] = {}
        for partition, (low, high) in parts.items():
            after = bronze.get(topic, {}).get(partition, low)
            if not low <= after <= high:
                text = f"{topic}/{partition}: Kafka holds {low} to {high}, bronze goes on at {after}: beginning at {low}"
                console.print(text, markup=False)
            positions[topic][partition] = after if low <= after <= high else low
    checkpoint = kafka_source.checkpoint_dir()
    if checkpoint.exists():
        aside = checkpoint.with_name(f"checkpoint.before-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        checkpoint.rename(aside)
        console.print(f"the old checkpoint is kept in {aside.name}", markup=False)
    kafka_source.starting_after_file().write_text(str(open_table("bronze.events").version()))
    kafka_source.starting_offsets_file().write_text(json.dumps(positions))
    return positions


def main(what: Annotated[str, typer.Argument(help="silver: tables from bronze; checkpoint: where the stream goes on")]) -> None:
    """Repair what the stream refuses to start with. The stack must be down (for checkpoint the broker must run)."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if what not in ("silver", "checkpoint"):
        console.print(f"nothing is called '{what}': give silver or checkpoint", markup=False)
        raise typer.Exit(2)
    try:
        held, held_too = guard.lock(), heavy_gold.lock()
        create_tables()
        if what == "checkpoint":
            positions = rebuild_checkpoint()
            print(json.dumps(positions))
        else:
            spark = session("lumbung-rebuild")
            events = rebuild_silver(spark)
            spark.stop()
            print(f"{events} events judged again")
        held.close()
        held_too.close()
    except guard.Refused as refusal:
        console.print(str(refusal), markup=False)
        raise typer.Exit(REFUSED) from None
    if what == "checkpoint" and (unjudged := guard.unjudged()):
        console.print(f"{unjudged} records of bronze were never judged: run ./run.sh rebuild silver too", markup=False)


if __name__ == "__main__":
    sys.argv[0] = "./run.sh rebuild"
    typer.run(main)
