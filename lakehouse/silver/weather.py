"""bronze.events -> silver.weather"""

from lakehouse.verdicts.payload import is_not_measured, measured
from lakehouse.verdicts.resolve import region

MEASURES = ("temperature_c", "temperature_min_c", "temperature_max_c", "humidity_pct", "rainfall_mm")
RESOLVED = {"place": region("region")}
COLUMNS = {
    "region_code": "place.code",
    "region": "place.name",
    **{name: measured(f"p.{name}") for name in MEASURES},
    "marks": " or ".join(is_not_measured(f"p.{name}") for name in MEASURES),
    "event_month": "month(coalesce(given_date, cast(event_time as date)))",
}
