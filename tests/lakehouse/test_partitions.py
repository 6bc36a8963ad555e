"""The partition of an event is the one in which librdkafka and the Java producer put it."""

import pytest

from lakehouse.partitions import murmur2, partition_for


@pytest.mark.parametrize(
    ("key", "digest"),
    [  # of the tests of Apache Kafka (UtilsTest.testMurmur2)
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_hash_is_that_of_the_java_producer(key: bytes, digest: int):
    assert murmur2(key) == digest % 2**32


def test_events_that_are_compared_share_a_partition_in_any_spelling():
    for kind, keys in {
        "price": ("PASAR-001|Cabe Rawit", "PASAR-002|cabe rawit"),
        "stock": ("GUDANG-1|Cabe Rawit", "GUDANG-1|cabe rawit"),
        "bar": ("aapl|1d", "AAPL|1d"),
        "sensor": ("PASAR-001|DEV-1", "PASAR-001|DEV-2"),
        "post": ("news|1", "x|2"),
    }.items():
        assert len({partition_for(kind, key, 1000) for key in keys}) == 1, kind
