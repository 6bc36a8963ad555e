"""The ledger over HTTP: appended prices reach Kafka, blocks are listed, alterations are reported."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import psutil
import pytest

from conf.settings import settings
from tests.conftest import Broker, headers_of
from tests.support.api import Api, ApiProcess, answered, is_signed, new_stack
from tests.support.ledger_batches import ENTRIES, LedgerLake
from tests.support.query_lake import run_verb
from tests.support.waiting import eventually

VALID = b'{"market_id": "PASAR-001", "commodity": "garam", "price": 15000}'
APPEND = "/api/blockchain/append"
BLOCKS = "/api/blockchain/blocks"
CHECK = "/api/blockchain/integrity/check"


@pytest.fixture(scope="module")
def lake(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerLake]:
    """Three recorded batches of 40 prices and one entry each."""
    home = tmp_path_factory.mktemp("ledger")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUMBUNG_HOME", str(home))
        settings.cache_clear()
        written = LedgerLake()
        for number in range(1, 4):
            written.batch(number, 40, entries=1)
        written.job.refresh()
        yield written
    settings.cache_clear()


@pytest.fixture(scope="module")
def own(lake: LedgerLake, broker: Broker) -> Iterator[Api]:
    running = Api(new_stack(settings().home, broker))
    yield running
    running.stop()


def test_appended_price_reaches_kafka_unchanged(own: Api, broker: Broker) -> None:
    since = broker.ends()
    response = own.post(APPEND, VALID, "device")
    receipt = response.json()
    assert response.status_code == 202 and receipt["kinds"] == ["ledger"] and receipt["status"] == "accepted"
    (record,) = broker.records(since, "lumbung.ledger", 1)
    assert record.value() == VALID and headers_of(record)["source"] == "api:device"
    assert headers_of(record)["event_id"] == receipt["event_id"] and is_signed(record, own.stack.home)


@pytest.mark.parametrize(
    ("body", "role", "status", "code"),
    [
        (VALID, None, 401, "unauthorized"),
        (VALID, "user", 403, "forbidden"),
        (VALID.replace(b"15000", b"-1"), "operator", 422, "price_positive"),
        (VALID.replace(b"15000", b'"15000"'), "operator", 422, "field_type"),
        (VALID.replace(b"15000", b"true"), "operator", 422, "field_type"),
        (VALID.replace(b"price", b"prise"), "operator", 422, "field_unknown"),
        (VALID.replace(b"{", b'{"chain": "trade",'), "operator", 422, "field_unknown"),
        (VALID.replace(b"{", b'{"decided_by": "somebody",'), "operator", 422, "field_unknown"),
        (b"[" + VALID + b"]", "operator", 422, "payload_json"),
        (b"{", "operator", 400, "malformed-body"),
        (b" " * 70_000, "operator", 413, "payload-too-large"),
    ],
)
def test_invalid_append_is_refused(
    own: Api, broker: Broker, body: bytes, role: str | None, status: int, code: str
) -> None:
    since = broker.ends()
    response = own.post(APPEND, body, role)
    result = response.json()
    assert response.status_code == status, response.text
    assert code in (
        result["type"].removeprefix("/problems/"),
        *(error["code"] for error in result.get("errors", [])),
    )
    assert not broker.records(since, "lumbung.ledger", 0)


def test_append_accepts_one_json_document_by_post_only(own: Api) -> None:
    assert own.post(APPEND, VALID, content_type="application/x-ndjson").status_code == 415
    assert own.get(APPEND).status_code == 405


def test_blocks_are_listed_newest_first_by_pages(own: Api, lake: LedgerLake) -> None:
    records = lake.records()[::-1]
    for limit in (1, 2, 3, 6, 1000):
        items = []
        cursor = ""
        while True:
            response = own.get(f"{BLOCKS}?limit={limit}{cursor}")
            assert response.status_code == 200, response.text
            items += response.json()["items"]
            if response.json()["next_cursor"] is None:
                break
            assert len(response.json()["items"]) == limit
            cursor = f"&cursor={response.json()['next_cursor']}"
        assert [item["hash"] for item in items] == [record["hash"] for record in records]
    first = own.get(BLOCKS).json()
    names = {"index", "hash", "previous_hash", "timestamp", "kind", "event_id", "table", "delta_version"}
    assert set(first["items"][0]) == names
    assert first["items"][0]["previous_hash"] == first["items"][1]["hash"]
    assert datetime.fromisoformat(first["items"][0]["timestamp"]) == records[0]["timestamp"]
    assert list(first["meta"]["delta_version"]) == ["gold.ledger"]
    assert first["meta"]["as_of"][:19] == first["items"][0]["timestamp"][:19], (
        "file statistics have milliseconds"
    )
    assert own.get(BLOCKS, headers={"If-None-Match": own.get(BLOCKS).headers["etag"]}).status_code == 304


def test_block_of_an_event_is_found_by_its_id(own: Api) -> None:
    (block,) = own.get(f"{BLOCKS}?event_id=e-0002-0").json()["items"]
    assert (block["index"], block["kind"], block["table"]) == (2, "price", ENTRIES)
    assert own.get(f"{BLOCKS}?event_id=nobody").json()["items"] == []
    assert own.get(f"{BLOCKS}?chain=trade").json()["items"] == []


@pytest.mark.parametrize("query", ["chain=gold", "chian=price", "limit=0", "event_id="])
def test_invalid_query_is_refused(own: Api, query: str) -> None:
    assert own.get(f"{BLOCKS}?{query}").status_code == 422
    assert own.get(f"{CHECK}?{query}").status_code == 422
    assert own.get(f"{BLOCKS}?cursor=made-up").status_code == 422


def test_check_reports_tables_and_time(own: Api, lake: LedgerLake) -> None:
    before = datetime.now(UTC)
    eventually(lambda: datetime.fromisoformat(checked(own)["checked_at"]) >= before)
    response = own.get(CHECK)
    report = response.json()
    meta = report.pop("meta")
    at = datetime.fromisoformat(report.pop("checked_at"))
    assert report == {
        "valid": True,
        "chain": "price",
        "length": 6,
        "head_hash": lake.records()[-1]["hash"],
        "first_invalid_index": None,
        "reason": None,
        "first_altered_event_id": None,
    }
    assert before <= at <= datetime.now(UTC)
    assert meta["delta_version"] == {"gold.ledger": 1, "silver.prices": 3, ENTRIES: 3} | (
        {"silver.decisions": 0} if "silver.decisions" in meta["delta_version"] else {}
    )
    assert own.get(CHECK, headers={"If-None-Match": response.headers["etag"]}).status_code == 304
    empty = checked(own, f"{CHECK}?chain=trade")
    assert (empty["valid"], empty["length"], empty["head_hash"]) == (True, 0, None)


def checked(api: Api, path: str = CHECK) -> dict:
    """The report; on a busy machine the first check may take so long that it is 503 before."""
    response = answered(lambda: api.get(path))
    assert response.status_code == 200, response.text
    return response.json()


def checkers(api: ApiProcess) -> list[psutil.Process]:
    """The process that checks the chains, if there is one."""
    children = psutil.Process(api.process.pid).children()
    return [child for child in children if "anyio.to_process" in " ".join(child.cmdline())]


def test_altered_row_is_reported_by_the_check_and_by_the_command(own: Api, lake: LedgerLake) -> None:
    """The last test of this lake: it alters it."""
    altered: list[str] = []

    def change(rows: list[dict]) -> list[dict]:
        first = min(rows, key=lambda row: row["event_id"])
        altered.append(first["event_id"])
        return [row | {"price_idr": 1.0} if row is first else row for row in rows]

    lake.edit_file("silver.prices", change)
    eventually(lambda: not checked(own)["valid"])
    report = checked(own)
    index = 2 * int(altered[0][2:6]) - 1
    assert (report["first_invalid_index"], report["reason"], report["first_altered_event_id"]) == (
        index,
        "root",
        altered[0],
    )
    shown = run_verb(own.stack.env, "ledger", "verify", "--json")
    assert shown.returncode == 1, shown.stderr
    price, trade = json.loads(shown.stdout)
    assert (price["first_invalid_index"], price["first_altered_event_id"], trade["valid"]) == (
        index,
        altered[0],
        True,
    )
    words = run_verb(own.stack.env, "ledger", "verify", "--chain", "price").stdout
    assert f"NOT VALID from record {index} of 6" in words and altered[0] in words
    assert run_verb(own.stack.env, "ledger", "verify", "--chain", "trade").returncode == 0
    assert run_verb(own.stack.env, "ledger", "verify", "--chain", "gold").returncode == 2
    blocks = json.loads(run_verb(own.stack.env, "ledger", "blocks", "--limit", "2", "--json").stdout)
    assert [row["index"] for row in blocks] == [5, 4]


@pytest.fixture(scope="module")
def process(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """The API as a process, on an empty lake."""
    running = ApiProcess(new_stack(tmp_path_factory.mktemp("process"), broker))
    yield running
    running.stop()


def test_command_appends_through_the_api(process: ApiProcess, broker: Broker) -> None:
    since = broker.ends()
    price = ["--market-id", "PASAR-001", "--commodity", "garam", "--price", "15000"]
    command = ["ledger", "append", *price, "--event-id"]
    appended = process.stack.run(*command, "mine-1")
    assert appended.returncode == 0, appended.stderr
    assert json.loads(appended.stdout)["event_id"] == "mine-1"
    assert len(broker.records(since, "lumbung.ledger", 1)) == 1
    assert run_verb(process.stack.env, *command, "not an id").returncode == 2


def test_integrity_process_is_restarted_and_ends_with_the_api(process: ApiProcess) -> None:
    """The last test of this process: it kills it."""
    assert checked(process)["length"] == 0
    (first,) = checkers(process)
    first.kill()

    def after_restart() -> psutil.Process | None:
        assert checked(process)["valid"]
        return next((child for child in checkers(process) if child != first), None)

    second = eventually(after_restart, passing=(psutil.NoSuchProcess,))
    assert second is not None
    process.process.kill()
    eventually(lambda: not second.is_running() or second.status() == psutil.STATUS_ZOMBIE)
