"""Metrics against those of utilsforecast, on drawn errors of one series."""

import numpy as np
import pandas as pd
import pytest
import utilsforecast.losses as oracle

from ml.evaluation import metrics

DAYS = 400


def one_series() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    actual = 20_000 * np.exp(0.05 * rng.standard_normal(DAYS).cumsum())
    forecast = actual * np.exp(0.08 * rng.standard_normal(DAYS))
    frame = pd.DataFrame({"unique_id": "garam", "ds": np.arange(DAYS), "y": actual, "model": forecast})
    frame["model-lo-80"] = forecast * 0.93
    frame["model-hi-80"] = forecast * 1.06
    for decile in metrics.DECILES:
        frame[f"q{decile}"] = forecast * (1 + 0.2 * (decile - 0.5))
    return frame


FRAME = one_series()
ACTUAL = FRAME["y"].to_numpy()
FORECAST = FRAME["model"].to_numpy()


@pytest.mark.parametrize("name", ["mae", "rmse", "mape", "wape"])
def test_point_errors_are_those_of_utilsforecast(name: str):
    expected = getattr(oracle, name)(FRAME, ["model"])["model"].item()
    assert getattr(metrics, name)(ACTUAL, FORECAST) == pytest.approx(expected)


def test_scaled_error_is_that_of_utilsforecast():
    train = FRAME[["unique_id", "ds", "y"]]
    step = metrics.usual_step(train["y"].to_numpy()[None, :])
    expected = oracle.mase(FRAME, ["model"], seasonality=1, train_df=train)["model"].item()
    assert metrics.mase(ACTUAL, FORECAST, step) == pytest.approx(expected)


def test_interval_scores_are_those_of_utilsforecast():
    lower, upper = (FRAME[f"model-{end}-80"].to_numpy() for end in ("lo", "hi"))
    covered = oracle.coverage(FRAME, ["model"], level=80)["model"].item()
    assert 0 < covered < 1 and metrics.coverage(ACTUAL, lower, upper) == pytest.approx(covered)
    winkler = oracle.winkler_score(FRAME, ["model"], level=80)["model"].item()
    assert metrics.msis(ACTUAL, lower, upper, 0.8, np.ones(DAYS)) == pytest.approx(winkler)


def test_quantile_losses_are_those_of_utilsforecast():
    names = [f"q{decile}" for decile in metrics.DECILES]
    for decile, name in zip(metrics.DECILES, names, strict=True):
        expected = oracle.quantile_loss(FRAME, {"model": name}, q=decile)["model"].item()
        assert metrics.pinball(ACTUAL, FRAME[name].to_numpy(), decile) == pytest.approx(expected)
    deciles = np.array(metrics.DECILES)
    expected = oracle.scaled_crps(FRAME, {"model": names}, deciles)["model"].item()
    assert metrics.wql(ACTUAL, FRAME[names].to_numpy()) == pytest.approx(expected)
