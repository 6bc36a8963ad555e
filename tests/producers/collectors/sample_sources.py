"""What each source answers, in its own shape: a few rows that belong to now."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from tests.producers.collectors.source_server import Reply, Request

NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE_MS = 60_000
NEWEST_BAR = (
    int(NOW.timestamp() * 1000) // MINUTE_MS * MINUTE_MS - MINUTE_MS
)  # begin of the newest closed bar
KEYS = {
    "NEWSAPI_KEY": "news-secret",
    "TWITTER_TOKEN": "x-secret",
    "REDDIT_CLIENT_ID": "reddit-app",
    "REDDIT_CLIENT_SECRET": "reddit-secret",
    "BPS_KEY": "bps-secret",
}


def knobs_of(url: str) -> dict[str, str]:
    """The knobs that turn every source on but Panel Harga."""
    return {
        "bmkg_url": f"{url}/report",
        "bps_url": f"{url}/bps",
        "bps_variables": '{"1709": "inflation-monthly"}',
        "market_url": url,
        "market_symbols": '["BTCUSDT"]',
        "news_feeds": f'["{url}/feed.xml"]',
        "newsapi_url": url,
        "reddit_url": url,
        "reddit_sign_in_url": url,
        "x_url": url,
    }


def bar(nth: int) -> list[Any]:
    """The bar `nth` minutes before the newest closed one, as the exchange writes it."""
    begin = NEWEST_BAR - nth * MINUTE_MS
    return [
        begin,
        "100.5",
        "101",
        "99.25",
        "100.75",
        "12.5",
        begin + MINUTE_MS - 1,
        "1250",
        42,
        "6",
        "600",
        "0",
    ]


def bmkg(request: Request) -> Reply:
    day = f"{NOW - timedelta(days=2):%d-%m-%Y}"
    station = {"ID_WMO": "96783", "NAMA_STASIUN": "Bandung", "PROVINSI": "Jawa Barat", "TANGGAL": day}
    measured = {"TN": "18.4", "TX": 28.9, "TAVG": 22.7, "RH_AVG": 81, "RR": "8888", "SS": "", "DDD_CAR": "W"}
    return Reply({"data": [station | measured]})


def bps(request: Request) -> Reply:
    assert request.path.endswith("/key/bps-secret")
    year = request.path.split("/th/")[1].split("/")[0]
    return Reply(
        {
            "status": "OK",
            "data-availability": "available",
            "last_update": f"{NOW - timedelta(days=3):%Y-%m-%d} 09:00:00",
            "var": [{"val": 1709, "label": "Inflasi Bulanan", "unit": "Persen"}],
            "turvar": [{"val": 0, "label": "Tidak ada"}],
            "vervar": [{"val": 32, "label": "JAWA BARAT"}, {"val": 9999, "label": "INDONESIA"}],
            "tahun": [{"val": int(year), "label": str(1900 + int(year))}],
            "turtahun": [{"val": 1, "label": "Januari"}, {"val": 13, "label": "Tahunan"}],
            "datacontent": {
                f"999917090{year}1": 0.04,
                f"321709{0}{year}1": -0.12,
                f"999917090{year}13": 1.57,
            },
        }
    )


def market(request: Request) -> Reply:
    """Three closed bars, and one that is not over, however long the tests run."""
    after = int(request.query.get("startTime", 0))
    assert request.query["symbol"] == "BTCUSDT" and request.query["interval"] == "1m"
    return Reply([row for row in (bar(2), bar(1), bar(0), bar(-1000)) if row[0] >= after])


def rss(request: Request) -> Reply:
    feed = f"""<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
    <title>Ekonomi</title><language>ID</language>
    <item><title>Harga cabai naik</title><guid>https://berita.example/1</guid><dc:creator>A</dc:creator>
    <description>&lt;p&gt;Cabai &lt;b&gt;rawit&lt;/b&gt; naik.&lt;/p&gt;</description>
    <pubDate>{format_datetime(NOW - timedelta(hours=1))}</pubDate></item>
    <item><title>Beras stabil</title><link>https://berita.example/2</link>
    <pubDate>{format_datetime(NOW - timedelta(hours=2))}</pubDate></item></channel></rss>"""
    return Reply(feed.encode(), headers={"Content-Type": "application/rss+xml"})


def newsapi(request: Request) -> Reply:
    assert request.headers["x-api-key"] == "news-secret"
    since = request.query.get("from", "")
    rows = [
        {
            "source": {"id": None, "name": "Berita"},
            "title": f"Berita {nth}",
            "description": f"Isi {nth}",
            "url": f"https://berita.example/a/{nth}",
            "publishedAt": f"{NOW - timedelta(minutes=nth):%Y-%m-%dT%H:%M:%SZ}",
        }
        for nth in range(1, 131)  # two pages
    ]
    new = [row for row in rows if row["publishedAt"] >= since]
    page = int(request.query["page"])
    return Reply({"status": "ok", "totalResults": len(new), "articles": new[(page - 1) * 100 : page * 100]})


def reddit_sign_in(request: Request) -> Reply:
    assert request.body == b"grant_type=client_credentials"
    return Reply({"access_token": "short-lived", "token_type": "bearer"})


def reddit(request: Request) -> Reply:
    assert request.headers["authorization"] == "Bearer short-lived"
    posts = [
        {
            "id": number,
            "name": f"t3_{number}",
            "title": "Inflasi",
            "selftext": f"Menurut saya {number}",
            "created_utc": NOW.timestamp() - 60,
        }
        for number in ("1abz", "1aby")
    ]
    children = [{"kind": "t3", "data": post} for post in posts]
    return Reply({"kind": "Listing", "data": {"after": None, "children": children}})


def x(request: Request) -> Reply:
    assert request.headers["authorization"] == "Bearer x-secret"
    if request.query.get("since_id") == "1801":
        return Reply({"meta": {"result_count": 0}})
    time = f"{NOW - timedelta(minutes=5):%Y-%m-%dT%H:%M:%S.000Z}"
    rows = [
        {"id": number, "text": f"cabai mahal {number}", "created_at": time, "lang": "in"}
        for number in ("1801", "1800", "1800")
    ]
    return Reply({"data": rows, "meta": {"newest_id": "1801", "result_count": 3}})


ANSWERS: dict[str, Callable[[Request], Reply]] = {
    "/report": bmkg,
    "/bps": bps,
    "/api/v3/klines": market,
    "/feed.xml": rss,
    "/v2/everything": newsapi,
    "/api/v1/access_token": reddit_sign_in,
    "/r/finansial/new": reddit,
    "/2/tweets/search/recent": x,
}


def answer(request: Request) -> Reply:
    """The usual answer of the source with that path."""
    return next(given(request) for path, given in ANSWERS.items() if request.path.startswith(path))
