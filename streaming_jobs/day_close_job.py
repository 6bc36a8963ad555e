"""Refused prices of a closed market day that most provinces share -> a decision each, which releases them."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import duckdb
import pyarrow as pa
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from conf.broker import NotAcknowledged, producer_config
from conf.settings import settings
from lakehouse.event import Event, rfc3339
from lakehouse.validation.day_close import DECIDED_BY, LOOK_BACK_DAYS, NEEDED, Release, common_shocks
from lakehouse.validation.thresholds import Thresholds
from streaming_jobs.delta_sink import open_table

log = logging.getLogger("lumbung.day_close")
TABLES = ("silver.quarantine", "silver.price_verdicts", "gold.reviews")
# Open prices refused as outliers, with the day that each is of; the day is closed when the good has been judged on a later one.
OPEN_SQL = """
  with open as (
    select event_id, topic, "partition", "offset", generation, quarantined_at from quarantine
    where kind = 'price' and list_has_any(list_transform(reasons, lambda r: r.rule), ['outlier_residual', 'outlier_geographic'])
  ), ends as (select commodity, channel, max(market_date) as newest from verdicts group by all)
  select o.*, v.commodity, v.channel, v.market_date
  from open o
  join (select event_id, commodity, channel, market_date from verdicts where outcome = 'quarantine'
        qualify row_number() over (partition by event_id order by ingested_at desc) = 1) v using (event_id)
  join ends using (commodity, channel)
  anti join reviews r
    on r.target_record = o.topic || ':' || o."partition" || ':' || o."offset" and r.generation = o.generation
  where v.market_date + $lateness::int < ends.newest
  order by v.market_date, o.event_id
"""
# What was reported on the day and before: the newest price of each series-day, and every refused one of the day.
REPORTED_SQL = """
  select {columns} from verdicts
  where commodity = $commodity and channel = $channel and market_date between $since and $day
  qualify (outcome = 'quarantine' and market_date = $day) or row_number() over (
    partition by provider, market_id, region_code, market_date order by unit_power <> 0, event_time desc, event_id desc) = 1
"""


class DayClose:
    """Looks at each refused price once its day is closed. A decision's id follows from its target, so it counts once."""

    name = "day_close"

    def __init__(self) -> None:
        self._thresholds = Thresholds.of(settings().validation.model_dump())
        self._seen: set[tuple[str, int]] = set()
        self._versions: tuple[int, ...] = ()

    def refresh(self) -> None:
        """Release what turned out to be a common shock; what Kafka does not acknowledge is tried again in the next round."""
        opened = [open_table(table) for table in TABLES]
        versions = tuple(table.version() for table in opened)
        if versions == self._versions:
            return
        with duckdb.connect(config={"threads": 1}) as con:
            con.execute("set timezone = 'UTC'")
            for name, table in zip(("quarantine", "verdicts", "reviews"), opened, strict=True):
                con.register(name, table.to_pyarrow_dataset())
            lateness = {"lateness": self._thresholds.allowed_lateness_days}
            rows = con.execute(OPEN_SQL, lateness).to_arrow_table().to_pylist()
            fresh = [row for row in rows if (row["event_id"], row["generation"]) not in self._seen]
            decided = self._decisions(con, fresh)
        if not decided or acknowledged(decided):
            self._seen |= {(row["event_id"], row["generation"]) for row in fresh}
            self._versions = versions

    def _decisions(self, con: duckdb.DuckDBPyConnection, rows: Sequence[Mapping[str, Any]]) -> list[Event]:
        of_event = {row["event_id"]: row for row in rows}
        events = []
        for commodity, channel, day in sorted({(row["commodity"], row["channel"], row["market_date"]) for row in rows}):
            for release in common_shocks(reported(con, commodity, channel, day), day, self._thresholds):
                if release.event_id in of_event:
                    events.append(decision(of_event[release.event_id], release))
        return events


def reported(con: duckdb.DuckDBPyConnection, commodity: str, channel: str, day: date) -> pa.Table:
    """Rows of silver.price_verdicts that the close of a day looks at."""
    values = {"commodity": commodity, "channel": channel, "day": day, "since": day - timedelta(days=LOOK_BACK_DAYS)}
    return con.execute(REPORTED_SQL.format(columns=", ".join(NEEDED)), values).to_arrow_table()


def decision(row: Mapping[str, Any], release: Release) -> Event:
    """The release as an event. Id and time follow from the quarantined row, so that a second one is a duplicate."""
    record = f"{row['topic']}:{row['partition']}:{row['offset']}"
    identity = hashlib.sha256(f"{record}|{row['generation']}|{DECIDED_BY}".encode()).hexdigest()[:32]
    payload = {
        "event_id": f"d-{identity}",
        "event_time": rfc3339(row["quarantined_at"]),
        "target_event_id": row["event_id"],
        "target_kind": "price",
        "target_record": record,
        "generation": row["generation"],
        "decision": "release",
        "reason": release.reason,
        "decided_by": DECIDED_BY,
        "quarantined_at": rfc3339(row["quarantined_at"]),
    }
    return Event("decision", row["event_id"], json.dumps(payload).encode(), f"d-{identity}", DECIDED_BY, row["quarantined_at"])


def acknowledged(events: Sequence[Event]) -> bool:
    """Send the decisions; False when Kafka did not confirm all of them."""
    producer = Producer(producer_config())
    failures: list[str] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(error.str())

    try:
        for event in events:
            producer.produce(event.topic, event.value, event.key, headers=event.headers, on_delivery=delivered)
            producer.poll(0)
        left = producer.flush(settings().kafka.acknowledge_timeout_seconds * 2)
        if failures or left:
            raise NotAcknowledged(failures[0] if failures else f"{left} records wait")
    except (KafkaException, BufferError, NotAcknowledged) as error:
        log.warning("%d releases were not acknowledged, next round again: %s", len(events), error)
        return False
    log.info("%d prices released: their moves were shared by the country", len(events))
    return True
