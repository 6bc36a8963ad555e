"""Panel Harga Pangan of Badan Pangan Nasional: mean consumer prices of provinces, by commodity and day.

One request a commodity and day: from the day that the last poll ended with to today (WIB).
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from conf.collected_sources import collected_sources
from conf.settings import secrets, settings
from lakehouse.io.source_files.field_map import province_market
from lakehouse.io.source_files.file_rows import zone_of
from lakehouse.reference import DEFAULT_TIMEZONE
from producers.collectors import source
from producers.collectors.times import begin_of

CONSUMER = "3"  # price level: 1 producer, 2 wholesale, 3 consumer
MOST_DAYS = 60  # that are caught up after an interruption; older ones are published as files
PRICE = "rata_rata_geometrik"  # geometric mean of the province's markets
NOT_REPORTED = (None, "", "-", 0, "0")
NEEDS = ("collectors.panel_harga_url",)


async def poll(fetch: source.Fetch, cursor: source.Cursor) -> source.Pages:
    """A day's prices are corrected during the day, so the newest day is requested again."""
    key = secrets().panel_harga_key
    headers = {"x-api-key": key} if key else {}
    url = f"{settings().collectors.panel_harga_url.rstrip('/')}/front/harga-peta-provinsi"
    after = cursor
    for day in days_from(cursor.get("day"), datetime.now(ZoneInfo(DEFAULT_TIMEZONE)).date()):
        text = f"{day:%d/%m/%Y}"
        for commodity in collected_sources()["panel_harga"].requested:
            params = {
                "level_harga_id": CONSUMER,
                "komoditas_id": commodity,
                "period_date": f"{text} - {text}",
            }
            answer = await fetch.get(f"commodity {commodity} on {day}", url, params, headers)
            if answer:
                yield source.SourcePage(answer, after)
        after = {"day": day.isoformat()}
        yield source.SourcePage(None, after)


def items(answer: source.Answer) -> list[source.Item]:
    """A price is an item by its value too: a corrected price is another event."""
    _, number_at_source, _, day = answer.name.split()
    commodity = collected_sources()["panel_harga"].requested.get(number_at_source, number_at_source)
    rows = source.rows_at(answer.json(), "data")
    return [price_item(row, commodity, day) for row in rows if is_reported(row)]


def days_from(newest: str | None, last: date) -> list[date]:
    """Days from `newest`, the last day without one, to `last`, at most MOST_DAYS of them."""
    first = min(date.fromisoformat(newest), last) if newest else last
    count = min((last - first).days + 1, MOST_DAYS)
    return [last - timedelta(days=count - 1 - nth) for nth in range(count)]


def is_reported(row: source.Payload) -> bool:
    """Whether a row holds a price, or may hold it under another name."""
    return PRICE not in row or row[PRICE] not in NOT_REPORTED


def price_item(row: source.Payload, commodity: str, day: str) -> source.Item:
    """A row as a price event. `day`: the requested one, for a row without a date."""
    name = row.get("province_name")
    price = source.number_of(row.get(PRICE))
    market = province_market(name) if isinstance(name, str) else name
    payload = {
        "market_id": market,
        "commodity": commodity,
        "price": price,
        "provider": "panel-harga",
        "event_time": begin_of(row.get("date") or day, zone_of({"market_id": market})),
    }
    return source.item_of("panel_harga", row, payload, payload["event_time"], market, commodity, price)
