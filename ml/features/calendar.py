"""Features that are known years ahead: the calendar, and codes of commodity, province and island."""

from functools import partial

import numpy as np

from lakehouse.reference import island
from ml.data import holidays as cal
from ml.data.panel import Floats
from ml.features.inputs import AHEAD, CUT, Definitions, FeatureInputs, define_features


def _coded(names: tuple[str, ...]) -> Floats:
    """(series, 1) position of each name in the sorted list of distinct names."""
    return np.unique(np.array(names), return_inverse=True)[1].astype(float)[:, None]


def since_feast(inputs: FeatureInputs, feast: str) -> Floats:
    """Days since the nearest such feast."""
    return cal.distance(inputs.panel.days, feast)


CALENDAR: Definitions = {
    "weekday": (
        "weekday of the origin, 0 Monday; with the horizon also that of the target",
        lambda b: cal.weekday(b.panel.days),
    ),
    "year_sin": (
        "sine of the day of the year",
        lambda b: np.sin(2 * np.pi * cal.day_of_year(b.panel.days) / 365.25),
    ),
    "year_cos": (
        "cosine of the day of the year",
        lambda b: np.cos(2 * np.pi * cal.day_of_year(b.panel.days) / 365.25),
    ),
    **{
        feast: (f"days since {name}, negative before, ± 45 at most", partial(since_feast, feast=feast))
        for feast, name in (("fitri", "Idul Fitri"), ("adha", "Idul Adha"), ("natal", "Christmas"))
    },
    "ramadan": ("1 in the fasting month", lambda b: cal.ramadan(b.panel.days).astype(float)),
    "holidays3": ("holidays among the next 3 days", lambda b: cal.holidays_within(b.panel.days, 3)),
    "holidays7": ("holidays among the next 7 days", lambda b: cal.holidays_within(b.panel.days, 7)),
    "pay_days": ("1 from the 25th to the 2nd of a month", lambda b: cal.pay_days(b.panel.days).astype(float)),
}
CODES: Definitions = {
    "commodity": ("position of the commodity in the sorted list", lambda b: _coded(b.panel.commodities)),
    "province": ("position of the province in the sorted list", lambda b: _coded(b.panel.regions)),
    "island": (
        "position of the island group in the sorted list",
        lambda b: _coded(tuple(island(r) for r in b.panel.regions)),
    ),
}

FEATURES = define_features("calendar", AHEAD, CALENDAR) + define_features("codes", CUT, CODES)
