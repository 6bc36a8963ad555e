"""Lists return what the tables hold, page by page, with their provenance."""

import csv
import io
import shutil
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from scripts.bench.api_lake import write
from serving_api.reads import live_prices
from serving_api.reads.live_prices import live_rows, newest_by_market, of_place
from tests.conftest import Broker
from tests.support.api import Api, new_stack, pages
from tests.support.served_lake import HISTORY, LIVE, NOW, QUARANTINE, price
from tests.support.waiting import eventually

PRICES = "/api/public/commodity/price"


def ids(api: Api, path: str, role: str | None = None) -> list[str]:
    """event_id of every item of all pages."""
    return [item["event_id"] for item in pages(api, path, role)]


def test_documentation_is_served_from_the_product_itself(api: Api) -> None:
    assert api.get("/docs").status_code == 200


def test_live_prices_are_retail_newest_first_with_provenance(api: Api) -> None:
    response = api.get(f"{PRICES}/live?commodity=Cabe Rawit")
    items, meta = response.json()["items"], response.json()["meta"]
    assert [(item["market_id"], item["price_idr"]) for item in items] == [
        ("PASAR-001", 55_000),
        ("PASAR-002", 56_000),
        ("PROV-32", 57_000),
    ]
    assert items[0]["change_pct"] == 10.0 and items[1]["change_pct"] is None
    assert items[0]["event_time"] == f"{LIVE[0]['event_time']:%Y-%m-%dT%H:%M:%SZ}"
    assert (items[2]["level"], items[2]["status"], items[2]["impact_score"]) == (
        "province",
        "validated",
        None,
    )
    assert (
        meta["delta_version"] == {"gold.live_prices": 0}
        and meta["model"] is None
        and meta["demo_data"] is False
    )
    assert meta["as_of"] == f"{NOW - timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}", (
        "the newest event of the table, wholesale too"
    )
    assert meta["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("priority", "shown"), [([], "pihps"), (["panel-harga"], "panel-harga"), (["other"], "pihps")]
)
def test_live_price_of_two_providers_is_the_newest_one_or_of_the_preferred(
    monkeypatch: pytest.MonkeyPatch, priority: list[str], shown: str
) -> None:
    monkeypatch.setattr(settings().lake, "providers", priority)
    later, earlier = timedelta(0), timedelta(seconds=1)
    rows = [
        price("a", "PROV-32", "garam", later, provider="pihps", market_date=NOW.date()),
        price("b", "PROV-32", "garam", earlier, provider="panel-harga", market_date=NOW.date()),
        price("c", "PROV-32", "garam", earlier, provider="older", market_date=NOW.date() - timedelta(days=1)),
        price("d", "PROV-31", "garam", earlier, provider="older", market_date=NOW.date() - timedelta(days=1)),
    ]
    assert {(row["market_id"], row["provider"]) for row in newest_by_market(rows)} == {
        ("PROV-31", "older"),
        ("PROV-32", shown),
    }


def test_chosen_live_prices_alone_are_built_and_age_by_the_newest_day_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new version comes with every batch: building all of its rows for one commodity held up the rest."""
    built: list[str] = []
    monkeypatch.setattr(live_prices, "to_json_value", lambda value: built.append(value) or value)
    old = NOW.date() - timedelta(days=10)
    rows = [
        price("a", "PASAR-001", "bawang-merah", timedelta(0), market_date=NOW.date()),
        price("b", "PASAR-001", "garam", timedelta(days=10), market_date=old),
        price("c", "PASAR-001", "garam", timedelta(days=10), market_date=old, channel="wholesale"),
        price("d", "PROV-31", "garam", timedelta(0), market_date=NOW.date(), region_code="31"),
    ]
    table = pa.Table.from_pylist(rows, schema=arrow_schema(contracts()["gold.live_prices"]))
    chosen = of_place(frozenset({"garam"}), "32")
    ((_, item),) = live_rows(table, "newest", None, chosen)
    assert (item["commodity"], item["age_days"], item["is_current"]) == ("garam", 10, False)
    assert len(built) == len(live_prices.LIVE)
    assert len(live_rows(table, "newest", None, of_place(None, None))) == 3


def test_live_prices_without_a_commodity_are_sorted_and_carry_age_and_status(
    broker: Broker, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    """A price that is ten days older than the rest is cheap, but not the cheapest current one."""
    stack = new_stack(tmp_path, broker)
    rows = [
        price("old", "PASAR-001", "garam", timedelta(days=10), 9_000.0, status="validated", change_pct=3.0),
        price("let", "KOTA-BANDUNG", "garam", timedelta(0), 11_000.0, status="released", change_pct=8.0),
        price("now", "LAB-001", "garam", timedelta(0), 10_000.0, status="corrected"),
        price("any", "LAB-001", "bawang-merah", timedelta(0), 35_000.0),
    ]
    write(stack.lake_root, "gold.live_prices", rows)
    own = Api(stack)
    try:
        path = f"{PRICES}/live?commodity=garam&sort="
        cheapest = own.get(f"{path}price").json()["items"]
        facts = [
            (item["price_idr"], item["status"], item["age_days"], item["is_current"]) for item in cheapest
        ]
        assert facts == [
            (10_000.0, "corrected", 0, True),
            (11_000.0, "released", 0, True),
            (9_000.0, "validated", 10, False),
        ]
        assert [item["price_idr"] for item in own.get(f"{path}age").json()["items"]][-1] == 9_000.0
        changes = [item["change_pct"] for item in own.get(f"{path}change").json()["items"]]
        assert changes == [8.0, 3.0, None]
        region = f"{PRICES}/live?region=Jawa%20Barat"
        every = own.get(region).json()["items"]
        assert len(every) == 4 and every[-1]["price_idr"] == 9_000.0, "newest first"
        for order in ("newest", "price", "age", "change", "name"):
            whole = own.get(f"{region}&sort={order}").json()["items"]
            assert len(whole) == 4 and pages(own, f"{region}&sort={order}&limit=1") == whole
        unlimited = own.get(f"{PRICES}/live")
        assert (unlimited.status_code, unlimited.json()["type"]) == (422, "/problems/validation")
        assert own.get(f"{path}colour").status_code == 422
    finally:
        own.stop()


def test_group_returns_its_own_rows_and_its_members(api: Api) -> None:
    items = api.get(f"{PRICES}/live?commodity=cabai").json()["items"]
    assert [item["commodity"] for item in items] == ["cabai-rawit-merah"] * 3 + [
        "cabai-merah-keriting",
        "cabai",
    ]
    assert ids(api, f"{PRICES}/history?commodity=cabai") == ["g1"]


def test_region_is_accepted_by_name_and_by_code(api: Api) -> None:
    for name in ("32", "jawa-barat", "JAWA BARAT"):
        items = api.get(f"{PRICES}/live?commodity=cabai-rawit-merah&region={name}").json()["items"]
        assert [item["market_id"] for item in items] == ["PASAR-001", "PROV-32"]


def test_history_pages_hold_every_row_once_newest_first(api: Api) -> None:
    begin = f"{NOW - timedelta(days=365):%Y-%m-%d}"
    garam = [row for row in HISTORY if row["commodity"] == "garam"]
    expected = [
        row["event_id"]
        for row in sorted(garam, key=lambda row: (row["market_date"], row["event_time"]), reverse=True)
    ]
    for limit in (1, 7, 1000):
        assert ids(api, f"{PRICES}/history?commodity=garam&from={begin}&limit={limit}") == expected


def test_history_without_range_covers_the_last_30_days(api: Api) -> None:
    assert len(ids(api, f"{PRICES}/history?commodity=garam")) == 25
    assert ids(api, f"{PRICES}/history?commodity=garam&market_id=PASAR-002&from=2000-01-01") == [
        "m1",
        "m2",
        "m3",
        "m4",
        "m5",
    ]


def test_from_is_inclusive_to_is_exclusive(api: Api) -> None:
    begin, end = (f"{NOW - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (5, 2))
    assert set(ids(api, f"{PRICES}/history?commodity=garam&from={begin}&to={end}")) == {"h05", "h04", "h03"}


def test_date_is_midnight_in_the_time_zone_of_the_market(broker: Broker, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """PASAR-001 is in UTC+7, PASAR-009 in UTC+8: at 16:30 UTC the next day has begun in the second only."""
    stack = new_stack(tmp_path, broker)
    day = (NOW - timedelta(days=3)).date()
    edge = NOW.replace(year=day.year, month=day.month, day=day.day, hour=16, minute=30, second=0)
    rows = [price(f"edge-{market}", market, "garam", NOW - edge) for market in ("PASAR-001", "PASAR-009")]
    write(stack.lake_root, "gold.price_history", rows)
    own = Api(stack)
    try:
        following = day + timedelta(days=1)
        for market, expected in (("PASAR-001", []), ("PASAR-009", ["edge-PASAR-009"])):
            assert (
                ids(own, f"{PRICES}/history?commodity=garam&market_id={market}&from={following}") == expected
            )
    finally:
        own.stop()
    assert rows[1]["market_date"] == date(following.year, following.month, following.day)
    assert edge.astimezone(ZoneInfo("Asia/Jakarta")).date() == day


def test_csv_has_the_columns_and_rows_of_json(api: Api) -> None:
    path = f"{PRICES}/history?commodity=garam&limit=5"
    response = api.get(f"{path}&format=csv", headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(response.text)))
    items = api.get(path).json()["items"]
    assert (
        response.headers["content-type"].startswith("text/csv") and 'rel="next"' in response.headers["link"]
    )
    assert list(rows[0]) == list(items[0])
    assert [row["event_id"] for row in rows] == [item["event_id"] for item in items]
    assert rows[0]["warnings"] == "a_warning" and float(rows[0]["price_idr"]) == items[0]["price_idr"]


def test_markets_are_sorted_by_name(api: Api) -> None:
    items = api.get("/api/public/market/list?limit=1000").json()["items"]
    assert len(items) >= 38 and [item["name"] for item in items] == sorted(item["name"] for item in items)
    assert {item["region"] for item in api.get("/api/public/market/list?region=32").json()["items"]} == {
        "Jawa Barat"
    }


def test_sensors_are_filtered_by_market_and_metric(api: Api) -> None:
    assert [item["value"] for item in api.get("/api/v1/sensors/live").json()["items"]] == [28.5, 12.0, 70.0]
    assert [item["value"] for item in api.get("/api/v1/sensors/live?metric=crowd_count").json()["items"]] == [
        12.0
    ]
    assert len(api.get("/api/v1/sensors/live?market_id=PASAR-900").json()["items"]) == 1, (
        "a market that is not listed"
    )


def test_quarantine_pages_and_filters(api: Api) -> None:
    path = "/api/v1/quarantine?from=2000-01-01"
    everything = [row["event_id"] for row in QUARANTINE]
    for limit in (1, 3, 100):
        assert ids(api, f"{path}&limit={limit}", "operator") == everything
    for filters, expected in (
        ("kind=sensor", ["q8"]),
        ("rule=temperature_range", ["q8"]),
        ("state=rejected", ["q9"]),
        ("commodity=garam-konsumsi&state=open&limit=5", everything[:8]),
        ("commodity=Unobtainium", ["q9"]),
        ("market_id=PASAR-001&stage=stream&kind=price", [*everything[:8], "q9"]),
        (f"to={NOW - timedelta(hours=49):%Y-%m-%dT%H:%M:%SZ}", ["q8", "q9"]),
    ):
        assert ids(api, f"{path}&{filters}", "central") == expected, filters


def test_reasons_are_in_indonesian_for_those_who_accept_it(api: Api) -> None:
    for path in ("/api/v1/quarantine?from=2000-01-01&limit=1", "/api/v1/quarantine/q0"):
        for language, message in (
            ("id-ID, en", "harga -5 tidak di atas nol"),
            ("en", "price -5 is not above zero"),
        ):
            document = api.get(path, "operator", headers={"Accept-Language": language}).json()
            item = document["items"][0] if "items" in document else document
            assert item["reasons"][0]["message"] == message


def test_quarantined_event_has_its_exact_bytes(api: Api) -> None:
    text, raw = (api.get(f"/api/v1/quarantine/{name}", "admin").json() for name in ("q0", "q8"))
    assert (text["payload"], text["payload_base64"]) == ('{"price": -5}', None)
    assert (raw["payload"], raw["payload_base64"]) == (None, "//57")
    assert (
        text["kafka"] == {"topic": "lumbung.price", "partition": 0, "offset": 100}
        and text["reasons"][0]["rule"] == "price_positive"
    )
    assert text["meta"]["rule_set"] == "f" * 16 and text["meta"]["delta_version"]["silver.quarantine"] == 0


def test_new_version_is_served_and_changes_the_etag(broker: Broker, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """From no table through two versions; an unchanged version is 304."""
    own = Api(new_stack(tmp_path, broker))
    try:
        path = f"{PRICES}/live?commodity=garam"
        empty = own.get(path)
        assert empty.json()["items"] == [] and empty.json()["meta"]["as_of"] is None
        seen = [empty.headers["etag"]]
        for number in (1, 2):
            write(
                own.stack.lake_root,
                "gold.live_prices",
                [price(f"n{number}", f"PASAR-00{number}", "garam", timedelta(minutes=number))],
            )
            eventually(lambda number=number: len(own.get(path).json()["items"]) == number)
            response = own.get(path)
            assert response.headers["etag"] not in seen
            again = own.get(path, headers={"If-None-Match": response.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert own.get(path, headers={"If-None-Match": seen[-1]}).status_code == 200
            seen.append(response.headers["etag"])
    finally:
        own.stop()


def test_table_that_is_created_again_is_served(broker: Broker, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Its versions start at 0 again; the snapshot of the old table must be replaced."""
    stack = new_stack(tmp_path, broker)
    table = tmp_path / "lake" / "gold" / "live_prices"
    for number in range(3):
        write(
            stack.lake_root,
            "gold.live_prices",
            [price(f"o{number}", f"PASAR-00{number + 1}", "garam", timedelta(0))],
        )
    own = Api(stack)
    try:
        path = f"{PRICES}/live?commodity=garam"
        assert len(own.get(path).json()["items"]) == 3
        shutil.rmtree(table)
        write(stack.lake_root, "gold.live_prices", [price("new", "PASAR-001", "garam", timedelta(minutes=1))])
        eventually(lambda: len(own.get(path).json()["items"]) == 1)
        assert own.get("/readyz").status_code == 200
    finally:
        own.stop()


def test_demo_data_is_reported_of_the_items_alone(broker: Broker, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Simulated prices elsewhere in the tables make no answer a demo."""
    stack = new_stack(tmp_path, broker)
    rows = [
        price("sim-7-1", "PASAR-001", "garam", timedelta(minutes=1)),
        price("real-1", "PASAR-001", "bawang-merah", timedelta(minutes=1)),
        price("real-2", "PASAR-009", "garam", timedelta(minutes=1)),
    ]
    for table in ("gold.live_prices", "gold.price_history"):
        write(stack.lake_root, table, rows)
    reading = {"metric": "temperature_c", "value": 28.5, "event_time": NOW}
    readings = [
        reading | {"event_id": "sim-7-2", "market_id": "PASAR-001", "device_id_hash": "aa"},
        reading | {"event_id": "real-3", "market_id": "PASAR-009", "device_id_hash": "bb"},
    ]
    write(stack.lake_root, "gold.sensors_live", readings)
    own = Api(stack)
    try:
        for path, is_demo in (
            (f"{PRICES}/live?commodity=garam", True),
            (f"{PRICES}/live?commodity=garam&region=Bali", False),
            (f"{PRICES}/live?commodity=bawang-merah", False),
            (f"{PRICES}/live?commodity=beras-medium", False),
            (f"{PRICES}/history?commodity=garam", True),
            (f"{PRICES}/history?commodity=bawang-merah", False),
            ("/api/v1/sensors/live", True),
            ("/api/v1/sensors/live?market_id=PASAR-009", False),
            ("/api/public/market/list", False),
            ("/api/v1/models/accuracy", False),
            ("/api/v1/predict/anomaly/32", False),
        ):
            assert own.get(path).json()["meta"]["demo_data"] is is_demo, path
    finally:
        own.stop()


def test_history_names_level_channel_and_provider(broker: Broker, tmp_path) -> None:  # type: ignore[no-untyped-def]
    stack = new_stack(tmp_path, broker)
    rows = [
        price("m", "PASAR-001", "garam", timedelta(minutes=1), provider="pihps", channel="wholesale"),
        price("p", "PROV-32", "garam", timedelta(minutes=2), provider="panel-harga"),
        price("o", "PROV-32", "garam", timedelta(minutes=3)),
    ]
    write(stack.lake_root, "gold.price_history", rows)
    own = Api(stack)
    try:
        path = f"{PRICES}/history?commodity=garam"
        columns = ("level", "channel", "provider")
        expected = [
            ("market", "wholesale", "pihps"),
            ("province", "retail", "panel-harga"),
            ("province", "retail", None),
        ]
        assert [tuple(item[name] for name in columns) for item in own.get(path).json()["items"]] == expected
        lines = list(csv.DictReader(io.StringIO(own.get(f"{path}&format=csv").text)))
        assert [tuple(line[name] or None for name in columns) for line in lines] == expected
    finally:
        own.stop()


def test_history_of_a_table_from_before_the_provider_is_served(broker: Broker, tmp_path) -> None:  # type: ignore[no-untyped-def]
    stack = new_stack(tmp_path, broker)
    schema = arrow_schema(contracts()["gold.price_history"])
    names = [name for name in schema.names if name != "provider"]
    rows = [price("old", "PASAR-001", "garam", timedelta(minutes=1))]
    write(stack.lake_root, "gold.price_history", pa.Table.from_pylist(rows, schema=schema).select(names))
    own = Api(stack)
    try:
        (item,) = own.get(f"{PRICES}/history?commodity=garam").json()["items"]
        assert item["provider"] is None and item["level"] == "market"
    finally:
        own.stop()
