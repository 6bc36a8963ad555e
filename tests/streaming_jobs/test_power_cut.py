"""What has to be on the disk before it counts: no test can cut the power, so these look at the order."""

import json
from pathlib import Path
from urllib.parse import unquote

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from lakehouse.io.delta import open_table, table_uri
from lakehouse.io.kafka import client_config
from scripts.commands.reconcile import balance_report
from streaming_jobs.batch import driver
from streaming_jobs.startup.heal import take_back_torn_commits
from tests.conftest import Broker
from tests.streaming_jobs.conftest import Stream, price


@pytest.fixture
def stream(either: Stream) -> Stream:
    return either


def test_broker_flushes_a_record_before_it_acknowledges(real_broker: Broker):
    admin = AdminClient(client_config(real_broker.stack.bootstrap))
    ((_, described),) = admin.describe_configs([ConfigResource(ConfigResource.Type.BROKER, "1")]).items()
    assert described.result(60)["log.flush.interval.messages"].value == "1"


def test_tables_of_a_batch_are_on_the_disk_before_it_is_finished(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
):
    seen: list[tuple[int, int, int]] = []
    flush = driver.flush_to_disk

    def noted(folder: str) -> None:
        flush(folder)
        seen.append((sum(stream.silver().values()), stream.balance()["rows_in"], finished()))

    def finished() -> int:
        return stream.finished().batch_id

    monkeypatch.setattr(driver, "flush_to_disk", noted)
    stream.send(price("a"), price("b"))
    stream.run()
    assert seen == [(2, 0, -1), (2, 2, 0)] and finished() == 0


def tear(table: str, commit_itself: bool) -> None:
    """Leave an empty file of the newest commit, or of the data that it adds, as a power cut does."""
    opened = open_table(table)
    commit = Path(table_uri(table)) / "_delta_log" / f"{opened.version():020}.json"
    added = [json.loads(line)["add"]["path"] for line in commit.read_text().splitlines() if '"add"' in line]
    (commit if commit_itself else Path(table_uri(table)) / unquote(added[0])).write_bytes(b"")


def test_batch_with_incomplete_commits_is_repeated_after_a_power_cut(stream: Stream):
    stream.send(price("a"))
    stream.run()
    stream.send(price("b"), price("c", -5))
    stream.crash("stream.after_gold")
    tear("silver.prices", commit_itself=True)
    tear("bronze.events", commit_itself=False)
    assert take_back_torn_commits().keys() == {"silver.prices", "bronze.events"}
    assert take_back_torn_commits() == {} and stream.refusal() == ""
    stream.run()
    assert stream.silver() == {"a": 1, "b": 1} and stream.quarantine() == {("c", "price_positive"): 1}
    assert sorted(row["event_id"] for row in stream.rows("bronze.events")) == ["a", "b", "c"]
    assert stream.balance() == {"rows_in": 3, "silver": 2, "quarantine": 1, "duplicates": 0}
    assert balance_report()["balanced"]
