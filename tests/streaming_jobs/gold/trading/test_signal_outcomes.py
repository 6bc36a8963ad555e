"""gold.signal_outcomes: one fate for each checked signal, whatever was killed; it changes with its order."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import time_machine

from lakehouse.io.delta import empty_table, open_table, read_rows, replace_rows
from lakehouse.times import rfc3339
from lakehouse.trading.bars import INTERVALS
from lakehouse.trading.outcomes import CHECKS
from streaming_jobs.gold import checked_signals, signal_outcomes
from streaming_jobs.gold.checked_signals import OUTCOMES, SIGNALS, VERIFICATIONS
from streaming_jobs.gold.signal_outcomes import TRADES, SignalOutcomes
from streaming_jobs.gold.signals import Signals
from streaming_jobs.gold.trades import Trades
from tests.lakehouse.trading.made_bars import random_bars
from tests.streaming_jobs.conftest import Crash, Stream
from tests.support.trading.bars_lake import bar_rows, land

NOW = datetime.now(UTC).replace(microsecond=0)
POINTS = ("signal_outcomes.before_append", "signal_outcomes.after_append", "signal_outcomes.after_orders")
FIELDS = ("open", "high", "low", "close", "volume", "symbol", "asset_class", "interval", "currency", "final")
Row = dict[str, Any]


def check(names: list[str], minutes: int = 1, at: datetime = NOW, **more: Any) -> None:
    """Stored signals of bars that began so many minutes before their check, each BUY and verified."""
    row = {
        "asset_class": "crypto",
        "interval": "1m",
        "currency": "USD",
        "bar_time": at - timedelta(minutes=minutes),
    }
    row |= {"close": 100.0, "signal": "BUY", "confidence": 0.7, "position_size_pct": 15.0}
    row |= {"buy_probability": 0.7, "sell_probability": 0.1, "buy_score": 60.0, "sell_score": 10.0}
    row |= dict.fromkeys(CHECKS, True) | {"result": "VERIFIED", "timestamp": at, "feed_time": at} | more
    rows = [row | {"signal_id": name, "symbol": name} for name in names]
    for table in (SIGNALS, VERIFICATIONS):
        columns = {field.name for field in open_table(table).schema().fields}
        land(table, [{column: value for column, value in each.items() if column in columns} for each in rows])


def house(statuses: dict[str, str], broken: str = "[]") -> None:
    """All orders of the house, as the books write them: in one commit."""
    decided = {"account": "house", "decided_at": NOW, "violations": broken}
    rows = [
        decided | {"trade_id": f"house-{name}", "signal_id": name, "status": status}
        for name, status in statuses.items()
    ]
    replace_rows(TRADES, rows, predicate="account = 'house'")


def fates() -> dict[str, tuple[str, str | None]]:
    rows = read_rows(OUTCOMES).to_pylist()
    assert len({row["signal_id"] for row in rows}) == len(rows), "one fate"
    return {row["signal_id"]: (row["fate"], row["rule"]) for row in rows}


UNFILLED = '[{"rule":"unfilled","limit":5.0,"actual":0.0}]'


def test_fate_follows_from_the_order_and_changes_when_it_ends(lake: Path) -> None:
    job = SignalOutcomes()
    check(["BOUGHT", "LOST"])
    check(["HELD"], signal="HOLD", buy_probability=0.4)
    check(["OLD"], minutes=60)
    job.refresh()
    assert fates() == {"HELD": ("held", "margin"), "OLD": ("refused", "history")}, (
        "the house decides the others"
    )
    house({"BOUGHT": "ACCEPTED"})
    job.refresh()
    assert fates()["BOUGHT"] == ("traded", None) and "LOST" not in fates()
    house({"BOUGHT": "ACCEPTED", "LOST": "ACCEPTED"})
    job = SignalOutcomes()
    job.refresh()
    house({"BOUGHT": "EXECUTED", "LOST": "REJECTED"}, UNFILLED)
    job.refresh()
    assert fates()["LOST"] == ("refused", "unfilled")
    details = {row["signal_id"]: row["detail"] for row in read_rows(OUTCOMES).to_pylist()}
    assert details["BOUGHT"] == "accepted and filled" and details["LOST"] == "unfilled 0, limit 5"
    before = read_rows(OUTCOMES).sort_by("signal_id")
    version = open_table(OUTCOMES).version()
    SignalOutcomes().refresh()
    assert open_table(OUTCOMES).version() == version, "nothing new, nothing written"
    empty_table(OUTCOMES)
    job.refresh()
    assert read_rows(OUTCOMES).sort_by("signal_id").equals(before), "computed from scratch"


def test_no_signal_is_lost_or_listed_twice_after_a_kill_at_every_point(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked_signals, "MOST", 2)
    statuses: dict[str, str] = {}
    for number, point in enumerate(POINTS):
        at = NOW + timedelta(seconds=number)
        for part in range(3):
            check([f"S{number}{part}", f"T{number}{part}"], at=at + timedelta(milliseconds=part))
        check([f"H{number}"], at=at, signal="HOLD", buy_probability=0.4)
        statuses = dict.fromkeys(statuses, "EXECUTED") | {f"S{number}{part}": "ACCEPTED" for part in range(3)}
        house(statuses)
        with monkeypatch.context() as patch, pytest.raises(Crash):
            patch.setattr(signal_outcomes, "failpoint", crash_at(point))
            run(SignalOutcomes())
        run(SignalOutcomes())
        assert Counter(name[0] for name in fates()) == {"S": 3 * number + 3, "H": number + 1}
    waiting = {name for name in statuses if statuses[name] == "ACCEPTED"}
    rows = {row["signal_id"]: row for row in read_rows(OUTCOMES).to_pylist()}
    assert {name for name, row in rows.items() if "waits" in row["detail"]} == waiting
    house(dict.fromkeys([*statuses, *(name.replace("S", "T") for name in statuses)], "EXECUTED"))
    run(SignalOutcomes())
    assert set(fates()) == set(read_rows(SIGNALS)["signal_id"].to_pylist())


def run(job: SignalOutcomes) -> None:
    """All turns of the job."""
    job.refresh()
    while job.is_behind:
        job.refresh()


def crash_at(point: str) -> Callable[[str], None]:
    def failpoint(name: str) -> None:
        if name == point:
            raise Crash(name)

    return failpoint


def test_signal_that_was_checked_again_keeps_one_row(lake: Path) -> None:
    check(["OLD", "TWICE"], minutes=60)
    job = SignalOutcomes()
    job.refresh()
    repeated = {"signal_id": "TWICE", "interval": "1m", "bar_time": NOW - timedelta(minutes=60)}
    land(VERIFICATIONS, [repeated | {"result": "FAILED", "timestamp": NOW + timedelta(seconds=1)}])
    job.refresh()
    SignalOutcomes().refresh()
    assert set(fates()) == {"OLD", "TWICE"}


def test_signals_of_a_live_feed_are_decided_logged_and_filled(embedded: Stream) -> None:
    """From Kafka to the fate and back: bars of a quarter of an hour, the last of which closed just now."""
    step = INTERVALS["15m"]
    now = datetime.now(UTC).timestamp()
    newest = datetime.fromtimestamp(now // step.total_seconds() * step.total_seconds(), UTC)
    begin = int((newest - 263 * step).timestamp() * 1e6)
    walk = random_bars(21, 263, moves=0.01, swing=0.5)  # BUY at bars 254 to 261
    bars = replace(walk, time=begin + int(step.total_seconds() * 1e6) * np.arange(263, dtype=np.int64))
    rows = bar_rows(bars, 0, 263, "LIVE", "15m")
    times = ("bar_time", "event_time")
    payloads = [
        orjson.dumps({name: row[name] for name in FIELDS} | {name: rfc3339(row[name]) for name in times})
        for row in rows
    ]
    with time_machine.travel(newest + timedelta(minutes=1)):  # far from the end of the next bar
        for part in (payloads[:262], payloads[262:]):
            embedded.send(*part, kind="bar", source="market:test")
            for _ in range(2):  # the orders of the house come back through Kafka
                embedded.run()
                for job in (Signals(), Trades(), SignalOutcomes()):
                    job.refresh()
    assert set(fates()) == set(read_rows(SIGNALS)["signal_id"].to_pylist()) and len(fates()) == 14
    (traded,) = [row for row in read_rows(OUTCOMES).to_pylist() if row["fate"] == "traded"]
    assert traded["detail"] == "accepted and filled" and traded["signal"] == "BUY"
    rules = {rule for fate, rule in fates().values() if fate == "refused"}
    assert {"history", "order_waiting"} <= rules <= {"history", "order_waiting", "position_open"}
    (order,) = [row for row in read_rows(TRADES).to_pylist() if row["status"] == "EXECUTED"]
    assert order["signal_id"] == traded["signal_id"]
