"""A mock cluster of librdkafka as a process: it prints its address, and ends with its standard input."""

import sys

from confluent_kafka.admin import AdminClient

if __name__ == "__main__":
    cluster = AdminClient({"bootstrap.servers": "mock:1", "test.mock.num.brokers": 1, "log_level": 0})
    (node,) = cluster.list_topics(timeout=60).brokers.values()
    print(f"{node.host}:{node.port}", flush=True)
    sys.stdin.read()
