"""A device sends for itself: its own market, the kinds of its role, until it is revoked."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from lakehouse.io.identity.database import Database
from lakehouse.io.identity.tables import Device
from lakehouse.io.identity.tokens import TokenSigner
from tests.conftest import Broker, headers_of
from tests.support.api import Api, new_stack
from tests.support.identity.people import in_store, send

OWN = {"market_id": "PASAR-001", "commodity": "garam", "price": 11500.0}
LISTING_KIND = "/api/v1/ingest/post"


@pytest.fixture(scope="module")
def own(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Rights are read at every request."""
    knobs = {"LUMBUNG_IDENTITY__RIGHTS_SECONDS": "0"}
    running = Api(new_stack(tmp_path_factory.mktemp("devices"), broker, **knobs))
    yield running
    running.stop()


def token_of(api: Api, device_id: str, role: str = "operator", generation: str = "0") -> str:
    """A token as the device would get it; the device is registered when it is not yet."""

    async def register(database: Database) -> None:
        async with database.writing() as session:
            device = Device(
                device_id=device_id,
                market_id="PASAR-001",
                role=role,
                status="active",
                secret_generation=0,
                created_at=datetime.now(UTC),
            )
            await session.merge(device)

    in_store(api.stack, register)
    token: str = api.shared(TokenSigner).sign(device_id, role, "device", 3600, generation)
    return token


def answer(api: Api, path: str, body: Any, token: str) -> tuple[int, str]:
    response = send(api, "POST", path, body, token)
    return response.status_code, response.json().get("type", "").removeprefix("/problems/")


def test_device_sends_for_itself_and_its_market_alone(own: Api):
    token = token_of(own, "DEV-1")
    assert answer(own, "/ingest", OWN, token) == (202, "")
    assert answer(own, "/ingest", OWN | {"device_id": "DEV-1"}, token) == (202, "")
    for foreign in ({"device_id": "DEV-2"}, {"market_id": "PASAR-005"}):
        for path in ("/ingest", "/api/blockchain/append", "/api/validation/price/check"):
            body = OWN | foreign
            if "device_id" in foreign and path != "/ingest":
                continue  # these take no device_id
            assert answer(own, path, body, token) == (403, "foreign-device"), (path, foreign)
    batch = send(own, "POST", "/ingest", [OWN, OWN | {"device_id": "DEV-2"}], token).json()
    assert [item["status"] for item in batch["items"]] == ["accepted", "rejected"]
    assert batch["items"][1]["errors"] == [{"pointer": "/device_id", "code": "foreign_device"}]


def test_market_of_the_device_is_that_of_a_payload_without_one(own: Api, broker: Broker):
    token = token_of(own, "DEV-1")
    since = broker.ends()
    salt = {"commodity": "garam", "price": 11500.0}
    assert answer(own, "/ingest", salt, token) == (202, "")
    assert answer(own, "/ingest", {"market_id": None, "temperature_c": 28.5}, token) == (202, "")
    for kind, key in (("price", b"PASAR-001|garam"), ("sensor", b"PASAR-001|")):
        (record,) = broker.records(since, f"lumbung.{kind}", 1)
        assert (record.key(), headers_of(record)["market_id"]) == (key, "PASAR-001")
    assert b"market_id" not in broker.records(since, "lumbung.price", 1)[0].value(), "byte for byte"
    assert answer(own, "/ingest", salt | {"market_id": ""}, token) == (403, "foreign-device")
    anywhere = token_of(own, "DEV-9", "central")
    assert answer(own, "/ingest", salt, anywhere) == (422, "validation"), "it sends for every market"


def test_role_of_a_device_decides_which_kinds_and_markets_it_may_send(own: Api):
    post = {"post_id": "p", "source": "news", "text": "harga garam naik"}
    assert answer(own, LISTING_KIND, post, token_of(own, "DEV-1")) == (403, "forbidden")
    central = token_of(own, "DEV-9", "central")
    assert answer(own, LISTING_KIND, post, central) == (202, "")
    assert answer(own, "/ingest", OWN | {"market_id": "PASAR-005"}, central) == (202, "")
    assert send(own, "GET", "/api/v1/quarantine", token=central).status_code == 403


def test_device_reads_the_status_of_its_own_events_alone(own: Api):
    token = token_of(own, "DEV-1")
    other = token_of(own, "DEV-2")
    assert answer(own, "/ingest", OWN | {"event_id": "own-1"}, token) == (202, "")
    assert send(own, "GET", "/api/v1/events/own-1", token=token).status_code == 200
    assert send(own, "GET", "/api/v1/events/own-1", token=other).status_code == 404


def test_token_ends_with_a_new_secret_and_with_revocation(own: Api):
    token = token_of(own, "DEV-7")
    assert answer(own, "/ingest", OWN, token) == (202, "")
    assert answer(own, "/ingest", OWN, token_of(own, "DEV-7", generation="1")) == (401, "token-invalid")

    async def revoke(database: Database) -> None:
        async with database.writing() as session:
            device = await session.get(Device, "DEV-7")
            assert device is not None
            device.status = "revoked"

    in_store(own.stack, revoke)
    assert answer(own, "/ingest", OWN, token) == (401, "token-invalid")
