"""The weekly index is the sum of its contributions to 1e-9, whatever prices, gaps and weights there are."""

import random
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.query import reference_tables, run_contract_sql
from lakehouse.reference import basket, provinces

INDEX = contracts()["gold.weekly_index"]
NAMES = [name for item in basket().items.values() for name in item.commodities]
NO_FIGURES = arrow_schema(contracts()["silver.macro"]).empty_table()


def prices_of(rng: random.Random) -> pa.Table:
    """Rows of gold.indicators: up to twelve series of up to a hundred days, prices over five magnitudes."""
    rows: list[dict[str, Any]] = []
    for commodity, region in {(rng.choice(NAMES), rng.choice(("11", "32", "94"))) for _ in range(12)}:
        price = 10 ** rng.uniform(2, 7)
        reported = rng.random()
        for day in range(rng.randrange(1, 100)):
            price *= 1 + rng.uniform(-0.5, 0.5)
            if rng.random() <= reported:
                market_date = date(2024, 12, 20) + timedelta(days=day)
                place = {"region_code": region, "region": provinces()[region].name, "level": "province"}
                rows.append(
                    {
                        **place,
                        "commodity": commodity,
                        "channel": "retail",
                        "market_date": market_date,
                        "market_month": f"{market_date:%Y-%m}",
                        "median_price_idr": price,
                    }
                )
    return pa.Table.from_pylist(rows, schema=arrow_schema(contracts()["gold.indicators"]))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_index_is_the_sum_of_its_contributions(seed: int) -> None:
    rng = random.Random(seed)
    lists = reference_tables(INDEX.sql)
    weights = {item: 10 ** rng.uniform(-3, 2) for item in basket().items}
    drawn = [row | {"weight": weights[row["item"]]} for row in lists["reference_weights"].to_pylist()]
    views = {"gold_indicators": prices_of(rng), "silver_macro": NO_FIGURES}
    views |= lists | {"reference_weights": pa.Table.from_pylist(drawn)}
    for row in run_contract_sql(INDEX, views).to_pylist():
        known = [item for item in row["items"] if item["contribution_pct"] is not None]
        total = sum(item["contribution_pct"] for item in known)
        assert total == pytest.approx(row["index_pct"] or 0.0, rel=1e-9, abs=1e-9)
        assert (row["index_pct"] is None) is (not known)
        assert row["up"] + row["down"] + row["stable"] == len(known)
        if row["region_code"] != "ID":
            weighted = sum(item["weight"] * item["change_pct"] for item in known)
            assert weighted == pytest.approx(total * row["weight_pct"], rel=1e-9, abs=1e-9)
            whole = row["weight_pct"] + row["missing_weight_pct"]
            assert whole == pytest.approx(sum(weights.values()), rel=1e-9)
