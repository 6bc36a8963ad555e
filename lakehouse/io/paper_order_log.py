"""The newest paper orders as Kafka holds them: what was decided before a process was killed."""

from typing import Any

import orjson

from lakehouse.event import TOPIC_PREFIX, faults
from lakehouse.io.kafka import newest_values
from lakehouse.times import parse_time

KIND = "order"
READ_BACK = 5_000  # newest orders of each partition; the tables contain older ones
TIMES = ("decided_at", "bar_time")
NEEDED = (
    *("trade_id", "account", "status", "symbol", "asset_class", "currency", "interval", "side"),
    *("decided_quantity", "mark", *TIMES),
)
Row = dict[str, Any]


def newest_orders() -> list[Row]:
    """Payloads of the newest decided orders, with their times as times, in the order of their decisions.

    Raises KafkaException when the brokers do not answer.
    """
    values = newest_values(TOPIC_PREFIX + KIND, READ_BACK)
    rows = [row for value in values if (row := logged_order(value))]
    return sorted(rows, key=lambda row: row["decided_at"])


def logged_order(value: bytes) -> Row | None:
    """An order as it is logged, with its times as times; None for any other record of the topic.

    A record that the stream refuses is no order here either.
    """
    try:
        row = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    is_ours = not faults(row, [KIND]) and all(row.get(name) is not None for name in NEEDED)
    return with_times(row) if is_ours else None


def with_times(row: Row) -> Row:
    """The payload with its times as times."""
    return row | {name: parse_time(row[name]) for name in TIMES}
