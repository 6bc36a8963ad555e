"""Daily prices, newest prices, issued risks, stocks, silent sources and acts of people -> gold.alerts.

Nothing but the lake decides: a table that is computed from the beginning has the same rows, but for alerts of
single markets and of the silence of everything that are over, and for when the others were raised. That
everything is silent shows only against the clock of the machine. The rows of a commodity are computed
again when it has new prices or risks; the table is written when one of them changed.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from conf.settings import settings
from lakehouse.alerts.lifecycle import OPEN_STATES
from lakehouse.alerts.market_rules import HELD, HELD_DAYS, JUMP, ended, held_alerts, jump_alerts
from lakehouse.alerts.partition_alerts import partition_alerts
from lakehouse.alerts.rows import (
    CHANNEL,
    Risks,
    Row,
    kept_openings,
    manual_alerts,
    price_alerts,
    risk_reason,
    with_acknowledgements,
    with_staleness,
)
from lakehouse.alerts.silence_rules import (
    ALL,
    Resuming,
    collector_alerts,
    silence_alerts,
    total_silence_alert,
)
from lakehouse.alerts.stock_alerts import stock_alerts
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts, every_kind, kinds
from lakehouse.gold.chosen_provider import chosen_rows
from lakehouse.io.change_levels import Identity, levels_identity, levels_of
from lakehouse.io.delta import (
    EPOCH,
    high_water_mark,
    open_table,
    read_rows,
)
from lakehouse.io.query import run_sql
from lakehouse.silence import TotalSilence, next_total_silence
from streaming_jobs.gold.driver import QUARANTINE, Change, VersionJob
from streaming_jobs.gold.indicators import COLUMNS, first_changed_days

TABLE = "gold.alerts"
PRICES = "gold.daily_prices"
RISKS = "gold.risk_scores"
STOCKS = "gold.stock_days"
SILENCE = "gold.silent_series"
ENDED_SILENCE = "gold.silences"
COLLECTED = "gold.collector_freshness"
ACTS = "silver.alert_events"
LIVE = "gold.live_prices"
FAULTS = "gold.partition_faults"
REVIEWS = "gold.reviews"
SOURCES = (PRICES, RISKS, STOCKS, SILENCE, ENDED_SILENCE, COLLECTED, ACTS, LIVE, FAULTS, QUARANTINE, REVIEWS)
# Undecided prices that were refused for what they are compared with, by market, commodity and day of arrival.
# Those of files are history.
HELD_SQL = """
  select market_id, commodity, ingest_date as day, min(quarantined_at) as first_at,
    max_by(payload, quarantined_at) as payload
  from quarantine as held
  where not starts_with(source, 'file:')
    and list_has_any([reason.rule for reason in reasons], $rules)
    and not exists (from reviews where generation = held.generation
                    and target_record = concat_ws(':', held.topic, held.partition, held."offset"))
  group by all order by all
"""

SILENT_RULES = ("silent_device", "silent_market", ALL)

Issued = dict[tuple[str, int], float]  # (province code, day since 1970) -> risk in percent


class OfCommodity(NamedTuple):
    """The alerts of one commodity; only open ones change without a new price or risk."""

    newest_day: date
    closed: pa.Table
    open: list[Row]


class Alerts(VersionJob):
    """Follows the tables that it reads."""

    name = "alerts"
    tables = (TABLE,)
    sources = SOURCES

    def __init__(self, clock: Callable[[], datetime] = partial(datetime.now, UTC)) -> None:
        super().__init__()
        self._clock = clock
        self._began_at = clock()
        self._next_silence: TotalSilence | None = None  # it is reached unless something arrives before
        self._is_silent = False
        self._devices: dict[str, tuple[str | None, str | None]] = {}
        self._mark = EPOCH
        self._of_commodity: dict[str, OfCommodity] = {}
        self._levels: Identity = None
        self._risks: dict[str, Issued] = {}
        self._of_stocks: list[Row] = []
        self._held: list[Row] = []
        self._written: pa.Table | None = None

    def is_due(self) -> bool:
        """Whether the silence of everything begins, or an operator has set other levels of rises."""
        silence = self._next_silence
        begins = silence is not None and not self._is_silent and self._clock() > silence.reached_at
        return begins or levels_identity() != self._levels

    def compute(self, sources: dict[str, DeltaTable], changed: set[str]) -> Iterator[Change]:
        """All rows, when one of them differs from what is written."""
        risks = issued_risks(sources[RISKS]) if RISKS in changed else self._risks
        if STOCKS in changed:
            self._of_stocks = of_stocks(sources[STOCKS].to_pyarrow_table())
        self._follow_prices(sources[PRICES], risks)
        newest_batch = max(high_water_mark(sources[name]) for name in (PRICES, STOCKS))
        if {QUARANTINE, REVIEWS} & changed:
            self._held = held_prices(sources, newest_batch)
        silent, over, collected = (
            sources[name].to_pyarrow_table().to_pylist() for name in (SILENCE, ENDED_SILENCE, COLLECTED)
        )
        clock = max((series["clock"] for series in silent), default=None)
        if self._written is None:
            self._written = read_rows(TABLE).sort_by("alert_id").combine_chunks()
        silence = [*self._silences(silent, over, newest_batch), *collector_alerts(collected)]
        markets = of_markets(sources[LIVE], self._held, self._written, newest_batch)
        faults = of_partitions(sources[FAULTS], newest_batch)
        rows = self._rows([*silence, *markets, *faults], clock, acts_of(sources[ACTS]))
        rows = kept_openings(rows, self._written, newest_batch)
        if not rows.equals(self._written):
            yield Change(TABLE, rows)
            self._written = rows

    def _silences(self, silent: list[Row], over: list[Row], newest_batch: datetime) -> list[Row]:
        """The alerts of silent sources, and of the silence of all of them."""
        assert self._written is not None
        stated = self._written.filter(pc.is_in(self._written["rule"], pa.array(SILENT_RULES))).to_pylist()
        totals = [row for row in stated if row["rule"] == ALL]
        self._next_silence = next_total_silence(silent, self._began_at)
        total = self._total_silence(totals)
        self._is_silent = bool(total)
        newest = max([newest_batch, *(row["clock"] for row in silent if not row["replayed"])])
        over_totals = ended(totals, total, newest)
        resumed_at = max((row["closed_at"] for row in over_totals), default=None)
        unreported = [*(row for row in silent if row["silent"]), *over]
        name_devices(self._devices, [row for row in unreported if row["series_kind"] == "device"])
        resuming = Resuming(resumed_at, frozenset(row["alert_id"] for row in stated)) if resumed_at else None
        return [*silence_alerts(silent, over, self._devices, resuming), *total, *over_totals]

    def _total_silence(self, stated: list[Row]) -> list[Row]:
        """The alert of the silence of everything, if it is reached or was stated before; at most one."""
        if self._next_silence is None:
            return []
        alert = total_silence_alert(self._next_silence)
        known = [row for row in stated if row["alert_id"] == alert["alert_id"] and row["closed_at"] is None]
        return known or ([alert] if self._clock() > self._next_silence.reached_at else [])

    def _follow_prices(self, daily: DeltaTable, risks: dict[str, Issued]) -> None:
        """Compute the alerts of commodities with prices or risks that are newer than the last refresh."""
        upto = high_water_mark(daily)
        levels = levels_identity()
        if upto < self._mark or levels != self._levels:  # set back, or other levels
            self._of_commodity.clear()
            self._mark = EPOCH
        self._levels = levels
        changed = {name for name in risks if risks[name] != self._risks.get(name)}
        if upto != self._mark:
            changed |= set(first_changed_days(self._mark, upto))
        for commodity in sorted(changed):
            rows = daily.to_pyarrow_dataset().to_table(
                columns=list(COLUMNS), filter=pc.field("commodity") == commodity
            )
            if rows.num_rows:
                self._of_commodity[commodity] = of_commodity(rows, risks.get(commodity, {}))
        self._risks = risks
        self._mark = upto

    def _rows(self, others: list[Row], clock: datetime | None, acts: list[Row]) -> pa.Table:
        """All rows of the table, by their ids. `others`: those of silences and of single markets."""
        newest = max((known.newest_day for known in self._of_commodity.values()), default=None)
        by_price = [row for known in self._of_commodity.values() for row in known.open]
        followed = [*with_staleness(by_price, newest), *self._of_stocks, *others]
        changing = with_acknowledgements(followed, acts)
        closed = pa.concat_tables([as_table([]), *(known.closed for known in self._of_commodity.values())])
        acknowledged = with_acknowledged_closed(closed, acts)
        table = pa.concat_tables([*acknowledged, as_table([*changing, *manual_alerts(acts, clock)])])
        return table.sort_by("alert_id").combine_chunks()


def of_commodity(daily: pa.Table, issued: Issued) -> OfCommodity:
    """The alerts of one commodity, from its rows of gold.daily_prices and its issued risks."""
    knobs = settings().alerts
    chosen = chosen_rows(daily, settings().lake.providers)
    levels = levels_of(daily["commodity"][0].as_py())
    rows = price_alerts(chosen, levels, Risks(knobs.threshold, issued))
    return OfCommodity(
        pc.max(daily["market_date"]).as_py(),
        as_table([row for row in rows if row["state"] not in OPEN_STATES]),
        [row for row in rows if row["state"] in OPEN_STATES],
    )


def issued_risks(scores: DeltaTable) -> dict[str, Issued]:
    """Commodity -> the risks issued for its provinces and days; none before a model passed the gate."""
    rows = scores.to_pyarrow_table(columns=["commodity", "region_code", "market_date", "risk"])
    days = rows["market_date"].cast(pa.int32()).to_pylist()
    risks: dict[str, Issued] = {}
    for row, day in zip(rows.to_pylist(), days, strict=True):
        risks.setdefault(row["commodity"], {})[row["region_code"], day] = row["risk"]
    return risks


def of_stocks(days: pa.Table) -> list[Row]:
    """The alerts of all stocks, from the rows of gold.stock_days."""
    newest = pc.max(days["market_date"]).as_py()
    return with_staleness(stock_alerts(days, settings().supply.red_days), newest)


def name_devices(known: dict[str, tuple[str | None, str | None]], series: list[Row]) -> None:
    """Add market and device of each series to `known`, from its last event in silver.sensors."""
    last = {row["series_id"]: row["last_event_time"] for row in series if row["series_id"] not in known}
    if not last:
        return
    names = ["device_id_hash", "market_id", "device_id"]
    days = [time + timedelta(days=shift) for time in last.values() for shift in (-1, 1)]
    wanted = pc.field("market_month").isin(sorted({f"{day:%Y-%m}" for day in days}))
    wanted &= pc.field("device_id_hash").isin(sorted(last))
    wanted &= pc.field("event_time").isin(sorted(set(last.values())))
    sensors = open_table("silver.sensors").to_pyarrow_dataset()
    for row in sensors.to_table(columns=names, filter=wanted).to_pylist():
        known[row["device_id_hash"]] = (row["market_id"], row["device_id"])
    for series_id in last:
        known.setdefault(series_id, (None, None))


def held_prices(sources: dict[str, DeltaTable], newest_batch: datetime) -> list[Row]:
    """Rows of HELD_SQL, of HELD_DAYS before the newest batch."""
    common = every_kind().rules  # about the time of the event
    rules = [rule.name for rule in kinds()["price"].rules if rule.releasable and rule not in common]
    recent = pc.field("ingest_date") >= (newest_batch - timedelta(days=HELD_DAYS)).date()
    quarantined = sources[QUARANTINE].to_pyarrow_dataset().filter(recent & (pc.field("kind") == "price"))
    tables = {"quarantine": quarantined, "reviews": sources[REVIEWS].to_pyarrow_dataset()}
    rows: list[Row] = run_sql(HELD_SQL, tables, {"rules": rules}).to_pylist()
    return rows


def of_markets(live: DeltaTable, held: list[Row], before: pa.Table, newest_batch: datetime) -> list[Row]:
    """The alerts about the newest price of single markets. `before`: gold.alerts as it was written last."""
    knobs = settings().alerts
    newest = live.to_pyarrow_table()
    rose = newest.filter(pc.greater_equal(newest["change_pct"], knobs.market_jump_pct))
    named = pa.array({row["market_id"] for row in held}, pa.string())
    around = newest.filter(pc.is_in(newest["market_id"], named)).to_pylist()
    accepted = {(row["market_id"], row["commodity"]): row for row in around if row["channel"] == CHANNEL}
    holding = [
        *jump_alerts(rose.to_pylist(), knobs.market_jump_pct, knobs.levels),
        *held_alerts(held, accepted, knobs.market_jump_pct, knobs.levels),
    ]
    stated = before.filter(pc.is_in(before["rule"], pa.array([JUMP, HELD]))).to_pylist()
    return [*holding, *ended(stated, holding, newest_batch)]


def of_partitions(faults: DeltaTable, newest_batch: datetime) -> list[Row]:
    """The alerts of gold.partition_faults."""
    newest = max(newest_batch, high_water_mark(faults))
    return partition_alerts(faults.to_pyarrow_table().to_pylist(), newest)


def acts_of(events: DeltaTable) -> list[Row]:
    """What people did about alerts, in order of time."""
    acts = events.to_pyarrow_table().to_pylist()
    return sorted(acts, key=lambda act: (act["event_time"], act["event_id"]))


def with_acknowledged_closed(closed: pa.Table, acts: list[Row]) -> list[pa.Table]:
    """The closed alerts; those that a person had acknowledged keep that."""
    is_named = pc.is_in(closed["alert_id"], pa.array({act["alert_id"] for act in acts}, pa.string()))
    named = with_acknowledgements(closed.filter(is_named).to_pylist(), acts)
    return [closed.filter(pc.invert(is_named)), as_table(named)]


def as_table(rows: list[dict[str, Any]]) -> pa.Table:
    """The rows in the contract's columns; what a rule does not know is null, and nothing is stale."""
    schema = arrow_schema(contracts()[TABLE])
    given = [{"stale": False, "risk_reason": risk_reason(row), **row} for row in rows]
    return pa.Table.from_pylist(given, schema=schema)


JOB = Alerts
