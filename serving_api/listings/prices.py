"""Lists of prices: live, changed, history, anomalies; of markets and sensors."""

from collections.abc import Callable
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from lakehouse.io.delta import open_table
from lakehouse.io.table_files import reading
from serving_api.http.cursors import Key
from serving_api.http.path_parameters import RegionInPath
from serving_api.http.problems import Problem
from serving_api.listings.filters import commodity, from_simulated_prices, region
from serving_api.listings.listing import Filter, Listing, ListRequest, Row, equal, listing_router
from serving_api.reads.keyset import next_rows
from serving_api.reads.live_prices import is_simulated, live_rows, live_table, of_place
from serving_api.reads.names import (
    commodity_ids,
    known_market,
    region_code,
    region_of,
    require_market_in_region,
)
from serving_api.reads.price_impacts import PriceImpacts
from serving_api.reads.provenance import SIMULATED, simulated_rows
from serving_api.reads.responses import KeyedItem, to_json_value
from serving_api.reads.snapshots import Snapshot, newest_of
from serving_api.schemas.envelope import Name
from serving_api.schemas.pipeline import ChangesQuery
from serving_api.schemas.prices import COMMODITY, HistoryPrice, LivePrice, LivePricesQuery

LIVE = "gold.live_prices"
SENSOR_SERIES = ("market_id", "device_id_hash", "metric")
HISTORY_COLUMNS = tuple(name for name in HistoryPrice.model_fields if name != "level")
PROVINCE_WIDE = "PROV-"
Seen = frozenset[tuple[str, str, str]]  # (market, commodity, event) of the live prices of a version


def seen_in(rows: pa.Table) -> Seen:
    """The events behind the retail prices of a version."""
    retail = rows.filter(pc.field("channel") == "retail")
    columns = (retail[name].to_pylist() for name in ("market_id", "commodity", "event_id"))
    return frozenset(zip(*columns, strict=True))


def changed_since(snapshot: Snapshot, after: int) -> frozenset[tuple[str, str]]:
    """(market, commodity) of the prices that `snapshot` has and version `after` had not.

    Raises Problem 410 for a version that is not kept any more or is not there yet.
    """
    if snapshot.delta is None or after == snapshot.version:
        return frozenset()
    if after > snapshot.version:
        raise Problem("cursor-expired")

    def compare() -> frozenset[tuple[str, str]]:
        new = seen_in(snapshot.rows) - seen_in(rows_of_version(after))
        return frozenset((market, commodity) for market, commodity, _ in new)

    return snapshot.cached(("changed since", after), compare)


def rows_of_version(version: int) -> pa.Table:
    """The live prices of an earlier version. Raises Problem 410 when its files are gone."""
    columns = ["market_id", "commodity", "channel", "event_id"]
    with reading(LIVE):
        try:
            return open_table(LIVE, version).to_pyarrow_dataset().to_table(columns=columns)
        except (DeltaError, FileNotFoundError):
            raise Problem("cursor-expired") from None


def months_within(request: ListRequest, key: Key | None) -> list[str]:
    """Months that can hold the range, newest first, from the cursor's month on.

    The range is extended by a day on both sides: time zones differ.
    """
    delta, times = request.snapshot.delta, request.times
    assert delta is not None and times is not None
    months = request.snapshot.cached(
        "months", lambda: sorted({part["market_month"] for part in delta.partitions()}, reverse=True)
    )
    first = f"{times.start - timedelta(days=1):%Y-%m}"
    last = f"{times.end + timedelta(days=1):%Y-%m}" if times.end else "9999-12"
    if key is not None:
        last = min(last, f"{pa.scalar(key[0], pa.int32()).cast(pa.date32()).as_py():%Y-%m}")
    return [month for month in months if first <= month <= last]


def by_month(request: ListRequest, condition: pc.Expression, key: Key | None, limit: int) -> list[KeyedItem]:
    """Up to limit + 1 prices after `key`, newest market day first; reads the files of one month at a time."""
    require_market_in_region(request.snapshots, request.values["market_id"], request.values["region"])
    snapshot = request.snapshot
    if snapshot.delta is None:
        return []
    # A table from before a column was added lacks it until the stream starts.
    columns = [name for name in HISTORY_COLUMNS if name in snapshot.delta.schema().to_arrow().names]
    page: list[KeyedItem] = []
    for month in months_within(request, key):
        rows = snapshot.read(condition, columns, partition=("market_month", month))
        page += next_rows(rows, HISTORY.sort_keys, key, limit + 1 - len(page))
        if len(page) > limit:
            break
    return page


def history_item(row: Row) -> Row:
    """A price as an item, with the level that follows from the market id: of a market or a province."""
    level = "province" if row["market_id"].startswith(PROVINCE_WIDE) else "market"
    return {name: to_json_value((row | {"level": level}).get(name)) for name in HistoryPrice.model_fields}


def newest_price(request: ListRequest) -> date | None:
    """The newest market day of the requested series, by the live prices; of the table when they have none."""
    of_table = newest_of(request.snapshot, "market_date")
    if request.values["from_"] or request.values["to"]:
        return of_table
    try:
        condition = HISTORY.condition_of(request)
    except Problem:  # an unknown name, which is reported after a faulty cursor
        return of_table
    of_series: date | None = pc.max(request.snapshots[LIVE].rows.filter(condition)["market_date"]).as_py()
    return of_series or of_table


def simulated_readings(request: ListRequest) -> Callable[[Row], bool]:
    """Whether the simulator sent a reading."""
    simulated = simulated_rows(request.snapshot, SENSOR_SERIES)
    return lambda item: tuple(item[name] for name in SENSOR_SERIES) in simulated


def simulated_markets(request: ListRequest) -> Callable[[Row], bool]:
    """Whether the simulator sent prices of a market."""
    simulated = simulated_rows(request.snapshots[LIVE], ["market_id"])
    return lambda item: (item["market_id"],) in simulated


def of_market(market_id: str, request: ListRequest) -> pc.Expression:
    """The rows of a market. Raises Problem 404 for one that is not listed and has never reported."""
    return pc.field("market_id") == known_market(request.snapshots, market_id)


def live_page(request: ListRequest) -> list[KeyedItem]:
    """The live prices in the requested order. Raises Problem 404."""
    values, snapshots = request.values, request.snapshots
    day, order = values["known_on"], values["sort"]
    ids = commodity_ids(values["commodity"]) if values["commodity"] else None
    code = region_code(values["region"])
    impacts = PriceImpacts(snapshots) if day is None else None
    return request.snapshot.cached(
        ("rows", order, day, impacts and impacts.version, ids, code),
        lambda: live_rows(live_table(snapshots, day), order, impacts, of_place(ids, code)),
    )


def changed_page(request: ListRequest) -> list[KeyedItem]:
    """The live prices that are newer than a version. Raises Problem 404 or 410."""
    ids = commodity_ids(request.values["commodity"]) if request.values["commodity"] else None
    after = request.values["after"]
    changed = frozenset() if after is None else changed_since(request.snapshot, after)
    places = pc.field("market_id").isin(pa.array({market for market, _ in changed}, pa.string()))
    impacts = PriceImpacts(request.snapshots)
    rows = live_rows(request.snapshot.rows, "newest", impacts, of_place(ids, None) & places)
    return [row for row in rows if (row[1]["market_id"], row[1]["commodity"]) in changed]


def impacts_version(request: ListRequest) -> str:
    """What the impacts of live prices follow from; those of an earlier day have none."""
    return PriceImpacts(request.snapshots).version if request.values.get("known_on") is None else ""


LIVE_PRICES = Listing(
    table=LIVE,
    path="/api/public/commodity/price/live",
    name="list_live_prices",
    item=LivePrice,
    summary="Newest valid prices",
    description="The newest valid price of each market and commodity; for a group, of its members.",
    query=LivePricesQuery,
    keyed=live_page,
    variant=impacts_version,
    demo=lambda request: is_simulated(request.snapshot),
)
CHANGES = Listing(
    table=LIVE,
    path="/api/v1/changes",
    name="list_changes",
    tag="pipeline",
    item=LivePrice,
    summary="Live prices that changed since a version",
    description="""For callers that poll: the live prices that are newer than version `after` of
    gold.live_prices.

    410 when that version is no longer kept: then read the live prices again.""",
    query=ChangesQuery,
    keyed=changed_page,
    variant=impacts_version,
    demo=lambda request: is_simulated(request.snapshot),
)
HISTORY = Listing(
    table="gold.price_history",
    path="/api/public/commodity/price/history",
    name="list_price_history",
    item=HistoryPrice,
    summary="Accepted prices over time",
    description="""Accepted prices of a commodity in [from, to), newest market day first.

    A date is a market day in the time zone of each market, a time the same moment everywhere. Default:
    the 30 days that end with the newest market day of these prices; `meta.range` names them.
    `format=csv`, or `Accept: text/csv`, returns a file.""",
    times="market_date",
    newest=newest_price,
    filters=(
        commodity(COMMODITY, required=True, examples=("cabai-rawit-merah",)),
        region(examples=("Jawa Barat",)),
        equal("market_id", "prices of this market", Name, examples=("PASAR-001",)),
    ),
    order="market_date desc, event_time desc, event_id",  # months come in this order too
    read=by_month,
    item_from=history_item,
    demo=lambda request: lambda item: item["event_id"].startswith(SIMULATED),
)
ANOMALIES = Listing(
    table="gold.anomalies",
    path="/api/v1/predict/anomaly/{region}",
    name="list_anomalies",
    tag="anomalies",
    item="AnomalyRow",
    summary="Anomalies detected in a region, newest first",
    description="""Prices of a province that the anomaly job marked as unusual.

    Default: the 30 days that end with the newest market day of the table; `meta.range` names them.""",
    columns="region, commodity, market_id, event_time, price_idr, score, severity, kind, label",
    times="market_date",
    filters=(
        Filter(
            "region",
            None,
            lambda name, request: pc.field("region_code") == region_of(name)[0],
            RegionInPath,
            in_path=True,
        ),
        commodity(examples=("cabai",)),
        equal("severity", "only anomalies of this severity"),
    ),
    order="event_time desc, commodity, region_code, market_id, channel, provider, market_date",
    demo=from_simulated_prices,
)
MARKETS = Listing(
    table="gold.markets",
    path="/api/public/market/list",
    name="list_markets",
    tag="markets",
    item="MarketRow",
    summary="Markets and how much they report",
    description="""Every listed market and every market that has reported, by name.

    `PROV-<code>` is the price of a whole province.""",
    columns=("market_id, name, level, region, latitude, longitude, timezone, commodities, last_event_time"),
    filters=(region(),),
    order="name, market_id",
    demo=simulated_markets,
)
SENSORS = Listing(
    table="gold.sensors_live",
    path="/api/v1/sensors/live",
    name="list_live_sensors",
    tag="markets",
    item="SensorReading",
    summary="Newest sensor readings",
    description="""The newest reading of each metric of each device, newest first. Devices are
    identified by a hash.""",
    columns="market_id, device_id_hash, metric, value, event_time",
    filters=(
        Filter("market_id", "the market of the sensor", of_market, Name, examples=("PASAR-001",)),
        equal("metric", "what was measured"),
    ),
    order="event_time desc, market_id, device_id_hash, metric",
    demo=simulated_readings,
)
router = listing_router("prices", LIVE_PRICES, CHANGES, HISTORY, ANOMALIES, MARKETS, SENSORS)
