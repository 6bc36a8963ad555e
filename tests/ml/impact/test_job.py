"""gold.impact_factors adds up, reads its context from the lake, and is written once per input."""

from datetime import date, timedelta

import numpy as np
import pytest

from conf.settings import settings
from lakehouse.impact import FACTORS, UNEXPLAINED
from lakehouse.io.delta import open_table
from lakehouse.reference import provinces
from ml.data.load import daily_prices
from ml.impact.context import with_context
from ml.impact.factors import ARRIVALS, COVER, DELAY, DELIVERIES, PEST, STOCK
from ml.impact.job import TABLE, refresh
from tests.support.gold.supply_chain import delivery
from tests.support.written_lake import write

DAYS = 420
FIRST = date(2024, 1, 1)


def fill() -> None:
    """Prices of four provinces that share a national move, a pest, stocks and deliveries."""
    rng = np.random.default_rng(5)
    national = np.cumsum(rng.standard_normal(DAYS) * 0.03)
    rows = []
    for region in ("31", "32", "33", "35"):
        own = np.cumsum(rng.standard_normal(DAYS) * 0.01)
        rows += [
            {
                "commodity": "bawang-merah",
                "region_code": region,
                "region": provinces()[region].name,
                "channel": "retail",
                "level": "province",
                "provider": "panel-harga",
                "unit": "kg",
                "market_date": FIRST + timedelta(days=n),
                "market_month": f"{FIRST + timedelta(days=n):%Y-%m}",
                "median_price_idr": float(np.round(35_000 * np.exp(national[n] + own[n]))),
            }
            for n in range(DAYS)
        ]
    write("gold.daily_prices", rows)
    day = FIRST + timedelta(days=400)
    post = {
        "event_id": "p1",
        "title": None,
        "commodities": [],
        "market_date": day,
        "event_month": f"{day:%Y-%m}",
    }
    write(
        "silver.posts",
        [
            {**post, "content": "Hama ulat menyerang bawang merah di Jawa Barat"},
            {**post, "event_id": "p2", "content": "Hamara membuka toko bawang merah"},
        ],
    )


@pytest.mark.usefixtures("lake")
def test_rows_add_up_and_the_shared_move_is_national() -> None:
    fill()
    assert refresh(settings().lake_root)
    rows = open_table(TABLE).to_pyarrow_table().to_pylist()
    assert len(rows) == 4 * 28
    for row in rows:
        assert sum(row[name] for name in (*FACTORS, UNEXPLAINED)) == pytest.approx(row["change"], abs=1e-3)
        assert set(row["unavailable"]) >= {"cuaca", "oversupply"}
    large = [row for row in rows if abs(row["change"]) > 0.05]
    assert np.mean([row["dominant_factor"] == "permintaan_nasional" for row in large]) >= 0.8
    assert not refresh(settings().lake_root), "the same inputs are not computed again"


@pytest.mark.usefixtures("lake")
def test_context_holds_pests_stocks_and_deliveries_on_their_days() -> None:
    fill()
    held = {"commodity": "bawang-merah", "region_code": "32", "market_date": FIRST + timedelta(days=10)}
    write(
        "gold.stock_days",
        [
            {**held, "entity_id": "GUDANG-1", "quantity_kg": 900.0, "outflow_kg": 100.0},
            {**held, "entity_id": "GUDANG-2", "quantity_kg": 300.0, "outflow_kg": None},
        ],
    )
    arrival = delivery(1, 0, "TANI-1", "GUDANG-1", 500.0, 2, 9)[-1]
    arrived = arrival["arrived_at"].replace(year=2024)
    write("silver.shipments", [arrival | {"arrived_at": arrived}])
    panel = with_context(daily_prices(settings().lake_root), settings().lake_root)
    by_name = {series.name: series.value for series in panel.exogenous}
    west = panel.regions.index("32")
    assert by_name[PEST][west, 400] == 1 and np.nansum(by_name[PEST]) == 1
    assert by_name[STOCK][west, 10] == 1200 and np.nansum(by_name[STOCK]) == 1200
    assert by_name[COVER][west, 10] == 9 and np.nansum(by_name[COVER]) == 9
    column = (arrived.date() - FIRST).days
    assert by_name[ARRIVALS][west, column] == 500 and by_name[DELIVERIES][west, column] == 1
    assert by_name[DELAY][west, column] == pytest.approx(48 / 3)


@pytest.mark.usefixtures("lake")
def test_empty_lake_gives_no_rows() -> None:
    assert not refresh(settings().lake_root)
