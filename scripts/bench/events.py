"""Seeded price events of 12 markets for the benches, some of them invalid, sent to Kafka or as bytes."""

import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
from confluent_kafka import KafkaException
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from lakehouse.event import Event
from lakehouse.io.kafka import create_topics, subscribed
from lakehouse.reference import commodities, markets
from lakehouse.times import rfc3339
from producers.publish import KafkaSink

INVALID_SHARE = 0.01
BROKEN_RULES = ("price_positive", "commodity_known", "payload_json", "price_in_band", "event_time_format")


def price_events(count: int, seed: int = 1) -> Iterator[Event]:
    """`count` events of about 250 bytes; the invalid ones break the rules of BROKEN_RULES in turn."""
    draw = random.Random(seed)  # noqa: S311
    products = [commodity for commodity in commodities().values() if not commodity.is_group]
    places = [market for market in markets().values() if market.market_id.startswith("PASAR")]
    now = datetime.now(UTC)
    time_text = rfc3339(last_noon(now))
    for number in range(count):
        commodity = products[number % len(products)]
        place = places[number % len(places)]
        payload = {
            "event_id": f"bench-{seed}-{number:09d}",
            "event_time": time_text,
            "market_id": place.market_id,
            "commodity": commodity.name,
            "price": round(commodity.typical_idr * draw.uniform(0.8, 1.25), 2),
            "unit": commodity.unit,
            "device_id": f"BENCH-{number % 200:03d}",
            "channel": "retail",
        }
        value = orjson.dumps(payload)
        if draw.random() < INVALID_SHARE:
            value = broken_payload(payload, BROKEN_RULES[number % len(BROKEN_RULES)])
        yield Event(
            "price", f"{place.market_id}|{commodity.name}", value, str(payload["event_id"]), "sim:bench", now
        )


def last_noon(now: datetime) -> datetime:
    """The last noon in Jakarta before `now`: the same market day in every time zone of the country.

    Around midnight, rows of two market days alternate, and fewer of them are judged at once.
    """
    noon = now.replace(hour=5, minute=0, second=0, microsecond=0)
    return noon if noon <= now else noon - timedelta(days=1)


def broken_payload(payload: dict[str, object], rule: str) -> bytes:
    """The payload, changed so that it breaks `rule`."""
    if rule == "payload_json":
        return orjson.dumps(payload)[:-5]
    changes: dict[str, dict[str, object]] = {
        "price_positive": {"price": -5},
        "commodity_known": {"commodity": "unobtainium"},
        "price_in_band": {"price": 9e9},
        "event_time_format": {"event_time": "yesterday"},
    }
    return orjson.dumps(payload | changes[rule])


def main(count: str, shape: str = "one_day", seed: str = "1") -> None:
    """Wait for the broker, create the topics and send `count` events of one of `event_shapes.SHAPES`.

    `seed`: of the shape one_day, whose events have other ids with each.
    """
    for attempt in Retrying(
        stop=stop_after_delay(60), wait=wait_fixed(0.5), retry=retry_if_exception_type(KafkaException)
    ):
        with attempt:
            create_topics(subscribed())
    from scripts.bench.event_shapes import SHAPES  # which reads this module

    events = price_events(int(count), int(seed)) if shape == "one_day" else SHAPES[shape](int(count))
    sink = KafkaSink()
    began = time.monotonic()
    for event in events:
        sink.send(event)
    sink.flush()
    print(f"{sink.sent} events acknowledged by Kafka in {time.monotonic() - began:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
