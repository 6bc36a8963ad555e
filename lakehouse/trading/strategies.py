"""Strategies that a person may test: rules with parameters, from closed bars to being invested or not.

A rule sees the bars up to its own and no later one: its first t values are those of the first t bars.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from math import ceil, log, log1p

import numpy as np
import numpy.typing as npt
import talib

from lakehouse.trading.bars import Bars, Floats
from lakehouse.trading.indicators import NAMES, WINDOW
from lakehouse.trading.paper_engine import ExitLevels
from lakehouse.trading.signals import Series, Signal, signal_at

Invested = npt.NDArray[np.bool_]  # (bars,) whether the account should hold the symbol after this bar's close
Number = int | float
MOST_VARIANTS = 64
ALL = "all"  # every strategy
HOUSE = "signal"  # follows the signals that are served
SCORES = ("buy_score", "sell_score", "buy_probability", "sell_probability", "risk_score")  # of a signal


@dataclass(frozen=True)
class Parameter:
    """A number that a strategy takes, within [low, high]."""

    low: Number
    high: Number
    default: Number
    whole: bool = True


# Of every strategy: percent below and above the close of the decision at which a position is sold; 0: none.
EXITS = {
    "stop_pct": Parameter(0, 50, 0, whole=False),
    "take_profit_pct": Parameter(0, 500, 0, whole=False),
}


@dataclass(frozen=True)
class RuleDecisions:
    """What a rule decides at the close of each bar, all (bars,).

    `enters`, `leaves`: whether a position should begin or end; `indicators`: name -> values that decide it.
    """

    enters: Invested
    leaves: Invested
    indicators: Mapping[str, Floats]

    @property
    def invested(self) -> Invested:
        """(bars,) whether the account should hold the symbol after each close."""
        return between(self.enters, self.leaves)


Rule = Callable[[Series, Bars, Mapping[str, Number]], RuleDecisions]


@dataclass(frozen=True)
class Strategy:
    """A rule and its parameters. `ordered`: pairs of parameters of which the first must be smaller.

    `warm_up`: parameters -> bars after which its indicators hardly depend on where the bars begin. `newest`:
    the decision of the newest bar alone, (1,), where those of all bars take long.
    """

    rule: Rule
    parameters: Mapping[str, Parameter]
    warm_up: Callable[[Mapping[str, Number]], int]
    ordered: tuple[tuple[str, str], ...] = ()
    newest: Rule | None = None


@dataclass(frozen=True)
class Variant:
    """One strategy with one set of parameters."""

    strategy: str
    parameters: Mapping[str, Number]

    def decisions(self, series: Series, bars: Bars) -> RuleDecisions:
        """What it decides at each close; prices must be adjusted for splits (`Bars.adjusted`)."""
        return STRATEGIES[self.strategy].rule(series, bars, self.parameters)

    def newest_decision(self, series: Series, bars: Bars) -> RuleDecisions:
        """What it decides at the last close; the last of each array counts."""
        strategy = STRATEGIES[self.strategy]
        return (strategy.newest or strategy.rule)(series, bars, self.parameters)

    def exit_levels(self, mark: Decimal) -> ExitLevels | None:
        """Stop and take-profit of a purchase that is decided at this close; None without either."""
        shares = {name: Decimal(repr(float(self.parameters.get(name, 0)))) / 100 for name in EXITS}
        if not any(shares.values()):
            return None
        stop, profit = shares["stop_pct"], shares["take_profit_pct"]
        return ExitLevels(mark * (1 - stop) if stop else None, mark * (1 + profit) if profit else None)

    @property
    def warm_up(self) -> int:
        """Bars after which its indicators hardly depend on where the bars begin."""
        return STRATEGIES[self.strategy].warm_up(self.parameters)

    @property
    def label(self) -> str:
        """`ma_cross(fast=5, slow=20)`; the name alone where it has no parameter."""
        values = ", ".join(f"{name}={value:g}" for name, value in sorted(self.parameters.items()))
        return f"{self.strategy}({values})" if values else self.strategy


@dataclass(frozen=True)
class StrategyFault(Exception):
    """A strategy or parameter that cannot be used. `pointer`: JSON pointer within the order."""

    pointer: str
    code: str
    text: str


def ma_cross(series: Series, bars: Bars, parameters: Mapping[str, Number]) -> RuleDecisions:
    """While the fast average is above the slow one."""
    short, long = (talib.SMA(bars.close, int(parameters[name])) for name in ("fast", "slow"))
    return while_true(short > long, {"fast": short, "slow": long})


def momentum(series: Series, bars: Bars, parameters: Mapping[str, Number]) -> RuleDecisions:
    """While the close is above that of `window` bars ago."""
    change = talib.MOM(bars.close, int(parameters["window"]))
    return while_true(change > 0, {"momentum": change})


def rsi_reversion(series: Series, bars: Bars, parameters: Mapping[str, Number]) -> RuleDecisions:
    """From an RSI below `low` until one above `high`."""
    index = talib.RSI(bars.close, int(parameters["period"]))
    return RuleDecisions(index < parameters["low"], index > parameters["high"], {"rsi": index})


def bollinger_reversion(series: Series, bars: Bars, parameters: Mapping[str, Number]) -> RuleDecisions:
    """From a close below the lower band until one above the middle."""
    width = float(parameters["width"])
    _, middle, lower = talib.BBANDS(bars.close, int(parameters["period"]), width, width)
    return RuleDecisions(bars.close < lower, bars.close > middle, {"middle": middle, "lower": lower})


def breakout(series: Series, bars: Bars, parameters: Mapping[str, Number]) -> RuleDecisions:
    """From a close above the highest of `enter` bars until one below the lowest of `leave` bars."""
    highest = delayed(talib.MAX(bars.high, int(parameters["enter"])))
    lowest = delayed(talib.MIN(bars.low, int(parameters["leave"])))
    return RuleDecisions(bars.close > highest, bars.close < lowest, {"highest": highest, "lowest": lowest})


def house_signal(series: Series, bars: Bars, parameters: Mapping[str, Number]) -> RuleDecisions:
    """From a BUY of the signals that are served until the next SELL, whatever their confidence."""
    return followed([signal_at(bars, end, series) for end in range(1, len(bars) + 1)])


def newest_signal(series: Series, bars: Bars, parameters: Mapping[str, Number]) -> RuleDecisions:
    """The same of the last bar alone."""
    return followed([signal_at(bars, len(bars), series)])


def followed(signals: Sequence[Signal | None]) -> RuleDecisions:
    """RuleDecisions by signals, None where there is none yet."""
    directions = np.array([signal.direction if signal else "HOLD" for signal in signals], dtype="U4")
    values = [
        {**signal.indicators, **{name: getattr(signal, name) for name in SCORES}} if signal else {}
        for signal in signals
    ]
    columns = {name: np.array([row.get(name, np.nan) for row in values]) for name in (*NAMES, *SCORES)}
    return RuleDecisions(directions == "BUY", directions == "SELL", columns)


def while_true(holds: Invested, indicators: Mapping[str, Floats]) -> RuleDecisions:
    """Invested exactly while the condition holds."""
    return RuleDecisions(holds, ~holds, indicators)


def decay(period: float) -> int:
    """Bars after which an average that forgets 1/period a bar keeps less than 1e-12 of what came before."""
    return ceil(log(1e-12) / log1p(-1 / period))


def between(enters: npt.NDArray[np.bool_], leaves: npt.NDArray[np.bool_]) -> Invested:
    """From a bar that enters up to the one before the next that leaves; leaving wins on one bar."""
    last = np.maximum.accumulate(np.where(enters | leaves, np.arange(len(enters)), -1))
    return np.where(last < 0, False, ~leaves[np.maximum(last, 0)])


def delayed(values: Floats) -> Floats:
    """The value of the bar before."""
    return np.concatenate([[np.nan], values[:-1]])


STRATEGIES: dict[str, Strategy] = {
    "ma_cross": Strategy(
        ma_cross,
        {"fast": Parameter(2, 200, 5), "slow": Parameter(3, 400, 20)},
        lambda values: int(values["slow"]),
        (("fast", "slow"),),
    ),
    "momentum": Strategy(
        momentum, {"window": Parameter(1, 400, 20)}, lambda values: int(values["window"]) + 1
    ),
    "rsi_reversion": Strategy(
        rsi_reversion,
        {
            "period": Parameter(2, 100, 14),
            "low": Parameter(1, 99, 30, whole=False),
            "high": Parameter(1, 99, 70, whole=False),
        },
        lambda values: decay(values["period"]),
        (("low", "high"),),
    ),
    "bollinger_reversion": Strategy(
        bollinger_reversion,
        {"period": Parameter(2, 200, 20), "width": Parameter(0.5, 5, 2, whole=False)},
        lambda values: int(values["period"]),
    ),
    HOUSE: Strategy(house_signal, {}, lambda values: WINDOW, newest=newest_signal),
    "breakout": Strategy(
        breakout,
        {"enter": Parameter(2, 400, 20), "leave": Parameter(2, 400, 10)},
        lambda values: int(max(values["enter"], values["leave"])) + 1,
    ),
}


def variants(strategy: str, parameters: Mapping[str, Number | Sequence[Number]]) -> list[Variant]:
    """Every combination of the given values; a parameter that is not given has its default.

    Raises StrategyFault for an unknown strategy or parameter, a value out of range, or no or too many
    combinations.
    """
    if strategy not in STRATEGIES:
        raise StrategyFault("/strategy", "unknown_strategy", f"there is no strategy '{strategy[:60]}'")
    known = {**STRATEGIES[strategy].parameters, **EXITS}
    for name in parameters:
        if name not in known:
            text = f"{strategy} has no parameter '{name[:60]}'; it has {', '.join(known)}"
            raise StrategyFault("/parameters", "unknown_parameter", text)
    values = {name: _values(name, known[name], parameters.get(name)) for name in known}
    combined = [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]
    ordered = STRATEGIES[strategy].ordered
    usable = [chosen for chosen in combined if all(chosen[less] < chosen[more] for less, more in ordered)]
    if not usable:
        pairs = ", ".join(f"{less} < {more}" for less, more in ordered)
        raise StrategyFault("/parameters", "parameter_order", f"no combination has {pairs}")
    if len(usable) > MOST_VARIANTS:
        text = f"{len(usable)} combinations, more than {MOST_VARIANTS}"
        raise StrategyFault("/parameters", "too_many_variants", text)
    return [
        Variant(strategy, {name: value for name, value in chosen.items() if name not in EXITS or value})
        for chosen in usable
    ]


def _values(name: str, parameter: Parameter, given: Number | Sequence[Number] | None) -> list[Number]:
    """The distinct values of one parameter."""
    if given is None:
        return [parameter.default]
    listed = list(given) if isinstance(given, Sequence) else [given]
    return list(dict.fromkeys(_checked(name, parameter, value) for value in listed))


def _checked(name: str, parameter: Parameter, value: Number) -> Number:
    pointer = f"/parameters/{name}"
    if parameter.whole and value != int(value):
        raise StrategyFault(pointer, "whole_number", f"{name} must be a whole number")
    if not parameter.low <= value <= parameter.high:
        text = f"{name} must be from {parameter.low:g} to {parameter.high:g}"
        raise StrategyFault(pointer, "parameter_range", text)
    return int(value) if parameter.whole else value


def chosen_variants(strategy: str, parameters: Mapping[str, Number | Sequence[Number]]) -> list[Variant]:
    """The variants of one strategy, or of several (`ma_cross,momentum`, or ALL) with their defaults.

    Raises StrategyFault as `variants`, and for parameters of several strategies.
    """
    names = list(STRATEGIES) if strategy == ALL else list(dict.fromkeys(strategy.split(",")))
    if len(names) > 1 and parameters:
        text = "several strategies are tried with their defaults: give no parameters"
        raise StrategyFault("/parameters", "unknown_parameter", text)
    return [variant for name in names for variant in variants(name, parameters)]
