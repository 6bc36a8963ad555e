"""An LSTM over windows of all series together (Keras on JAX), seeded.

It does not touch the global random state.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.data.panel import Floats, Panel
from ml.features import rolling
from ml.features.inputs import usual_moves
from ml.models.forecaster import HORIZONS, Forecaster
from ml.models.national import national_panel

# Days ahead that are learned; other horizons are interpolated in log price.
KNOTS = (*range(1, 8), 10, 14, 21, 30)
BATCH = 256
FEWEST = 4 * BATCH  # samples before anything is learned

CHANNELS = 5  # of a window
CLIP = 30.0  # usual daily changes; an error of unit must not outweigh all else
Numbers = npt.NDArray[np.int64]

os.environ.setdefault("KERAS_BACKEND", "jax")  # read when keras is first imported


@dataclass(frozen=True)
class Windows:
    """Samples of all series together, in no order."""

    path: npt.NDArray[np.float32]  # (samples, days, channels)
    # (samples, knots) log change to origin + knot, over scale × √knot; NaN: not observed
    change: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]  # (samples,) the scale: the weighted error then is an error of log price
    series: Numbers  # (samples,) row numbers


def _national_log_price(panel: Panel) -> Floats:
    """(series, days) log of the national price of each series' commodity.

    Its own price while there is none.
    """
    nation = national_panel(panel)
    row_of = {commodity: row for row, commodity in enumerate(nation.commodities)}
    log_price: Floats = np.log(nation.filled)[[row_of[commodity] for commodity in panel.commodities]]
    return np.where(np.isfinite(log_price), log_price, np.log(panel.filled))


def window_ends(panel: Panel, length: int) -> tuple[Numbers, Numbers]:
    """(series, origin) of every window of `length` days on whose first day the series had begun."""
    reported = np.isfinite(panel.price)
    begun = np.cumsum(reported, axis=1)[:, : max(reported.shape[1] - length + 1, 0)] > 0
    series, first = np.nonzero(begun)
    return series, first + length - 1


def build_windows(
    panel: Panel, length: int, knots: Sequence[int], series: Numbers, origin: Numbers
) -> Windows:
    """The windows of `length` days of series[i] that end at origin[i].

    A target past the panel's end is NaN.
    """
    log = np.log(panel.filled)
    unit = usual_moves(log - rolling.lagged(log, 1), np.isfinite(panel.price))[series, origin][:, None]
    at_origin = log[series, origin][:, None]
    last = log.shape[1] - 1
    days = origin[:, None] + np.arange(1 - length, 1)[None, :]
    path = (log[series[:, None], days] - at_origin) / unit
    nation = _national_log_price(panel)[series[:, None], days]
    gap = (log[series[:, None], days] - nation) / unit
    channels = [
        path,
        np.diff(path, axis=1, prepend=path[:, :1]),
        np.isfinite(panel.price[series[:, None], days]).astype(float),
        (nation - nation[:, -1:]) / unit,
        gap - gap.mean(axis=1, keepdims=True),  # expensive or cheap against its own usual gap
    ]
    later = origin[:, None] + np.asarray(knots)[None, :]
    target = np.where(later <= last, panel.log_price[series[:, None], np.minimum(later, last)], np.nan)
    change = (target - at_origin) / (unit * np.sqrt(np.asarray(knots)))
    return Windows(
        np.clip(np.stack(channels, axis=2), -CLIP, CLIP).astype(np.float32),
        np.clip(change, -CLIP, CLIP).astype(np.float32),
        unit[:, 0].astype(np.float32),
        series,
    )


@dataclass
class Lstm:
    """Forecaster: a window of past prices -> log changes at `KNOTS`, trained on weighted absolute error.

    Before training it forecasts no change, as naive does.
    """

    seed: int = 0
    units: int = 48
    length: int = 28  # days of a window
    samples: int = 30_000  # windows drawn for a fit
    epochs: int = 8
    name: str = "lstm"
    weights: list[npt.NDArray[np.float32]] = field(default_factory=list)

    def fit(self, panel: Panel) -> None:
        """Learn from a seeded sample of all windows that end before the panel does."""
        self.weights = []
        known = self._training_windows(panel)
        if known is None:
            return
        net = _net(self.length, self.units, self.seed)
        kept = len(known.weight) // BATCH * BATCH  # whole batches: one shape, compiled once
        net.compile(optimizer=_optimizer(self.epochs * kept // BATCH), loss=_loss, jit_compile=True)
        net.fit(
            known.path[:kept],
            known.change[:kept],
            sample_weight=(known.weight / known.weight.mean())[:kept],
            batch_size=BATCH,
            epochs=self.epochs,
            shuffle=False,  # drawn in a seeded order; Keras would draw from the global state
            verbose=0,
        )
        self.weights = net.get_weights()

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah; NaN for series shorter than a window."""
        forecast = np.full((len(panel.price), len(horizons)), np.nan)
        if not self.weights or not len(panel.days):
            return forecast
        series, origin = window_ends(panel, self.length)
        latest = origin == len(panel.days) - 1
        if not latest.any():
            return forecast
        now = build_windows(panel, self.length, KNOTS, series[latest], origin[latest])
        net = _net(self.length, self.units, self.seed)
        net.set_weights(self.weights)
        change = np.asarray(net(now.path)) * np.sqrt(KNOTS) * now.weight[:, None]
        at_horizons = np.array([np.interp(horizons, (0, *KNOTS), (0.0, *row)) for row in change])
        forecast[now.series] = panel.filled[now.series, -1:] * np.exp(at_horizons)
        return forecast

    def _training_windows(self, panel: Panel) -> Windows | None:
        """A seeded sample of windows in a seeded order; None where there are too few to learn from."""
        series, origin = window_ends(panel, self.length)
        drawn = np.random.default_rng(self.seed).permutation(np.flatnonzero(origin < len(panel.days) - 1))[
            : self.samples
        ]
        if len(drawn) < FEWEST:
            return None
        return build_windows(panel, self.length, KNOTS, series[drawn], origin[drawn])


def make(name: str, seed: int, quick: bool) -> Forecaster:
    """The network; `quick` trains 8 units on 4,000 windows for two epochs."""
    return Lstm(seed, units=8, samples=4_000, epochs=2) if quick else Lstm(seed)


def _net(length: int, units: int, seed: int) -> Any:  # noqa: ANN401 Keras ships no types
    import keras

    seeds = iter(range(seed * 10, seed * 10 + 10))
    window = keras.Input((length, CHANNELS))
    state = keras.layers.LSTM(
        units,
        kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
        recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
        seed=next(seeds),
    )(window * 0.2)
    hidden = keras.layers.Dense(
        32, activation="gelu", kernel_initializer=keras.initializers.GlorotUniform(next(seeds))
    )(state)
    return keras.Model(window, keras.layers.Dense(len(KNOTS), kernel_initializer="zeros")(hidden))


def _optimizer(steps: int) -> Any:  # noqa: ANN401 as above
    import keras

    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, max(steps, 1)), clipnorm=1.0)


def _loss(actual: Any, forecast: Any) -> Any:  # noqa: ANN401 as above
    """Absolute error over the knots that were observed."""
    from keras import ops

    seen = ops.isfinite(actual)
    error = ops.where(seen, ops.abs(ops.where(seen, actual, 0.0) - forecast), 0.0)
    return ops.mean(error, axis=-1)
