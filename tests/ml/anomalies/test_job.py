"""The job over a small lake with verdicts of the validator; its alarms and ranks as pandas computes them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from conf.settings import settings
from lakehouse.io import delta
from lakehouse.validation.prices.validator import PriceValidator
from ml.anomalies import job
from tests.support.price_rows import CODES, judge, knobs, row

DAYS = 170
SPIKE = (120, "13")
UNIT = (130, "14")
SHIFT = (164, "15")


def prices() -> np.ndarray:
    """[days, provinces] with a spike, a unit error by ten, and a shift that lasts to the end."""
    random = np.random.default_rng(11)
    moves = 0.006 * random.standard_normal((DAYS, 1)) + 0.006 * random.standard_normal((DAYS, len(CODES)))
    idr = np.round(35_000 * np.exp(np.cumsum(moves, axis=0)))
    idr[SPIKE[0], CODES.index(SPIKE[1])] *= 1.6
    idr[UNIT[0], CODES.index(UNIT[1])] *= 10
    idr[SHIFT[0] :, CODES.index(SHIFT[1])] *= 1.5
    return idr


@pytest.fixture(scope="module")
def verdicts() -> list[pa.Table]:
    """Of days 0 to 165, and of the others."""
    validator, idr = PriceValidator(knobs()), prices()
    parts = []
    for first, stop in ((0, 166), (166, DAYS)):
        rows = [
            row(day, code, float(idr[day, nth]))
            for day in range(first, stop)
            for nth, code in enumerate(CODES)
        ]
        parts.append(judge(validator, rows)[0].verdicts)
    return parts


def add(part: pa.Table) -> None:
    write_deltalake(delta.table_uri("silver.price_verdicts"), part, mode="append")


def anomalies() -> dict[tuple[int, str], dict]:
    rows = DeltaTable(delta.table_uri("gold.anomalies")).to_pyarrow_table().to_pylist()
    assert len(
        {
            (r["commodity"], r["region_code"], r["market_id"], r["channel"], r["market_date"], r["provider"])
            for r in rows
        }
    ) == len(rows)
    first = row(0, "11", 1.0)["market_date"]
    return {((event["market_date"] - first).days, event["region_code"]): event for event in rows}


def test_events_follow_from_verdicts_and_final_ones_stay(home: Path, verdicts: list[pa.Table]):
    job.refresh()  # nothing there
    assert not delta.table_exists("gold.anomalies")
    add(verdicts[0])
    job.refresh(settings().lake_root)
    early = anomalies()
    assert {SPIKE, UNIT, SHIFT} <= set(early)
    assert (
        early[UNIT]["severity"] == "critical" and early[UNIT]["label"] == "unknown" and early[UNIT]["final"]
    )
    assert orjson.loads(early[UNIT]["evidence"])["entry_error"]["unit_power"] == 1
    assert early[SPIKE]["severity"] in ("medium", "high") and "residual" in early[SPIKE]["methods"]
    assert early[SPIKE]["score"] == pytest.approx(1 - orjson.loads(early[SPIKE]["evidence"])["p"], abs=1e-6)
    assert orjson.loads(early[SPIKE]["evidence"])["manipulation"]["reverts"]["passed"] is True
    assert not early[SHIFT]["final"] and early[SHIFT]["market_id"] is None

    version = DeltaTable(delta.table_uri("gold.anomalies")).version()
    job.refresh()
    assert DeltaTable(delta.table_uri("gold.anomalies")).version() == version
    add(verdicts[1])
    job.refresh()
    late = anomalies()
    assert late[SHIFT]["final"] and late[SHIFT]["last_date"] > early[SHIFT]["last_date"]
    for key in (SPIKE, UNIT):
        assert {k: v for k, v in late[key].items() if k != "measured_at"} == {
            k: v for k, v in early[key].items() if k != "measured_at"
        }
    assert not any(key not in late for key in early)
    with pytest.raises(ValueError, match="lake of the settings"):
        job.refresh("elsewhere")


def test_alarms_and_ranks_equal_a_recomputation(home: Path, verdicts: list[pa.Table]):
    whole = pa.concat_tables(verdicts)
    add(whole)
    job.refresh()
    strength, hard = strengths(whole.to_pandas())
    flagged = {(day, code) for (day, code), value in strength.stack().items() if value > 1} | hard
    rows = anomalies()
    days = {(day, code) for (day, code) in flagged if (day - 1, code) not in flagged}
    assert {key for key in rows if key not in hard} == {key for key in days if key not in hard}
    for (day, code), event in rows.items():
        if (day, code) in hard:
            continue
        lasting = [d for d in range(day, DAYS) if (d, code) in flagged]
        peak = max(lasting, key=lambda d: strength.loc[d, code])
        before = strength.loc[: peak - 1].stack()
        before = before[[key not in hard for key in before.index]]
        assert event["score"] == pytest.approx(
            1 - (1 + (before >= strength.loc[peak, code]).sum()) / (len(before) + 1), abs=1e-12
        )


def strengths(rows: pd.DataFrame) -> tuple[pd.DataFrame, set[tuple[int, str]]]:
    """max(score_r / limit, score_g / limit) by the published formulas, day by day; and the unit errors."""
    limits = job.thresholds_of_day()
    rows["day"] = (pd.to_datetime(rows["market_date"]) - pd.Timestamp("2024-01-01")).dt.days
    price = np.log(rows.pivot(index="day", columns="region_code", values="price_idr"))
    closed = np.log(
        rows[rows.outcome == "silver"]
        .pivot(index="day", columns="region_code", values="price_idr")
        .reindex(price.index)
    )
    hard = {(event.day, event.region_code) for event in rows.itertuples() if event.unit_power != 0}
    last = closed.ffill().shift(1)
    age = pd.DataFrame(
        {
            code: closed.index
            - closed[code].dropna().index.to_series().reindex(closed.index).ffill().shift(1)
            for code in closed
        }
    )
    national = (closed - last).where(age <= 7).median(axis=1)
    pool = closed.ffill(limit=6)
    gap = closed.sub(pool.median(axis=1), axis=0)
    before_move = national.shift(1)
    residual = (closed - last).sub(before_move.fillna(0.0), axis=0) / np.sqrt(age)
    strength = pd.DataFrame(np.nan, index=price.index, columns=price.columns)
    for day in price.index[1:]:
        past = slice(max(day - 180, 0), day - 1)
        now = price.loc[day]
        move = now - last.loc[day]
        today = move.where(age.loc[day] <= 7).median()
        scale = 1.25 * residual.loc[past].abs().mean() + 0.01
        usual = gap.loc[max(day - 90, 0) : day - 1].median()
        width = 1.25 * (gap.loc[past] - usual).abs().mean() + 0.02
        level = price.loc[day].median()
        week = closed.loc[max(day - 7, 0) : day - 1].median()
        away = now - week
        led = (np.sign(away) == np.sign(move)) & (away.abs() >= 0.5 * move.abs())
        score_r = ((move - today) / np.sqrt(age.loc[day])).abs() / scale
        score_g = (now - level - usual).abs() / width
        warm = closed.loc[max(day - 60, 0) : day - 1].count() >= limits.warmup_observations
        strength.loc[day] = np.fmax(
            score_r.where(led, 0.0) / limits.residual, score_g / limits.geographic
        ).where(warm)
    return strength, hard


def test_one_price_of_today_leaves_no_older_day_unjudged(home: Path, verdicts: list[pa.Table]):
    """A price two years ahead arrives in the middle of a replay, then the rest, then all of another one."""
    add(verdicts[0])
    job.refresh()
    assert not anomalies()[SHIFT]["final"]
    ahead = row(900, "16", 36_000.0)
    add(arrived(judge(PriceValidator(knobs()), [ahead])[0].verdicts, 2025))
    job.refresh()
    assert not anomalies()[SHIFT]["final"]
    add(arrived(verdicts[1], 2026))
    job.refresh()
    assert anomalies()[SHIFT]["final"]
    of_another = pa.concat_tables(verdicts)
    for name in ("channel", "event_id"):
        column = [
            f"x-{value}" if name == "event_id" else "wholesale" for value in of_another[name].to_pylist()
        ]
        of_another = of_another.set_column(of_another.column_names.index(name), name, pa.array(column))
    add(arrived(of_another, 2027))
    job.refresh()
    rows = DeltaTable(delta.table_uri("gold.anomalies")).to_pyarrow_table().to_pylist()
    events = Counter((each["market_date"], each["region_code"]) for each in rows)
    first = row(0, "11", 1.0)["market_date"]
    assert [events[first + timedelta(days=day), code] for day, code in (SPIKE, UNIT, SHIFT)] == [2, 2, 2]


def arrived(part: pa.Table, year: int) -> pa.Table:
    """The same verdicts, ingested on the first day of a year."""
    at = pa.array([datetime(year, 1, 1, tzinfo=UTC)] * len(part), pa.timestamp("us", "UTC"))
    return part.set_column(part.column_names.index("ingested_at"), "ingested_at", at)
