"""Yesterday's forecast against the price: how improbable its intervals make the price."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from lakehouse.io.query import run_sql
from ml.anomalies.observations import Floats

WINDOW_DAYS = 180  # of errors that a price is compared with under naive
VOTE = 0.01  # p from which the forecast votes for an anomaly
Place = tuple[str, str, date]  # commodity, region_code, target date
# The champion's forecast for one day ahead, as it was issued last.
FORECASTS_SQL = """
  select commodity, region_code, target_date,
    price_idr, lower_80_idr, upper_80_idr, lower_95_idr, upper_95_idr
  from forecasts where horizon_days = 1 and champion
  qualify row_number() over (partition by commodity, region_code, target_date order by issued_at desc) = 1
"""


@dataclass(frozen=True)
class DayAheadForecast:
    """A forecast for the next day, rupiah, with its 80 and 95 % intervals (low, high)."""

    price_idr: float
    interval_80: tuple[float, float]
    interval_95: tuple[float, float]

    def p_value(self, price_idr: float) -> float:
        """How improbable the price is.

        Linear in log price between the two conformal intervals, exponential beyond the wider one at the same
        slope. 1 for an interval without width.
        """
        side = int(price_idr >= self.price_idr)
        distance = self._distance(price_idr)
        inner = self._distance(self.interval_80[side])
        outer = self._distance(self.interval_95[side])
        if not 0 < inner < outer:
            return 1.0
        if distance <= outer:
            return float(np.interp(distance, (0.0, inner, outer), (1.0, 0.2, 0.05)))
        return 0.05 * float(np.exp(-np.log(4) * (distance - outer) / (outer - inner)))

    def _distance(self, price_idr: float) -> float:
        return abs(float(np.log(price_idr / self.price_idr)))


def day_ahead_forecasts(forecasts: object | None) -> Mapping[Place, DayAheadForecast]:
    """Day-ahead forecasts of gold.forecasts (dataset or table) by what they are for.

    None without the table.
    """
    if forecasts is None:
        return {}
    rows = run_sql(FORECASTS_SQL, {"forecasts": forecasts}).to_pylist()
    return {
        (row["commodity"], row["region_code"], row["target_date"]): DayAheadForecast(
            row["price_idr"],
            (row["lower_80_idr"], row["upper_80_idr"]),
            (row["lower_95_idr"], row["upper_95_idr"]),
        )
        for row in rows
    }


def naive_p_values(last: Floats, price: Floats) -> Floats:
    """[days, series] conformal p of each price under the naive forecast `last`.

    From the errors of all series together on the WINDOW_DAYS before.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.abs(np.log(price / last))
    p = np.full(size.shape, np.nan)
    for row in range(1, len(size)):
        past = np.sort(size[max(row - WINDOW_DAYS, 0) : row].ravel())
        past = past[np.isfinite(past)]
        p[row] = (1 + len(past) - np.searchsorted(past, size[row])) / (len(past) + 1)
    return np.where(np.isfinite(size), p, np.nan)
