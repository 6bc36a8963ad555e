"""Alerts over HTTP: the public list, alerts that operators raise, acknowledgements."""

import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from lakehouse.event import faults
from scripts.bench.api_lake import write
from serving_api.reads.snapshots import Snapshots
from tests.conftest import Broker, headers_of
from tests.support.api import Api, is_signed, new_stack, pages
from tests.support.served_lake import alert, fill

FEED = "/api/public/alerts/feed.atom"
ATOM = "{http://www.w3.org/2005/Atom}"
REQUIRED = ("id", "title", "updated")
LIVE = "/api/public/alerts/live"
TRIGGER = "/api/alerts/trigger"
TOPIC = "lumbung.alert"
RAISED = {"commodity": "Cabai Rawit Merah", "level": "siaga", "message": "dua pasar kosong", "region": "32"}


@pytest.fixture
def own_api(broker: Broker, tmp_path: Path):
    stack = new_stack(tmp_path, broker)
    fill(stack.lake_root)
    running = Api(stack)
    yield running
    running.stop()


def listed(api: Api, query: str = "", **more: Any) -> list[str]:
    response = api.get(f"{LIVE}{query}", **more)
    assert response.status_code == 200, response.text
    return [item["alert_id"] for item in response.json()["items"]]


def test_open_alerts_are_listed_newest_first(api: Api):
    assert listed(api) == ["al-silent", "al-pending", "al-rise", "al-shallot"]
    assert [item["alert_id"] for item in pages(api, f"{LIVE}?limit=1")] == listed(api)


def test_filters_select_by_name_level_and_state(api: Api):
    assert listed(api, "?commodity=cabai") == ["al-pending", "al-rise"]
    assert listed(api, "?region=Jawa%20Timur") == ["al-shallot"]
    assert listed(api, "?level=info") == ["al-silent"]
    assert listed(api, "?state=cleared") == ["al-cleared"]
    assert api.get(f"{LIVE}?commodity=batu").json()["type"] == "/problems/unknown-commodity"
    assert api.get(f"{LIVE}?state=gone").status_code == 422


def test_texts_are_in_the_language_of_the_request(api: Api):
    english, indonesian = (
        api.get(f"{LIVE}?region=35", headers={"Accept-Language": language}) for language in ("en", "id")
    )
    assert english.json()["items"][0]["message"] == "it rises"
    assert indonesian.json()["items"][0]["action"] == "periksa stok"
    assert english.headers["etag"] != indonesian.headers["etag"]


def entries(api: Api, query: str) -> list[dict[str, str]]:
    """The entries of the feed by name; a link by its href. Fails where RFC 4287 requires an element."""
    response = api.get(f"{FEED}{query}")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("application/atom+xml")
    feed = ET.fromstring(response.text)
    assert feed.tag == f"{ATOM}feed" and all(feed.findtext(f"{ATOM}{name}") for name in REQUIRED)
    assert feed.findtext(f"{ATOM}author/{ATOM}name")
    listed = [
        {child.tag.removeprefix(ATOM): child.text or child.get("href") or "" for child in entry}
        for entry in feed.findall(f"{ATOM}entry")
    ]
    assert all(all(entry[name] for name in (*REQUIRED, "link", "summary")) for entry in listed)
    return listed


def test_feed_has_alerts_that_were_active_under_lasting_ids(api: Api):
    every = entries(api, "")
    assert [entry["title"] for entry in every] == [
        "Info: Pasar tanpa laporan, Jawa Barat",
        "Siaga: Cabai Rawit Merah, Jawa Barat",
        "Siaga: Bawang Merah, Jawa Timur",
        "Siaga: Cabai Rawit Merah, Jawa Barat (selesai)",
    ]
    assert len({entry["id"] for entry in every}) == 4 and every == entries(api, "")
    assert every[1]["content"] == "harga naik\nperiksa stok"
    assert [entry["id"] for entry in entries(api, "?region=35&lang=en")] == [every[2]["id"]]
    (english,) = entries(api, "?commodity=bawang-merah&lang=en")
    assert english["title"] == "Alert: Bawang Merah, Jawa Timur" and english["summary"] == "it rises"
    assert "peringatan=al-cleared" in every[3]["link"] and "keadaan=cleared" in every[3]["link"]


def test_feed_is_cached_and_refuses_unknown_names(api: Api):
    etag = api.get(FEED).headers["etag"]
    assert api.get(FEED, headers={"If-None-Match": etag}).status_code == 304
    assert api.get(f"{FEED}?commodity=batu").json()["type"] == "/problems/unknown-commodity"
    for query in ("level=red", "lang=fr", "colour=red"):
        assert api.get(f"{FEED}?{query}").status_code == 422


def test_feed_holds_texts_that_xml_cannot(tmp_path: Path):
    stack = new_stack(tmp_path)
    write(
        stack.lake_root,
        "gold.alerts",
        [alert("al-odd", timedelta(0), message_indonesian="a<b>&\x01\uffff\u202e")],
    )
    odd = Api(stack)
    try:
        assert [entry["summary"] for entry in entries(odd, "")] == ["a<b>&\ufffd\ufffd\ufffd"]
    finally:
        odd.stop()


def test_short_form_moves_to_the_full_address(api: Api):
    response = api.get("/alerts/live?level=info")
    assert (response.status_code, response.headers["location"]) == (308, f"{LIVE}?level=info")


def test_raised_alert_is_an_event_of_its_kind(own_api: Api, broker: Broker):
    before = broker.ends()
    response = own_api.post(TRIGGER, orjson.dumps(RAISED | {"risk_score": 80.5}))
    assert response.status_code == 202, response.text
    body = response.json()
    assert body["channels"] == {
        "telegram": "mock",
        "whatsapp": "mock",
        "email": "off",
        "webhook": "off",
        "websocket": "sent",
    }
    (record,) = broker.records(before, TOPIC, 1)
    payload = orjson.loads(record.value())
    assert faults(payload, ["alert"]) == []
    assert payload["alert_id"] == body["alert_id"] and payload["event_id"] == body["event_id"]
    assert (payload["commodity"], payload["region"], payload["actor"]) == (
        "cabai-rawit-merah",
        "Jawa Barat",
        "operator",
    )
    assert headers_of(record)["source"] == "api:operator" and is_signed(record, own_api.stack.home)


def test_repeat_for_the_same_place_has_the_id_of_the_open_alert(own_api: Api):
    first, second = (own_api.post(TRIGGER, orjson.dumps(RAISED)).json() for _ in range(2))
    elsewhere = own_api.post(TRIGGER, orjson.dumps(RAISED | {"region": "Aceh"})).json()
    assert first["alert_id"] == second["alert_id"] != elsewhere["alert_id"]
    assert first["event_id"] != second["event_id"]


def test_market_gives_the_region_and_must_lie_in_it(own_api: Api, broker: Broker):
    before = broker.ends()
    body = {**RAISED, "market_id": "PASAR-001"}
    del body["region"]
    assert own_api.post(TRIGGER, orjson.dumps(body)).status_code == 202
    (record,) = broker.records(before, TOPIC, 1)
    assert orjson.loads(record.value())["market_id"] == "PASAR-001" and orjson.loads(record.value())["region"]
    refused = own_api.post(TRIGGER, orjson.dumps(body | {"region": "Papua"}))
    assert refused.json()["errors"][0]["code"] == "region_agrees"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"commodity": "batu"}, "/commodity"),
        ({"level": "info"}, "/level"),
        ({"message": "  ha "}, "/message"),
        ({"risk_score": 101}, "/risk_score"),
        ({"risk_score": "80"}, "/risk_score"),
        ({"market_id": "pasar baru"}, "/market_id"),
        ({"region": "Atlantis"}, "/region"),
        ({"tier": 3}, "/tier"),
    ],
)
def test_invalid_alert_is_refused(api: Api, change: dict[str, Any], pointer: str):
    response = api.post(TRIGGER, orjson.dumps(RAISED | change))
    assert response.status_code == 422
    assert [fault["pointer"] for fault in response.json()["errors"]] == [pointer]


@pytest.mark.parametrize("path", [TRIGGER, "/api/v1/alerts/al-rise/acknowledge"])
def test_only_operators_act_on_alerts(api: Api, path: str):
    body = orjson.dumps(RAISED if path == TRIGGER else {})
    assert api.post(path, body, role=None).status_code == 401
    assert [api.post(path, body, role=role).status_code for role in ("user", "device")] == [403, 403]


def acknowledge(api: Api, alert_id: str, **body: Any) -> Any:
    return api.post(f"/api/v1/alerts/{alert_id}/acknowledge", orjson.dumps(body))


def test_active_alert_is_acknowledged_once(own_api: Api, broker: Broker):
    before = broker.ends()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda nth: acknowledge(own_api, "al-rise", note=f"note {nth}"), range(4)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert len(broker.records(before, TOPIC, 1)) == 1
    assert acknowledge(own_api, "al-none").status_code == 404
    for alert_id in ("al-pending", "al-cleared"):
        assert acknowledge(own_api, alert_id).json()["type"] == "/problems/wrong-state"


def test_raised_alert_can_be_acknowledged_before_the_tables_show_it(own_api: Api):
    alert_id = own_api.post(TRIGGER, orjson.dumps(RAISED)).json()["alert_id"]
    assert acknowledge(own_api, alert_id).status_code == 202
    assert acknowledge(own_api, alert_id).status_code == 409
    audit = own_api.get("/api/v1/admin/audit?limit=2", role="admin").json()["items"]
    acts = [(entry["actor"], entry["action"], entry["object"]) for entry in audit]
    assert acts == [("operator", "alert.acknowledge", alert_id), ("operator", "alert.raise", alert_id)]


def test_alert_of_the_tables_is_the_open_one(own_api: Api):
    stored = alert("al-own", timedelta(hours=2), rule="manual", raised_by="operator")
    write(own_api.stack.lake_root, "gold.alerts", [stored])
    own_api.shared(Snapshots).refresh()
    assert own_api.post(TRIGGER, orjson.dumps(RAISED)).json()["alert_id"] == "al-own"
