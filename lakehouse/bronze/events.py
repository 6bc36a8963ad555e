"""Kafka records -> bronze.events"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.contracts.contract import contracts
from lakehouse.event import DEAD_LETTER, EVENT_ID, LEGACY_KIND, TOPIC_PREFIX

PAYLOAD_HASH = "payload_hash"  # with the columns of bronze.events, for the index of event ids
ENVELOPE = ("event_id", "kind", "source", "received_at", "content_type")


def _header(position: int, name: str) -> Column:
    """Value of an envelope header: at its usual position, else searched for among foreign headers.

    Null when its bytes are no UTF-8: the event then has what a record without this header has.
    """
    searched = F.expr(f"element_at(map_from_entries(headers), '{name}')")
    usual = F.expr(f"get(headers, {position})")
    value = F.when(usual["key"] == name, usual["value"]).when(F.size("headers") > 0, searched)
    return F.try_validate_utf8(value.cast("string"))


def own_id(value: str) -> Column:
    """The event_id in a payload; null when there is none or its format is not allowed."""
    event_id = F.get_json_object(F.col(value).cast("string"), "$.event_id")
    return F.when(event_id.rlike(rf"\A{EVENT_ID.pattern}\z"), event_id)


def payload_hash() -> Column:
    """Hash of the payload of a row of bronze.events, by which an id that is used twice is recognised.

    A dead letter that needs no decision counts as an empty object, see lakehouse/silver/dead_letters.py.
    """
    answered = F.coalesce(F.element_at("other_headers", "door"), F.lit("")) == "http"
    left_out = F.coalesce(F.element_at("other_headers", "listed"), F.lit("")) == "no"
    needs_none = (F.col("kind") == DEAD_LETTER) & (answered | left_out)
    payload = F.when(needs_none, F.lit("{}")).otherwise(F.col("value").cast("string"))
    return F.xxhash64(payload).alias(PAYLOAD_HASH)


def events(records: DataFrame) -> DataFrame:
    """Rows of the Kafka source (with headers and `ingested_at`) -> rows of bronze.events.

    A record without our headers gets topic:partition:offset as id, its kind from its topic and its time of
    receipt from Kafka. A foreign topic (kafka.legacy_topics) holds listings; the event_id of such a payload
    is used.
    """
    ours = F.col("topic").startswith(TOPIC_PREFIX)
    position = F.concat_ws(":", "topic", F.col("partition").cast("string"), F.col("offset").cast("string"))
    header = {name: _header(nth, name) for nth, name in enumerate(ENVELOPE)}
    only_ours = F.expr(
        f"size(headers) = {len(ENVELOPE)} and headers[0].key = 'event_id' and headers[4].key = 'content_type'"
    )
    foreign = f"map_filter(map_from_entries(headers), (k, v) -> k not in {ENVELOPE})"
    others = F.expr(f"transform_values({foreign}, (k, v) -> make_valid_utf8(cast(v as string)))")
    columns = {
        "topic": F.col("topic"),
        "partition": F.col("partition"),
        "offset": F.col("offset"),
        "kafka_timestamp": F.col("timestamp"),
        "key": F.make_valid_utf8(F.col("key").cast("string")),
        "value": F.col("value"),
        "event_id": F.coalesce(
            F.nullif(header["event_id"], F.lit("")), F.when(~ours, own_id("value")), position
        ),
        "kind": F.when(ours, F.substring("topic", len(TOPIC_PREFIX) + 1, 100)).otherwise(LEGACY_KIND),
        "source": F.coalesce(header["source"], F.concat(F.lit("kafka:"), F.col("topic"))),
        "received_at": F.coalesce(header["received_at"].try_cast("timestamp"), F.col("timestamp")),
        "content_type": header["content_type"],
        "other_headers": F.when(only_ours, None).otherwise(others),
        "ingested_at": F.col("ingested_at"),
        "ingest_date": F.to_date("ingested_at"),
    }

    return records.select(*(columns[name].alias(name) for name in contracts()["bronze.events"].column_names))
