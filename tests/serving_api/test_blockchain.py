"""The ledger over HTTP: what is appended reaches Kafka, blocks come newest first, tampering shows in the check."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from conf.settings import settings
from serving_api.integrity_checks import FRESH_SECONDS
from tests.conftest import Broker, headers_of
from tests.ledger_batches import ENTRIES, LedgerLake
from tests.serving_api.conftest import Api, stack_on

GOOD = b'{"market_id": "PASAR-001", "commodity": "garam", "price": 15000}'
APPEND, BLOCKS, CHECK = "/api/blockchain/append", "/api/blockchain/blocks", "/api/blockchain/integrity/check"


@pytest.fixture(scope="module")
def lake(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerLake]:
    """Three batches of 40 prices and one entry each, on record."""
    home = tmp_path_factory.mktemp("ledger")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUMBUNG_HOME", str(home))
        settings.cache_clear()
        made = LedgerLake()
        for number in range(1, 4):
            made.batch(number, 40, entries=1)
        made.job.refresh()
        yield made
    settings.cache_clear()


@pytest.fixture(scope="module")
def own(lake: LedgerLake, broker: Broker) -> Iterator[Api]:
    running = Api(stack_on(broker, settings().home))
    yield running
    running.stop()


def test_what_is_appended_reaches_kafka_as_it_came(own: Api, broker: Broker) -> None:
    since = broker.ends()
    answer = own.post(APPEND, GOOD, "device")
    receipt = answer.json()
    assert answer.status_code == 202 and receipt["kinds"] == ["ledger"] and receipt["status"] == "accepted"
    (record,) = broker.records(since, "lumbung.ledger", 1)
    assert record.value() == GOOD and headers_of(record)["source"] == "api:device"
    assert headers_of(record)["event_id"] == receipt["event_id"]


@pytest.mark.parametrize(
    ("body", "role", "status", "code"),
    [
        (GOOD, None, 401, "unauthorized"),
        (GOOD, "user", 403, "forbidden"),
        (GOOD.replace(b"15000", b"-1"), "operator", 422, "price_positive"),
        (GOOD.replace(b"15000", b'"15000"'), "operator", 422, "field_type"),
        (GOOD.replace(b"15000", b"true"), "operator", 422, "field_type"),
        (GOOD.replace(b"price", b"prise"), "operator", 422, "field_unknown"),
        (GOOD.replace(b"{", b'{"chain": "trade",'), "operator", 422, "field_unknown"),
        (GOOD.replace(b"{", b'{"decided_by": "somebody",'), "operator", 422, "field_unknown"),
        (b"[" + GOOD + b"]", "operator", 422, "payload_json"),
        (b"{", "operator", 400, "malformed-body"),
        (b" " * 70_000, "operator", 413, "payload-too-large"),
    ],
)
def test_what_is_refused(own: Api, broker: Broker, body: bytes, role: str | None, status: int, code: str) -> None:
    since = broker.ends()
    answer = own.post(APPEND, body, role)
    told = answer.json()
    assert answer.status_code == status, answer.text
    assert code in (told["type"].removeprefix("/problems/"), *(error["code"] for error in told.get("errors", [])))
    assert not broker.records(since, "lumbung.ledger", 0, 0.5)


def test_lines_are_not_a_price(own: Api) -> None:
    assert own.post(APPEND, GOOD, content_type="application/x-ndjson").status_code == 415
    assert own.get(APPEND).status_code == 405


def test_blocks_come_newest_first_page_by_page(own: Api, lake: LedgerLake) -> None:
    records = lake.records()[::-1]
    for limit in (1, 2, 3, 6, 1000):
        found, cursor = [], ""
        while True:
            answer = own.get(f"{BLOCKS}?limit={limit}{cursor}")
            assert answer.status_code == 200, answer.text
            found += answer.json()["items"]
            if answer.json()["next_cursor"] is None:
                break
            assert len(answer.json()["items"]) == limit
            cursor = f"&cursor={answer.json()['next_cursor']}"
        assert [item["hash"] for item in found] == [record["hash"] for record in records]
    first = own.get(BLOCKS).json()
    names = {"index", "hash", "previous_hash", "timestamp", "kind", "event_id", "table", "delta_version"}
    assert set(first["items"][0]) == names
    assert first["items"][0]["previous_hash"] == first["items"][1]["hash"]
    assert datetime.fromisoformat(first["items"][0]["timestamp"]) == records[0]["timestamp"]
    assert list(first["meta"]["delta_version"]) == ["gold.ledger"]
    assert first["meta"]["as_of"][:19] == first["items"][0]["timestamp"][:19], "statistics keep milliseconds"
    assert own.get(BLOCKS, headers={"If-None-Match": own.get(BLOCKS).headers["etag"]}).status_code == 304


def test_the_block_of_an_event_is_found_by_its_id(own: Api) -> None:
    (block,) = own.get(f"{BLOCKS}?event_id=e-0002-0").json()["items"]
    assert (block["index"], block["kind"], block["table"]) == (2, "price", ENTRIES)
    assert own.get(f"{BLOCKS}?event_id=nobody").json()["items"] == []
    assert own.get(f"{BLOCKS}?chain=trade").json()["items"] == []


@pytest.mark.parametrize("query", ["chain=gold", "chian=price", "limit=0", "event_id="])
def test_questions_that_are_none(own: Api, query: str) -> None:
    assert own.get(f"{BLOCKS}?{query}").status_code == 422
    assert own.get(f"{CHECK}?{query}").status_code == 422
    assert own.get(f"{BLOCKS}?cursor=made-up").status_code == 422


def test_the_check_says_what_it_checked_and_when(own: Api, lake: LedgerLake) -> None:
    answered(own)
    answer = own.get(CHECK)
    said = answer.json()
    meta = said.pop("meta")
    at = datetime.fromisoformat(said.pop("checked_at"))
    assert said == {
        "valid": True, "chain": "price", "length": 6, "head_hash": lake.records()[-1]["hash"], "first_invalid_index": None,
        "reason": None, "first_altered_event_id": None,
    }  # fmt: skip
    assert abs(time.time() - at.timestamp()) < 60
    assert meta["delta_version"] == {"gold.ledger": 1, "silver.prices": 3, ENTRIES: 3} | (
        {"silver.decisions": 0} if "silver.decisions" in meta["delta_version"] else {}
    )
    assert own.get(CHECK, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    empty = answered(own, f"{CHECK}?chain=trade")
    assert (empty["valid"], empty["length"], empty["head_hash"]) == (True, 0, None)


def answered(api: Api, path: str = CHECK) -> dict:
    """The check; on a busy machine the first may take so long that it answers 503 before."""
    end = time.monotonic() + 60
    while (answer := api.get(path)).status_code == 503 and time.monotonic() < end:
        time.sleep(1)
    assert answer.status_code == 200, answer.text
    return answer.json()


def checker(api: Api) -> psutil.Process:
    """The process that checks the chains."""
    children = psutil.Process(api.process.pid).children()
    return next(child for child in children if "spawn_main" in " ".join(child.cmdline()))


def test_the_process_that_checks_may_die_and_does_not_outlive_the_api(broker: Broker, tmp_path: Path) -> None:
    api = Api(stack_on(broker, tmp_path))
    try:
        assert answered(api)["length"] == 0
        child = checker(api)
        child.kill()
        time.sleep(FRESH_SECONDS)  # until then the last answer is given again
        assert answered(api)["valid"]
        child = checker(api)
        api.process.kill()
        end = time.monotonic() + 20
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < end, "it waits for questions that nobody will ask"
            time.sleep(0.1)
    finally:
        api.stop()


def test_an_altered_row_shows_in_the_check_and_in_the_command(own: Api, lake: LedgerLake) -> None:
    """Last in this file: it alters the lake."""
    altered: list[str] = []

    def change(rows: list[dict]) -> list[dict]:
        first = min(rows, key=lambda row: row["event_id"])
        altered.append(first["event_id"])
        return [row | {"price_idr": 1.0} if row is first else row for row in rows]

    file = lake.edit_file("silver.prices", change)
    end = time.monotonic() + 15
    while (said := own.get(CHECK).json())["valid"]:
        assert time.monotonic() < end, f"{file} was altered and the check does not see it"
        time.sleep(0.2)
    index = 2 * int(altered[0][2:6]) - 1
    assert (said["first_invalid_index"], said["reason"], said["first_altered_event_id"]) == (index, "root", altered[0])
    shown = own.stack.run("ledger", "verify", "--json")
    assert shown.returncode == 1, shown.stderr
    price, trade = json.loads(shown.stdout)
    assert (price["first_invalid_index"], price["first_altered_event_id"], trade["valid"]) == (index, altered[0], True)
    words = own.stack.run("ledger", "verify", "--chain", "price").stdout
    assert f"NOT VALID from record {index} of 6" in words and altered[0] in words
    assert own.stack.run("ledger", "verify", "--chain", "trade").returncode == 0
    assert own.stack.run("ledger", "verify", "--chain", "gold").returncode == 2
    blocks = json.loads(own.stack.run("ledger", "blocks", "--limit", "2", "--json").stdout)
    assert [row["index"] for row in blocks] == [5, 4]


def test_the_command_appends_through_the_api(own: Api, broker: Broker) -> None:
    since = broker.ends()
    asked = ("ledger", "append", "--market-id", "PASAR-001", "--commodity", "garam", "--price", "15000", "--event-id")
    done = own.stack.run(*asked, "mine-1")
    assert done.returncode == 0 and json.loads(done.stdout)["event_id"] == "mine-1", done.stderr
    assert len(broker.records(since, "lumbung.ledger", 1)) == 1
    assert own.stack.run(*asked, "not an id").returncode == 2
