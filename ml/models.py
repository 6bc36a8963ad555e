"""The models by name. Libraries are imported when a model is made, so that naming one costs nothing."""

from collections.abc import Callable

from ml.forecaster import Forecaster

Maker = Callable[[int, bool], Forecaster]  # (seed, quick): quick = smaller and worse, for tests and demonstrations


def _naive(seed: int, quick: bool) -> Forecaster:
    from ml.naive import Naive

    return Naive()


def _drift(seed: int, quick: bool) -> Forecaster:
    from ml.naive import Drift

    return Drift()


def _seasonal_naive(seed: int, quick: bool) -> Forecaster:
    from ml.naive import SeasonalNaive

    return SeasonalNaive()


MODELS: dict[str, Maker] = {
    "naive": _naive,
    "drift": _drift,
    "seasonal_naive": _seasonal_naive,
}

SLOW = frozenset({"prophet", "lstm"})  # fitted on the national series, and only when asked for
