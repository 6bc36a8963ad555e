"""Cells made from a seed without any model: forecasts of a chosen skill, so that a gate's decision is known beforehand."""

from collections.abc import Mapping

import numpy as np

from ml.cells import Cells


def made_cells(
    skill: Mapping[str, float], seed: int = 0, origins: int = 65, regions: int = 6, volatility: float = 0.03, model: str = "model"
) -> Cells:
    """Commodity → how much of naive's error the model saves. Naive's errors of an origin have a part in common."""
    random = np.random.default_rng(seed)
    goods, horizons = tuple(skill), (1, 3, 7)
    grid = np.indices((origins, len(horizons), len(goods), regions)).reshape(4, -1)
    origin, horizon = 400 + 8 * grid[0], np.array(horizons)[grid[1]]
    common = random.standard_normal((origins, 1, len(goods), 1))
    move = 0.5 * common + np.sqrt(0.75) * random.standard_normal((origins, len(horizons), len(goods), regions))
    change = volatility * np.sqrt(horizon) * move.ravel()
    naive = np.full(change.size, 20_000.0)
    actual = naive * np.exp(change)
    saved = np.array([skill[good] for good in goods])[grid[2]]
    cells = Cells(
        series=grid[2] * regions + grid[3],
        origin=origin,
        horizon=horizon,
        actual=actual,
        scale=np.full(change.size, volatility * np.sqrt(2 / np.pi)),
        step=np.full(change.size, 0.8 * volatility * 20_000.0),
        forecasts={"naive": naive},
        commodities=tuple(good for good in goods for _ in range(regions)),
        regions=tuple(f"{10 + number}" for _ in goods for number in range(regions)),
        days=np.arange(np.datetime64("2022-01-01"), np.datetime64("2022-01-01") + 408 + 8 * origins),
        replaced={},
    )
    return cells.with_forecasts(**{model: naive + saved * (actual - naive)})
