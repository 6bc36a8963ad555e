"""Records of an older shop system reach gold through its own topic, without any of our headers."""

import json

import orjson
import pytest
from confluent_kafka import Producer

from conf.settings import settings
from lakehouse.io.kafka import create_topics, producer_config
from streaming_jobs.gold.retail import Retail
from tests.streaming_jobs.conftest import Stream, price

LISTING = {
    "ProductName": "Radio",
    "Category": "ELECTRONICS",
    "Price": 100.0,
    "Rating": 4.5,
    "NumReviews": 10,
    "StockQuantity": 3,
    "Discount": 0.1,
    "DateAdded": "2026-01-02",
}


def test_raw_records_of_an_older_topic_reach_gold_few_in_a_batch(
    either: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (settings().kafka.legacy_topics, settings().kafka.batch_size) == (["kafka-server"], 100)
    topic = "older-shop-spark" if either.spark else "older-shop-embedded"  # later tests begin at the start
    monkeypatch.setenv("LUMBUNG_KAFKA__LEGACY_TOPICS", json.dumps([topic]))
    monkeypatch.setenv("LUMBUNG_KAFKA__BATCH_SIZE", "2")
    settings.cache_clear()
    create_topics([topic])
    first = either.broker.ends(topic)[topic, 0]
    producer = Producer(producer_config())
    for number, sales in ((1, 20), (2, 30), (3, None), (4, 1), (5, 1)):
        payload = orjson.dumps({**LISTING, "ProductID": number, "Sales": sales})
        producer.produce(topic, payload, partition=0)
    assert producer.flush(60) == 0
    either.send(*(price(f"n{number}") for number in range(4)))
    batches = either.run_and_list()
    assert sum(rows.get(topic, 0) for rows in batches) == 5
    assert max(rows.get(topic, 0) for rows in batches) == 2
    assert max(rows.get("lumbung.price", 0) for rows in batches) > 2, "other topics have no such limit"
    stored = {row["event_id"]: row["product_id"] for row in either.rows("silver.listings")}
    assert stored == {f"{topic}:0:{first + number - 1}": number for number in (1, 2, 4, 5)}
    assert either.quarantine() == {(f"{topic}:0:{first + 2}", "sales_required"): 1}
    assert either.balance() == {"rows_in": 9, "silver": 8, "quarantine": 1, "duplicates": 0}
    Retail().refresh()
    (revenue,) = [row for row in either.rows("gold.revenue") if row["newest"]]
    assert (revenue["category"], revenue["units_sold"], revenue["products"]) == ("ELECTRONICS", 52, 4)
