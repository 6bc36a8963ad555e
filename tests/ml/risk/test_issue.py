"""gold.risk_scores: a model that passes the gate issues each day once, without look-ahead; others do not."""

from pathlib import Path

import numpy as np
import pytest

from lakehouse.io.delta import open_table
from ml import train
from ml.data.panel import NothingToLearn, Panel
from ml.evaluation.backtest import plan
from ml.evaluation.leakage_checks import check_model, other_future
from ml.progress import TrainingProgress
from ml.risk import training_round
from ml.risk.champion import RiskChampion, champion_file, load_champion, save_champion
from ml.risk.evaluation import RiskRequirements, risk_cases
from ml.risk.issue import TABLE, issue, risk_rows
from ml.risk.model import HORIZON, RiskModel
from tests.support.command_lines import exit_code
from tests.support.daily_prices_lake import of_panel, write_daily
from tests.support.panels import led, walks

EASY = RiskRequirements(
    origins=4, average_precision=0.0, brier_skill=-1.0, reliability_gap=1.0, volatile_ratio=0.0
)
DAYS = 470


def silent(done: int, total: int, step: str) -> None:
    """No progress is shown."""


def foreseeable(seed: int = 1) -> Panel:
    """The first region of each commodity leads the others by five days."""
    return led(seed, DAYS, lag=5, volatility=0.05)


def test_model_sees_nothing_later_and_repeats_itself():
    checks = check_model(foreseeable(), RiskModel, DAYS - 20, (HORIZON,))
    assert checks.faults == ()


def test_risks_of_past_origins_are_those_of_fits_that_end_there():
    panel = foreseeable()
    planned = plan(panel, horizons=(HORIZON,)).part(opened=False)
    first, second = (
        risk_cases(each, planned, RiskModel(), silent) for each in (panel, panel.until(DAYS - 2))
    )
    other = risk_cases(other_future(panel, planned.origins[-1] + HORIZON), planned, RiskModel(), silent)
    for again in (second, other):
        assert again.risk.tobytes() == first.risk.tobytes() and (again.rises == first.rises).all()
    assert ((first.lead_days > 0) == first.rises).all() and first.lead_days.max() <= HORIZON
    assert set(first.origin) == set(planned.origins) and len(first.risk) > 50


def test_risk_ranks_followers_of_a_rising_leader_first():
    panel = foreseeable()
    model = RiskModel()
    model.fit(panel.until(400))
    risk, rose = [], []
    for day in range(401, DAYS - HORIZON, 3):
        risk.append(model.predict(panel.until(day))[:, 0])
        rose.append(panel.price[:, day + HORIZON] >= 1.10 * panel.price[:, day])
    risks, rises = np.concatenate(risk), np.concatenate(rose)
    top = np.argsort(-risks)[: len(risks) // 10]
    assert rises[top].mean() > 2 * rises.mean()
    assert np.isnan(model.predict(panel.until(400), (1, 3))).all(), "it knows no other horizon"


@pytest.mark.slow  # two rounds with MLflow
def test_model_that_passes_serves_and_one_that_fails_ends_that(home: Path, lake: str):
    write_daily(of_panel(foreseeable()))
    passed = training_round.run(requirements=EASY)
    assert passed.passes and champion_file().exists()
    champion = load_champion()
    assert champion is not None and champion.fitted_until == passed.panel.days[-1].astype(object)
    assert open_table(TABLE).to_pyarrow_table().num_rows == 0, "no risk of a day that the fit has seen"
    assert exit_code(train.app, ["risk"]) == 3 and champion_file().exists(), "a short history decides nothing"
    failed = training_round.run(requirements=RiskRequirements(origins=4))
    assert not failed.passes and not champion_file().exists() and issue(foreseeable()) == 0


def test_each_day_is_issued_once_from_what_was_known(home: Path, lake: str):
    panel = foreseeable()
    model = RiskModel()
    model.fit(panel.until(DAYS - 6))
    save_champion(RiskChampion(model, "run", panel.days[DAYS - 6].astype(object), 0.3))
    assert issue(panel.until(DAYS - 5)) == len(panel.series)
    assert issue(panel.until(DAYS - 5)) == 0
    assert issue(panel) == 4 * len(panel.series), "days without a round are caught up with"
    rows = open_table(TABLE).to_pyarrow_table().to_pylist()
    keys = {(row["commodity"], row["region_code"], row["market_date"]) for row in rows}
    assert len(keys) == len(rows) == 5 * len(panel.series)
    assert all(0 <= row["risk"] <= 100 and len(row["drivers"]) <= 3 for row in rows)
    champion = load_champion()
    assert champion is not None and champion.run_id == "run"
    until_then = {
        (row["commodity"], row["region_code"]): row["risk"]
        for row in risk_rows(panel.until(DAYS - 3), champion)
    }
    day = panel.days[DAYS - 3].astype(object)
    issued = {
        (row["commodity"], row["region_code"]): row["risk"] for row in rows if row["market_date"] == day
    }
    assert {key: until_then[key] for key in issued} == issued, "later prices change no issued risk"


def test_panel_without_a_rise_teaches_nothing(home: Path):
    flat = walks(1, DAYS, volatility=0.0001)
    with pytest.raises(NothingToLearn, match="no price rose"):
        training_round.evaluate(flat, TrainingProgress(), EASY)
