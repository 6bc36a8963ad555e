"""Readings compared with earlier ones of the device and with the other devices of the market."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.contracts.contract import kinds
from lakehouse.contracts.history_rules import compile_checks
from lakehouse.contracts.rule_functions import column_violation
from lakehouse.contracts.rule_messages import render_message
from lakehouse.validation import Flags, Judgement, ValidatorState
from lakehouse.validation.in_order import SECOND, Remembering, table_of, tuples_of
from lakehouse.validation.kinds.crowd_profile import CROWD_DAYS, CrowdDays
from lakehouse.validation.kinds.device_peers import Buckets, MarketMetric, Peers, PeerWalk
from lakehouse.validation.kinds.sensor_readings import METRICS, Readings
from lakehouse.validation.kinds.sensor_runs import CROWD, Compared, FlatRun, Series, SeriesWalk
from lakehouse.validation.windows import Floats, Ints

# A reading is compared with the one before if that is not older.
JUMP_SECONDS = 300
# Among several metrics of an event, one that is flat by the limits of the rule `flat_line` is the evidence.
FLAT_HOURS = 6
FLAT_READINGS = 60
HOUR = 3600 * SECOND
TEMPERATURE = METRICS.index("temperature_c")
# Rounds after which rows are judged in halves: mostly the second round changes nothing.
ROUNDS = 6
Columns = dict[str, npt.NDArray[Any]]

EVIDENCE = (
    # Against the reading of the device before, if that is not older than five minutes.
    "jump_c",
    "jump_seconds",
    # The metric that has been flat longest, this reading included.
    "flat_metric",
    "flat_value",
    "flat_hours",
    "flat_readings",
    "crowd_count",
    # 99th percentile of the series over the 28 days before this one.
    "crowd_p99",
    # The metric that lies farthest from the other devices of the market.
    "odd_metric",
    "odd_value",
    "odd_median",
    "odd_peers",
    # Distance from the median (or from the one other device), in limits.
    "odd_share",
    # Whether the device was beyond the limit, or sent nothing, a bucket before.
    "odd_before",
)
# What they are in evidence; the others are decimals.
METRIC_NAMES = ("flat_metric", "odd_metric")
WHOLE = ("flat_readings", "odd_peers")


class Sensors(Remembering):
    """State: a `FlatRun` per device and metric, 28 days of each crowd (8 bytes a reading), an hour a market.

    A reading older than the newest of its series is compared with other devices only. The devices of a market
    must share a Kafka partition.

    All rows of a call are judged at once, as if those that passed the other rules landed. Those that are then
    refused are left out, and the rows judged again, until nothing changes: after each round at least one row
    more is right, for a verdict reads earlier rows only.
    """

    kind = "sensor"
    reads = ("market_id", "device_id_hash", "event_time", "metric", "value")
    evidence = EVIDENCE
    looks_back_days = CROWD_DAYS + 2

    def __init__(self, knobs: Mapping[str, object]) -> None:
        """Raises ContractError when a rule's check reads evidence that there is not."""
        super().__init__(knobs)
        table = kinds()[self.kind].table
        self._violated = compile_checks(table, self.rules.values(), column_violation, EVIDENCE)
        self._runs: dict[Series, FlatRun] = {}
        self._crowds: dict[str, CrowdDays] = {}
        self._buckets: dict[MarketMetric, Buckets] = {}

    def memory(self) -> ValidatorState:
        runs = ((*series, *run) for series, run in self._runs.items())
        crowds = ((device, *day) for device, crowd in self._crowds.items() for day in crowd.days())
        buckets = ((*series, *kept) for series, some in self._buckets.items() for kept in some.all_kept())
        return {
            "runs": table_of(runs, ("device", "metric", *FlatRun._fields)),
            "crowds": table_of(crowds, ("device", "day", "counts")),
            "buckets": table_of(buckets, ("market", "metric", "device", "time", "value")),
        }

    def restore(self, state: ValidatorState) -> None:
        self._runs = {(device, metric): FlatRun(*run) for device, metric, *run in tuples_of(state["runs"])}
        crowds = state["crowds"]
        counts = (day.values.to_numpy() for day in crowds["counts"])  # not as Python numbers: a month of them
        for (device, day), values in zip(tuples_of(crowds.select(["device", "day"])), counts, strict=True):
            self._crowds.setdefault(device, CrowdDays()).add(day, values)
        for market, metric, device, time, value in tuples_of(state["buckets"]):
            self._buckets.setdefault((market, metric), Buckets()).add(device, time, value)

    def remember_all(self, accepted: pa.Table) -> None:
        walk = _Walk(Readings.of(accepted), self._runs, self._buckets)
        self._remember(walk, np.ones(accepted.num_rows, dtype=bool))

    def judge(self, rows: pa.Table, passed: Flags, released: Flags) -> Judgement:
        """Judge rows in order of arrival; those that land are what later rows are compared with."""
        self._remember_loaded()
        parts = self._settled(rows, passed, released) if rows.num_rows else []
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}

        def evidence(row: int) -> dict[str, Any]:
            shown = {name: _shown(name, columns[name][row]) for name in EVIDENCE}
            return shown if shown["odd_metric"] else shown | {"odd_before": None}

        return Judgement(
            violated={rule: columns[rule] for rule in self.rules if parts and columns[rule].any()},
            message=lambda rule, row: render_message(self.rules[rule].message, evidence(row)),
            evidence=evidence,
        )

    def _settled(self, rows: pa.Table, passed: Flags, released: Flags) -> list[Columns]:
        """Evidence and violations of the rows, in parts; the rows that land are remembered."""
        walk = _Walk(Readings.of(rows), self._runs, self._buckets)
        lands = passed
        for _ in range(ROUNDS):
            columns = walk.evidence(lands, self._crowds)
            flags = {rule: violated(columns, rows.num_rows) for rule, violated in self._violated.items()}
            refused = np.logical_or.reduce([flags[rule] for rule in self._errors])
            landed = passed & (~refused | released)
            if (landed == lands).all():
                self._remember(walk, lands)
                return [columns | flags]
            lands = landed
        half = rows.num_rows // 2
        return [
            *self._settled(rows.slice(0, half), passed[:half], released[:half]),
            *self._settled(rows.slice(half), passed[half:], released[half:]),
        ]

    def _remember(self, walk: "_Walk", lands: Flags) -> None:
        self._runs |= walk.series.runs(lands[walk.readings.events])
        walk.series.add_crowds(lands[walk.readings.events], self._crowds)
        walk.peers.keep(lands[walk.readings.events], self._buckets)


class _Walk:
    """The readings of a call, compared again for each assumption about which rows land."""

    def __init__(
        self,
        readings: Readings,
        runs: Mapping[Series, FlatRun],
        buckets: Mapping[MarketMetric, Buckets],
    ) -> None:
        self.readings = readings
        self.series = SeriesWalk(readings, runs)
        self.peers = PeerWalk(readings, buckets)

    def evidence(self, lands: Flags, crowds: Mapping[str, CrowdDays]) -> Columns:
        """Columns of EVIDENCE; missing numbers are NaN, missing metrics −1."""
        readings = self.readings
        of_reading = lands[readings.events]
        compared = self.series.compare(of_reading)
        peers = self.peers.compare(of_reading)
        columns: Columns = {name: np.full(len(lands), np.nan) for name in EVIDENCE}
        columns |= {name: np.full(len(lands), -1) for name in METRIC_NAMES}
        columns["odd_before"] = np.zeros(len(lands), dtype=bool)
        self._fill_jumps(columns, compared)
        self._fill_flat(columns, compared)
        limits = self.series.crowd_limits(of_reading, crowds)
        crowd = np.flatnonzero(compared.is_after & (readings.metrics == CROWD))
        self._put(columns, crowd, crowd_count=readings.values, crowd_p99=limits)
        self._fill_odd(columns, peers)
        return columns

    def _put(self, columns: Columns, rows: Ints, **values: npt.NDArray[Any]) -> None:
        """Put the values of these readings into the columns of their events."""
        for name, of_readings in values.items():
            columns[name][self.readings.events[rows]] = of_readings[rows]

    def _fill_jumps(self, columns: Columns, compared: Compared) -> None:
        seconds = compared.elapsed / SECOND
        is_soon = compared.is_after & (self.readings.metrics == TEMPERATURE) & (seconds <= JUMP_SECONDS)
        rows = np.flatnonzero(is_soon)
        self._put(columns, rows, jump_c=np.abs(compared.change), jump_seconds=seconds)

    def _fill_flat(self, columns: Columns, compared: Compared) -> None:
        hours = (self.readings.times - compared.since) / HOUR
        is_flat = (hours >= FLAT_HOURS) & (compared.length >= FLAT_READINGS)
        rows = self._worst(compared.is_after, is_flat, hours)
        self._put(columns, rows, flat_metric=self.readings.metrics, flat_value=self.readings.values)
        self._put(columns, rows, flat_hours=hours, flat_readings=compared.length)

    def _fill_odd(self, columns: Columns, peers: Peers) -> None:
        rows = self._worst(peers.peers > 0, (peers.peers >= 2) & (peers.share > 1), peers.share)
        self._put(columns, rows, odd_metric=self.readings.metrics, odd_value=self.readings.values)
        self._put(columns, rows, odd_median=peers.median, odd_peers=peers.peers)
        self._put(columns, rows, odd_share=peers.share, odd_before=peers.beyond_before)

    def _worst(self, is_given: Flags, is_beyond: Flags, size: Floats) -> Ints:
        """Of each event with given readings the first one that is beyond, else the first of largest size."""
        rows = np.flatnonzero(is_given)
        if not len(rows):
            return rows
        starts = np.flatnonzero(np.diff(self.readings.events[rows], prepend=-1))
        lengths = np.diff(np.append(starts, len(rows)))
        beyond = np.repeat(np.logical_or.reduceat(is_beyond[rows], starts), lengths)
        sizes = np.where(is_beyond[rows] == beyond, size[rows], -np.inf)
        is_worst = sizes == np.repeat(np.maximum.reduceat(sizes, starts), lengths)
        first = np.minimum.reduceat(np.where(is_worst, np.arange(len(rows)), len(rows)), starts)
        return rows[first]


def _shown(name: str, value: Any) -> Any:
    """A value of a column as evidence holds it."""
    if name in METRIC_NAMES:
        return METRICS[value] if value >= 0 else None
    if name == "odd_before":
        return bool(value)
    if np.isnan(value):
        return None
    return int(value) if name in WHOLE else float(value)
