"""Every other source from a local server to silver, and its recordings: the same rows, each once."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import orjson
import pytest

from conf.settings import settings
from producers.collectors.collect import collected
from producers.collectors.source import RequestRefused, ShapeChanged, source_modes
from streaming_jobs.gold.schema_drift import SchemaDrift
from tests.producers.collectors import sample_sources
from tests.producers.collectors.conftest import SetKnobs
from tests.producers.collectors.sample_sources import KEYS, NEWEST_BAR, NOW, knobs_of
from tests.producers.collectors.source_server import Reply, Request, SourceServer
from tests.streaming_jobs.conftest import Stream

SENT = {"bmkg": 1, "bps": 6, "market": 3, "newsapi": 130, "reddit": 2, "rss": 2, "x": 2}


@pytest.fixture
def server(knobs: SetKnobs, monkeypatch: pytest.MonkeyPatch) -> Iterator[SourceServer]:
    """Its first answer to each path is a fault."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    seen: set[str] = set()
    kinds = cycle([(500, None), (429, None), (200, 7)])

    def answer(request: Request) -> Reply:
        usual = sample_sources.answer(request)
        if request.path in seen:
            return usual
        seen.add(request.path)
        status, sent_bytes = next(kinds)
        return Reply(usual.body, status, {"Retry-After": "0"}, sent_bytes)

    with SourceServer(answer).running() as running:
        knobs(record="true", **knobs_of(running.url))
        yield running


def test_each_source_reaches_silver_once_and_no_key_reaches_a_log(
    landed: Stream, server: SourceServer, caplog: pytest.LogCaptureFixture
):
    assert source_modes() == dict.fromkeys(SENT, "on") | {"panel_harga": "off"}
    with caplog.at_level(logging.INFO, "lumbung"):
        assert {name: asyncio.run(collected(name, None))["events"] for name in SENT} == SENT
        again = {name: asyncio.run(collected(name, None)) for name in SENT}
    assert {name: counts["events"] for name, counts in again.items()} == dict.fromkeys(SENT, 0)
    landed.run()
    assert landed.quarantine() == Counter()
    assert landed.balance() == {"rows_in": 146, "silver": 146, "quarantine": 0, "duplicates": 0}

    (weather,) = landed.rows("silver.weather")
    assert (weather["temperature_c"], weather["rainfall_mm"], weather["region"]) == (22.7, None, "Jawa Barat")
    assert weather["date"] == (NOW - timedelta(days=2)).date()
    year = NOW.year - 1
    figures = {(row["indicator"], row["period"]): row["value"] for row in landed.rows("silver.macro")}
    assert figures["inflation-monthly", f"{year}-01"] == 0.04
    assert figures["inflation-monthly:32", f"{year}-01"] == -0.12
    assert figures["inflation-monthly", f"{year}"] == 1.57
    bars = sorted(landed.rows("silver.bars"), key=lambda row: row["bar_time"])
    assert [int(row["bar_time"].timestamp() * 1000) for row in bars] == [
        NEWEST_BAR - 120_000, NEWEST_BAR - 60_000, NEWEST_BAR,
    ]  # fmt: skip
    assert (bars[0]["open"], bars[0]["volume"], bars[0]["currency"]) == (100.5, 12.5, "USDT")
    posts = {row["post_id"]: row for row in landed.rows("silver.posts")}
    assert posts["https://berita.example/1"]["content"] == "Cabai rawit naik."
    assert posts["https://berita.example/2"]["content"] == "Beras stabil"
    assert posts["t3_1abz"]["content"] == "Inflasi Menurut saya 1abz"
    assert posts["1800"]["origin"] == "twitter"
    assert not [key for key in KEYS.values() if key in caplog.text]
    assert server.url not in caplog.text

    replay_recordings(landed, settings().home / "recordings")


def replay_recordings(landed: Stream, folder: Path) -> None:
    """What was recorded has the same events, which the stream knows; it holds no key."""
    files = {file.parent.name: file for file in folder.glob("*/*.jsonl")}
    assert files.keys() == SENT.keys()
    assert not [key for key in KEYS.values() for file in files.values() if key in file.read_text()]
    sent = sum(asyncio.run(collected(name, file))["events"] for name, file in files.items())
    landed.run()
    balance = landed.balance()
    assert (balance["silver"], balance["quarantine"], balance["duplicates"]) == (146, 0, sent)
    assert sent >= 146


def test_page_that_a_plan_refuses_ends_the_poll_and_moves_the_cursor(server: SourceServer):
    def small_plan(request: Request) -> Reply:
        return Reply(b"{}", 426) if request.query["page"] == "2" else sample_sources.newsapi(request)

    server.answer = small_plan
    assert asyncio.run(collected("newsapi", None))["events"] == 100
    assert asyncio.run(collected("newsapi", None))["events"] == 0
    assert "from" in server.requests[-1].query
    server.answer = lambda request: Reply(b"{}", 401)
    with pytest.raises(RequestRefused, match="^status 401$"):
        asyncio.run(collected("newsapi", None))


QUOTES = '"'
RENAMED = {  # source -> field, its new name
    "bmkg": (b"TANGGAL", b"TGL"),
    "bps": (b"last_update", b"updated"),
    "newsapi": (b"publishedAt", b"published"),
    "reddit": (b"created_utc", b"created_time"),
    "rss": (b"pubDate", b"published"),
    "x": (b'"text"', b'"full_text"'),
}


def test_changed_field_of_each_source_is_quarantined_and_named(landed: Stream, server: SourceServer):
    def renamed(request: Request) -> Reply:
        content = sample_sources.answer(request).content
        for old, new in RENAMED.values():
            content = content.replace(old, new)
        return Reply(content)

    server.answer = renamed
    for source, (_, name) in RENAMED.items():
        counts = asyncio.run(collected(source, None))
        assert counts["events"] > 0 and counts["unknown_fields"] == [name.decode().strip(QUOTES)], source
    server.answer = lambda request: Reply([{"open": "100.5"}])  # bars have no names: another shape
    with pytest.raises(ShapeChanged, match="not a list of bars"):
        asyncio.run(collected("market", None))
    landed.run()
    refused = landed.rows("silver.quarantine")
    assert {row["source"] for row in refused} == {
        f"collector:{name}" for name in ("bmkg", "bps", "market", "x")
    }
    assert landed.balance()["silver"] == 134, "posts whose time has another name are stored without it"
    SchemaDrift().refresh()
    drifted = {row["field"] for row in landed.rows("gold.schema_drift")}
    assert drifted == {f"{source}_{new.decode().strip(QUOTES)}" for source, (_, new) in RENAMED.items()}
    (post,) = [row for row in refused if b"1801" in row["payload"]]
    reasons = {reason["rule"]: reason["message"] for reason in post["reasons"]}
    assert "x_full_text" in reasons["field_unknown"] and "text_required" in reasons
    assert orjson.loads(post["payload"])["post_id"] == "1801"
