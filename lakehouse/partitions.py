"""In which partition of its topic a producer puts an event, computed without a broker."""

import zlib

from lakehouse.event import together_of

SIGNED = 0x7FFFFFFF  # librdkafka clears the sign, as the Java producer does
WHOLE = 0xFFFFFFFF


def partition_for(kind: str, key: str, count: int) -> int:
    """Partition of an event with this key in a topic of `count` partitions."""
    if together := together_of(kind, key):
        return partition_together(together, count)
    return (murmur2(key.encode("utf-8", "replace")) & SIGNED) % count


def partition_together(together: str, count: int) -> int:
    """Partition of all events with this text (`Event.together`)."""
    return zlib.crc32(together.encode("utf-8", "replace")) % count


def murmur2(key: bytes) -> int:
    """The 32-bit hash by which librdkafka (`murmur2_random`) and the Java producer choose a partition."""
    factor = 0x5BD1E995
    digest = 0x9747B28C ^ len(key)
    whole = len(key) - len(key) % 4
    for start in range(0, whole, 4):
        part = int.from_bytes(key[start : start + 4], "little") * factor & WHOLE
        part = (part ^ part >> 24) * factor & WHOLE
        digest = digest * factor & WHOLE ^ part
    if whole < len(key):
        digest = (digest ^ int.from_bytes(key[whole:], "little")) * factor & WHOLE
    digest = (digest ^ digest >> 13) * factor & WHOLE
    return digest ^ digest >> 15
