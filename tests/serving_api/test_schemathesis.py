"""Requests made from the OpenAPI document, valid and invalid, are answered as it says."""

from collections.abc import Iterator

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import ignored_auth

from tests.conftest import Broker
from tests.support import forecast_lake, served_lake
from tests.support.api import Api, new_stack
from tests.support.openapi import SCHEMA, InProcess

EXAMPLES = 6  # an operation; all operations together take less than a minute
# Names of commodities, regions and markets are looked up, so a request may fit its schema and be answered
# with 422, which every operation documents; the checks of statuses and of the problem's schema remain.
ACCEPTING = ["2xx", "3xx", "401", "403", "404", "409", "422", "503"]
CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ACCEPTING},
            "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503"]},
        }
    }
)
described = schemathesis.openapi.from_dict(SCHEMA, config=CONFIG)

SECURED = [
    (method.upper(), path)
    for path, methods in SCHEMA["paths"].items()
    for method, operation in methods.items()
    if operation.get("security") == [{"bearer": []}]
]


@pytest.fixture(scope="module")
def own(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API of its own: the requests decide and queue."""
    stack = new_stack(tmp_path_factory.mktemp("described"), broker)
    served_lake.fill(stack.lake_root)
    forecast_lake.fill_models(stack.lake_root)
    running = Api(stack)
    yield running
    running.stop()


@described.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_generated_requests_are_answered_as_documented(case: schemathesis.Case, own: Api) -> None:
    headers = {"Authorization": f"Bearer {own.stack.tokens['admin']}"}
    request = requests.Request(**case.as_transport_kwargs(base_url="http://127.0.0.1", headers=headers))
    prepared = request.prepare()
    with httpx.Client(transport=InProcess(own)) as client:
        response = client.request(
            str(prepared.method),
            str(prepared.url),
            content=prepared.body or b"",
            headers=dict(prepared.headers),
        )
    # Its requests without a token would go over the network; the test below makes them.
    case.validate_response(response, headers=headers, excluded_checks=[ignored_auth])


@pytest.mark.parametrize("operation", SECURED, ids=" ".join)
def test_operation_that_declares_a_token_refuses_requests_without_a_known_one(
    own: Api, operation: tuple[str, str]
) -> None:
    method, path = operation
    known = {"{event_id}": "q0", "{job_id}": "train-1", "{kind}": "price", "{user_id}": "u", "{key_id}": "k"}
    for name, value in known.items():
        path = path.replace(name, value)
    more = {"content": b"{}"} if method in ("POST", "PATCH") else {}
    for token in ({}, {"Authorization": "Bearer nobody"}):
        headers = {"Content-Type": "application/json"} | token
        assert own.request(method, path, headers=headers, **more).status_code == 401
