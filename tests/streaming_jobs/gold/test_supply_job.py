"""gold.stocks, gold.routes and gold.supply_transfers equal their recomputation, for any cut into batches."""

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from lakehouse.io.delta import empty_table, high_water_mark, open_table
from lakehouse.supply.route_time import Conditions, heuristic_hours, traffic_share
from streaming_jobs.gold.contract_sql import sql_job
from streaming_jobs.gold.routes import Routes
from tests.support.gold.supply_chain import COMMODITY, FIRST, HOLDERS, Row, delivery, simulate, stock
from tests.support.written_lake import finish, write

BEGAN = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 40

pytestmark = pytest.mark.usefixtures("lake")


class Supply:
    """The jobs about stocks and deliveries, in the order of a round."""

    def __init__(self) -> None:
        stocks = [sql_job(f"gold.{table}") for table in ("stock_days", "stocks", "supply_transfers")]
        self._jobs = [*stocks, Routes()]

    def refresh(self) -> None:
        for job in self._jobs:
            job.refresh()


def batch(number: int, stocks: list[Row], shipments: list[Row]) -> None:
    time = BEGAN + timedelta(seconds=number)
    for kind, table, rows in (
        ("stock", "silver.stocks", stocks),
        ("shipment", "silver.shipments", shipments),
    ):
        if rows:
            write(table, [{**row, "ingested_at": time} for row in rows])
            finish(time, kind=kind)


def rows_of(table: str, *key: str) -> dict[tuple[Any, ...], Row]:
    rows = open_table(table).to_pyarrow_table().to_pylist()
    by_key = {tuple(row[name] for name in key): row for row in rows}
    assert len(by_key) == len(rows)
    return by_key


def local_day(moment: datetime) -> date:
    return (moment + timedelta(hours=7)).date()


def recomputed(stocks: list[Row], shipments: list[Row]) -> dict[str, dict[str, Any]]:
    """Holder -> its figures, by loops over days."""
    arrived = {row["departed_at"]: row for row in shipments if row["arrived_at"]}
    deliveries: dict[tuple[str, str, datetime], Row] = {}
    for row in shipments:
        key = (row["origin"], row["destination"], row["departed_at"])
        if key not in deliveries or row["arrived_at"]:
            deliveries[key] = row
    assert arrived
    moved: dict[tuple[str, date], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row in deliveries.values():
        moved[row["origin"], local_day(row["departed_at"])][0] += row["quantity_kg"]
        if row["arrived_at"]:
            moved[row["destination"], local_day(row["arrived_at"])][1] += row["quantity_kg"]
    answer = {}
    for holder in HOLDERS:
        held = {row["market_date"]: row["quantity_kg"] for row in stocks if row["entity_id"] == holder}
        last, before = sorted(held)[-1], sorted(held)[-2]
        week = [last - timedelta(days=n) for n in range(7)]
        outflow = sum(moved[holder, day][0] for day in week) / 7
        out, into = moved[holder, last]
        answer[holder] = {
            "quantity_kg": held[last],
            "outflow_kg": outflow,
            "days_of_cover": held[last] / outflow,
            "residual_kg": held[last] - (held[before] + into - out),
        }
    return answer


@pytest.mark.parametrize("cuts", [1, 6])
def test_stocks_equal_their_recomputation(cuts: int) -> None:
    chain = simulate(DAYS, seed=cuts)
    job = Supply()
    for number in range(cuts):
        batch(number, chain.stocks[number::cuts], chain.shipments[number::cuts])
        if number % 2 == 0:
            job.refresh()
    job.refresh()
    gold = rows_of("gold.stocks", "entity_id", "commodity")
    wanted = recomputed(chain.stocks, chain.shipments)
    assert {entity for entity, _ in gold} == set(HOLDERS)
    for holder, figures in wanted.items():
        row = gold[holder, COMMODITY]
        assert row["outflow_basis"] == "shipments"
        for name, value in figures.items():
            assert row[name] == pytest.approx(value, abs=1e-6), (holder, name)
    versions = [
        open_table(table).version() for table in ("gold.stocks", "gold.routes", "gold.supply_transfers")
    ]
    job.refresh()
    assert versions == [
        open_table(table).version() for table in ("gold.stocks", "gold.routes", "gold.supply_transfers")
    ]


def test_batch_whose_reports_were_all_refused_changes_nothing() -> None:
    chain = simulate(DAYS, seed=4)
    batch(0, chain.stocks, chain.shipments)
    job = Supply()
    job.refresh()
    before = rows_of("gold.stocks", "entity_id", "commodity")
    refused = BEGAN + timedelta(seconds=1)
    for kind in ("stock", "shipment"):
        finish(refused, kind=kind, silver=0)
    job.refresh()
    assert rows_of("gold.stocks", "entity_id", "commodity") == before
    assert high_water_mark("gold.stocks") == high_water_mark("gold.routes") == refused


def test_each_day_of_a_stock_is_as_if_it_were_the_newest() -> None:
    chain = simulate(DAYS, seed=3)
    batch(0, chain.stocks, chain.shipments)
    Supply().refresh()
    by_day = rows_of("gold.stock_days", "entity_id", "commodity", "market_date")
    assert len(by_day) == DAYS * len(HOLDERS)
    for days in (9, 20, DAYS):
        until = (FIRST + timedelta(days=days - 1)).date()
        known = [row for row in chain.stocks if row["market_date"] <= until]
        for holder, figures in recomputed(known, chain.shipments).items():
            row = by_day[holder, COMMODITY, until]
            assert {name: row[name] for name in figures} == pytest.approx(figures, abs=1e-6), (holder, days)
    newest = rows_of("gold.stocks", "entity_id", "commodity")
    assert newest == {key[:2]: row for key, row in by_day.items() if key[2] == until}


def test_nothing_is_lost_along_the_chain_but_what_the_warehouse_lost() -> None:
    chain = simulate(DAYS, seed=9, lost_share=0.3)
    assert chain.sent == pytest.approx(chain.received + chain.in_transit)
    batch(0, chain.stocks, chain.shipments)
    Supply().refresh()
    gold = {entity: row for (entity, _), row in rows_of("gold.stocks", "entity_id", "commodity").items()}
    for holder in HOLDERS:
        assert gold[holder]["residual_kg"] == pytest.approx(-chain.lost.get(holder, 0.0), abs=1e-6)
    levels = {holder: gold[holder]["residual_level"] for holder in HOLDERS}
    assert levels == {"TANI-1": "explained", "DIST-1": "explained", "GUDANG-1": "error"}


def test_routes_count_a_delivery_once_and_observe_after_fifty() -> None:
    chain = simulate(80, seed=4)
    batch(0, chain.stocks, chain.shipments)
    Supply().refresh()
    route = rows_of("gold.routes", "route_id")[("GUDANG-1-PASAR-001",)]
    sent = [row for row in chain.shipments if row["origin"] == "GUDANG-1"]
    assert route["deliveries"] == len({row["departed_at"] for row in sent})
    assert route["arrived"] == sum(1 for row in sent if row["arrived_at"]) >= 50
    assert route["median_hours"] in (24, 36, 48, 60, 72)
    assert route["basis"] == "observed" and route["observed_mae_hours"] < route["heuristic_mae_hours"]


Journey = tuple[datetime, float, float]  # departure, hours, km


def route_of(journeys: list[Journey]) -> Row:
    """The row of a route with these deliveries, one a day."""
    shipments = [
        delivery(number, number, "A", "B", 100.0, number, number + 1)[0]
        | {"departed_at": departed, "arrived_at": departed + timedelta(hours=hours)}
        | {"travel_hours": hours, "distance_km": km}
        for number, (departed, hours, km) in enumerate(journeys)
    ]
    batch(0, [], shipments)
    Routes().refresh()
    return rows_of("gold.routes", "route_id")[("A-B",)]


def paced(count: int, seed: int) -> list[Journey]:
    """Deliveries over varying distances whose pace varies around 0.06 hours a km by a tenth."""
    rng = random.Random(seed)
    distances = [rng.uniform(100, 400) for _ in range(count)]
    return [
        (FIRST + timedelta(days=number), km * 0.06 * rng.gauss(1, 0.1), km)
        for number, km in enumerate(distances)
    ]


def test_observed_times_serve_a_route_from_fifty_arrivals_on() -> None:
    route = route_of(paced(49, 1))
    assert (route["basis"], route["arrived"], route["p50_hours_per_km"]) == ("heuristic", 49, None)


def test_observed_times_serve_where_they_are_nearer() -> None:
    route = route_of(paced(200, 2))
    assert route["basis"] == "observed"
    assert route["p50_hours_per_km"] == pytest.approx(0.06, rel=0.03)
    assert route["observed_mae_hours"] < min(route["heuristic_mae_hours"], route["baseline_mae_hours"])
    assert 0.75 <= route["p90_coverage"] <= 1


def test_heuristic_serves_where_it_is_nearer() -> None:
    """Deliveries follow the heuristic exactly, with delays that quantiles of the pace cannot foresee."""
    rng = random.Random(3)
    journeys: list[Journey] = []
    for number in range(100):
        departed = FIRST + timedelta(days=number, hours=rng.randrange(24))
        conditions = Conditions(traffic=traffic_share(departed, "Asia/Jakarta"))
        km = rng.uniform(100, 400)
        journeys.append((departed, heuristic_hours(km, conditions), km))
    route = route_of(journeys)
    assert route["basis"] == "heuristic" and route["observed_mae_hours"] > 0.1
    assert route["heuristic_mae_hours"] == pytest.approx(0, abs=1e-9)


def holder_of(number: int, name: str, region: tuple[str, str], levels: list[float], **more: Any) -> list[Row]:
    """Reports of a holder on successive days."""
    place = {"region_code": region[0], "region": region[1]}
    return [stock(1000 * number + day, name, day, kg, **place, **more) for day, kg in enumerate(levels)]


def test_deficit_gets_what_it_lacks_from_a_neighbour_and_not_from_afar() -> None:
    falling = [1000.0 - 100 * day for day in range(9)]  # 200 kg last 2 days
    plenty = [10_000.0 - 100 * day for day in range(9)]  # 9,200 kg last 92 days
    batch(
        0,
        [
            *holder_of(1, "A", ("31", "DKI Jakarta"), falling),
            *holder_of(2, "B", ("32", "Jawa Barat"), plenty),
            *holder_of(3, "C", ("91", "Papua"), plenty),
        ],
        [],
    )
    job = Supply()
    job.refresh()
    gold = {entity: row for (entity, _), row in rows_of("gold.stocks", "entity_id", "commodity").items()}
    assert (gold["A"]["cover_level"], gold["A"]["outflow_basis"]) == ("red", "depletion")
    assert gold["A"]["days_of_cover"] == pytest.approx(2) and gold["A"]["residual_kg"] is None
    assert gold["B"]["cover_level"] == "oversupply"
    transfers = open_table("gold.supply_transfers").to_pyarrow_table().to_pylist()
    assert [(row["to_region"], row["from_region"]) for row in transfers] == [("DKI Jakarta", "Jawa Barat")]
    assert transfers[0]["quantity_kg"] == pytest.approx(500)  # 7 days of 100 kg less the 200 kg held
    for table in ("gold.stocks", "gold.routes", "gold.supply_transfers"):
        empty_table(table)
    job.refresh()
    assert open_table("gold.supply_transfers").to_pyarrow_table().to_pylist() == transfers


def test_stock_without_outflow_has_no_cover() -> None:
    batch(0, [*holder_of(1, "D", ("31", "DKI Jakarta"), [500.0, 500.0]), stock(1, "E", 0, 0.0)], [])
    Supply().refresh()
    gold = {entity: row for (entity, _), row in rows_of("gold.stocks", "entity_id", "commodity").items()}
    for holder in ("D", "E"):
        assert gold[holder]["days_of_cover"] is None and gold[holder]["cover_level"] is None
    assert gold["E"]["event_time"] == FIRST + timedelta(hours=12)
