"""Accepted prices and decisions of a real stream are recorded, and stay valid after silver was rebuilt."""

import pytest

from conf.settings import settings
from lakehouse.io.delta import open_table
from serving_api.reads.ledger.integrity import Verifier
from streaming_jobs.gold.ledger import LedgerJob
from tests.streaming_jobs.conftest import Stream, price, rebuild_everything


def check() -> tuple[bool, int, int, object]:
    verdict = Verifier(settings().lake_root).check("price")
    return verdict.valid, verdict.length, verdict.rows, verdict.fault


@pytest.mark.timeout(300)
def test_it_fits_before_and_after_a_rebuild(stream: Stream):
    stream.send(price("a"), price("b", 12_000), price("c", -5))
    stream.send(
        b'{"event_id":"mine","market_id":"PASAR-001","commodity":"Garam","price":15000}', kind="ledger"
    )
    stream.run()
    stream.send(price("d", 13_000))
    stream.run()
    LedgerJob().refresh()
    records = [
        row
        for row in open_table("gold.ledger").to_pyarrow_table().sort_by("index").to_pylist()
        if row["chain"] == "price"
    ]
    assert [(r["kind"], r["event_id"], r["rows"]) for r in records] == [
        ("price", "mine", 1),
        ("price_batch", None, 2),
        ("price_batch", None, 1),
    ]
    assert records[1]["delta_version"] < records[2]["delta_version"] <= open_table("silver.prices").version()
    assert check() == (True, 3, 4, None)
    assert rebuild_everything() == 5
    assert check() == (True, 3, 4, None), "the same rows, so the same roots"
    stream.send(price("e", 14_000))
    stream.run()
    LedgerJob().refresh()
    assert check() == (True, 4, 5, None)
