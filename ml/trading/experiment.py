"""An experiment of the laboratory: a model learns the next bars' direction, later bars measure it."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBRegressor

from lakehouse.trading.bars import Floats
from lakehouse.trading.features import feature_columns
from lakehouse.trading.signals import HORIZON
from ml.data.panel import NothingToLearn
from ml.evaluation.significance import origin_test
from ml.trading.bars import bars_of

LEAST_ROWS = 30  # to learn from, and to measure on
SEED = 0


def model_of(name: str) -> Any:
    """An unfitted regressor: small, because a few hundred bars hold little."""
    if name == "ridge":
        return make_pipeline(StandardScaler(), Ridge(alpha=10.0))
    if name == "random_forest":
        return RandomForestRegressor(200, max_depth=4, min_samples_leaf=10, random_state=SEED, n_jobs=1)
    return XGBRegressor(
        n_estimators=100, max_depth=3, learning_rate=0.05, subsample=0.8, random_state=SEED, n_jobs=1
    )


def run_experiment(request: Mapping[str, Any]) -> dict[str, Any]:
    """The figures on the bars after `train_to`. Raises NothingToLearn for too few bars."""
    end = date.fromisoformat(request["train_to"]) + timedelta(days=1)
    stored = bars_of(request["symbol"], date.fromisoformat(request["train_from"]))
    bars = stored.bars.adjusted()
    inputs = feature_columns(stored.series, bars, request["features"])
    target = np.full(len(bars), np.nan)
    target[:-HORIZON] = np.log(bars.close[HORIZON:] / bars.close[:-HORIZON])
    border = int(np.searchsorted(bars.time, np.datetime64(end).astype("datetime64[us]").astype(np.int64)))
    usable = np.isfinite(inputs).all(axis=1) & np.isfinite(target)
    position = np.arange(len(bars))
    train = usable & (position < border - HORIZON)  # later ones lead into the bars that measure
    test = usable & (position >= border)
    if train.sum() < LEAST_ROWS or test.sum() < LEAST_ROWS:
        training, testing = int(train.sum()), int(test.sum())
        raise NothingToLearn(
            f"{training} bars to learn from and {testing} to measure on: {LEAST_ROWS} of each are needed"
        )
    model = model_of(request["model"])
    model.fit(inputs[train], target[train])
    return measured(np.asarray(model.predict(inputs[test])), target[test]) | {"rows_train": int(train.sum())}


def measured(predicted: Floats, actual: Floats) -> dict[str, Any]:
    """How good predictions of returns over HORIZON bars are, beside those of naive, which are 0."""
    error = np.abs(predicted - actual)
    naive = np.abs(actual)
    t, p = origin_test(naive - error, HORIZON, 1.0)
    moved: npt.NDArray[np.bool_] = actual != 0
    hits = (np.sign(predicted) == np.sign(actual))[moved]
    constant = np.ptp(predicted) == 0 or np.ptp(actual) == 0
    return {
        "rows_test": len(actual),
        "horizon_bars": HORIZON,
        "mae": float(error.mean()),
        "mae_naive": float(naive.mean()),
        "skill_vs_naive": float(1 - error.sum() / naive.sum()) if naive.sum() else 0.0,
        "t": t,
        "p_value": p,
        "information_coefficient": 0.0 if constant else float(spearmanr(predicted, actual).statistic),
        "direction_hits": float(hits.mean()) if len(hits) else None,
        "beats_naive": bool(t > 0 and p < 0.01),
    }
