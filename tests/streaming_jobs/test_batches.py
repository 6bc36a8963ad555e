"""Laws of a batch: every event lands once, also after repetitions, crashes and other cuts into batches."""

import shutil
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer
from deltalake import DeltaTable

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.gold.data_quality import counts_by_rule
from lakehouse.io.delta import clear_cache, create_tables, open_table, table_uri
from lakehouse.io.kafka import producer_config
from lakehouse.io.process_status import stream_failure
from lakehouse.times import rfc3339
from scripts.commands import doctor
from tests.streaming_jobs.conftest import EARLIER, Stream, price, reading
from tests.streaming_jobs.test_reviews import decide


@pytest.fixture
def stream(either: Stream) -> Stream:
    return either


POINTS = (
    "stream.before_bronze",
    "stream.after_bronze.events",
    "stream.after_silver.prices",
    "stream.after_silver.quarantine",
    "stream.after_silver",
    "stream.after_gold",
    "stream.after_counts",
)
MIXED = (
    price("a"),
    price("b", 12000),
    price("a"),  # repeated
    price("b", 12500),  # the id with another payload
    price("b", 12500),  # repeated
    price("c", -1),
    b"{broken",
    price(None, commodity="unobtainium"),
    price("d", 11800, event_time=rfc3339(EARLIER)),
)
ACCEPTED = {"a": 1, "b": 1, "d": 1}
REFUSED = ["commodity_known", "id_conflict", "payload_json", "price_positive"]
BALANCE = {"rows_in": 9, "silver": 3, "quarantine": 4, "duplicates": 2}


def assert_as_planned(stream: Stream) -> None:
    assert dict(stream.silver()) == ACCEPTED
    assert sorted(rule for _, rule in stream.quarantine()) == REFUSED
    assert set(stream.quarantine().values()) == {1}
    assert len(stream.rows("bronze.events")) == 9 and stream.balance() == BALANCE
    (live,) = stream.rows("gold.live_prices")
    assert (live["event_id"], live["previous_event_id"]) == ("b", "d") and live["price_idr"] == 12000
    assert sorted(row["event_id"] for row in stream.rows("gold.price_history")) == ["a", "b", "d"]
    days = {str(row["market_date"]): row["observations"] for row in stream.rows("gold.daily_prices")}
    assert days[str(EARLIER.date())] == 1 and sum(days.values()) == 3


@pytest.mark.parametrize("point", POINTS)
def test_tables_are_the_same_after_a_crash_at_any_point(stream: Stream, point: str):
    stream.send(*MIXED)
    stream.crash(point)
    stream.run()
    assert_as_planned(stream)
    assert stream.refusal() == ""


def test_batch_that_runs_again_writes_nothing(stream: Stream):
    stream.send(*MIXED)
    stream.run()
    before = {
        table: open_table(table).version()
        for table in ("bronze.events", "silver.prices", "silver.quarantine", "gold.balance")
    }
    newest = max((Path(table_uri("gold.balance")) / "_delta_log").glob("*.json"))
    newest.unlink()  # as if the stream was killed before the last commit of the batch
    clear_cache()
    stream.run()
    assert_as_planned(stream)
    assert {table: open_table(table).version() for table in before} == before


def test_verdicts_do_not_depend_on_the_cut_into_batches(stream: Stream, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LUMBUNG_STREAM__MAX_EVENTS_PER_BATCH", "2")
    settings.cache_clear()
    stream.send(*MIXED)
    stream.run()
    assert stream.finished().batch_id >= 3
    assert_as_planned(stream)


def test_payload_of_a_price_and_a_reading_lands_in_both_tables(stream: Stream):
    both = price("both", temperature_c=28.5, crowd_count=3)
    stream.send(both)
    stream.send(both, kind="sensor")
    stream.send(reading("s1", humidity_pct=150), kind="sensor")
    stream.run()
    assert dict(stream.silver()) == {"both": 1}
    assert {(row["event_id"], row["metric"], row["value"]) for row in stream.rows("silver.sensors")} == {
        ("both", "temperature_c", 28.5),
        ("both", "crowd_count", 3.0),
    }
    assert stream.quarantine() == {("s1", "humidity_range"): 1}
    kinds = {
        row["kind"]: (row["rows_in"], row["silver"], row["quarantine"]) for row in stream.rows("gold.balance")
    }
    assert kinds == {"price": (1, 1, 0), "sensor": (2, 1, 1)}


def test_late_and_early_arrivals_give_the_same_live_price(stream: Stream):
    days = [f"2026-02-{day:02}T09:00:00+07:00" for day in (3, 1, 4, 2)]
    for number, day in enumerate(days):
        stream.send(price(f"day-{number}", 10000 + number * 100, event_time=day))
        stream.run()
    (live,) = stream.rows("gold.live_prices")
    assert (live["event_id"], live["previous_event_id"]) == ("day-2", "day-0")
    assert live["change_pct"] == pytest.approx(100 * (10200 / 10000 - 1))


def test_batch_that_fails_again_is_a_finding_until_it_is_finished(stream: Stream):
    stream.send(price("a"))
    for _ in range(2):
        stream.crash("stream.after_silver")
    failure = stream_failure()
    assert failure and (failure["batch_id"], failure["failures"]) == (0, 2)
    (finding,) = (finding for finding in doctor.findings() if finding.name == "stream")
    assert not finding.ok and "batch 0 failed 2 times" in finding.detail and "Crash" in finding.detail
    stream.run()
    assert stream_failure() is None


def test_bronze_holds_the_exact_bytes(stream: Stream):
    sent = [bytes(range(256)), b"", b"\xef\xbb\xbf{}", b'{"a":1}' + b" " * 5000]
    stream.send(*sent)
    stream.run()
    assert sorted(row["value"] for row in stream.rows("bronze.events")) == sorted(sent)
    assert sorted(row["payload"] for row in stream.rows("silver.quarantine")) == sorted(sent)


def test_record_without_headers_gets_an_id_from_its_position(stream: Stream):
    producer = Producer(producer_config())
    producer.produce("lumbung.price", price(None), headers=[("trace", b"x"), ("trace", b"y")])
    producer.produce("lumbung.price", None)
    assert producer.flush(60) == 0
    stream.run()
    rows = {row["value"]: row for row in stream.rows("bronze.events")}
    assert len(rows) == 2 and all(row["event_id"].startswith("lumbung.price:") for row in rows.values())
    assert dict(rows[price(None)]["other_headers"]) == {"trace": "y"}
    assert stream.balance() == {"rows_in": 2, "silver": 1, "quarantine": 1, "duplicates": 0}


def test_headers_and_keys_that_are_no_utf8_do_not_stop_the_stream(stream: Stream):
    bad = b"\xff\xfe\x00"
    producer = Producer(producer_config())
    for name in ("event_id", "kind", "source", "received_at", "content_type"):
        producer.produce("lumbung.price", price(None), key=bad, headers=[(name, bad)])
    producer.produce("lumbung.price", price(None), headers=[("trace", bad), ("event_id", b"named")])
    about = {"event_id": "x", "kind": "price", "topic": "lumbung.price", "partition": 0, "offset": 0}
    about |= {"generation": 0, "quarantined_at": datetime.now(UTC)}
    producer.produce("lumbung.decision", decide(about, "reject"), headers=[("signature", bad)])
    assert producer.flush(60) == 0
    stream.run()
    rows = stream.rows("bronze.events")
    ids = [row["event_id"].rsplit(":", 2)[0] for row in rows if row["topic"] == "lumbung.price"]
    assert sorted(ids) == ["lumbung.price"] * 5 + ["named"]
    assert {row["source"] for row in rows if row["kind"] == "price"} == {"kafka:lumbung.price"}
    assert stream.balance() == {"rows_in": 7, "silver": 6, "quarantine": 1, "duplicates": 0}
    reasons = [reason["rule"] for row in stream.rows("silver.quarantine") for reason in row["reasons"]]
    assert "decision_signed" in reasons


def test_times_of_any_year_are_read_again(stream: Stream):
    years = (2, 300, 1582, 1677, 1900, 2026)
    prices = (price(f"y{year}", event_time=f"{year:04}-01-05T10:00:00+07:00") for year in years)
    stream.send(*prices, source="file:ancient.csv")
    stream.run()
    for table in ("bronze.events", "silver.prices"):
        files = open_table(table).file_uris()
        schemas = [pq.ParquetFile(file).schema.to_arrow_schema() for file in files]
        types = {str(column.type) for schema in schemas for column in schema}
        assert {name for name in types if name.startswith("timestamp")} == {"timestamp[us, tz=UTC]"}
    assert {row["event_time"].year for row in stream.rows("silver.prices")} == set(years)
    assert {row["market_date"].year for row in stream.rows("gold.price_history")} == set(years)


def test_every_rule_is_counted_in_every_batch_also_with_zero(stream: Stream):
    stream.send(*MIXED)
    stream.run()
    stored = open_table("gold.data_quality").to_pyarrow_table()
    rows = {row["rule"]: row for row in counts_by_rule(stored).to_pylist()}
    assert set(rows) == {rule.name for rule in contracts()["silver.prices"].rules}
    assert rows["unit_known"]["violated"] == 0 and rows["unit_known"]["evaluated"] == 7
    assert rows["price_positive"]["violated"] == 1 and rows["id_conflict"]["violated"] == 1
    violated = sum(row["violated"] > 0 for row in rows.values())
    assert stored.num_rows == violated + 1, "all zeros are one row"


def test_every_table_needs_reader_version_1_only(stream: Stream):
    for table in contracts():
        assert open_table(table).protocol().min_reader_version == 1, table
        assert not open_table(table).protocol().reader_features


def test_compaction_keeps_rows_and_bounds_files(stream: Stream, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LUMBUNG_LAKE__COMPACT_AFTER_COMMITS", "4")
    monkeypatch.setenv("LUMBUNG_STREAM__MAX_EVENTS_PER_BATCH", "2")
    settings.cache_clear()
    stream.send(*(price(f"n{number}", 11000 + number) for number in range(60)))
    stream.run()
    assert stream.finished().batch_id >= 29
    for table in ("bronze.events", "silver.prices", "gold.balance"):
        assert len(open_table(table).file_uris()) < 15, table
    assert len(stream.silver()) == 60 and stream.balance()["silver"] == 60


def test_event_time_is_utc_and_market_date_local(stream: Stream):
    day = EARLIER.date()
    half_past_midnight = f"{day}T00:30:00+09:00"
    stream.send(price("t", event_time=half_past_midnight, market_id="PROV-94", region="Papua Tengah"))
    stream.run()
    (row,) = stream.rows("silver.prices")
    assert row["event_time"] == datetime.combine(day - timedelta(days=1), time(15, 30), UTC)
    assert row["market_date"] == day


def test_price_history_repeats_no_row_after_its_log_was_cleaned(stream: Stream):
    stream.send(*MIXED)
    stream.run()
    open_table("gold.price_history").alter.set_table_description(
        "a commit of maintenance, without a batch tag"
    )
    open_table("gold.price_history").create_checkpoint()
    commits = sorted((Path(table_uri("gold.price_history")) / "_delta_log").glob("*.json"))
    for file in commits[:-1]:
        file.unlink()  # as log cleaning does after its retention, e.g. after a night without prices
    stream.send(price("next", 12100))
    stream.run()
    assert sorted(row["event_id"] for row in stream.rows("gold.price_history")) == ["a", "b", "d", "next"]


def test_table_of_an_earlier_version_gains_new_columns(stream: Stream):
    contract = contracts()["silver.quarantine"]
    later = ("evidence", "suggestion")
    older = pa.schema([field for field in arrow_schema(contract) if field.name not in later])
    shutil.rmtree(table_uri("silver.quarantine"))
    DeltaTable.create(table_uri("silver.quarantine"), older, partition_by=list(contract.partition_by))
    create_tables()
    stream.send(price("bad", -5), price("valid"))
    stream.run()
    assert dict(stream.quarantine()) == {("bad", "price_positive"): 1} and stream.silver() == {"valid": 1}
