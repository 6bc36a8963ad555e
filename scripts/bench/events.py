"""Seeded events for the benches: prices of 12 markets, a share of them bad, straight into Kafka or as bytes."""

import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
from confluent_kafka import KafkaException, Producer
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from conf.broker import create_topics, partition_of, producer_config
from lakehouse.event import Event, rfc3339, topics
from lakehouse.reference import commodities, markets

BAD = ("price_positive", "commodity_known", "payload_json", "price_in_band", "event_time_format")


def price_events(count: int, seed: int = 1, bad_pct: float = 1.0, prefix: str = "bench") -> Iterator[Event]:
    """`count` events about 250 bytes long; bad ones cycle through BAD."""
    draw = random.Random(seed)  # noqa: S311
    goods = [good for good in commodities().values() if not good.is_group]
    places = [market for market in markets().values() if market.market_id.startswith("PASAR")]
    now = datetime.now(UTC)
    time_text = rfc3339(last_noon(now))
    for number in range(count):
        good, place = goods[number % len(goods)], places[number % len(places)]
        payload = {
            "event_id": f"{prefix}-{seed}-{number:09d}",
            "event_time": time_text,
            "market_id": place.market_id,
            "commodity": good.name,
            "price": round(good.typical_idr * draw.uniform(0.8, 1.25), 2),
            "unit": good.unit,
            "device_id": f"BENCH-{number % 200:03d}",
            "channel": "retail",
        }
        value = orjson.dumps(payload)
        if draw.random() * 100 < bad_pct:
            value = spoiled(payload, BAD[number % len(BAD)])
        yield Event("price", f"{place.market_id}|{good.name}", value, str(payload["event_id"]), "sim:bench", now)


def last_noon(now: datetime) -> datetime:
    """Noon in Jakarta that has passed last: one market day everywhere.

    Around midnight rows of two market days take turns, and each turn is judged by itself: then the validators do 5,000 a second.
    """
    noon = now.replace(hour=5, minute=0, second=0, microsecond=0)
    return noon if noon <= now else noon - timedelta(days=1)


def spoiled(payload: dict[str, object], rule: str) -> bytes:
    """The payload with the fault that `rule` finds."""
    if rule == "payload_json":
        return orjson.dumps(payload)[:-5]
    change = {
        "price_positive": {"price": -5},
        "commodity_known": {"commodity": "unobtainium"},
        "price_in_band": {"price": 9e9},
        "event_time_format": {"event_time": "yesterday"},
    }[rule]
    return orjson.dumps(payload | change)


def produce(events: Iterator[Event], per_second: float | None = None) -> tuple[int, float]:
    """Send all to Kafka, paced when `per_second` is given; returns (acknowledged records, seconds). Raises on any refusal."""
    producer = Producer(
        producer_config() | {"linger.ms": 20, "queue.buffering.max.messages": 500_000, "message.timeout.ms": 120_000}
    )
    failures: list[str] = []
    began, count = time.monotonic(), 0

    def delivered(error: object, message: object) -> None:
        if error is not None:
            failures.append(str(error))

    for event in events:
        while True:
            try:
                where = partition_of(event.together)
                producer.produce(event.topic, event.value, event.key, where, delivered, headers=event.headers)
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
        if count % 1000 == 0 or per_second:
            producer.poll(0)
        if per_second:
            time.sleep(max(0.0, began + count / per_second - time.monotonic()))
    producer.flush(120)
    if failures:
        raise RuntimeError(f"{len(failures)} records were refused: {failures[0]}")
    return count, time.monotonic() - began


def main(count: int, seed: int = 1) -> None:
    """Create the topics, as soon as there is a broker, and send `count` seeded price events."""
    for attempt in Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.5), retry=retry_if_exception_type(KafkaException)):
        with attempt:
            create_topics(topics())
    sent, seconds = produce(price_events(count, seed))
    print(f"{sent} events acknowledged by Kafka in {seconds:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
