"""An operator sets the levels of a commodity: in force at once, in the audit, and taken back by null."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from lakehouse.identity.roles import Role
from lakehouse.io.change_levels import change_levels_file, levels_of, set_levels
from lakehouse.io.delta import open_table
from streaming_jobs.gold.alerts import Alerts
from streaming_jobs.gold.incremental import IncrementalGold
from streaming_jobs.gold.indicators import Indicators
from tests.support.api import Api, new_stack
from tests.support.gold.rows import rows_of
from tests.support.identity.people import add_person, sign_in
from tests.support.price_lake import Stream, price_rows

PATH = "/api/v1/change-levels"
CHILLI = "cabai-rawit-merah"
OWN = {"naik": 10.0, "waspada": 20.0, "siaga": 30.0, "kritis": 50.0}
DETAILS = "select detail from audit where action = 'levels.set' order by at"
REASON = "passes 12 % in many a week"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    running = Api(new_stack(tmp_path))
    yield running
    running.stop()


def put(api: Api, levels: Any, role: str | None = "operator", commodity: str = CHILLI) -> httpx2.Response:
    body = orjson.dumps({"levels": levels, "reason": REASON})
    kind = {"Content-Type": "application/json"}
    return api.request("PUT", f"{PATH}/{commodity}", role, content=body, headers=kind)


def listed(api: Api) -> dict[str, dict[str, Any]]:
    return {item["commodity"]: item for item in api.get(PATH).json()["items"]}


def test_levels_are_in_force_at_once_and_in_the_audit(api: Api) -> None:
    usual = listed(api)
    assert not any(item["is_own"] for item in usual.values())
    response = put(api, OWN, commodity="Cabe Rawit Merah")
    assert response.status_code == 200 and response.json() == {
        "commodity": CHILLI,
        "is_own": True,
        "levels": OWN,
    }
    changed = listed(api)
    assert changed.pop(CHILLI)["levels"] == OWN and changed.items() <= usual.items()
    assert put(api, None).json() == usual[CHILLI]
    entries = api.get("/api/v1/admin/audit?action=levels.set", "admin").json()["items"]
    assert [(entry["object"], entry["outcome"]) for entry in entries] == [(CHILLI, "done")] * 2
    with closing(sqlite3.connect(api.stack.home / "state" / "identity.sqlite")) as store:
        details = [json.loads(row[0]) for row in store.execute(DETAILS)]
    text = "naik 10, waspada 20, siaga 30, kritis 50"
    assert details == [
        {"before": None, "after": text, "reason": REASON},
        {"before": text, "after": None, "reason": REASON},
    ]


@pytest.mark.parametrize(
    ("levels", "role", "commodity", "status"),
    [
        (OWN | {"siaga": 20.0}, "operator", CHILLI, 422),
        (OWN | {"naik": 0.0}, "operator", CHILLI, 422),
        ({"naik": 10.0}, "operator", CHILLI, 422),
        (OWN, "operator", "unobtainium", 404),
        (OWN, "user", CHILLI, 403),
        (OWN, None, CHILLI, 401),
    ],
)
def test_levels_that_do_not_ascend_and_strangers_are_refused(
    api: Api, levels: Any, role: str | None, commodity: str, status: int
) -> None:
    assert put(api, levels, role, commodity).status_code == status
    assert not any(item["is_own"] for item in listed(api).values())


def test_operator_of_one_province_sets_no_levels_of_the_nation(api: Api) -> None:
    add_person(api.stack, "barat@example.id", Role.OPERATOR, ["32"])
    token = sign_in(api, "barat@example.id")["access_token"]
    body = orjson.dumps({"levels": OWN, "reason": REASON})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    assert api.request("PUT", f"{PATH}/{CHILLI}", content=body, headers=headers).status_code == 403


def test_jobs_compute_again_what_depends_on_the_levels(lake: Path) -> None:
    """Without a new price; after a restart nothing is due."""
    stream = Stream()
    stream.write(price_rows(7), [])
    IncrementalGold(1).refresh()
    jobs = [Indicators(), Alerts()]
    for job in jobs:
        job.refresh()
    before = {row["change_level"] for row in rows_of("gold.indicators") if row["commodity"] == CHILLI}
    assert before > {"normal", "naik", "waspada"} and rows_of("gold.alerts")
    set_levels(CHILLI, {"naik": 400.0, "waspada": 500.0, "siaga": 600.0, "kritis": 700.0})
    for job in jobs:
        job.refresh()
    rows = rows_of("gold.indicators")
    assert {row["change_level"] for row in rows if row["commodity"] == CHILLI} == {"normal", None}
    assert {row["change_level"] for row in rows if row["commodity"] == "beras-medium"} > {"normal", "naik"}
    assert not [
        row for row in rows_of("gold.alerts") if row["commodity"] == CHILLI and row["rule"] == "price_level"
    ]
    versions = [open_table(name).version() for name in ("gold.indicators", "gold.alerts")]
    for job in (*jobs, Indicators(), Alerts()):
        job.refresh()
    assert [open_table(name).version() for name in ("gold.indicators", "gold.alerts")] == versions
    set_levels(CHILLI, None)
    jobs[0].refresh()
    again = {row["change_level"] for row in rows_of("gold.indicators") if row["commodity"] == CHILLI}
    assert again == before


def test_damaged_file_is_named_with_its_remedy(lake: Path) -> None:
    set_levels(CHILLI, OWN)
    assert levels_of(CHILLI) == OWN
    change_levels_file().write_text("[]")
    with pytest.raises(ValueError, match=r"change_levels\.json: .*remedy: remove it"):
        levels_of(CHILLI)
