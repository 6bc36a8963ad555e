"""Overview, series, map, past forecasts, pipeline: figures equal SQL over silver, absence is null."""

import gzip
import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa
import pytest

from lakehouse.contracts.contract import contracts
from lakehouse.io.query import run_sql
from lakehouse.reference import provinces
from lakehouse.times import utc_text
from scripts.bench.api_lake import write
from serving_api.reads.dashboard.daily_figures import close_of
from serving_api.reads.snapshots import Snapshots
from tests.serving_api.indicator_lake import LAST, fill_prices, province_price, stored_rows
from tests.support.api import Api, Environment, new_stack, pages
from tests.support.served_lake import NOW, QUARANTINE

SERIES = "/api/v1/series/daily"
MAP = "/api/v1/map/prices"
OVERVIEW = "/api/v1/overview"
CHILLI = "cabai-rawit-merah"
LATE = "telur-ayam-ras"
LATE_DAY = date(2024, 3, 4)
HOUR_AGO = NOW - timedelta(hours=1)
CORRECTED = 31_000.0
MIXED = "gula-konsumsi"
MIXED_DAY = date(2024, 5, 10)
# The median of each series and day, and the mean over the provinces; written without the product's SQL.
EXPECTED = """
    with days as (
        select commodity, level, region_code, market_date, median(price_idr) as price from silver
        where channel = 'retail' group by all
    )
    select *, avg(price) over (partition by commodity, level, market_date) as national from days
"""


def late_rows() -> list[dict[str, Any]]:
    """A price stored on its day, and two of the days before that arrived three days later."""
    on_time = datetime.combine(LATE_DAY, datetime.min.time()).astimezone(NOW.tzinfo) + timedelta(hours=6)
    later = on_time + timedelta(days=3)
    return [
        province_price(LATE, "32", LATE_DAY, 30_000.0, on_time),
        province_price(LATE, "11", LATE_DAY, CORRECTED, later),
        province_price(LATE, "32", LATE_DAY - timedelta(days=7), 25_000.0, later),
    ]


def mixed_rows() -> list[dict[str, Any]]:
    """100 days of one province, and markets of three provinces in the last 25 of them, at other prices."""
    rows = []
    for back in range(100):
        day = MIXED_DAY - timedelta(days=back)
        stored_at = datetime.combine(day, datetime.min.time(), NOW.tzinfo) + timedelta(hours=9)
        rows.append(province_price(MIXED, "32", day, 17_000.0, stored_at))
        for region, market in (("32", "PASAR-001"), ("31", "PASAR-003"), ("35", "PASAR-005")):
            if back < 25:
                place = {"market_id": market, "level": "market", "event_id": f"{MIXED}-{market}-{day}"}
                rows.append(province_price(MIXED, region, day, 18_000.0 + int(region), stored_at, **place))
    return rows


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, pa.Table]]:
    stack = new_stack(tmp_path_factory.mktemp("daily"))
    with Environment(stack).entered():
        silver = fill_prices(stack.lake_root, [*stored_rows(7), *late_rows(), *mixed_rows()])
        write(stack.lake_root, "silver.quarantine", QUARANTINE)
    running = Api(stack)
    yield running, silver
    running.stop()


def body_of(api: Api, path: str, role: str | None = None) -> dict[str, Any]:
    response = api.get(path, role)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def test_fifty_cells_of_the_series_equal_sql_over_silver(lake: tuple[Api, pa.Table]) -> None:
    api, silver = lake
    expected = run_sql(EXPECTED, {"silver": silver}).to_pylist()
    bodies: dict[str, dict[str, Any]] = {}
    compared = 0
    for row in random.Random(50).sample(expected, len(expected)):
        path = f"{SERIES}?commodity={row['commodity']}&from=2018-01-01&to=2023-06-01"
        if row["market_date"] >= date(2023, 6, 1):
            path = f"{SERIES}?commodity={row['commodity']}&from=2023-06-01&to=2025-01-01"
        if path not in bodies:
            bodies[path] = body_of(api, path)
        body = bodies[path]
        if body["level"] != row["level"]:
            continue
        day = body["dates"].index(row["market_date"].isoformat())
        place = [region["code"] for region in body["regions"]].index(row["region_code"])
        assert body["price_idr"][place][day] == pytest.approx(row["price"], abs=0.06)
        assert body["national"][day] == pytest.approx(row["national"], abs=0.06)
        compared += 1
        if compared == 50:
            return
    pytest.fail(f"only {compared} cells were compared")


def test_series_has_every_calendar_day_and_null_without_a_report(lake: tuple[Api, pa.Table]) -> None:
    body = body_of(lake[0], f"{SERIES}?commodity={CHILLI}")
    days = [date.fromisoformat(day) for day in body["dates"]]
    assert days == [days[0] + timedelta(days=step) for step in range(len(days))] and days[-1] == LAST
    assert len(days) <= 365 and any(None in prices for prices in body["price_idr"])
    assert {len(column) for column in (*body["price_idr"], body["national"])} == {len(days)}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("commodity=garam", 200),
        ("commodity=unobtainium", 404),
        (f"commodity={CHILLI}&from=2024-01-02&to=2024-01-02", 422),
        (f"commodity={CHILLI}&from=2010-01-01&to=2024-01-01", 422),
        (f"commodity={CHILLI}&date=0001-01-01", 422),
        (f"commodity={CHILLI}&date=2900-01-01", 200),
    ],
)
def test_series_answers_every_request(lake: tuple[Api, pa.Table], query: str, status: int) -> None:
    response = lake[0].get(f"{SERIES}?{query}")
    assert response.status_code == status
    if query == "commodity=garam":
        assert response.json()["dates"] == [] and response.json()["level"] is None


@pytest.mark.parametrize("back", [0, 10, 22, 23, 40])
def test_overview_series_and_map_show_the_same_level_whatever_the_range(
    lake: tuple[Api, pa.Table], back: int
) -> None:
    api, _ = lake
    day = MIXED_DAY - timedelta(days=back)
    overview = body_of(api, f"{OVERVIEW}?market_date={day}")["items"]
    item = next(item for item in overview if item["commodity"] == MIXED)
    assert item["price_level"] == ("market" if back < 23 else "province")
    for length in (2, 30, 365):
        begin, end = day - timedelta(days=length), day + timedelta(days=1)
        series = body_of(api, f"{SERIES}?commodity={MIXED}&from={begin}&to={end}")
        assert series["level"] == item["price_level"], length
        assert series["national"][-1] == item["national_price_idr"]
    shown = body_of(api, f"{MAP}?commodity={MIXED}&metric=price&market_date={day}")
    prices = {region["name"]: region["price_idr"] for region in shown["regions"]}
    assert shown["level"] == item["price_level"]
    assert (
        prices["Jawa Barat"]
        == series["price_idr"][series["regions"].index({"code": "32", "name": "Jawa Barat"})][-1]
    )


def test_overview_names_change_ceiling_and_neighbours(lake: tuple[Api, pa.Table]) -> None:
    api, silver = lake
    body = body_of(api, f"{OVERVIEW}?market_date=2024-07-20")
    item = next(item for item in body["items"] if item["commodity"] == CHILLI)
    rows = run_sql(EXPECTED, {"silver": silver}).to_pylist()
    national = {
        row["market_date"]: row["national"]
        for row in rows
        if (row["commodity"], row["level"]) == (CHILLI, item["price_level"])
    }
    newest = date.fromisoformat(item["market_date"])
    assert item["age_days"] == (date(2024, 7, 20) - newest).days
    assert item["national_price_idr"] == pytest.approx(national[newest], abs=0.06)
    week = national.get(newest - timedelta(days=7))
    expected = None if week is None else pytest.approx(100 * (national[newest] / week - 1), abs=0.006)
    assert item["change_7d_pct"] == expected
    assert len(item["spark"]) == 30 and item["spark"][-1] == item["national_price_idr"]
    assert (body["previous_date"], body["next_date"]) == ("2024-07-19", "2024-07-21")
    assert body["coverage"]["of"] == len(provinces()) and body["open_quarantine"] == len(QUARANTINE)


def test_date_leaves_out_what_was_stored_later(lake: tuple[Api, pa.Table]) -> None:
    api, _ = lake
    now = body_of(api, f"{MAP}?commodity={LATE}&market_date={LATE_DAY}")
    then = body_of(api, f"{MAP}?commodity={LATE}&date={LATE_DAY}")
    known = {region["name"]: region["value"] for region in then["regions"] if region["value"] is not None}
    assert known == {"Jawa Barat": 30_000.0}
    assert sum(region["value"] is not None for region in now["regions"]) == 2
    assert body_of(api, f"{SERIES}?commodity={LATE}&date={LATE_DAY}")["dates"] == [LATE_DAY.isoformat()]
    live = body_of(api, f"/api/public/commodity/price/live?commodity={LATE}&date={LATE_DAY}")
    assert [item["price_idr"] for item in live["items"]] == [30_000.0]
    item = next(i for i in body_of(api, f"{OVERVIEW}?date={LATE_DAY}")["items"] if i["commodity"] == LATE)
    assert (item["national_price_idr"], item["change_7d_pct"]) == (30_000.0, None)
    indicators = f"/api/v1/indicators?commodity={LATE}"
    (row,) = body_of(api, f"{indicators}&date={LATE_DAY}")["items"]
    assert (row["region"], row["change_7d_pct"], row["national_gap_pct"]) == ("Jawa Barat", None, 0.0)
    assert {row["region"] for row in body_of(api, f"{indicators}&from={LATE_DAY}")["items"]} > {"Jawa Barat"}
    assert close_of(LATE_DAY).isoformat() == "2024-03-04T17:00:00+00:00"


def test_months_equal_sql_over_silver_and_say_what_an_incomplete_one_is_compared_with(
    lake: tuple[Api, pa.Table],
) -> None:
    api, silver = lake
    path = f"/api/v1/indicators/monthly?commodity={CHILLI}&region=32"
    listed = pages(api, f"{path}&limit=7")
    assert listed == pages(api, path) and len({row["month"] for row in listed}) > 5
    means = run_sql(
        f"select level, strftime(market_date, '%Y-%m') as month, avg(price) as mean from ({EXPECTED}) "
        f"where commodity = '{CHILLI}' and region_code = '32' group by all",
        {"silver": silver},
    ).to_pylist()
    expected = {(row["level"], row["month"]): row["mean"] for row in means}
    compared = 0
    for row in listed:
        assert row["mean_price_idr"] == pytest.approx(expected.pop((row["level"], row["month"])))
        assert row["is_complete"] is (row["compared_days"] is None)
        year, month = map(int, row["month"].split("-"))
        before = (row["level"], f"{year - (month == 1)}-{(month - 2) % 12 + 1:02}")
        base = next((other for other in listed if (other["level"], other["month"]) == before), None)
        if row["is_complete"] and base:
            change = 100 * (row["mean_price_idr"] / base["mean_price_idr"] - 1)
            assert row["mom_pct"] == pytest.approx(change)
            compared += 1
    assert compared and not expected
    assert not listed[0]["is_complete"], "the data end on the second of a month"
    some = pages(api, f"{path}&from=2024-05-31&to=2024-07-01")
    assert {row["month"] for row in some} == {"2024-05", "2024-06"}
    assert {row["commodity"] for row in pages(api, "/api/v1/indicators/monthly?limit=1000")} > {CHILLI, LATE}


def test_months_as_known_on_a_day_leave_out_what_was_stored_later(lake: tuple[Api, pa.Table]) -> None:
    path = f"/api/v1/indicators/monthly?commodity={LATE}"
    (then,) = body_of(lake[0], f"{path}&date={LATE_DAY}")["items"]
    assert (then["region"], then["month"], then["mean_price_idr"]) == ("Jawa Barat", "2024-03", 30_000.0)
    assert (then["days"], then["last_day"], then["mom_pct"]) == (1, LATE_DAY.isoformat(), None)
    now = body_of(lake[0], path)
    assert len(now["items"]) == 3 and now["meta"]["as_of"] is not None


@pytest.mark.parametrize("metric", ["price", "change_7d", "gap", "gap_national", "ifpa", "dispersion"])
def test_every_value_of_the_map_lies_in_a_class(lake: tuple[Api, pa.Table], metric: str) -> None:
    body = body_of(lake[0], f"{MAP}?commodity={CHILLI}&metric={metric}")
    assert [region["code"] for region in body["regions"]] == list(provinces())
    assert any(region["value"] is None for region in body["regions"])
    providers = {region["provider"] for region in body["regions"] if region["price_idr"] is not None}
    assert providers == {"market"}
    for value in (region["value"] for region in body["regions"] if region["value"] is not None):
        classes = [
            entry
            for entry in body["legend"]
            if (entry["from"] is None or value >= entry["from"])
            and (entry["to"] is None or value < entry["to"])
        ]
        assert len(classes) == 1
    assert (body["reason"] is None) == any(region["value"] is not None for region in body["regions"])


def test_map_names_why_a_metric_has_no_value_in_the_callers_language(lake: tuple[Api, pa.Table]) -> None:
    response = lake[0].get(f"{MAP}?commodity={MIXED}&metric=ifpa", headers={"Accept-Language": "id"})
    assert response.json()["reason"] == "belum cukup: ada 0 tahun untuk bulan ini, diperlukan 5"
    assert "0 years of this month" in body_of(lake[0], f"{MAP}?commodity={MIXED}&metric=ifpa")["reason"]


def test_changes_are_the_prices_after_a_version(tmp_path: Any) -> None:
    stack = new_stack(tmp_path)
    with Environment(stack).entered():
        fill_prices(stack.lake_root, late_rows())
    api = Api(stack)
    try:
        first = body_of(api, "/api/v1/changes")
        version = first["meta"]["delta_version"]["gold.live_prices"]
        assert first["items"] == [] and api.get(f"/api/v1/changes?after={version + 1}").status_code == 410
        newer = province_price("garam", "32", LATE_DAY, 12_000.0, close_of(LATE_DAY))
        write(stack.lake_root, "gold.live_prices", [newer | {"status": "validated"}])
        with Environment(stack).entered():
            api.shared(Snapshots).refresh()
        changed = body_of(api, f"/api/v1/changes?after={version}")
        assert [(item["commodity"], item["price_idr"]) for item in changed["items"]] == [("garam", 12_000.0)]
        assert body_of(api, f"/api/v1/changes?after={version}&commodity={LATE}")["items"] == []
        again = changed["meta"]["delta_version"]["gold.live_prices"]
        assert body_of(api, f"/api/v1/changes?after={again}")["items"] == []
    finally:
        api.stop()


def test_quarantine_summary_counts_open_rows(lake: tuple[Api, pa.Table]) -> None:
    body = body_of(lake[0], "/api/v1/quarantine/summary", "operator")
    open_rows = [row for row in QUARANTINE if row["state"] == "open"]
    assert body["open"] == len(open_rows) and body["median_hours"] is None
    assert {rule["rule"]: rule["open"] for rule in body["by_rule"]} == {
        "price_positive": 8,
        "temperature_range": 1,
    }
    assert all(rule["sentence"] not in ("", rule["rule"]) for rule in body["by_rule"])
    assert body["by_market"] == [{"market_id": "PASAR-001", "market_name": "Pasar Caringin", "open": 8}]
    assert sum(day["arrived"] for day in body["by_day"]) == len(QUARANTINE)


def test_pipeline_lists_every_table_of_the_contracts(lake: tuple[Api, pa.Table]) -> None:
    body = body_of(lake[0], "/api/v1/pipeline")
    tables = {table["table"]: table for table in body["tables"]}
    assert tables.keys() == contracts().keys()
    layers = [table["layer"] for table in body["tables"]]
    assert body["silence"] is None, "nothing has ever reported"
    assert layers == sorted(layers, key=["bronze", "silver", "gold"].index)
    assert tables["silver.prices"]["rows"] == lake[1].num_rows
    assert tables["silver.stocks"]["delta_version"] is None and not tables["silver.stocks"]["late"]
    assert not {"host", "path", "pid"} & set(orjson.dumps(body).decode().split('"'))
    batch = {"stream_id": "s", "kind": "price", "silver": 4, "quarantine": 2, "duplicates": 1, "rows_in": 7}
    moments = (NOW, NOW, NOW - timedelta(hours=2), NOW - timedelta(hours=24))
    batches = [batch | {"batch_id": nth, "ingested_at": moment} for nth, moment in enumerate(moments)]
    write(lake[0].stack.lake_root, "gold.balance", batches)
    hours = body_of(lake[0], "/api/v1/pipeline")["hours"]
    assert [hour["rows_in"] for hour in hours] == [0] * 21 + [7, 0, 14]
    begin = NOW.replace(minute=0, second=0, microsecond=0)
    assert datetime.fromisoformat(hours[-1]["hour"]) == begin and hours[-1]["quarantine"] == 4


def test_silent_series_and_unknown_fields_are_listed(lake: tuple[Api, pa.Table]) -> None:
    api, _ = lake
    series = {
        "series_kind": "market",
        "replayed": False,
        "clock_of": "live",
        "silent_seconds": 5.0,
        "clock": NOW,
        "cadence_seconds": 900.0,
    }
    silent = [
        {**series, "series_id": name, "last_event_time": HOUR_AGO, "silent": name != "PASAR-002"}
        for name in ("PASAR-001", "PASAR-002", "PASAR-003")
    ]
    field = {
        "field": "note",
        "json_types": ["string"],
        "first_seen_at": NOW,
        "last_seen_at": NOW,
        "events": 2,
        "quarantined": 0,
    }
    root = api.stack.lake_root
    write(root, "gold.silent_series", silent)
    write(root, "gold.schema_drift", [field | {"kind": kind} for kind in ("price", "sensor")])
    listed = pages(api, "/api/v1/silent-series?silent=true&limit=1")
    assert [row["series_id"] for row in listed] == ["PASAR-001", "PASAR-003"]
    assert len(pages(api, "/api/v1/silent-series")) == 3
    silence = {"since": utc_text(HOUR_AGO), "series": 3}
    assert body_of(api, "/api/v1/pipeline")["silence"] == silence, (
        "the lake itself sees one that is not silent"
    )
    fields = pages(api, "/api/v1/schema-drift?limit=1")
    assert [(row["kind"], row["field"], row["events"]) for row in fields] == [
        ("price", "note", 2),
        ("sensor", "note", 2),
    ]
    assert len(pages(api, "/api/v1/schema-drift?kind=sensor")) == 1
    assert api.get("/api/v1/schema-drift?kind=gossip").status_code == 404
    assert "first_source" not in fields[0]


def test_large_answers_are_compressed_for_those_who_accept_it(lake: tuple[Api, pa.Table]) -> None:
    path = f"{SERIES}?commodity={CHILLI}"
    plain = lake[0].get(path, headers={"Accept-Encoding": "identity"})
    packed = lake[0].get(path, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
    assert packed.json()["price_idr"] == plain.json()["price_idr"]
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert packed.headers["etag"] == plain.headers["etag"] and "Accept-Encoding" in packed.headers["vary"]
    assert len(gzip.compress(plain.content)) < 45_000
    overview = lake[0].get(OVERVIEW, headers={"Accept-Encoding": "identity"})
    assert len(gzip.compress(overview.content)) < 12_000
