"""Events in bronze, some in another partition than their key, some with an id that came in another one."""

import random
from datetime import datetime

from conf.settings import settings
from lakehouse.event import DEAD_LETTERS, kind_of_topic, topics
from lakehouse.partitions import partition_for
from tests.support.gold.subject import BEGAN, Row, Tables
from tests.support.recomputed_gold import grouped


def arrivals(rng: random.Random) -> dict[str, list[Row]]:
    """Records of our topics and of another one; most are where producers put them."""
    rows = []
    for number in range(200):
        topic = rng.choice(["lumbung.price", "lumbung.listing", DEAD_LETTERS, "older-system"])
        key = rng.choice([f"PASAR-{number % 7}|garam", "PASAR-1|Cabai", str(number), "", None])
        own = partition_for(kind_of_topic(topic), key or "", settings().kafka.partitions)
        partition = 1 - own if rng.random() < 0.1 else own
        row = {"topic": topic, "partition": partition, "offset": number, "key": key, "received_at": BEGAN}
        rows.append(row | {"event_id": f"e{rng.randrange(150)}", "source": rng.choice(["api:u", "kafka:x"])})
    return {"bronze.events": rows}


def partition_faults(tables: Tables, newest: datetime) -> list[Row]:
    """Both faults, row by row in order of arrival."""
    rows = [row for row in tables["bronze.events"].to_pylist() if row["topic"] in topics()]
    rows = [
        {**row, "kind": kind_of_topic(row["topic"]), "seen_at": row["ingested_at"]}
        for row in sorted(rows, key=lambda row: (row["ingested_at"], row["partition"], row["offset"]))
        if row["topic"] != DEAD_LETTERS
    ]
    faults: list[Row] = []
    of_id: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        if row["key"]:
            own = partition_for(row["kind"], row["key"], settings().kafka.partitions)
            if own != row["partition"]:
                faults.append(row | {"fault": "key", "name": row["key"], "other_partition": own})
        partitions = of_id.setdefault((row["topic"], row["event_id"]), [])
        if partitions and row["partition"] not in partitions:
            first = partitions[0]
            faults.append(row | {"fault": "event_id", "name": row["event_id"], "other_partition": first})
        partitions.append(row["partition"])
    return [
        {
            **{name: of[0][name] for name in ("kind", "fault", "partition", "other_partition")},
            "events": len(of),
            "first_seen_at": of[0]["seen_at"],
            "last_seen_at": of[-1]["seen_at"],
        }
        for of in grouped(faults, "kind", "fault").values()
    ]
