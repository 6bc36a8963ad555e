"""Predictions of a chosen skill drawn from a seed, so that the decision of a gate is known beforehand."""

from collections.abc import Mapping

import numpy as np

from ml.evaluation.predictions import Predictions


def simulated_predictions(
    skill: Mapping[str, float],
    seed: int = 0,
    origins: int = 65,
    regions: int = 6,
    volatility: float = 0.03,
    model: str = "model",
) -> Predictions:
    """`skill`: commodity → share of the naive error that the model saves.

    Naive errors of an origin have a part in common.
    """
    random = np.random.default_rng(seed)
    commodities = tuple(skill)
    horizons = (1, 3, 7)
    grid = np.indices((origins, len(horizons), len(commodities), regions)).reshape(4, -1)
    origin, horizon = 400 + 8 * grid[0], np.array(horizons)[grid[1]]
    common = random.standard_normal((origins, 1, len(commodities), 1))
    move = 0.5 * common + np.sqrt(0.75) * random.standard_normal(
        (origins, len(horizons), len(commodities), regions)
    )
    change = volatility * np.sqrt(horizon) * move.ravel()
    naive = np.full(change.size, 20_000.0)
    actual = naive * np.exp(change)
    saved = np.array([skill[commodity] for commodity in commodities])[grid[2]]
    predictions = Predictions(
        series=grid[2] * regions + grid[3],
        origin=origin,
        horizon=horizon,
        actual=actual,
        scale=np.full(change.size, volatility * np.sqrt(2 / np.pi)),
        step=np.full(change.size, 0.8 * volatility * 20_000.0),
        forecasts={"naive": naive},
        commodities=tuple(commodity for commodity in commodities for _ in range(regions)),
        regions=tuple(f"{10 + number}" for _ in commodities for number in range(regions)),
        days=np.arange(np.datetime64("2022-01-01"), np.datetime64("2022-01-01") + 408 + 8 * origins),
        replaced={},
    )
    return predictions.with_forecasts(**{model: naive + saved * (actual - naive)})
