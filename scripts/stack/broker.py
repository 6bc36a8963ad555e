"""The embedded broker: one Kafka node in KRaft mode. This process is replaced by the Java process (exec)."""

import base64
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

from conf.runtime.exit_codes import ExitCode
from conf.settings import LOOPBACK, REPO, settings

JARS = REPO / "conf" / "jars" / "kafka" / ".jgo"
LOG4J = """
<Configuration status="warn">
  <Appenders><Console name="out"><PatternLayout pattern="%d{ISO8601} %p %c{1}: %m%n"/></Console></Appenders>
  <Loggers><Root level="warn"><AppenderRef ref="out"/></Root>
  <Logger name="kafka.server.KafkaRaftServer" level="info"/></Loggers>
</Configuration>
"""


def server_properties(data: Path) -> str:
    """Settings of a single node on loopback: one replica of everything, few threads."""
    knobs = settings().kafka
    host, _, port = knobs.bootstrap.partition(":")
    if host not in LOOPBACK:
        raise SystemExit(
            f"kafka.bootstrap is {knobs.bootstrap}, but the embedded broker listens on loopback only\n"
            "  remedy: set kafka.embedded: false to use another broker"
        )
    lines = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{host}:{knobs.controller_port}",
        "listeners": f"PLAINTEXT://{host}:{port},CONTROLLER://{host}:{knobs.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "min.insync.replicas": 1,
        "group.initial.rebalance.delay.ms": 0,
        "metadata.max.idle.interval.ms": 0,  # else an idle controller writes two empty records a second
        "log.cleaner.dedupe.buffer.size": 4194304,
        "message.max.bytes": 2097152,
        # Broker and controller have as many each, and every one wakes several times a second. Two, so that a
        # slow flush delays no fetch.
        "num.network.threads": 1,
        "num.io.threads": 2,
        "log.segment.bytes": 268435456,
    }
    if knobs.flush_before_acknowledge:
        lines["log.flush.interval.messages"] = 1  # the broker flushes within an append, before it answers
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def data_folder() -> Path:
    """Where the embedded broker stores records and its identity."""
    return settings().home / "kafka" / "data"


def own_cluster_id() -> str | None:
    """The cluster id that this home's storage was formatted with; None before that."""
    file = data_folder() / "meta.properties"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    match = re.search(r"^cluster\.id=(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else None


def main() -> None:
    """Format the storage once, then replace this process by the broker. Exits 3 without jars."""
    home = settings().home / "kafka"
    data = data_folder()
    home.mkdir(parents=True, exist_ok=True)
    (home / "log4j2.xml").write_text(LOG4J)
    properties = home / "server.properties"
    properties.write_text(server_properties(data))
    jars = sorted(str(jar) for jar in JARS.rglob("*.jar"))
    if not jars:
        print("the broker's jars are missing\n  remedy: ./run.sh setup", file=sys.stderr)
        raise SystemExit(ExitCode.MISSING)
    java = [
        "java",
        f"-Xmx{settings().kafka.heap_mb}m",
        "-XX:+UseSerialGC",
        # Without the optimising compiler an idle broker uses a third less CPU. Under load it uses no more:
        # 0.8 µs an event instead of 0.7 µs once it is warm, 2.7 µs instead of 5.2 µs after its start.
        "-XX:TieredStopAtLevel=1",
        "-XX:-UsePerfData",  # a thread that samples counters 20 times a second
        "-XX:+ExitOnOutOfMemoryError",
        f"-Dlog4j2.configurationFile={home / 'log4j2.xml'}",
        "-cp",
        os.pathsep.join(jars),
    ]
    if not (data / "meta.properties").exists():
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").lstrip("-")
        subprocess.run(
            [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)], check=True
        )
    os.execvp("java", [*java, "kafka.Kafka", str(properties)])  # noqa: S606


if __name__ == "__main__":
    main()
