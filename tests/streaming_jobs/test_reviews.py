"""Decisions: a quarantined event lands exactly once or stays out, also after repetitions and crashes."""

from collections import Counter
from typing import Any

import orjson
import pytest

from lakehouse.times import rfc3339
from tests.streaming_jobs.conftest import NOW, Stream, price, rebuild_everything

ABSURD = 99_000_000  # garam outside its band: quarantined, may be released
Row = dict[str, Any]


def quarantined_rows(stream: Stream, *payloads: bytes) -> dict[str, Row]:
    """Send and process events; return the quarantined rows of the newest generation by event id."""
    stream.send(*payloads)
    stream.run()
    return {
        row["event_id"]: row
        for row in sorted(stream.rows("silver.quarantine"), key=lambda row: row["generation"])
    }


def decide(row: Row, verdict: str, decision_id: str | None = None, **more: Any) -> bytes:
    fields = {
        "event_id": decision_id or f"d-{row['event_id']}-{row['generation']}",
        "event_time": rfc3339(NOW),
        "target_event_id": row["event_id"],
        "target_kind": row["kind"],
        "target_record": f"{row['topic']}:{row['partition']}:{row['offset']}",
        "generation": row["generation"],
        "decision": verdict,
        "reason": "seen on the spot",
        "decided_by": "operator",
        "quarantined_at": rfc3339(row["quarantined_at"]),
    }
    return orjson.dumps(fields | more)


def reviews(stream: Stream) -> list[tuple[str, int, str, str]]:
    rows = stream.rows("gold.reviews")
    return sorted((row["event_id"], row["generation"], row["state"], row["outcome"]) for row in rows)


def balance_counts(stream: Stream) -> dict[str, tuple[int, int, int, int]]:
    sums: dict[str, Counter[str]] = {}
    names = ("rows_in", "silver", "quarantine", "duplicates")
    for row in stream.rows("gold.balance"):
        sums.setdefault(row["kind"], Counter()).update({name: row[name] for name in names})
    rows = {kind: tuple(counts[name] for name in names) for kind, counts in sums.items()}
    assert all(counts[0] == sum(counts[1:]) for counts in rows.values()), rows
    return rows


def test_released_and_corrected_events_land_and_a_rejected_one_does_not(stream: Stream):
    rows = quarantined_rows(
        stream,
        price("valid"),
        price("high", ABSURD),
        price("odd", commodity="unobtainium"),
        price("bad", -5),
    )
    stream.send(
        decide(rows["high"], "release"),
        decide(rows["odd"], "correct", correction={"commodity": "garam"}),
        decide(rows["bad"], "reject"),
        kind="decision",
    )
    stream.run()
    silver = {row["event_id"]: row for row in stream.rows("silver.prices")}
    assert set(silver) == {"valid", "high", "odd"} and stream.silver()["high"] == 1
    assert {"released", "price_in_band"} <= set(silver["high"]["_warnings"]) and silver["high"][
        "price_idr"
    ] == ABSURD
    assert "corrected" in silver["odd"]["_warnings"] and silver["odd"]["commodity"] == "garam"
    assert reviews(stream) == [
        ("bad", 0, "rejected", "closed"),
        ("high", 0, "released", "silver"),
        ("odd", 0, "corrected", "silver"),
    ]
    assert balance_counts(stream) == {"price": (4, 3, 1, 0), "decision": (3, 3, 0, 0)}
    assert {row["event_id"] for row in stream.rows("gold.price_history")} == {"valid", "high", "odd"}
    days = [row for row in stream.rows("gold.daily_prices") if row["max_price_idr"] == ABSURD]
    assert len(days) == 1 and days[0]["observations"] == 3
    kept = {row["event_id"]: row["payload"] for row in stream.rows("silver.quarantine")}
    assert kept["odd"] == price("odd", commodity="unobtainium")  # the original bytes are kept


def test_no_decision_lets_a_price_below_one_rupiah_pass(stream: Stream):
    """A released 5e-324 would be the cheapest price of all; the live price names what was decided."""
    rows = quarantined_rows(stream, price("tiny", 5e-324), price("half", -1), price("high", ABSURD))
    assert {reason["rule"] for reason in rows["tiny"]["reasons"]} >= {"price_floor"}
    stream.send(
        decide(rows["tiny"], "release"),
        decide(rows["half"], "correct", correction={"price": 0.5}),
        decide(rows["high"], "release"),
        kind="decision",
    )
    stream.run()
    assert reviews(stream) == [
        ("half", 0, "corrected", "quarantine"),
        ("high", 0, "released", "silver"),
        ("tiny", 0, "released", "quarantine"),
    ]
    again = [row for row in stream.rows("silver.quarantine") if row["generation"] == 1]
    assert {row["event_id"] for row in again} == {"tiny", "half"}
    assert all("price_floor" in {reason["rule"] for reason in row["reasons"]} for row in again)
    (live,) = stream.rows("gold.live_prices")
    assert (live["price_idr"], live["status"]) == (ABSURD, "released")


def test_first_decision_counts_and_later_ones_are_quarantined(stream: Stream):
    rows = quarantined_rows(stream, price("high", ABSURD))
    release = decide(rows["high"], "release", "d-first")
    stream.send(release, release, decide(rows["high"], "reject", "d-second"), kind="decision")
    stream.run()
    stream.send(decide(rows["high"], "reject", "d-third"), kind="decision")
    stream.run()
    assert stream.silver() == {"high": 1} and reviews(stream) == [("high", 0, "released", "silver")]
    refused = {
        row["event_id"]: row["reasons"][0]["rule"]
        for row in stream.rows("silver.quarantine")
        if row["kind"] == "decision"
    }
    assert refused == {"d-second": "already_decided", "d-third": "already_decided"}
    assert balance_counts(stream) == {"price": (1, 1, 0, 0), "decision": (4, 1, 2, 1)}


def test_release_of_an_unreadable_event_is_quarantined_again(stream: Stream):
    rows = quarantined_rows(stream, b'{"event_id":"broken"', price("odd", commodity="unobtainium"))
    odd, broken = rows["odd"], next(row for name, row in rows.items() if name != "odd")
    stream.send(decide(odd, "release"), decide(broken, "release", "d-broken"), kind="decision")
    stream.run()
    assert not stream.silver()
    again = {row["event_id"]: row for row in stream.rows("silver.quarantine") if row["generation"] == 1}
    assert (
        set(again) == {"odd", broken["event_id"]} and again["odd"]["reasons"][0]["rule"] == "commodity_known"
    )
    assert balance_counts(stream)["price"] == (2, 0, 2, 0)
    stream.send(decide(again["odd"], "correct", correction={"commodity": "garam"}), kind="decision")
    stream.run()
    assert stream.silver() == {"odd": 1} and balance_counts(stream)["price"] == (2, 1, 1, 0)


def test_decision_without_its_target_is_quarantined(stream: Stream):
    rows = quarantined_rows(stream, price("high", ABSURD))
    absent = {**rows["high"], "offset": 10**12}
    stream.send(
        decide(absent, "release", "d-lost"),
        decide(rows["high"], "release", "d-x", target_record="x"),
        kind="decision",
    )
    stream.run()
    refused = {
        row["event_id"]: row["reasons"][0]["rule"]
        for row in stream.rows("silver.quarantine")
        if row["kind"] == "decision"
    }
    assert refused["d-lost"] == "target_known" and "d-x" in refused and not stream.silver()


def test_release_of_an_event_whose_id_is_in_silver_is_quarantined_again(stream: Stream):
    rows = quarantined_rows(stream, price("a", 11000), price("a", 12000))
    stream.send(decide(rows["a"], "release"), kind="decision")
    stream.run()
    assert stream.silver() == {"a": 1}
    assert [
        row["reasons"][0]["rule"] for row in stream.rows("silver.quarantine") if row["generation"] == 1
    ] == ["id_conflict"]


@pytest.mark.parametrize(
    "point",
    [
        "stream.after_silver.prices",
        "stream.after_gold",
        "stream.after_gold.reviews",
        "stream.after_counts",
    ],
)
def test_decision_is_applied_once_after_a_crash_at_any_point(either: Stream, point: str):
    rows = quarantined_rows(either, price("high", ABSURD), price("odd", commodity="unobtainium"))
    either.send(decide(rows["high"], "release"), decide(rows["odd"], "reject"), kind="decision")
    either.send(price("next"))
    either.crash(point)
    either.run()
    assert either.silver() == {"high": 1, "next": 1}
    assert reviews(either) == [("high", 0, "released", "silver"), ("odd", 0, "rejected", "closed")]
    assert balance_counts(either) == {"price": (3, 2, 1, 0), "decision": (2, 2, 0, 0)}


def test_event_with_its_sender_s_own_id_is_decided_and_rebuilt_under_it(stream: Stream):
    stream.send(price("a", 11000), source="mqtt:STRANGER")
    stream.send(price("a", ABSURD), source="mqtt:DEV-1")
    rows = quarantined_rows(stream)
    stream.send(decide(rows["a@DEV-1"], "release", "d-1"), kind="decision")
    stream.run()
    for _ in range(2):
        assert stream.silver() == {"a": 1, "a@DEV-1": 1}
        assert reviews(stream) == [("a@DEV-1", 0, "released", "silver")]
        assert balance_counts(stream) == {"price": (2, 2, 0, 0), "decision": (1, 1, 0, 0)}
        rebuild_everything()
    stream.send(price("a", ABSURD), source="mqtt:DEV-1")
    stream.run()
    assert stream.silver() == {"a": 1, "a@DEV-1": 1}, "the rebuilt index knows the event"


def test_rebuild_applies_the_same_decisions(stream: Stream):
    rows = quarantined_rows(
        stream, price("high", ABSURD), price("odd", commodity="unobtainium"), price("bad", -5)
    )
    stream.send(
        decide(rows["high"], "release"),
        decide(rows["odd"], "correct", correction={"commodity": "garam"}),
        kind="decision",
    )
    stream.run()
    stream.send(decide(rows["bad"], "reject"), decide(rows["high"], "reject", "d-late"), kind="decision")
    stream.send(price("next"))
    stream.run()
    before = {
        table: sorted(map(str, stream.rows(table)))
        for table in ("silver.prices", "silver.quarantine", "gold.reviews")
    }
    counts = balance_counts(stream)
    rebuild_everything()
    assert {table: sorted(map(str, stream.rows(table))) for table in before} == before
    assert balance_counts(stream) == counts
