"""Private channels of WebSockets: tickets, rights for each message, and rights that end."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from lakehouse.alerts.personal import PersonalMessage
from lakehouse.identity.roles import Role
from lakehouse.io.identity.personal_messages import add_messages
from scripts.bench.api_lake import write
from tests.conftest import Broker
from tests.serving_api.live.test_sockets import (
    PUBLIC,
    SECONDS,
    opened,
    received,
    send,
    settled,
    types_of_news,
)
from tests.support.api import ApiProcess, new_stack
from tests.support.identity import people
from tests.support.served_lake import ALERTS, alert, fill, quarantined

OWN_REGION = ALERTS[0]["region_code"]
OTHER_REGION = "35"


@pytest.fixture(scope="module")
def running(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    stack = new_stack(tmp_path_factory.mktemp("private"), broker)
    fill(stack.lake_root)
    api = ApiProcess(stack)
    yield api
    api.stop()


def person(api: ApiProcess, email: str, role: Role = Role.USER, regions: tuple[str, ...] = ()) -> str:
    """The access token of a new person."""
    people.add_person(api.stack, email, role, regions)
    token: str = people.sign_in(api, email)["access_token"]
    return token


def call(api: ApiProcess, method: str, path: str, token: str, body: Any = None) -> Any:
    response = people.send(api, method, path, body, token)
    assert response.status_code < 300, response.text
    return response.json() if response.content else None


def authenticate(api: ApiProcess, client: ClientConnection, token: str) -> list[str]:
    """Send a ticket of the person; the channels that it opens."""
    ticket = call(api, "POST", "/api/v1/ws/ticket", token)["ticket"]
    send(client, type="auth", ticket=ticket)
    channels: list[str] = received(client, "authenticated")["data"]["channels"]
    return channels


def problem_of(client: ClientConnection, **message: Any) -> str:
    send(client, **message)
    name: str = received(client, "error")["data"]["type"]
    return name.removeprefix("/problems/")


def test_private_channel_needs_a_ticket_and_the_role(running: ApiProcess) -> None:
    token = person(running, "reader@example.id")
    with opened(running) as client:
        for channel in ("operator_alerts", "quarantine", "account", "trades", "notifications"):
            assert problem_of(client, type="subscribe", channel=channel) == "ticket-required"
            assert problem_of(client, type="resume", channel=channel, last_seq=0) == "ticket-required"
        assert authenticate(running, client, token) == [*PUBLIC, "account", "trades", "notifications"]
        for channel in ("operator_alerts", "quarantine"):
            assert problem_of(client, type="subscribe", channel=channel) == "forbidden"
        send(client, type="subscribe", channel="account")
        settled(client)


def test_ticket_opens_one_connection_and_one_of_an_ended_sign_in_none(running: ApiProcess) -> None:
    token = person(running, "tickets@example.id")
    tickets = [call(running, "POST", "/api/v1/ws/ticket", token)["ticket"] for _ in range(2)]
    with opened(running) as first, opened(running) as second:
        send(first, type="auth", ticket=tickets[0])
        assert received(first, "authenticated")
        for ticket in (tickets[0], "unknown"):
            assert problem_of(second, type="auth", ticket=ticket) == "ticket-invalid"
        call(running, "POST", "/api/v1/auth/logout", token, {})
        assert problem_of(second, type="auth", ticket=tickets[1]) == "ticket-invalid"


def test_operator_gets_every_state_of_the_alerts_of_its_regions_alone(running: ApiProcess) -> None:
    token = person(running, "region@example.id", Role.OPERATOR, (OWN_REGION,))
    with opened(running) as operator, opened(running, "/api/alerts/ws") as public:
        authenticate(running, operator, token)
        send(operator, type="subscribe", channel="operator_alerts")
        settled(operator)
        settled(public)
        note = {"note": "called the market", "acknowledged_by": "somebody"}
        rows = [
            alert("al-other", timedelta(), region_code=OTHER_REGION, region="Jawa Timur"),
            alert("al-nation", timedelta(), region_code=None, region=None),
            alert("al-waits", timedelta(), state="pending", tier=0),
            alert("al-noted", timedelta(), state="acknowledged", **note),
        ]
        write(running.stack.lake_root, "gold.alerts", rows)
        own = {row["alert_id"]: row for row in (received(operator, "alert")["data"] for _ in range(2))}
        assert {name: row["state"] for name, row in own.items()} == {
            "al-waits": "pending",
            "al-noted": "acknowledged",
        }
        assert own["al-noted"]["note"] == note["note"]
        shown = [received(public, "alert")["data"] for _ in range(3)]
        assert {row["alert_id"] for row in shown} == {"al-other", "al-nation", "al-noted"}
        assert not any("note" in row or "acknowledged_by" in row for row in shown)
        assert "alert" not in types_of_news(operator)


def test_operator_gets_each_new_row_of_the_quarantine_of_its_regions_alone(running: ApiProcess) -> None:
    limited = person(running, "quarantine@example.id", Role.OPERATOR, (OWN_REGION,))
    central = person(running, "central@example.id", Role.CENTRAL)
    header = {"Accept-Language": "id"}
    with opened(running) as own, opened(running, additional_headers=header) as nation:
        for client, token in ((own, limited), (nation, central)):
            assert "quarantine" in authenticate(running, client, token)
            send(client, type="subscribe", channel="quarantine")
            settled(client)
        places: dict[str, dict[str, Any]] = {
            "q-other": {"market_id": None, "payload": b'{"region": "Jawa Timur"}'},
            "q-unknown": {"market_id": None, "payload": b"\xff"},
            "q-own": {"market_id": "PASAR-001"},
        }
        for number, (name, place) in enumerate(places.items(), start=100):
            now = datetime.now(UTC)
            row = quarantined(number, quarantined_at=now, ingest_date=now.date(), event_id=name, **place)
            write(running.stack.lake_root, "silver.quarantine", [row])
            assert received(nation, "quarantine")["data"]["event_id"] == name
        news = received(own, "quarantine")
        assert (news["channel"], news["seq"], news["data"]["event_id"]) == ("quarantine", 1, "q-own")
        listed = people.send(running, "GET", "/api/v1/quarantine?limit=1000", None, limited).json()["items"]
        assert news["data"] in listed, "the item of the list"
        assert "quarantine" not in types_of_news(own)


def test_each_of_many_changes_of_one_alert_arrives_in_order(running: ApiProcess) -> None:
    with opened(running, "/api/alerts/ws?commodity=gula-pasir") as client:
        settled(client)
        texts = [f"change {number}" for number in range(15)]
        for text in texts:
            body = orjson.dumps({"commodity": "gula-pasir", "level": "siaga", "message": text})
            assert running.post("/api/alerts/trigger", body).status_code == 202
        messages = [received(client, "alert") for _ in texts]
        assert [message["data"]["message"] for message in messages] == texts
        assert [message["seq"] for message in messages] == list(range(1, len(texts) + 1))


def test_person_gets_news_of_the_own_account_alone(running: ApiProcess) -> None:
    owner = person(running, "owner@example.id")
    other = person(running, "other@example.id")
    with opened(running) as own, opened(running) as foreign:
        for client, token in ((own, owner), (foreign, other)):
            authenticate(running, client, token)
            send(client, type="subscribe", channel="account")
            settled(client)
        key = {"name": "report", "scopes": ["read"], "password": people.PASSWORD}
        key_id = call(running, "POST", "/api/v1/users/me/keys", owner, key)["key_id"]
        news = received(own, "account")
        assert (news["channel"], news["seq"]) == ("account", 1)
        assert (news["data"]["action"], news["data"]["object"]) == ("key.create", key_id)
        assert "account" not in types_of_news(foreign)


def test_notification_reaches_the_open_pages_of_its_owner_alone(running: ApiProcess) -> None:
    owner = person(running, "notified@example.id")
    other = person(running, "not-notified@example.id")
    with opened(running) as own, opened(running) as foreign:
        for client, token in ((own, owner), (foreign, other)):
            authenticate(running, client, token)
            send(client, type="subscribe", channel="notifications")
            settled(client)
        owner_id = user_id_of(running, "notified@example.id")
        message = PersonalMessage("n" + owner_id[:31], "price", "BTC above 1", "It costs 2.", owner=owner_id)
        people.in_store(running.stack, lambda store: add_messages(store, [message], datetime.now(UTC)))
        assert received(own, "notification")["data"]["title"] == "BTC above 1"
        assert "notification" not in types_of_news(foreign)


def user_id_of(api: ApiProcess, email: str) -> str:
    rows = call(api, "GET", f"/api/v1/admin/users?email={email}", api.stack.tokens["admin"])["items"]
    user_id: str = rows[0]["user_id"]
    return user_id


def sign_out(api: ApiProcess, token: str, email: str) -> None:
    call(api, "POST", "/api/v1/auth/logout", token, {})


def change(**rights: Any) -> Callable[[ApiProcess, str, str], None]:
    def apply(api: ApiProcess, token: str, email: str) -> None:
        path = f"/api/v1/admin/users/{user_id_of(api, email)}"
        call(api, "PATCH", path, api.stack.tokens["admin"], rights)

    return apply


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("out", sign_out),
        ("role", change(role="user")),
        ("regions", change(regions=["Aceh"])),
        ("disabled", change(disabled=True)),
    ],
)
def test_lost_rights_end_the_connection_and_no_other_one(
    running: ApiProcess, name: str, end: Callable[[ApiProcess, str, str], None]
) -> None:
    email = f"{name}@example.id"
    token = person(running, email, Role.OPERATOR)
    stays = person(running, f"{name}-stays@example.id", Role.OPERATOR)
    with opened(running) as ended, opened(running) as open_one, opened(running) as anonymous:
        authenticate(running, ended, token)
        authenticate(running, open_one, stays)
        end(running, token, email)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                ended.recv(timeout=SECONDS)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401
        settled(open_one)
        settled(anonymous)
