"""`api.split_ports`: two further ports of the application, each with a part of its routes."""

from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from scripts.stack.throwaway import free_ports
from tests.conftest import Broker
from tests.support.api import ApiProcess, new_stack

AI = "/api/v1/ai/signals"
ADMIN = "/api/v1/admin/users"
BOTH = "/health"


@pytest.fixture(scope="module")
def ports(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int, int]]:
    """The ports of everything, of AI routes, and of admin routes."""
    ai, admin = free_ports(2)
    knobs = {"SPLIT_PORTS": "true", "AI_PORT": str(ai), "ADMIN_PORT": str(admin)}
    variables = {f"LUMBUNG_API__{name}": value for name, value in knobs.items()}
    api = ApiProcess(new_stack(tmp_path_factory.mktemp("split"), broker, **variables))
    yield api.stack.api_port, ai, admin
    api.stop()


def status(port: int, path: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_each_port_answers_its_part_and_requires_rights(ports: tuple[int, int, int]):
    main, ai, admin = ports
    at_all = {path: status(main, path) for path in (AI, ADMIN, BOTH)}
    assert at_all[ADMIN] == 401 and 404 not in at_all.values()
    assert {path: status(ai, path) for path in at_all} == at_all | {ADMIN: 404}
    assert {path: status(admin, path) for path in at_all} == at_all | {AI: 404}
    assert status(ai, "/") == status(admin, "/docs") == 404


def test_answer_of_the_wrong_port_is_a_problem(ports: tuple[int, int, int]):
    connection = HTTPConnection("127.0.0.1", ports[1], timeout=60)
    connection.request("GET", ADMIN)
    answer = connection.getresponse()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert b"/problems/not-found" in answer.read()
    connection.close()
