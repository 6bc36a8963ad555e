"""Yesterday's forecast of a price against the price: how improbable its interval makes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np

from ml.anomaly_reports import Floats

VOTE = 0.01  # p from which the forecast calls a price an anomaly
Place = tuple[str, str, date]  # commodity, region_code, target date
# The forecast that was served for one day ahead, as it was issued last.
FORECASTS_SQL = """
  select commodity, region_code, target_date, price_idr, lower_80_idr, upper_80_idr, lower_95_idr, upper_95_idr
  from forecasts where horizon_days = 1 and champion
  qualify row_number() over (partition by commodity, region_code, target_date order by issued_at desc) = 1
"""


@dataclass(frozen=True)
class Issued:
    """One day-ahead forecast, rupiah, with its 80 and 95 % intervals (low, high)."""

    price_idr: float
    of_80: tuple[float, float]
    of_95: tuple[float, float]

    def p_value(self, price_idr: float) -> float:
        """Linear in log price between the two conformal intervals, exponential beyond the wider one at the same slope."""
        side = int(price_idr >= self.price_idr)
        size, inner, outer = (abs(float(np.log(x / self.price_idr))) for x in (price_idr, self.of_80[side], self.of_95[side]))
        if not 0 < inner < outer:
            return 1.0
        if size <= outer:
            return float(np.interp(size, (0.0, inner, outer), (1.0, 0.2, 0.05)))
        return 0.05 * float(np.exp(-np.log(4) * (size - outer) / (outer - inner)))


def issued(forecasts: object | None) -> Mapping[Place, Issued]:
    """Day-ahead forecasts of gold.forecasts (dataset or table) by what they were for; none without the table."""
    if forecasts is None:
        return {}
    with duckdb.connect(config={"threads": 1}) as con:
        con.register("forecasts", forecasts)
        rows = con.execute(FORECASTS_SQL).fetchall()
    return {(row[0], row[1], row[2]): Issued(row[3], (row[4], row[5]), (row[6], row[7])) for row in rows}


def naive_p_values(last: Floats, price: Floats, window: int = 180) -> Floats:
    """[days, series] conformal p of each price under "as on the last day", by the `window` days before, all series together."""
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.abs(np.log(price / last))
    found = np.full(size.shape, np.nan)
    for row in range(1, len(size)):
        past = np.sort(size[max(row - window, 0) : row].ravel())
        past = past[np.isfinite(past)]
        found[row] = (1 + len(past) - np.searchsorted(past, size[row])) / (len(past) + 1)
    return np.where(np.isfinite(size), found, np.nan)
