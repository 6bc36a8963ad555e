"""Rate limits: what counts together, headers of every answer, refusals, and bounded memory."""

import asyncio
import ipaddress
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from starlette.requests import Request

from conf.settings import settings
from lakehouse.identity.roles import Principal, Role
from serving_api.http.callers import password_turn
from serving_api.http.rate_limits import BoundedWindows, Limit, RateLimits, caller_address, limits_of
from tests.conftest import Broker
from tests.support.api import Api, ApiProcess, new_stack
from tests.support.identity.people import PASSWORD, add_person, send, sign_in

LIVEZ = "/livez"


@pytest.fixture(scope="module")
def limited(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    knobs = {
        "LUMBUNG_LIMITS__ENFORCED": "true",
        "LUMBUNG_LIMITS__ANONYMOUS_PER_MINUTE": "25",
        "LUMBUNG_LIMITS__SIGN_IN_PER_ACCOUNT": "2",
        "LUMBUNG_LIMITS__MANUAL_ALERTS_PER_HOUR": "2",
    }
    running = Api(new_stack(tmp_path_factory.mktemp("limits"), broker, **knobs))
    running.http.app.state.shared[RateLimits] = RateLimits(clock=lambda: 1_000_000.0)  # type: ignore[attr-defined]
    yield running
    running.stop()


def test_logins_of_one_account_are_limited_and_those_of_another_are_not(limited: Api):
    def login(email: str) -> int:
        return send(limited, "POST", "/api/v1/auth/login", {"email": email, "password": PASSWORD}).status_code

    assert [login("a@example.id") for _ in range(3)] == [401, 401, 429]
    assert login("b@example.id") == 401


def test_registered_visitor_has_few_passwords_hashed_a_minute(limited: Api):
    add_person(limited.stack, "visitor@example.id")
    token = sign_in(limited, "visitor@example.id")["access_token"]
    guess = {"current_password": "wrong wrong wrong wrong", "new_password": "becak hijau lewat jembatan"}
    path = "/api/v1/users/me/password"
    assert [send(limited, "POST", path, guess, token).status_code for _ in range(2)] == [401, 429]
    registration = {"email": "v2@example.id", "password": PASSWORD}
    answer = send(limited, "POST", "/api/v1/users/register", registration, token)
    assert '"registration";q=60;w=3600' in answer.headers["ratelimit-policy"]


def test_alerts_of_one_operator_are_limited_and_those_of_another_are_not(limited: Api):
    tokens = []
    for name in ("o1@example.id", "o2@example.id"):
        add_person(limited.stack, name, Role.OPERATOR)
        tokens.append(sign_in(limited, name)["access_token"])
    body = {"commodity": "garam", "level": "siaga", "message": "gudang kosong"}
    statuses = [
        send(limited, "POST", "/api/alerts/trigger", body, token).status_code
        for token in (*[tokens[0]] * 3, tokens[1])
    ]
    assert statuses == [202, 202, 429, 202]


def test_caller_with_many_passwords_to_hash_does_not_hold_up_another():
    """Each network address has one password hashed at a time: while one is, another address has its turn."""

    async def all_at_once() -> None:
        hashing: list[str] = []
        is_hashed = asyncio.Event()

        async def takes_a_turn(address: str) -> None:
            request = Request({"type": "http", "client": (address, 50_000), "headers": []})
            async with password_turn(request):
                hashing.append(address)
                await is_hashed.wait()
                hashing.remove(address)

        many = [asyncio.ensure_future(takes_a_turn("192.0.2.1")) for _ in range(20)]
        other = asyncio.ensure_future(takes_a_turn("192.0.2.2"))
        while "192.0.2.2" not in hashing:
            await asyncio.sleep(0)
        assert hashing == ["192.0.2.1", "192.0.2.2"]
        is_hashed.set()
        await asyncio.gather(*many, other)
        assert not hashing

    asyncio.run(all_at_once())


def test_anonymous_caller_is_refused_after_the_limit_and_a_known_one_is_not(limited: Api):
    answers = [limited.get(LIVEZ) for _ in range(26)]
    refused = answers[-1]
    assert refused.status_code == 429 and refused.json()["type"] == "/problems/rate-limited"
    assert refused.headers["retry-after"] == "60"
    assert refused.headers["ratelimit-policy"] == '"anonymous";q=25;w=60'
    assert refused.headers["ratelimit"] == '"anonymous";r=0;t=60'
    known = limited.get(LIVEZ, "user")
    assert known.status_code == 200 and known.headers["ratelimit"].startswith('"signed-in";r=1199;')


def test_invented_addresses_in_a_header_count_as_the_one_that_sends_them(
    broker: Broker, tmp_path: Path, request: pytest.FixtureRequest
):
    knobs = {"LUMBUNG_LIMITS__ENFORCED": "true", "LUMBUNG_LIMITS__ANONYMOUS_PER_MINUTE": "60"}
    process = ApiProcess(new_stack(tmp_path, broker, **knobs))
    request.addfinalizer(process.stop)
    statuses = {
        process.get(LIVEZ, headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code
        for number in range(121)  # 60 a minute fit, and the minute may turn
    }
    assert statuses == {200, 429}


def test_limits_that_are_not_enforced_are_still_shown(api: Api):
    for path in (LIVEZ, "/api/v1/quarantine", "/no-such-address", "/api/public/market/list?limit=x"):
        headers = api.get(path).headers
        assert "w=60" in headers["ratelimit-policy"] and "r=" in headers["ratelimit"]


def test_random_callers_do_not_grow_the_memory():
    windows = BoundedWindows(1000, clock=lambda: 1_000_000.0)
    for number in range(1000):
        assert windows.hit(f"first {number}", 600, 60)[0]
    tracemalloc.start()
    for number in range(50_000):
        windows.hit(f"random {number}", 600, 60)
    here_and_there = tracemalloc.Filter(True, "*rate_limits.py")  # not what other threads do meanwhile
    kept = tracemalloc.take_snapshot().filter_traces([here_and_there]).statistics("filename")
    tracemalloc.stop()
    assert len(windows) == 1000 and sum(part.size for part in kept) < 1_500_000


def test_honest_newcomer_is_answered_while_strange_addresses_fill_the_table():
    windows = BoundedWindows(1000, clock=lambda: 1_000_000.0)
    for number in range(21_000):
        windows.hit(f"invented {number}", 600, 60)
        assert windows.hit("busy caller", 30_000, 60)[0], "who comes back keeps the own count"
    assert windows.hit("newcomer", 600, 60)[0]
    assert windows.hit("busy caller", 30_000, 60) == (True, 30_000 - 21_001, 1_000_060.0)


def test_window_moves():
    now = 1_000_000.0
    windows = BoundedWindows(1000, clock=lambda: now)
    assert [windows.hit("c", 2, 60)[0] for _ in range(3)] == [True, True, False]
    now += 59
    assert not windows.hit("c", 2, 60)[0]
    now += 2
    assert windows.hit("c", 2, 60) == (True, 1, now + 60)
    now += 61
    assert windows.hit("d", 2, 60)[0]


def test_window_does_not_move_with_the_clock_of_the_machine():
    with time_machine.travel("2026-11-25T00:00:00Z") as travel:
        windows = BoundedWindows(1000)
        assert windows.hit("c", 1, 60)[0]
        travel.shift(86_400)
        assert not windows.hit("c", 1, 60)[0]


def test_refused_request_names_the_limit_that_refused_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settings().limits, "enforced", True)
    limits = RateLimits(clock=lambda: 1_000_000.0)
    strict = Limit("strict", 1, 60, "c")
    general = Limit("general", 9, 60, "c")
    assert [usage.allowed for usage in limits.count([strict, general])] == [True, True]
    usages = limits.count([strict, general])
    assert [(usage.limit.name, usage.allowed) for usage in usages] == [("strict", False)]


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),  # no trusted proxy: the header is anybody's
        ("10.0.0.2", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.2", "192.0.2.66, 203.0.113.9, 10.0.0.3", "203.0.113.9"),  # the first one may be invented
        ("10.0.0.2", None, "10.0.0.2"),
        ("10.0.0.2", "no address", "10.0.0.2"),
        ("2001:db8::1", None, "2001:db8::/64"),
        ("::ffff:198.51.100.7", None, "198.51.100.7"),
    ],
)
def test_address_of_the_caller_behind_proxies(
    monkeypatch: pytest.MonkeyPatch, peer: str, forwarded: str | None, caller: str
):
    monkeypatch.setattr(settings().limits, "trusted_proxies", [ipaddress.ip_network("10.0.0.0/8")])
    assert caller_address(peer, forwarded) == caller


def test_each_request_counts_in_the_limits_of_its_kind():
    device = Principal(Role.DEVICE, "DEV-1", device_id="DEV-1")
    person = Principal(Role.USER, "u", user_id="u")

    def described(path: str, method: str, principal: Principal | None) -> list[tuple[str, int, int]]:
        limits = limits_of(path, method, principal, "198.51.100.7")
        return [(limit.name, limit.requests, limit.seconds) for limit in limits]

    raised = [("alerts", 60, 3600), ("signed-in", 1200, 60)]
    assert described("/api/alerts/trigger", "POST", Principal(Role.OPERATOR, "o")) == raised
    assert described("/ingest", "POST", device) == [("device", 100, 5)]
    assert described("/api/v1/auth/login", "POST", None) == [("sign-in", 20, 60), ("anonymous", 600, 60)]
    registration = [("registration", 60, 3600), ("anonymous", 600, 60)]
    assert described("/api/v1/users/register", "POST", None) == registration
    signed_in = ("signed-in", 1200, 60)
    assert described("/api/auth/device/register", "POST", person) == [registration[0], signed_in]
    assert described("/api/auth/device/register", "POST", Principal(Role.OPERATOR, "o")) == [signed_in]
    expensive = [("expensive", 60, 60), ("signed-in", 1200, 60)]
    assert described("/api/v1/predict/batch", "POST", person) == expensive
