"""What benches state about a process tree: processor time and memory of real processes."""

import os
import subprocess
import sys

import pytest

from scripts.bench.harness import Usage
from scripts.bench.live.idle import program

BUSY = """
import sys, time
held = b"x" * 50_000_000
while time.process_time() < 0.5: pass
print("done", flush=True)
sys.stdin.read()
"""


def test_usage_counts_a_child_that_starts_meanwhile():
    with Usage(os.getpid(), without_root=True) as usage:
        child = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdout is not None and child.stdout.readline() == b"done\n"
    with child, Usage(child.pid) as idle:
        pass
    assert usage.cpu_seconds >= 0.4 and usage.pss_mb_max > 50
    assert idle.cpu_seconds < 0.4 and idle.pss_mb_max > 50


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/x/bin/python -m streaming_jobs.run", "streaming_jobs.run"),
        ("java -Xmx384m -cp /x/a-1.2.jar:/x/b.jar kafka.Kafka /x/server.properties", "kafka.Kafka"),
        (
            "/jvm/bin/java -cp /x/* org.apache.spark.deploy.SparkSubmit --conf a.b=c pyspark-shell",
            "org.apache.spark.deploy.SparkSubmit",
        ),
        ("/usr/bin/chromium --headless", "chromium"),
    ],
)
def test_process_is_named_by_what_it_runs(command: str, expected: str):
    assert program(command.split()) == expected
