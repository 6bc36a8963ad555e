"""Kafka records as an Arrow table: what every engine of the stream hands over. Needs pyarrow alone."""

import pyarrow as pa

TIME = pa.timestamp("us", "UTC")
RECORDS = pa.schema(
    {
        "topic": pa.string(),
        "partition": pa.int32(),
        "offset": pa.int64(),
        "timestamp": TIME,  # that the broker or the producer gave the record
        "key": pa.binary(),
        "value": pa.binary(),
        "headers": pa.list_(pa.struct({"key": pa.string(), "value": pa.binary()})),
    }
)
