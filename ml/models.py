"""The models by name. Libraries are imported when a model is made, so that naming one costs nothing."""

from collections.abc import Callable
from functools import partial

from conf.settings import settings
from ml.forecaster import HORIZONS, Forecaster

Maker = Callable[[int, bool], Forecaster]  # (seed, quick): quick = smaller and worse, for tests and demonstrations


def learned_horizons() -> tuple[int, ...]:
    """Every day of a week and a few beyond, up to knob forecast.horizon_days: forecasts between them lie between them in log."""
    last = settings().forecast.horizon_days
    return (*(day for day in (*HORIZONS, 10, 14, 21) if day < last), last)


def _naive(seed: int, quick: bool) -> Forecaster:
    from ml.naive import Naive

    return Naive()


def _drift(seed: int, quick: bool) -> Forecaster:
    from ml.naive import Drift

    return Drift()


def _seasonal_naive(seed: int, quick: bool) -> Forecaster:
    from ml.naive import SeasonalNaive

    return SeasonalNaive()


def _statistical(name: str, seed: int, quick: bool) -> Forecaster:
    from ml.statistical import Statistical

    return Statistical(name, window_days=120 if quick else 365)


def _boosting(seed: int, quick: bool) -> Forecaster:
    from ml.boosting import Boosting, Knobs

    if quick:
        return Boosting(seed, learned_horizons(), Knobs(rounds=40, depth=4, learning_rate=0.15, rows=15_000))
    return Boosting(seed, learned_horizons())


def _linear(seed: int, quick: bool) -> Forecaster:
    from ml.linear import Linear

    return Linear(learned_horizons(), rows=20_000) if quick else Linear(learned_horizons())


def _prophet(seed: int, quick: bool) -> Forecaster:
    from ml.prophet_model import NationalProphet

    return NationalProphet(seed, quick)


def _lstm(seed: int, quick: bool) -> Forecaster:
    from ml.lstm import Lstm

    return Lstm(seed, units=8, samples=4_000, epochs=2) if quick else Lstm(seed)


MODELS: dict[str, Maker] = {
    "naive": _naive,
    "drift": _drift,
    "seasonal_naive": _seasonal_naive,
    "ses": partial(_statistical, "ses"),
    "ets": partial(_statistical, "ets"),
    "theta": partial(_statistical, "theta"),
    "arima": partial(_statistical, "arima"),
    "linear": _linear,
    "boosting": _boosting,
    "prophet": _prophet,
    "lstm": _lstm,
}

SLOW = frozenset({"prophet", "lstm"})  # tried only when asked for: a fit takes longer than all others together
