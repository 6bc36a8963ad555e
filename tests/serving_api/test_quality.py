"""Counts per rule, the rules, and the balance, read by page and without reading whole tables."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from conf.settings import settings
from lakehouse.contracts.contract import kinds
from lakehouse.io.table_files import UnreadableTable
from lakehouse.paths import table_path
from scripts.bench.api_lake import write
from serving_api.http.cursors import Key, TimeRange, time_range
from serving_api.listings import quality
from serving_api.listings.listing import ListRequest
from serving_api.reads.operation.balance import BalanceReader
from serving_api.reads.provenance import current_rule_set
from serving_api.reads.responses import KeyedItem
from serving_api.reads.snapshots import Snapshot, Snapshots
from tests.conftest import Broker
from tests.support.api import Api, new_stack, pages
from tests.support.served_lake import NOW

QUALITY = "/api/v1/data-quality"
COUNTS = ("rows_in", "silver", "quarantine", "duplicates")


def counts(
    snapshot: Snapshot, times: TimeRange, limit: int, key: Key | None = None, rule: str | None = None
) -> list[KeyedItem]:
    """Up to limit + 1 (sort key, item) after `key`."""
    unused: Any = None
    request = ListRequest({"kind": None, "rule": rule}, snapshot, {}, unused, unused, "en", None, times)
    return quality.QUALITY.items(quality.QUALITY.keyed_rows(request, key, limit), request)


def rule_counts(batch: int, kind: str, rule: str, violated: int = 0) -> dict[str, Any]:
    """A row of gold.data_quality: batch n ended n minutes ago; every second one has no source."""
    end = NOW - timedelta(minutes=batch)
    return {
        "stream_id": "s",
        "batch_id": 1000 - batch,
        "table": kinds()[kind].table,
        "kind": kind,
        "rule": rule,
        "severity": "error",
        "source": None if batch % 2 else "mqtt",
        "evaluated": 10,
        "violated": violated,
        "rule_set": "f" * 12,
        "window_start": end - timedelta(seconds=5),
        "window_end": end,
    }


def balance_row(batch: int, kind: str, *counts: int) -> dict[str, Any]:
    """A row of gold.balance."""
    at = NOW - timedelta(minutes=batch)
    return {
        "stream_id": "s",
        "batch_id": batch,
        "kind": kind,
        "ingested_at": at,
        **dict(zip(COUNTS, counts, strict=True)),
    }


@pytest.fixture(scope="module")
def watched(broker: Broker, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """40 batches in as many files, oldest first, one more from last year."""
    stack = new_stack(tmp_path_factory.mktemp("watched"), broker)
    for batch in (500_000, *range(39, -1, -1)):
        rows = [
            rule_counts(batch, kind, rule, batch)
            for kind, rule in (("price", "a"), ("price", "b"), ("sensor", "a"))
        ]
        write(stack.lake_root, "gold.data_quality", rows)
    write(
        stack.lake_root,
        "gold.balance",
        [balance_row(2, "price", 100, 90, 6, 4), balance_row(2, "sensor", 5, 5, 0, 0)],
    )
    write(stack.lake_root, "gold.balance", [balance_row(1, "price", 10, 10, 0, 0)])
    running = Api(stack)
    yield running
    running.stop()


def test_pages_of_counts_hold_every_row_once_newest_first(watched: Api) -> None:
    whole = pages(watched, f"{QUALITY}?from=2000-01-01&limit=1000")
    assert [item["violated"] for item in whole] == [
        batch for batch in (*range(40), 500_000) for _ in range(3)
    ]
    for limit in (1, 7):
        assert pages(watched, f"{QUALITY}?from=2000-01-01&limit={limit}") == whole
    assert len(pages(watched, f"{QUALITY}?limit=50")) == 120, "the last 30 days"
    assert {item["table"] for item in pages(watched, f"{QUALITY}?kind=sensor&limit=9")} == {"silver.sensors"}
    assert len(pages(watched, f"{QUALITY}?kind=price&rule=b&limit=9")) == 40
    begin, end = (f"{NOW - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}" for minutes in (5, 2))
    assert {item["violated"] for item in pages(watched, f"{QUALITY}?from={begin}&to={end}")} == {5, 4, 3}


def test_zeros_that_share_a_row_are_listed_per_rule(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of any size hold each count once, although one stored row stands for several."""
    monkeypatch.setattr(quality, "PART_ROWS", 2)
    rules = [{"rule": rule, "severity": "warn"} for rule in ("a", "c", "d")]
    for batch in (3, 2, 1):
        zeros = rule_counts(batch, "price", "") | {"rule": None, "severity": None, "unviolated": rules}
        write(settings().lake_root, "gold.data_quality", [rule_counts(batch, "price", "b", 7), zeros])
    snapshot = Snapshots().open_newest("gold.data_quality")
    times = time_range("2000-01-01", None)
    whole = [(batch, rule, 7 if rule == "b" else 0) for batch in (1, 2, 3) for rule in "abcd"]
    for limit in (1, 2, 3, 5, 1000):
        listed: list[tuple[int, str, int]] = []
        key = None
        while rows := counts(snapshot, times, limit, key)[:limit]:
            key = rows[-1][0]
            for (end, *_), item in rows:
                age = NOW - datetime.fromtimestamp(end / 1e6, UTC)
                listed.append((round(age / timedelta(minutes=1)), item["rule"], item["violated"]))
        assert listed == whole, limit
    only = counts(snapshot, times, 9, rule="c")
    assert [(item["rule"], item["severity"], item["violated"]) for _, item in only] == [("c", "warn", 0)] * 3


def test_page_of_counts_reads_the_newest_files_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest file is missing; only the page that reaches it fails."""
    monkeypatch.setattr(quality, "READ_ROWS", 5)
    oldest: list[Path] = []
    for batch in range(20, -1, -1):
        write(
            settings().lake_root,
            "gold.data_quality",
            [rule_counts(batch, "price", rule, batch) for rule in ("a", "b", "c")],
        )
        oldest = oldest or list((home / "lake" / "gold" / "data_quality").glob("*.parquet"))
    oldest[0].unlink()
    snapshot = Snapshots().open_newest("gold.data_quality")
    times = time_range("2000-01-01", None)
    first = counts(snapshot, times, 50)
    assert [item["violated"] for _, item in first] == [batch for batch in range(17) for _ in range(3)][:51]
    with pytest.raises(UnreadableTable, match="gold.data_quality cannot be read"):
        counts(snapshot, times, 60)


def test_rules_are_those_of_the_contracts(watched: Api) -> None:
    rules = watched.get("/api/v1/rules?kind=price&limit=1000").json()
    names = [rule.name for rule in kinds()["price"].rules]
    assert [item["rule"] for item in rules["items"]] == names and rules["meta"][
        "rule_set"
    ] == current_rule_set()
    old = next(item for item in rules["items"] if item["rule"] == "event_time_old")
    assert "400" in old["expression"] and "${" not in old["expression"] + old["message"], (
        "with the value of the setting"
    )
    everything = pages(watched, "/api/v1/rules?limit=13")
    assert len(everything) == sum(len(contract.rules) for contract in kinds().values())
    assert len({item["fingerprint"] for item in everything}) > len(names), "each rule has its own"
    etag = watched.get("/api/v1/rules").headers["etag"]
    assert watched.get("/api/v1/rules", headers={"If-None-Match": etag}).status_code == 304


def test_balance_per_kind_and_in_total(watched: Api) -> None:
    response = watched.get("/api/v1/reconcile")
    result = response.json()
    assert result["per_kind"]["price"] == {
        "rows_in": 110,
        "silver": 100,
        "quarantine": 6,
        "duplicates": 4,
        "difference": 0,
    }
    assert (result["rows_in"], result["silver"], result["difference"], result["balanced"]) == (
        115,
        105,
        0,
        True,
    )
    assert set(result["per_kind"]) >= set(kinds()) and result["meta"]["delta_version"] == {"gold.balance": 1}
    assert (
        watched.get("/api/v1/reconcile", headers={"If-None-Match": response.headers["etag"]}).status_code
        == 304
    )
    write(watched.stack.lake_root, "gold.balance", [balance_row(0, "sensor", 3, 1, 0, 0)])
    result = watched.get("/api/v1/reconcile").json()
    assert (result["per_kind"]["sensor"]["difference"], result["difference"], result["balanced"]) == (
        2,
        2,
        False,
    )
    text = watched.get("/metrics").text
    assert (
        "lumbung_reconcile_difference 2.0" in text
        and 'events_total{outcome="landed",stage="bronze"} 118.0' in text
    )


def test_balance_file_is_read_once_and_compaction_counts_nothing_twice(home: Path) -> None:
    root = settings().lake_root
    for batch in range(5):
        write(root, "gold.balance", [balance_row(batch, "price", 10, 8, 1, 1)])
    reader = BalanceReader(Snapshots())
    assert reader.read()[1]["price"] == {
        "rows_in": 50,
        "silver": 40,
        "quarantine": 5,
        "duplicates": 5,
        "difference": 0,
    }
    read: list[int] = []
    aggregate = reader._files._aggregate
    reader._files._aggregate = lambda rows: (read.append(rows.num_rows), aggregate(rows))[1]  # type: ignore[func-returns-value]
    write(root, "gold.balance", [balance_row(9, "price", 1, 0, 0, 0)])
    assert reader.read()[1]["price"]["rows_in"] == 51 and read == [1]
    DeltaTable(table_path(root, "gold.balance")).optimize.compact()
    snapshot, per_kind = reader.read()
    assert snapshot.version == 6 and per_kind["price"]["rows_in"] == 51 and read == [1, 6]


@pytest.mark.parametrize(
    ("path", "status", "problem"),
    [
        (f"{QUALITY}?kind=gossip", 404, "unknown-kind"),
        (f"{QUALITY}?limit=0", 422, "validation"),
        (f"{QUALITY}?cursor=made-up", 422, "validation"),
        (f"{QUALITY}?from=2026-01-02&to=2026-01-01", 422, "validation"),
        ("/api/v1/rules?kind=gossip", 404, "unknown-kind"),
        ("/api/v1/rules?rule=x", 422, "validation"),
        ("/api/v1/reconcile?kind=price", 422, "validation"),
    ],
)
def test_invalid_quality_query_is_refused(watched: Api, path: str, status: int, problem: str) -> None:
    response = watched.get(path)
    assert (response.status_code, response.json()["type"]) == (status, f"/problems/{problem}")
    assert watched.request("POST", path.split("?")[0]).status_code == 405


def test_responses_are_empty_before_the_first_batch(broker: Broker, tmp_path: Path) -> None:
    own = Api(new_stack(tmp_path, broker))
    try:
        assert own.get(QUALITY).json()["items"] == []
        result = own.get("/api/v1/reconcile").json()
        assert (result["rows_in"], result["balanced"], result["meta"]["as_of"]) == (0, True, None)
        assert own.get("/metrics").status_code == 200
    finally:
        own.stop()
