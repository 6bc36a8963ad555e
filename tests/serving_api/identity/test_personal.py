"""What people choose for themselves, their alerts on symbols, notifications and activity: own only."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

import pytest

from lakehouse.alerts.personal import PersonalMessage
from lakehouse.io.identity import personal
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.personal import page_of_alerts
from lakehouse.io.identity.personal_messages import add_messages
from lakehouse.io.identity.tables import PersonalRecipient
from scripts.bench.api_lake import write
from serving_api.routes.identity import personal as personal_routes
from tests.lakehouse.trading.made_bars import COIN
from tests.support.api import Api, new_stack
from tests.support.identity.people import PASSWORD, add_person, in_store, send, sign_in
from tests.support.served_lake import ALERTS
from tests.support.trading.lake_of_bars import write_coin

ME = "/api/v1/users/me"
PREFERENCES = {"watchlist": [], "commodities": ["cabai-rawit-merah"], "theme": "dark"}
NOTIFIED: dict[str, Any] = {
    "email": True,
    "telegram": False,
    "whatsapp": False,
    "websocket": True,
    "min_level": "siaga",
    "commodities": ["cabai-rawit-merah"],
    "regions": ["32"],
    "digest": "daily",
    "weekly_sheet": True,
    "telegram_chat": None,
    "whatsapp_number": None,
}
SETTINGS = f"{ME}/notification-settings"
RANG = [  # level, province, days since it became active
    ("siaga", "32", 1),
    ("kritis", None, 89),
    ("kritis", "32", 91),
    ("naik", "32", 1),
    ("siaga", "11", 2),
    ("siaga", "32", None),
    ("info", "32", 1),
]


def alert_rows() -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [
        ALERTS[0]
        | {"alert_id": f"al-{number}", "level": level, "commodity": "garam", "region_code": region}
        | {"active_at": None if age is None else now - timedelta(days=age)}
        for number, (level, region, age) in enumerate(RANG)
    ]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(tmp_path_factory.mktemp("personal"))
    write_coin(stack.lake_root)
    write(stack.lake_root, "gold.alerts", alert_rows())
    running = Api(stack)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def symbol() -> str:
    return COIN.symbol


@pytest.fixture
def person(own: Api, request: pytest.FixtureRequest) -> tuple[str, str]:
    """(id, token) of a new account."""
    email = f"{crc32(request.node.name.encode())}@example.id"
    return add_person(own.stack, email), sign_in(own, email)["access_token"]


def faults(response: Any) -> list[tuple[str, str]]:
    assert response.status_code == 422, response.text
    return [(fault["pointer"], fault["code"]) for fault in response.json()["errors"]]


def test_choices_are_kept_with_names_as_the_reference_has_them(own: Api, symbol: str, person: Any):
    _, token = person
    defaults = send(own, "GET", f"{ME}/preferences", token=token).json()
    assert defaults == {"watchlist": [], "commodities": [], "theme": "system"}
    body = {"watchlist": [symbol.lower(), symbol], "commodities": ["Cabe Rawit Merah"], "theme": "dark"}
    stored = send(own, "PUT", f"{ME}/preferences", body, token)
    assert stored.json() == {"watchlist": [symbol], "commodities": ["cabai-rawit-merah"], "theme": "dark"}
    assert send(own, "PUT", f"{ME}/notification-settings", NOTIFIED, token).json() == NOTIFIED
    assert send(own, "GET", f"{ME}/preferences", token=token).json() == stored.json()
    assert send(own, "GET", f"{ME}/notification-settings", token=token).json() == NOTIFIED


def test_unknown_names_and_wrong_types_are_refused(own: Api, person: Any):
    _, token = person
    unknown = {"watchlist": ["NOSUCH"], "commodities": ["moon cheese"], "theme": "dark"}
    response = send(own, "PUT", f"{ME}/preferences", unknown, token)
    assert faults(response) == [("/watchlist/0", "unknown_symbol")]
    unknown["watchlist"] = []
    response = send(own, "PUT", f"{ME}/preferences", unknown, token)
    assert faults(response) == [("/commodities/0", "unknown_commodity")]
    number = NOTIFIED | {"email": 1}
    assert faults(send(own, "PUT", SETTINGS, number, token))[0][0] == "/email"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"commodities": ["garam", "moon cheese"]}, ("/commodities/1", "unknown_commodity")),
        ({"regions": ["32", "Atlantis"]}, ("/regions/1", "unknown_region")),
        ({"whatsapp_number": "6281234567890"}, ("/whatsapp_number", "channel_usable")),
    ],
)
def test_settings_with_a_name_that_nobody_knows_change_nothing(
    own: Api, person: Any, change: dict[str, Any], fault: tuple[str, str]
):
    token = person[1]
    before = send(own, "GET", SETTINGS, token=token).json()
    assert faults(send(own, "PUT", SETTINGS, NOTIFIED | change, token)) == [fault]
    for wrong in ({"digest": "hourly"}, {"commodities": ["garam"] * 101}, {"telegram_chat": "+62 812"}):
        assert send(own, "PUT", SETTINGS, NOTIFIED | wrong, token).status_code == 422
    assert send(own, "GET", SETTINGS, token=token).json() == before


def test_preview_counts_the_alerts_of_the_choice_in_90_days(own: Api, person: Any):
    token = person[1]

    def rang() -> int:
        return int(send(own, "GET", f"{SETTINGS}/preview", token=token).json()["alerts"])

    assert rang() == 0, "nothing is chosen yet"
    of_province = NOTIFIED | {"commodities": []}
    changes: dict[int, dict[str, Any]] = {2: {}, 3: {"regions": []}, 1: {"min_level": "kritis"}}
    for count, change in changes.items():
        send(own, "PUT", SETTINGS, of_province | change, token)
        assert rang() == count, change
    send(own, "PUT", SETTINGS, NOTIFIED, token)
    assert rang() == 0, "of another commodity"


def test_followed_commodities_are_those_of_alerts_until_others_are_chosen(own: Api, person: Any):
    token = person[1]
    defaults = {"commodities": [], "regions": [], "digest": "none", "min_level": "waspada"}
    assert send(own, "GET", SETTINGS, token=token).json().items() >= defaults.items()
    send(own, "PUT", f"{ME}/preferences", PREFERENCES, token)
    effective = send(own, "GET", SETTINGS, token=token).json()
    assert effective["commodities"] == PREFERENCES["commodities"]
    named = NOTIFIED | {"commodities": ["Garam Konsumsi", "garam"], "regions": ["Jawa Barat", "32"]}
    stored = NOTIFIED | {"commodities": ["garam"]}
    assert send(own, "PUT", SETTINGS, named, token).json() == stored
    earlier = {name: value for name, value in NOTIFIED.items() if name != "weekly_sheet"}
    assert send(own, "PUT", SETTINGS, earlier, token).json()["weekly_sheet"] is False
    everything = NOTIFIED | {"commodities": [], "regions": []}
    assert send(own, "PUT", SETTINGS, everything, token).json() == everything
    assert send(own, "GET", SETTINGS, token=token).json() == everything
    followed = send(own, "GET", f"{ME}/preferences", token=token).json()["commodities"]
    assert followed == PREFERENCES["commodities"], "what is followed is another choice"


def test_addresses_in_the_settings_are_confirmed_by_code_as_elsewhere(
    own: Api, person: Any, monkeypatch: pytest.MonkeyPatch
):
    owner, token = person
    monkeypatch.setattr(personal_routes, "personal_channels", lambda: {"telegram", "whatsapp"})
    wanted = NOTIFIED | {"whatsapp": True, "whatsapp_number": "6281234567899"}
    body = {"channel": "whatsapp", "address": "6281234567899"}

    async def row(store: Database) -> Any:
        async with store.reading() as session:
            return await session.get(PersonalRecipient, (owner, "whatsapp"))

    assert send(own, "PUT", SETTINGS, wanted, token).json() == wanted
    first = in_store(own.stack, row)
    assert not first.confirmed and first.codes == 1
    assert send(own, "PUT", SETTINGS, wanted, token).json() == wanted
    assert in_store(own.stack, row).code == first.code, "an unchanged address gets no other code"
    send(own, "PUT", f"{ME}/recipients", body | {"code": str(first.code)}, token)
    send(own, "PUT", SETTINGS, wanted | {"digest": "none"}, token)
    assert in_store(own.stack, row).confirmed
    assert send(own, "PUT", SETTINGS, NOTIFIED, token).json()["whatsapp_number"] is None
    known = send(own, "GET", f"{ME}/recipients", token=token).json()
    assert known == {"telegram": None, "whatsapp": None}
    answers = [
        send(own, "PUT", SETTINGS, wanted | {"whatsapp_number": f"628123456789{number}"}, token)
        for number in range(5)
    ]
    assert [answer.status_code for answer in answers] == [200] * 4 + [422]
    assert faults(answers[-1]) == [("/whatsapp_number", "codes_number")]
    acts = send(own, "GET", f"{ME}/activity", token=token).json()["items"]
    assert {"notifications", "recipient.name", "recipient.forget"} <= {act["action"] for act in acts}


def test_address_gets_messages_after_the_code_that_was_sent_there(
    own: Api, person: Any, monkeypatch: pytest.MonkeyPatch
):
    owner, token = person
    path = f"{ME}/recipients"
    number = {"channel": "whatsapp", "address": "6281234567890"}

    def put(**changes: Any) -> Any:
        return send(own, "PUT", path, number | changes, token)

    assert faults(put()) == [("/channel", "channel_usable")], "no token: nothing could be sent"
    assert put(address="+62 812").status_code == 422
    monkeypatch.setattr(personal_routes, "personal_channels", lambda: {"telegram", "whatsapp"})
    named = {"telegram": None, "whatsapp": {"address": number["address"], "confirmed": False}}
    assert put().json() == named == send(own, "GET", path, token=token).json()

    async def row(store: Database) -> Any:
        async with store.reading() as session:
            return await session.get(PersonalRecipient, (owner, "whatsapp"))

    code = str(in_store(own.stack, row).code)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    assert faults(put(code=wrong)) == [("/code", "code_right")]
    assert faults(put(code=code, address="6281234567891")) == [("/code", "code_right")], "of another address"
    assert put(code=code).json()["whatsapp"]["confirmed"] is True
    assert put().json()["whatsapp"]["confirmed"] is True, "a confirmed address needs no code again"
    assert put(address=None).json() == {"telegram": None, "whatsapp": None}
    answers = [put().status_code for _ in range(5)]
    assert answers == [200] * 4 + [422], "5 codes a day, also after the address was removed"
    for _ in range(5):
        assert put(code=wrong).status_code == 422
    assert faults(put(code=str(in_store(own.stack, row).code))) == [("/code", "code_right")], (
        "tried too often"
    )
    exported = send(own, "GET", f"{ME}/export", token=token).json()
    assert number["address"] in str(exported)


@pytest.mark.parametrize(
    "body",
    [
        {"condition": "above"},
        {"condition": "above", "value": 0},
        {"condition": "above", "value": 5, "signal": "BUY"},
        {"condition": "signal", "value": 5},
        {"condition": "signal", "signal": "HOLD"},
    ],
)
def test_alert_without_exactly_the_field_of_its_condition_is_refused(
    own: Api, symbol: str, person: Any, body: dict[str, Any]
):
    response = send(own, "POST", f"{ME}/alerts", {"symbol": symbol, **body}, person[1])
    assert response.status_code == 422


def test_alert_is_listed_and_removed_by_its_owner_alone(own: Api, symbol: str, person: Any):
    _, token = person
    body = {"symbol": symbol.lower(), "condition": "above", "value": 1}
    alert = send(own, "POST", f"{ME}/alerts", body, token)
    assert (alert.status_code, alert.json()["symbol"]) == (201, symbol)
    listed = send(own, "GET", f"{ME}/alerts", token=token).json()["items"]
    assert listed == [alert.json()]
    path = f"{ME}/alerts/{alert.json()['id']}"
    assert send(own, "DELETE", path, token=own.stack.tokens["user"]).status_code == 404
    assert send(own, "DELETE", path, token=token).status_code == 204
    assert send(own, "DELETE", path, token=token).status_code == 404
    activity = send(own, "GET", f"{ME}/activity?limit=1", token=token).json()
    older = send(own, "GET", f"{ME}/activity?limit=1&cursor={activity['next_cursor']}", token=token).json()
    acts = [item["action"] for item in activity["items"] + older["items"]]
    assert acts == ["alert.delete", "alert.create"]
    assert older["next_cursor"] is None  # somebody else created the account


def test_alert_beyond_the_limit_of_a_person_is_refused(
    own: Api, symbol: str, person: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(personal, "MOST_ALERTS", 3)
    _, token = person
    body = {"symbol": symbol, "condition": "signal", "signal": "SELL"}
    answers = [send(own, "POST", f"{ME}/alerts", body, token) for _ in range(4)]
    assert {answer.status_code for answer in answers[:-1]} == {201}
    assert faults(answers[-1]) == [("", "alerts_number")]


def test_notifications_are_read_by_their_owner_alone_and_once_for_a_cause(own: Api, person: Any):
    user_id, token = person
    message = PersonalMessage("m1" + user_id[:30], "price", "BTCUSDT above 1", "It costs 2.", owner=user_id)

    async def add_twice(database: Database) -> None:
        for _ in range(2):
            await add_messages(database, [message], datetime.now(UTC))

    in_store(own.stack, add_twice)
    path = "/api/v1/notifications"
    (item,) = send(own, "GET", f"{path}?unread=true", token=token).json()["items"]
    assert (item["kind"], item["title"], item["read"]) == ("price", "BTCUSDT above 1", False)
    other = own.stack.tokens["user"]
    assert item["id"] not in {n["id"] for n in send(own, "GET", path, token=other).json()["items"]}
    assert send(own, "POST", f"{path}/{item['id']}/read", {}, other).status_code == 404
    assert send(own, "POST", f"{path}/{item['id']}/read", {}, token).status_code == 204
    assert send(own, "GET", f"{path}?unread=true", token=token).json()["items"] == []


def test_alert_that_is_true_already_notifies_at_once_and_one_that_is_not_does_not(
    own: Api, symbol: str, person: Any
):
    _, token = person
    for condition in ("above", "below"):
        send(own, "POST", f"{ME}/alerts", {"symbol": symbol, "condition": condition, "value": 1}, token)
    items = send(own, "GET", "/api/v1/notifications", token=token).json()["items"]
    assert [(item["kind"], item["title"]) for item in items] == [("price", f"{symbol} above 1")]


def test_export_names_choices_and_deletion_removes_them(own: Api, symbol: str, person: Any):
    user_id, token = person
    send(own, "PUT", f"{ME}/preferences", PREFERENCES, token)
    send(own, "PUT", SETTINGS, NOTIFIED | {"commodities": ["garam"]}, token)
    send(own, "POST", f"{ME}/alerts", {"symbol": symbol, "condition": "below", "value": 9}, token)
    exported = send(own, "GET", f"{ME}/export", token=token).json()
    assert exported["settings"]["commodities"] == PREFERENCES["commodities"]
    chosen = {"alert_commodities": ["garam"], "alert_regions": ["32"], "digest": "daily"}
    assert exported["settings"].items() >= chosen.items()
    assert [alert["symbol"] for alert in exported["alerts"]] == [symbol]
    assert send(own, "DELETE", ME, {"password": PASSWORD}, token).status_code == 204

    async def left(database: Database) -> list[Any]:
        return await page_of_alerts(database, user_id, None, 10)

    async def settings(database: Database) -> Any:
        return await personal.settings_of(database, user_id)

    assert in_store(own.stack, left) == []
    assert in_store(own.stack, settings).alert_commodities is None
