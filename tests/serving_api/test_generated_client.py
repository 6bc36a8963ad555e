"""A client is generated from the OpenAPI document without a warning and calls every operation once."""

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from importlib import import_module
from typing import Any, get_args

import httpx
import pytest

from lakehouse.identity.roles import Role
from tests.conftest import Broker
from tests.support import forecast_lake, served_lake
from tests.support.api import Api, new_stack
from tests.support.identity.people import PASSWORD, add_person, sign_in
from tests.support.openapi import OPERATIONS, SCHEMA, InProcess
from tests.support.trading.lake_of_bars import write_coin

EVENT = {"market_id": "PASAR-001", "commodity": "garam", "price": 11500.0}
DECISION = {"decision": "reject", "reason": "not what was sent"}
BODIES: dict[str, dict[str, Any]] = {
    "correlate": {"commodity": "bawang-merah", "region": "Jawa Barat", "variable": "rainfall_mm"},
    "check_prices": {
        "commodity": "garam",
        "observations": [{"date": "2026-01-01", "price_idr": 11500.0}],
    },
    "acknowledge_alert": {"note": "seen"},
    "append_block": EVENT,
    "decide_events": {"event_ids": ["q1"], **DECISION},
    "decide_event": DECISION,
    "ingest_events": EVENT,
    "ingest_events_of_kind": EVENT,
    "change_account": {"locale": "en"},
    "change_password": {"current_password": PASSWORD, "new_password": f"{PASSWORD} baru"},
    "change_user": {"disabled": False},
    "create_api_key": {"name": "nightly report", "scopes": ["read"], "password": PASSWORD},
    "delete_account": {"password": PASSWORD},
    "follow_link": {"link": "used", "password": PASSWORD},
    "register_device": {"market_id": "PASAR-001", "device_id": "DEV-123"},
    "register_device_public": {"market_id": "PASAR-001", "device_id": "DEV-124"},
    "claim_device": {"device_id": "DEV-123", "claim_code": "used"},
    "issue_device_token": {"device_id": "DEV-123", "secret": "wrong"},
    "approve_device": {},
    "rotate_device": {"reason": "the secret is lost"},
    "revoke_device": {},
    "login": {"email": "client@example.id", "password": PASSWORD},
    "logout": {},
    "refresh": {"refresh_token": "spent"},
    "register": {"email": "new@example.id", "password": PASSWORD},
    "retrain": {"reason": "two weeks of prices were corrected"},
    "predict_price": {},
    "predict_batch": {"requests": [{"commodity": "garam"}]},
    "trigger_alert": {"commodity": "garam", "level": "siaga", "message": "gudang kosong"},
    "validate_price": EVENT,
    "predict_sales": {
        "price": 299.99,
        "discount_percentage": 15.0,
        "rating": 4.5,
        "num_reviews": 100,
        "category": "Electronics",
    },
    "hold_event": {},
    "execute_trade": {"symbol": "COIN", "side": "BUY"},
    "create_backtest": {"symbol": "COIN", "strategy": "ma_cross"},
    "create_experiment": {
        "name": "first look",
        "symbol": "COIN",
        "model": "ridge",
        "features": ["rsi"],
        "train_from": "2024-01-01",
        "train_to": "2024-06-30",
    },
    "create_symbol_alert": {"symbol": "COIN", "condition": "above", "value": 1.0},
    "put_preferences": {"watchlist": ["COIN"], "commodities": ["garam"], "theme": "dark"},
    "put_notification_settings": {
        "email": False,
        "telegram": False,
        "whatsapp": False,
        "websocket": True,
        "min_level": "siaga",
        "commodities": [],
        "regions": [],
        "digest": "none",
        "telegram_chat": None,
        "whatsapp_number": None,
    },
    "set_change_levels": {"levels": None, "reason": "those of the ministry hold again"},
    "put_recipient": {"channel": "telegram", "address": None},
    "read_notification": {},
    "retail_price_curve": {
        "discount_percentage": 10.0,
        "rating": 4.0,
        "num_reviews": 50,
        "category": "Electronics",
        "price_min": 100.0,
        "price_max": 300.0,
    },
}
EMAIL = "client@example.id"
ENDING = ("delete_account", "change_password", "logout")  # end the sign-in of the caller
EVENT_IDS = {"trace_event": "t-1", "hold_event": "q2"}  # all others are about q0, which one of them decides
VALUES = {"event_id": "q0", "alert_id": "al-rise", "commodity": forecast_lake.COMMODITY, "symbol": "COIN"}
# One of two parameters is required, which OpenAPI cannot express.
ONE_OF = {"list_live_prices": "commodity", "list_sentiment": "commodity"}
# Of operations that do not answer 200 on the lake of these tests.
ACCEPTED = dict.fromkeys(
    [
        "acknowledge_alert",
        "append_block",
        "create_backtest",
        "create_experiment",
        "decide_events",
        "decide_event",
        "ingest_events",
        "ingest_events_of_kind",
        "register",
        "retrain",
        "trigger_alert",
    ],
    202,
)
ABSENT = dict.fromkeys(
    [
        "change_user",
        "delete_symbol_alert",
        "get_backtest",
        "get_backtest_report",
        "get_close_forecast",
        "get_experiment",
        "get_training_job",
        "holder_stocks",
        "list_backtest_trades",
        "read_notification",
        "revoke_api_key",
        "trace_event",
    ],
    404,
)
REFUSED = {
    "approve_device": 409,  # an operator and above registers approved devices
    "claim_device": 401,
    "correlate_sentiment": 422,
    "follow_link": 401,
    "issue_device_token": 401,
    "predict_sales": 503,
    "refresh": 401,
    "retail_price_curve": 503,
}
CREATED = (
    "create_api_key",
    "create_symbol_alert",
    "execute_trade",
    "issue_ticket",
    "register_device",
    "register_device_public",
)
MADE = dict.fromkeys(CREATED, 201) | dict.fromkeys(ENDING, 204)
STATUSES = ACCEPTED | ABSENT | REFUSED | MADE


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Name of the generated package; the generator fails on any warning."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(json.dumps(SCHEMA))
    (folder / "options.json").write_text(json.dumps({"post_hooks": []}))
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    command += ["--path", "openapi.json", "--config", "options.json", "--output-path", "lumbung_client"]
    done = subprocess.run(
        [*command, "--fail-on-warning"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield "lumbung_client"
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def own(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API of its own: the calls decide and queue."""
    stack = new_stack(tmp_path_factory.mktemp("generated"), broker)
    served_lake.fill(stack.lake_root)
    forecast_lake.fill_models(stack.lake_root)
    write_coin(stack.lake_root)
    running = Api(stack)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def client(package: str, own: Api) -> Any:
    """Of an administrator."""
    return client_of(package, own, EMAIL)


def client_of(package: str, own: Api, email: str) -> Any:
    """Of a new account with this address."""
    add_person(own.stack, email, Role.ADMIN)
    token = sign_in(own, email)["access_token"]
    unconnected = import_module(package).AuthenticatedClient(base_url="http://127.0.0.1", token=token)
    return unconnected.set_httpx_client(
        httpx.Client(
            transport=InProcess(own),
            base_url="http://127.0.0.1",
            headers={"Authorization": f"Bearer {token}"},
        )
    )


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation["operationId"])
def test_generated_client_calls_the_operation(
    client: Any, own: Api, package: str, operation: dict[str, Any]
) -> None:
    name = operation["operationId"]
    if name in ENDING:
        client = client_of(package, own, f"{name}@example.id")
    module = import_module(f"{package}.api.{operation['tags'][0].replace(' ', '_')}.{name}")
    signature = inspect.signature(module.sync_detailed).parameters
    arguments = {
        parameter["name"]: value_of(name, parameter, signature[parameter["name"]].annotation)
        for parameter in operation.get("parameters", ())
        if parameter["required"] or parameter["name"] == ONE_OF.get(name)
    }
    if name in BODIES:
        arguments["body"] = body_of(name, signature["body"].annotation)
    response = module.sync_detailed(client=client, **arguments)
    assert str(int(response.status_code)) in operation["responses"]
    assert response.status_code == STATUSES.get(name, 308 if name.startswith("redirect_") else 200), (
        response.content
    )


def value_of(name: str, parameter: dict[str, Any], expected: Any) -> Any:
    """A value of a required parameter: an id of the lake, an example, or a member of the generated Enum."""
    if name in EVENT_IDS or parameter["name"] in VALUES:
        return EVENT_IDS.get(name, VALUES.get(parameter["name"]))
    if isinstance(expected, type) and issubclass(expected, Enum):
        return next(iter(expected))
    return (parameter["schema"].get("examples") or parameter["examples"])[0]


def body_of(name: str, expected: Any) -> Any:
    """The body as an object of the first generated model that has its fields."""
    for model in (expected, *get_args(expected)):
        if hasattr(model, "from_dict"):
            with suppress(KeyError):
                body = model.from_dict(BODIES[name])
                if not getattr(body, "additional_properties", None):
                    return body
    raise AssertionError(f"{name} takes {expected}")
