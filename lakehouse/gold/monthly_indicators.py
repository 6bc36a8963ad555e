"""Formulas of gold.monthly_indicators: IFPA (FAO, SDG indicator 2.c.1) and ALPS (WFP) of each series."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lakehouse.gold.price_panel import Floats, Ints, PricePanel

IFPA_YEARS = 5  # with fewer the largest possible |z| is below 1.27: it could never alarm
ALPS_MONTHS = 36
ALPS_OBSERVED = 0.7  # share of months
COMPLETE_SHARE = 0.7  # of the days of a month
LAGS = (1, 12)  # months back: month on month, year on year
IFPA_CLASSES = ((1.0, "abnormally high"), (0.5, "moderately high"))
ALPS_CLASSES = ((2.0, "crisis"), (1.0, "alert"), (0.25, "stress"))
NO_SPREAD = 1e-9  # of the mean: a residual this small is rounding, not variation
Texts = npt.NDArray[np.object_]


def monthly(panel: PricePanel) -> tuple[Ints, Floats, Ints]:
    """Months since 1970 without a gap; mean of the daily prices and observed days, (regions, months) each."""
    month = panel.months
    months = np.arange(month[0], month[-1] + 1)
    starts = np.searchsorted(month, np.unique(month))
    observed = np.isfinite(panel.price)
    days = np.zeros((len(panel.regions), len(months)), dtype=np.int64)
    total = np.zeros(days.shape)
    days[:, np.unique(month) - months[0]] = np.add.reduceat(observed, starts, axis=1, dtype=np.int64)
    total[:, np.unique(month) - months[0]] = np.add.reduceat(
        np.where(observed, panel.price, 0.0), starts, axis=1
    )
    with np.errstate(invalid="ignore"):
        return months, total / np.where(days, days, np.nan), days


@dataclass(frozen=True)
class MonthChanges:
    """How the mean of each month compares with earlier ones, (regions, months) each.

    A month is complete when it is over and COMPLETE_SHARE of its days were observed. It runs until a later
    day of the commodity is known. An incomplete month is compared over the days from its first to its last
    observed one, in both months.
    """

    is_complete: npt.NDArray[np.bool_]
    last_day: Ints  # since 1970
    compared_days: Texts  # such as 1-17; None: whole months
    by_lag: dict[int, Floats]  # months back -> percent; NaN without a price then

    @staticmethod
    def of(panel: PricePanel, months: Ints, mean: Floats) -> "MonthChanges":
        """The changes of the means, (regions, months), against LAGS."""
        start = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        length = np.diff(np.append(start, _month_start(months[-1] + 1)))
        month = panel.months - months[0]
        price = np.full((*mean.shape, 31), np.nan)
        price[:, month, panel.days - start[month]] = panel.price
        observed = np.isfinite(price)
        first, last = observed.argmax(axis=2), 30 - observed[:, :, ::-1].argmax(axis=2)
        is_over = start + length - 1 <= panel.days[-1]
        is_complete = is_over & (observed.sum(axis=2) >= COMPLETE_SHARE * length)
        day = np.arange(31)
        is_compared = (first[:, :, None] <= day) & (day <= last[:, :, None])
        by_lag = {}
        for lag in LAGS:
            base = np.full(mean.shape, np.nan)
            for at in range(lag, len(months)):
                whole, before = mean[:, at - lag], price[:, at - lag]
                same_days = _mean(np.where(is_compared[:, at], before, np.nan))
                base[:, at] = np.where(is_complete[:, at], whole, same_days)
            by_lag[lag] = 100 * (mean / base - 1)
        compared = np.full(mean.shape, None, dtype=object)
        ends = zip(first[~is_complete], last[~is_complete], strict=True)
        compared[~is_complete] = [f"{begin + 1}-{end + 1}" for begin, end in ends]
        return MonthChanges(is_complete, start + last, compared, by_lag)


def _month_start(month: int) -> int:
    """Day since 1970 of a month since 1970."""
    return int(np.datetime64(int(month), "M").astype("datetime64[D]").astype(np.int64))


def _mean(values: Floats) -> Floats:
    """Mean over the last axis of what is observed; NaN where nothing is."""
    count = np.isfinite(values).sum(axis=-1)
    return np.asarray(np.nansum(values, axis=-1) / np.where(count, count, np.nan))


def growth(price: Floats, months: int) -> Floats:
    """Compound monthly growth over k months, (P_t / P_{t-k})^(1/k) - 1; NaN without both prices."""
    ratio = np.full(price.shape, np.nan)
    ratio[:, months:] = (price[:, months:] / price[:, :-months]) ** (1 / months) - 1
    return ratio


def weighted_z(values: Floats) -> tuple[Floats, Ints]:
    """Weighted z-score of the last column against all columns, and n, the number of values; (regions,) each.

    `values`: (regions, years) of one calendar month, NaN where missing. Weights w are 1..n from the oldest;
    m = Σwx/Σw; s² = Σw(x-m)² / (Σw·(n-1)/n). NaN where the last value is missing or s is 0.
    """
    observed = np.isfinite(values)
    n = observed.sum(axis=1)
    weight = np.where(observed, observed.cumsum(axis=1), 0)
    x = np.where(observed, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weight.sum(axis=1)
        mean = (weight * x).sum(axis=1) / total
        spread = np.sqrt((weight * (x - mean[:, None]) ** 2).sum(axis=1) / (total * (n - 1) / n))
        z = (values[:, -1] - mean) / spread
    return np.where(spread > NO_SPREAD, z, np.nan), n


@dataclass(frozen=True)
class Ifpa:
    """(regions, months) each.

    `years`: values of the same calendar month, the lower count of both growth rates.
    """

    cqgr: Floats
    cagr: Floats
    value: Floats
    years: Ints


def ifpa(price: Floats) -> Ifpa:
    """0.4·z(quarterly growth) + 0.6·z(yearly growth) over the years so far; NaN below IFPA_YEARS."""
    cqgr = growth(price, 3)
    cagr = growth(price, 12)
    value = np.full(price.shape, np.nan)
    years = np.zeros(price.shape, dtype=np.int64)
    for t in range(price.shape[1]):
        quarter, n_quarter = weighted_z(cqgr[:, t % 12 : t + 1 : 12])
        year, n_year = weighted_z(cagr[:, t % 12 : t + 1 : 12])
        years[:, t] = np.minimum(n_quarter, n_year)
        value[:, t] = np.where(years[:, t] >= IFPA_YEARS, 0.4 * quarter + 0.6 * year, np.nan)
    return Ifpa(cqgr, cagr, value, years)


@dataclass(frozen=True)
class SeasonalTrend:
    """P_t = a·t + b_m: least squares without a constant, one level per calendar month."""

    slope: float
    level: Floats  # (12,), NaN for a calendar month without a price
    spread: float  # sd of the residuals, ddof 1

    @staticmethod
    def fit(t: Ints, price: Floats) -> "SeasonalTrend":
        """Closed form: the slope of the residuals from each calendar month's own means (Frisch-Waugh)."""
        season = t % 12
        count = np.bincount(season, minlength=12)
        with np.errstate(invalid="ignore"):
            mean_t = np.bincount(season, t, 12) / count
            mean_price = np.bincount(season, price, 12) / count
        dt = t - mean_t[season]
        dp = price - mean_price[season]
        slope = float(dt @ dp / (dt @ dt)) if dt.any() else 0.0
        residual = dp - slope * dt
        spread = float(residual.std(ddof=1)) if len(t) > 1 else 0.0
        return SeasonalTrend(
            slope, mean_price - slope * mean_t, spread if spread > NO_SPREAD * price.mean() else np.nan
        )

    def gap(self, t: int | Ints, price: float | Floats) -> Floats:
        """How many sd the price lies above the trend; NaN when the residuals do not vary."""
        return np.asarray((price - (self.slope * t + self.level[np.asarray(t) % 12])) / self.spread)


def alps(price: Floats) -> tuple[Floats, Floats, Texts]:
    """ALPS of one series in real time and ex post, and the reason where there is none; (months,) each.

    Real time: fitted on the months up to t; within a crisis the fit that found it is kept. Ex post: fitted on
    all months. Eligible from 36 months on, of which 70 % are observed (a price in the month itself implies
    one in the last six). NaN where a month has no price.
    """
    real = np.full(len(price), np.nan)
    late = np.full(len(price), np.nan)
    reason = np.full(len(price), "no price in the month", dtype=object)
    observed = np.flatnonzero(np.isfinite(price))
    fitted = None
    in_crisis = False
    for nth, t in enumerate(observed):
        reason[t] = _ineligible(int(t - observed[0] + 1), nth + 1)
        if reason[t]:
            continue
        if fitted is None or not in_crisis:
            fitted = SeasonalTrend.fit(observed[: nth + 1], price[observed[: nth + 1]])
        real[t] = fitted.gap(int(t), price[t])
        reason[t] = None if np.isfinite(real[t]) else "no variation"
        in_crisis = bool(real[t] >= ALPS_CLASSES[0][0])
    if len(observed) and _ineligible(int(observed[-1] - observed[0] + 1), len(observed)) is None:
        trend = SeasonalTrend.fit(observed, price[observed])
        late[observed] = trend.gap(observed, price[observed])
    return real, late, reason


def _ineligible(months: int, observed: int) -> str | None:
    """Why a series with so many months is not eligible; None when it is."""
    if months < ALPS_MONTHS:
        return f"insufficient: {months} months, {ALPS_MONTHS} needed"
    if observed < ALPS_OBSERVED * months:
        share = f"{100 * observed / months:.0f} % of months observed"
        return f"insufficient: {share}, {100 * ALPS_OBSERVED:.0f} % needed"
    return None


def alps_class(value: Floats) -> Texts:
    """normal < 0.25 <= stress < 1 <= alert < 2 <= crisis (upward gaps only); None for NaN."""
    return _classed(value, ALPS_CLASSES, "normal")


def ifpa_class(value: Floats) -> Texts:
    """abnormally high from 1, moderately high from 0.5, abnormally low to -1, else normal; None for NaN."""
    return np.where(value <= -1, "abnormally low", _classed(value, IFPA_CLASSES, "normal"))


def _classed(value: Floats, classes: tuple[tuple[float, str], ...], rest: str) -> Texts:
    conditions = [value >= bound for bound, _ in classes]
    named = np.select(conditions, [name for _, name in classes], rest).astype(object)
    named[np.isnan(value)] = None
    return named
