"""What the demonstration plants in its data: faults and events whose truth is known, and where they show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from conf.runtime.status_files import read_json, write_json
from conf.settings import settings
from lakehouse.reference import DEFAULT_TIMEZONE, provinces
from lakehouse.times import rfc3339
from producers.simulate.walk import SHORTAGE, SHORTAGE_DAYS, SHORTAGE_REGIONS

SEED = 1  # of the country
RECENT_DAYS = 28  # sent as events, so that silence and rhythms of the markets are those of live ones
SILENT_MARKET = "PASAR-012"  # the last of the markets that report, so that the live ones are the first eleven
SILENT_DAYS = 9
DRIFTING_DEVICE = "SIM-PASAR-001-C"
DRIFT_C_AN_HOUR = 1.0
DRIFT_HOURS = 5  # before the first run: its last readings lie beyond the limit
MOST_DRIFT_C = 6.0
LOSING_HOLDER = "GUDANG-73"
LOSS_DAYS = 4  # before the planted day
LOSS_SHARE = 0.30
SCARCE = "bawang-merah"
SCARCE_REGION, PLENTY_REGION = "31", "33"
ROUTE = "SEMARANG-JAKARTA"
WRONG_NAME = "Cabe Rawit Mera"


@dataclass(frozen=True)
class SamplePlan:
    """Which days a lake gets: those before its first run, then those since the last one."""

    first_run: datetime
    last_run: datetime | None = None  # whose events are all acknowledged

    @property
    def planted_on(self) -> date:
        """The last day of the first history, on which faults are dated."""
        return day_before(self.first_run)

    @property
    def files_until(self) -> date:
        """The last day that the files hold."""
        return self.planted_on - timedelta(days=RECENT_DAYS)

    def write(self) -> None:
        """Keep it for the next run."""
        last_run = rfc3339(self.last_run) if self.last_run else None
        write_json(folder() / "plan.json", {"first_run": rfc3339(self.first_run), "last_run": last_run})


def folder() -> Path:
    """Where the files and the plan lie."""
    return settings().home / "sample"


def day_before(moment: datetime) -> date:
    """The last whole day of the country, in its first time zone."""
    return moment.astimezone(ZoneInfo(DEFAULT_TIMEZONE)).date() - timedelta(days=1)


def read_plan(now: datetime) -> SamplePlan:
    """The plan of this home; without one that of a first run at `now`."""
    note = read_json(folder() / "plan.json")
    if note is None:
        return SamplePlan(now)
    last_run = datetime.fromisoformat(note["last_run"]) if note["last_run"] else None
    return SamplePlan(datetime.fromisoformat(note["first_run"]), last_run)


@dataclass(frozen=True)
class WrongPrice:
    """One price that was typed wrongly: `factor` times the true one, or under a wrong name."""

    market_id: str
    commodity: str
    days_before: int  # the planted day
    what: str
    factor: float = 1.0
    name: str | None = None

    def day(self, planted_on: date) -> date:
        """Its market day."""
        return planted_on - timedelta(days=self.days_before)

    def event_id(self, planted_on: date, seed: int = SEED) -> str:
        """Id of its event."""
        return price_id(seed, self.market_id, self.commodity, self.day(planted_on))


WRONG_PRICES = (
    WrongPrice("PASAR-005", "bawang-merah", 3, "price per 100 g", 0.1),
    WrongPrice("PASAR-003", "gula-konsumsi", 2, "price in thousands of rupiah", 0.001),
    WrongPrice("PASAR-008", "telur-ayam-ras", 5, "one zero too many", 10.0),
    WrongPrice("PASAR-010", "cabai-rawit-merah", 1, "name misspelled", name=WRONG_NAME),
)


def price_id(seed: int, market_id: str, commodity: str, day: date) -> str:
    """Event id of a simulated price."""
    return f"sim-history-{seed}-{market_id}-{commodity}-{day}"


@dataclass(frozen=True)
class Planted:
    """One planted fact.

    `found_in`: the table with rows that satisfy `condition` (SQL) once it is found; `page`: path of the web
    page or of the API that shows it.
    """

    what: str
    found_in: str
    page: str
    condition: str


def planted(planted_on: date, seed: int = SEED) -> list[Planted]:
    """All that the history up to `planted_on` holds."""
    regions = ", ".join(f"'{code}'" for code in SHORTAGE_REGIONS)
    shortage_since = planted_on - timedelta(days=SHORTAGE_DAYS - 1)
    week_before = planted_on - timedelta(days=7)
    scarce, plenty = (provinces()[code].name for code in (SCARCE_REGION, PLENTY_REGION))
    return [
        Planted(
            f"shortage of {SHORTAGE} in {_names(SHORTAGE_REGIONS)}, since {shortage_since}",
            "gold.alerts",
            "/peringatan",
            f"commodity = '{SHORTAGE}' and region_code in ({regions}) and rule = 'price_level' "
            "and state in ('pending', 'active')",
        ),
        *(
            Planted(
                f"{error.what}: {error.commodity} at {error.market_id} on {error.day(planted_on)}",
                "silver.quarantine",
                "/karantina",
                f"event_id = '{error.event_id(planted_on, seed)}'",
            )
            for error in WRONG_PRICES
        ),
        Planted(
            f"{SILENT_MARKET} has been silent for {SILENT_DAYS} days",
            "gold.alerts",
            "/peringatan",
            f"rule = 'silent_market' and market_id = '{SILENT_MARKET}'",
        ),
        Planted(
            f"{DRIFTING_DEVICE} measures ever warmer, {DRIFT_C_AN_HOUR:g} °C an hour",
            "silver.quarantine",
            "/karantina",
            f"kind = 'sensor' and contains(decode(payload), '{DRIFTING_DEVICE}')",
        ),
        Planted(
            f"{LOSING_HOLDER} lost {LOSS_SHARE:.0%} of its rice without a delivery",
            "gold.stock_days",
            "/peringatan",
            f"entity_id = '{LOSING_HOLDER}' and residual_level = 'error'",
        ),
        Planted(
            f"{SCARCE} lasts for two days in {scarce}, for three weeks in {plenty}",
            "gold.supply_transfers",
            "/api/v1/supply/transfers",
            f"commodity = '{SCARCE}' and to_region_code = '{SCARCE_REGION}' "
            f"and from_region_code = '{PLENTY_REGION}'",
        ),
        Planted(
            f"deliveries on {ROUTE} are slower than the distance suggests",
            "gold.routes",
            f"/api/supply/route/analyze?route_id={ROUTE}&distance_km=450",
            f"route_id = '{ROUTE}' and basis = 'observed'",
        ),
        Planted(
            f"posts report that {SHORTAGE} is scarce",
            "gold.sentiment",
            f"/api/v1/sentiment?commodity={SHORTAGE}",
            f"subject = '{SHORTAGE}' and market_date > date '{week_before}' and pressure > 0.2",
        ),
        Planted(
            "chilli is dearer one to three weeks after rain",
            "gold.weather_prices",
            "/komoditas",
            "variable = 'rainfall_mm' and commodity like 'cabai%' and significant and correlation > 0 "
            "and lag_days between 7 and 21",
        ),
        Planted(
            "prices follow those of hubs: models beat the naive forecast",
            "gold.model_accuracy",
            "/prakiraan",
            "alias = 'champion' and model <> 'naive'",
        ),
    ]


def _names(codes: Sequence[str]) -> str:
    return ", ".join(provinces()[code].name for code in codes)
