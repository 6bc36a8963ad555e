"""Rules on the daily prices of a commodity: a fast rise, a rising price above its ceiling, a high risk."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from lakehouse.alerts.lifecycle import Bools, Observed
from lakehouse.feasts import EID, feast_days_of
from lakehouse.gold.indicators import bounds, gap_pct
from lakehouse.gold.price_panel import Floats, PricePanel, lagged
from lakehouse.reference import ceilings_of, provinces

CHANGE_DAYS = 7
ENTER_GAP_PCT = 10.0
EXIT_GAP_PCT = 5.0
USUAL_QUANTILE = 0.90  # a rise that is usual for the commodity alerts nobody
USUAL_DAYS = 365
LEAST_CHANGES = 100  # changes that the quantile is taken of
THIN_SHARE = 0.6  # of the usual reports: a spike on fewer is sample noise
THIN_DAYS = 28
# From the eve of Idul Fitri to the third day after it many markets are closed, and a price that is reported
# often falls back within a week: 3.3 false alarms per 1,000 series-days around it when these days counted.
FEAST_DAYS = range(-1, 4)
RISK_RISE_PCT = 10.0  # what the risk is the probability of, within CHANGE_DAYS
RISK_EXIT_SHARE = 0.6  # of the threshold, below which an alert may end


@dataclass(frozen=True)
class PriceRule:
    """One rule evaluated on a panel, arrays (regions, days). `value` is in percent, NaN where unknown.

    `rise_pct`: the rise that the alert's level follows from, where it is not the value itself.
    """

    name: str
    value: Floats
    enters: Bools
    exits: Bools
    at_once: Bools
    rise_pct: float | None = None

    def observed(self, panel: PricePanel, region: int, uncounted: Bools) -> tuple[Observed, Floats]:
        """The days of a region on which the rule is known, and its values on them.

        Uncounted days, (regions, days), are left out.
        """
        known = np.isfinite(self.value[region]) & ~uncounted[region]
        observed = Observed(
            panel.days[known],
            self.enters[region, known],
            self.exits[region, known],
            self.at_once[region, known],
        )
        return observed, self.value[region, known]


def price_rules(panel: PricePanel, commodity: str, levels: Mapping[str, float]) -> Iterator[PriceRule]:
    """The rules on a panel of consumer prices. `levels`: name -> rise over 7 days in percent.

    Enter and exit: a rise above level siaga and above what is usual for the
    commodity, until it is below naik; 10 % above the ceiling while rising unusually, until below 5 %.
    """
    change = 100 * (panel.price / lagged(panel, CHANGE_DAYS) - 1)
    usual = usual_rise(change, panel.days)
    with np.errstate(invalid="ignore"):
        yield PriceRule(
            "price_level",
            change,
            change > np.fmax(levels["siaga"], usual),
            change < levels["naik"],
            change > np.fmax(levels["kritis"], usual),
        )
        zones = [provinces()[code].rice_zone for code in panel.regions]
        bound, _ = bounds(panel.days, [ceilings_of(commodity, zone, "consumer") for zone in zones])
        gap = gap_pct(panel.price, bound, producer=False)
        rises = change > np.fmax(usual, levels["naik"])
        enters = (gap >= ENTER_GAP_PCT) & rises
        yield PriceRule("ceiling_gap", gap, enters, gap < EXIT_GAP_PCT, np.zeros_like(enters))


def risk_rule(risk: Floats, threshold: float) -> PriceRule:
    """The rule on issued risks, (regions, days) in percent, NaN where none was issued."""
    with np.errstate(invalid="ignore"):
        enters = risk >= threshold
        exits = risk < RISK_EXIT_SHARE * threshold
    return PriceRule("risk", risk, enters, exits, np.zeros_like(enters), RISK_RISE_PCT)


def usual_rise(change: Floats, days: np.ndarray) -> Floats:
    """(days,) the 90th percentile of the commodity's 7-day changes of the year before the month began.

    NaN while fewer than 100 are known. Computed once a month, from earlier days only.
    """
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    usual = np.full(len(days), np.nan)
    for month in np.unique(months):
        begin = int(month.astype("datetime64[D]").astype(np.int64))
        year = change[:, (days < begin) & (days >= begin - USUAL_DAYS)]
        known = year[np.isfinite(year)]
        if len(known) >= LEAST_CHANGES:
            usual[months == month] = np.quantile(known, USUAL_QUANTILE)
    return usual


def uncounted_days(panel: PricePanel) -> Bools:
    """(regions, days) days that no rule counts: those with few reports, and those of Idul Fitri."""
    first, last = (int(day.astype(object).year) for day in panel.days[[0, -1]].astype("datetime64[D]"))
    feasts = [day for year in range(first, last + 2) for day in feast_days_of(year, EID)]
    numbers = np.array(feasts, dtype="datetime64[D]").astype(np.int64)
    near = np.unique(numbers[:, None] + np.array(FEAST_DAYS))
    return thin_days(panel) | np.isin(panel.days, near)[None, :]


def thin_days(panel: PricePanel) -> Bools:
    """(regions, days) whether fewer than 0.6 of the median reports of the 28 days before were received."""
    thin = np.zeros(panel.price.shape, dtype=bool)
    if panel.observations.max(initial=0) <= 1:
        return thin
    for region, price in enumerate(panel.price):
        reported = np.flatnonzero(np.isfinite(price))
        counts = panel.observations[region, reported]
        for nth in range(1, len(reported)):
            begin = np.searchsorted(panel.days[reported], panel.days[reported[nth]] - THIN_DAYS)
            if begin < nth:
                thin[region, reported[nth]] = counts[nth] < THIN_SHARE * np.median(counts[begin:nth])
    return thin


def level_of(value: float, levels: Mapping[str, float]) -> str:
    """The highest level that a percentage exceeds; naik, the lowest, below all."""
    exceeded = [name for name, above in sorted(levels.items(), key=lambda entry: entry[1]) if value > above]
    return exceeded[-1] if exceeded else min(levels, key=lambda name: levels[name])


def rule_version(name: str, levels: Mapping[str, float]) -> str:
    """Fingerprint of a rule and its limits, 16 hexadecimal digits."""
    limits = (name, sorted(levels.items()), ENTER_GAP_PCT, EXIT_GAP_PCT, USUAL_QUANTILE, USUAL_DAYS)
    return hashlib.sha256(repr(limits).encode()).hexdigest()[:16]
