"""A lake that the stream itself has written: prices of weeks, faults on the last day, a rise that rings."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import orjson
import pytest
from playwright.sync_api import Browser

from lakehouse.identity.roles import Role
from lakehouse.io.delta import open_table
from lakehouse.reference import provinces
from lakehouse.times import rfc3339
from streaming_jobs.gold.alerts import Alerts
from streaming_jobs.gold.indicators import Indicators
from tests.conftest import Broker
from tests.streaming_jobs.conftest import Stream
from tests.support.api import ApiProcess, Environment, new_stack
from tests.support.identity.people import add_person

DAYS = 45
LAST = (datetime.now(UTC) - timedelta(days=2)).replace(hour=3, minute=0, second=0, microsecond=0)
REGIONS = ("12", "31", "32", "33", "35", "51", "61", "73")
LEVELS = {"bawang-merah": 35_000, "beras-premium": 15_000, "telur-ayam-ras": 29_000}
FACTORS = (0.1, 10, 0.55, 1.9)  # of the last day, in turn
RISING = ("bawang-merah", "35")  # goes up 3 % a day in the last week, and is reported without a fault
HOSTILE = '<img src=x onerror="document.title=1">\u202egnp.exe\u0001'


def price(region: str, commodity: str, day: int) -> float:
    """A price that differs by province and moves a little every day."""
    phase = int(region) + len(commodity)
    wave = 1 + 0.02 * math.sin(phase + day / 3) + 0.004 * math.sin(phase * day)
    steps = max(0, day - (DAYS - 8)) if (commodity, region) == RISING else 0
    return float(round(LEVELS[commodity] * (1 + int(region) / 400) * wave * 1.03**steps, -1))


def event(place: str, commodity: str, day: int, value: float, **more: Any) -> bytes:
    """A price of a province as a device sends it."""
    return orjson.dumps(
        {
            "event_id": f"{commodity}-{place}-{day}",
            "market_id": provinces()[place].market_id,
            "commodity": commodity,
            "price": value,
            "event_time": rfc3339(LAST - timedelta(days=DAYS - 1 - day)),
            **more,
        }
    )


def faulty_events() -> list[bytes]:
    """23 prices of the last day that no rule accepts, and one with text of a stranger."""
    series = [(region, commodity) for commodity in LEVELS for region in REGIONS]
    return [
        event(
            region, commodity, DAYS - 1, float(round(price(region, commodity, DAYS - 1) * FACTORS[nth % 4]))
        )
        for nth, (region, commodity) in enumerate(series)
        if (commodity, region) != RISING
    ] + [event("32", HOSTILE, 0, 1000.0, region=HOSTILE, event_id="hostile")]


class Desk:
    """The lake, its API, and the stream that works when a test lets it."""

    def __init__(self, broker: Broker, home: Any) -> None:
        self.stack = new_stack(home, broker)
        self._environment = Environment(self.stack)
        with self._environment.entered():
            self._stream = Stream(None, broker)
            for day in range(DAYS - 1):
                self._stream.send(
                    *(
                        event(region, name, day, price(region, name, day))
                        for name in LEVELS
                        for region in REGIONS
                    )
                )
            commodity, region = RISING
            self._stream.send(event(region, commodity, DAYS - 1, price(region, commodity, DAYS - 1)))
            self._stream.run()
            self._stream.send(*faulty_events())
        self.work()
        self.process = ApiProcess(self.stack)

    def work(self) -> None:
        """The stream processes all that Kafka holds, and gold follows."""
        with self._environment.entered():
            self._stream.run()
            Indicators().refresh()
            Alerts().refresh()

    def sql(self, query: str, *tables: str) -> list[tuple[Any, ...]]:
        """Rows of a query over tables of the lake; `silver.prices` is `silver_prices` there."""
        with duckdb.connect() as connection, self._environment.entered():
            connection.execute("set timezone = 'UTC'")
            for table in tables:
                connection.register(table.replace(".", "_"), open_table(table).to_pyarrow_table())
            return connection.execute(query).fetchall()


@pytest.fixture(scope="package")
def desk(real_broker: Broker, chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The desk of an operator. `chromium`: nothing is prepared where there is none."""
    opened = Desk(real_broker, tmp_path_factory.mktemp("desk"))
    yield opened
    opened.process.stop()


@pytest.fixture(scope="package")
def running(desk: Desk) -> ApiProcess:
    """The API on this lake."""
    return desk.process


@pytest.fixture(scope="package")
def site(running: ApiProcess) -> str:
    """The address of the API."""
    return running.stack.api_url


@pytest.fixture(scope="package")
def operator_email(running: ApiProcess) -> str:
    """An account with the role operator, for all regions."""
    add_person(running.stack, "operator@example.id", Role.OPERATOR)
    return "operator@example.id"
