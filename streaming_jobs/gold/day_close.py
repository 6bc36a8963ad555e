"""Closed market days: refused prices that the day as a whole, or a lasting level, explains -> releases."""

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa
from deltalake import DeltaTable

from conf.settings import settings
from lakehouse.event import Event
from lakehouse.families import siblings
from lakehouse.io.kafka import NotAcknowledged, publish
from lakehouse.io.query import run_sql
from lakehouse.io.signing_keys import signing_keys
from lakehouse.times import rfc3339
from lakehouse.validation.prices.day_close import (
    DECIDED_BY,
    FOLLOW_DAYS,
    LOOK_BACK_DAYS,
    NEEDED,
    Release,
    releases,
)
from lakehouse.validation.prices.thresholds import Thresholds
from streaming_jobs.gold.driver import QUARANTINE, Change, VersionJob

log = logging.getLogger("lumbung.day_close")
VERDICTS = "silver.price_verdicts"
REVIEWS = "gold.reviews"
# Days that are read in one query.
SPAN_DAYS = 90
# Undecided prices refused as outliers or for a sibling's level, with their market day. A day is closed once a
# price of the commodity has been judged on a later one. `through`: the newest day that can matter for it;
# `closed`: the newest closed one of them; `later`: how many days after its own the series reports, as a level
# may last.
OPEN_SQL = """
  with open as (
    select event_id, topic, "partition", "offset", generation, quarantined_at from quarantine
    where kind = 'price' and list_has_any(
      list_transform(reasons, lambda r: r.rule), ['outlier_residual', 'outlier_geographic', 'sibling_price'])
  ), ends as (select commodity, channel, max(market_date) as newest from verdicts group by all
  ), candidates as (
    select o.*, v.commodity, v.channel, v.provider, v.market_id, v.region_code, v.market_date,
      least(ends.newest, v.market_date + $follow::int) as through,
      least(ends.newest - $lateness::int - 1, v.market_date + $follow::int) as closed
    from open o
    join (select event_id, commodity, channel, provider, market_id, region_code, market_date from verdicts
          where outcome = 'quarantine'
          qualify row_number() over (partition by event_id order by ingested_at desc) = 1) v using (event_id)
    join ends using (commodity, channel)
    anti join reviews r
      on r.target_record = o.topic || ':' || o."partition" || ':' || o."offset"
        and r.generation = o.generation
    where v.market_date + $lateness::int < ends.newest
  )
  select c.* exclude (provider, market_id, region_code), count(distinct w.market_date) as later
  from candidates c
  left join verdicts w
    on (w.commodity, w.channel, w.provider, w.market_id, w.region_code)
      = (c.commodity, c.channel, c.provider, c.market_id, c.region_code)
    and w.market_date > c.market_date and w.market_date <= c.through
  group by all order by c.market_date, c.event_id
"""
# Reports up to the newest day that matters, of siblings too: the newest price of each series and day, and
# every refused price.
REPORTED_SQL = """
  select {columns} from verdicts
  where list_contains($commodities, commodity) and channel = $channel
    and market_date between $since and $through
  qualify outcome = 'quarantine' or row_number() over (
    partition by commodity, provider, market_id, region_code, market_date
    order by unit_power <> 0, event_time desc, event_id desc, ingested_at desc) = 1
"""


class DayClose(VersionJob):
    """Checks each refused price once its day is closed, and when a later day is that can matter for it.

    It publishes releases and writes no table. A decision's id follows from its target: it counts once.
    """

    name = "day_close"
    tables = ()
    sources = (QUARANTINE, VERDICTS, REVIEWS)

    def __init__(self) -> None:
        super().__init__()
        self._keys = signing_keys()
        self._thresholds = Thresholds.of(settings().rule_values())
        self._checked: set[tuple[Any, ...]] = set()

    def compute(self, sources: dict[str, DeltaTable], changed: set[str]) -> Iterable[Change]:
        """Release prices that follow a common shock, of a thin sample, or at a level that lasts.

        When Kafka does not acknowledge, the next round tries again.
        """
        names = {"quarantine": QUARANTINE, "verdicts": VERDICTS, "reviews": REVIEWS}
        tables = {name: sources[table].to_pyarrow_dataset() for name, table in names.items()}
        days = {"lateness": self._thresholds.allowed_lateness_days, "follow": FOLLOW_DAYS}
        rows = run_sql(OPEN_SQL, tables, days).to_pylist()
        unchecked = [row for row in rows if _state(row) not in self._checked]
        decisions = self._decisions(tables["verdicts"], unchecked)
        if decisions and not acknowledged(decisions):
            self.is_behind = True
        else:
            self._checked |= {_state(row) for row in unchecked}
        return ()

    def _decisions(self, verdicts: Any, rows: Sequence[Mapping[str, Any]]) -> list[Event]:
        spans: dict[tuple[str, str, int], list[Mapping[str, Any]]] = {}
        for row in rows:
            span = row["market_date"].toordinal() // SPAN_DAYS
            spans.setdefault((row["commodity"], row["channel"], span), []).append(row)
        decisions = []
        for (commodity, channel, _), own in sorted(spans.items()):
            days = {row["market_date"] for row in own}
            by_event = {row["event_id"]: row for row in own}
            prices = reported(verdicts, commodity, channel, min(days), max(row["through"] for row in own))
            for release in releases(prices, days, self._thresholds):
                if release.event_id in by_event:
                    decisions.append(self._keys.sign(decision(by_event[release.event_id], release)))
        return decisions


def _state(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """An open price and what is known about it: it is checked again when that changes."""
    return tuple(row[name] for name in ("event_id", "generation", "closed", "later"))


def reported(verdicts: Any, commodity: str, channel: str, day: date, through: date) -> pa.Table:
    """Rows of silver.price_verdicts, an Arrow dataset, that decide about the closed days from `day` on."""
    parameters = {
        "commodities": [commodity, *siblings(commodity)],
        "channel": channel,
        "through": through,
        "since": day - timedelta(days=LOOK_BACK_DAYS),
    }
    return run_sql(REPORTED_SQL.format(columns=", ".join(NEEDED)), {"verdicts": verdicts}, parameters)


def decision(row: Mapping[str, Any], release: Release) -> Event:
    """The release as an event.

    Its id and time follow from the quarantined row: a second one is a duplicate.
    """
    identity = hashlib.sha256(f"{record_of(row)}|{row['generation']}|{DECIDED_BY}".encode()).hexdigest()[:32]
    at = row["quarantined_at"]
    return release_of({**row, "kind": "price"}, f"d-{identity}", at, DECIDED_BY, release.reason)


def record_of(row: Mapping[str, Any]) -> str:
    """topic:partition:offset of a quarantined row."""
    return f"{row['topic']}:{row['partition']}:{row['offset']}"


def release_of(
    row: Mapping[str, Any], event_id: str, at: datetime, by: str, reason: str, **more: object
) -> Event:
    """The decision that releases a row of silver.quarantine. `more`: further fields of its payload."""
    payload = {
        "event_id": event_id,
        "event_time": rfc3339(at),
        "target_event_id": row["event_id"],
        "target_kind": row["kind"],
        "target_record": record_of(row),
        "generation": row["generation"],
        "decision": "release",
        "reason": reason,
        "decided_by": by,
        "quarantined_at": rfc3339(row["quarantined_at"]),
        **more,
    }
    return Event("decision", row["event_id"], orjson.dumps(payload), event_id, by, at)


def acknowledged(decisions: Sequence[Event]) -> bool:
    """Publish the decisions; False when Kafka did not acknowledge all of them."""
    try:
        publish(decisions)
    except NotAcknowledged as error:
        log.warning(
            "%d releases were not acknowledged, the next round tries again: %s", len(decisions), error
        )
        return False
    log.info("%d prices released at the close of their day or of a later one", len(decisions))
    return True


JOB = DayClose
