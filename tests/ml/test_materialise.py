"""gold.forecasts: one row a series, model and day; naive says what it says; an archive is dated, not silent; issued once."""

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable

from lakehouse.contract import contracts
from lakehouse.reference import commodities
from ml import issuing, rounds
from ml.eras import eras, judged_panel
from ml.margins import Z_80, reference_margins
from ml.materialise import Issue, issue_rows
from ml.naive import Drift, Naive
from ml.panel import NothingToLearn, Panel
from ml.speakers import Judged, Speaker, naive_alone
from ml.tables import path_of
from tests.ml.lake import daily_rows, write_daily
from tests.ml.made_panels import made, walks

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
TABLE = "gold.forecasts"


def rows_of(panel: Panel, issue: Issue, horizons: range = range(1, 8)) -> list[dict]:
    found = issue_rows(panel, issue, horizons, AT).to_pylist()
    key = contracts()[TABLE].key
    assert len({tuple(row[name] for name in key) for row in found}) == len(found)
    return found


def test_naive_alone_says_the_last_price_with_the_reference_volatility():
    panel = made(np.full((2, 5), 20_000.0), ["bawang-merah"], ["11", "32"])
    panel.price[1, 3:] = [22_000, np.nan]
    found = rows_of(panel, Issue(naive_alone()))
    assert len(found) == 3 * 7
    of_west_java = [row for row in found if row["region_code"] == "32"]
    assert {row["price_idr"] for row in of_west_java} == {22_000}
    assert [row["target_date"] - row["origin_date"] for row in of_west_java] == [timedelta(days) for days in range(1, 8)]
    half = Z_80 * commodities()["bawang-merah"].daily_volatility * math.sqrt(7)
    assert of_west_java[-1]["upper_80_idr"] == pytest.approx(22_000 * math.exp(half))
    assert {row["interval_basis"] for row in found} == {"reference"}
    assert all(row["champion"] and row["model"] == "naive" and "naive is served" in row["gate_reason"] for row in found)
    nation = [row for row in found if row["region_code"] == "ID"]
    assert {(row["region"], row["price_idr"]) for row in nation} == {("Indonesia", 21_000)}
    confidence = [row["confidence"] for row in nation]
    assert confidence == sorted(confidence, reverse=True) and 0 < confidence[-1] < confidence[0] <= 1


def test_bounds_surround_the_price_and_widen():
    found = rows_of(walks(3, 200), Issue([*naive_alone(), Speaker(Drift())]))
    for row in found:
        assert 0 < row["lower_95_idr"] < row["lower_80_idr"] < row["price_idr"] < row["upper_80_idr"] < row["upper_95_idr"]
    assert {row["model"] for row in found if row["champion"]} == {"naive"}


def test_each_source_is_forecast_from_its_own_end():
    panel = made(np.full((3, 400), 15_000.0), ["teh"], ["11", "32", "51"])
    panel.price[0, 100:] = np.nan  # an archive
    panel.price[1, 90:] = np.nan  # of the same one
    panel.price[2, :399] = np.nan  # one price of today
    assert [len(era) for era in eras(panel)] == [1, 2]
    origins = {(row["region_code"], row["horizon_days"]): row["origin_date"] for row in rows_of(panel, Issue(naive_alone()))}
    first = panel.days[0].item()
    ends = {"51": first + timedelta(399), "11": first + timedelta(99), "32": first + timedelta(99), "ID": first + timedelta(99)}
    assert origins == {(region, day): end for region, end in ends.items() for day in range(1, 8)}
    assert len(rows_of(panel, Issue(naive_alone()))) == len(origins)  # the nation once, by where most of its provinces are
    assert judged_panel(panel).price.shape == (2, 100)
    assert eras(made(np.full((1, 3), np.nan), ["teh"], ["11"])) == []


def test_a_champion_speaks_for_its_goods_and_the_newer_fit_for_the_rest():
    class Fixed(Naive):
        name = "boosting"

        def __init__(self, idr: float) -> None:
            self.idr = idr

        def forecast(self, panel: Panel, horizons: range) -> np.ndarray:
            return np.full((len(panel.price), len(horizons)), self.idr)

    old = Speaker(Fixed(1.0), goods=frozenset({"teh"}), versions={"teh": "4"}, judged={"teh": Judged(0.2, "passed")})
    new = Speaker(Fixed(float("nan")))
    panel = walks(1, 50)
    found = rows_of(panel, Issue([*naive_alone(), old, new], {"teh": "boosting"}))
    boosted = [row for row in found if row["model"] == "boosting"]
    assert {row["price_idr"] for row in boosted if row["commodity"] == "teh"} == {1.0}
    assert {(row["model_version"], row["skill_vs_naive"], row["champion"]) for row in boosted if row["commodity"] == "teh"} == {
        ("4", 0.2, True)
    }
    naive = {
        (row["commodity"], row["region_code"], row["horizon_days"]): row["price_idr"] for row in found if row["model"] == "naive"
    }
    others = [row for row in boosted if row["commodity"] != "teh"]
    assert others and all(row["price_idr"] == naive[row["commodity"], row["region_code"], row["horizon_days"]] for row in others)
    assert {row["commodity"] for row in found if row["champion"] and row["model"] == "naive"} == {"kentang", "kol"}


def test_an_issue_is_written_once_and_again_when_a_price_comes(home: Path):
    now = datetime(2026, 3, 10, 8, tzinfo=UTC)  # 15:00 in Jakarta: the tenth is known
    with pytest.raises(NothingToLearn):
        issuing.known_panel(now)
    assert rounds.prices(now) is None
    write_daily(daily_rows(date(2026, 3, 1), 11))
    panel = issuing.known_panel(now)
    assert panel.days[-1] == np.datetime64("2026-03-10")  # the eleventh is not
    stands = rounds.prices(now)
    assert (stands.last_day, stands.days) == (date(2026, 3, 10), 10)
    assert rounds.issue_due(stands, now) == "no forecast was issued yet"
    assert issuing.issue_now(Issue(naive_alone()), panel, stands) == 3 * 7 * 2
    assert rounds.issue_due(rounds.prices(now), now) is None
    assert issuing.issue_now(Issue(naive_alone()), panel, stands) == 0
    later = datetime(2026, 3, 11, 8, tzinfo=UTC)
    assert "2026-03-11" in rounds.issue_due(rounds.prices(later), later)
    assert issuing.issue_now(Issue(naive_alone()), issuing.known_panel(later), rounds.prices(later)) == 3 * 7 * 2
    table = DeltaTable(path_of(TABLE))
    assert (table.count(), table.protocol().min_reader_version) == (3 * 7 * 4, 1)
    assert len({row["issued_at"] for row in table.to_pyarrow_table(columns=["issued_at"]).to_pylist()}) == 2


def test_reference_margins_take_the_wider_of_list_and_history():
    calm, wild = walks(1, 200, volatility=0.001, goods=["bawang-merah"]), walks(1, 200, volatility=0.2, goods=["bawang-merah"])
    listed = Z_80 * commodities()["bawang-merah"].daily_volatility
    assert np.allclose(reference_margins(calm, [1]).half_80, listed)
    assert (reference_margins(wild, [1]).half_80 > 4 * listed).all()
