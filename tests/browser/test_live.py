"""Prices move on the page; after whatever happens to its socket it shows the figures of a fresh page."""

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import orjson
import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from lakehouse.reference import markets
from scripts.bench.api_lake import write
from tests.support.api import ApiProcess
from tests.support.served_lake import NOW, price
from tests.support.waiting import eventually

COMMODITY = "bawang-merah"
MARKETS = {market_id: markets()[market_id].name for market_id in ("PASAR-001", "PASAR-005")}
SOCKET = "**/ws/prices"
NUMBER = itertools.count(1)


def report(running: ApiProcess, market_id: str = "PASAR-001") -> str:
    """A new price in gold.live_prices; returns it as the page shows it."""
    number = next(NUMBER)
    idr = 30_000 + number
    row = price(f"page-{number}", market_id, COMMODITY, timedelta(), float(idr))
    row |= {"event_time": NOW + timedelta(seconds=number), "provider": "market"}
    write(running.stack.lake_root, "gold.live_prices", [row])
    return f"{idr:,}".replace(",", ".")


def opened(page: Page, running: ApiProcess) -> Locator:
    """The cell of a market's price, on a page whose socket has said hello or is polling."""
    first = report(running)
    live = f"/api/public/commodity/price/live?commodity={COMMODITY}"
    eventually(lambda: first.replace(".", "") in running.get(live).text)
    page.goto(f"/komoditas?komoditas={COMMODITY}")
    cell = page.get_by_role("row", name=MARKETS["PASAR-001"]).get_by_role("cell").first
    expect(cell).to_contain_text(first)
    return cell


def linked(page: Page, state: str) -> None:
    expect(page.locator(f'main [data-link="{state}"]')).to_be_visible()


def test_price_moves_on_both_pages_without_a_reload(page: Page, running: ApiProcess) -> None:
    cell = opened(page, running)
    linked(page, "live")
    expect(cell).to_contain_text(report(running))
    later = report(running, "PASAR-005")
    expect(page.get_by_role("row", name=MARKETS["PASAR-005"])).to_contain_text(later)
    chart = page.locator(".live-chart")
    expect(chart).to_have_attribute("data-frames", "2")
    expect(chart.locator("canvas")).to_be_visible()
    expect(chart).to_contain_text("2 perubahan dari 2 pasar")
    page.keyboard.press("p")
    expect(chart.get_by_role("button")).to_have_text("Lanjut P")
    later = report(running, "PASAR-005")
    expect(page.get_by_role("row", name=MARKETS["PASAR-005"])).to_contain_text(later)
    expect(chart).to_have_attribute("data-frames", "2")
    page.keyboard.press("p")
    expect(chart).to_have_attribute("data-frames", "3")
    expect(chart).to_contain_text(later)
    page.get_by_role("link", name="Beranda").click()
    newest = page.locator(".arrivals li").first
    expect(newest).to_contain_text(later)
    arrived = report(running)
    expect(newest).to_contain_text(arrived)
    expect(newest).to_contain_text(MARKETS["PASAR-001"])


def passed_on(page: Page, change: Callable[[str], list[str]]) -> list[WebSocketRoute]:
    """The sockets of the page; `change`: what it gets instead of a message of the server."""
    routes: list[WebSocketRoute] = []

    def handle(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        routes.append(route)
        server.on_message(lambda text: [route.send(sent) for sent in change(str(text))])

    page.route_web_socket(SOCKET, handle)
    return routes


def wait_for_message(page: Page, arrived: list[str], figure: str) -> None:
    """Return when a message that holds the price has arrived from the server."""

    def has_arrived() -> bool:
        page.evaluate("0")  # events of the page are handled meanwhile
        return any(figure.replace(".", "") in text for text in arrived)

    eventually(has_arrived)


def test_dropped_socket_resumes_without_a_gap(page: Page, running: ApiProcess) -> None:
    routes = passed_on(page, lambda text: [text])
    cell = opened(page, running)
    linked(page, "live")
    expect(cell).to_contain_text(report(running))
    routes[0].close()
    expect(page.locator(".banner")).to_contain_text("terputus")
    missed = report(running)
    linked(page, "live")
    expect(cell).to_contain_text(missed)
    expect(page.locator(".banner")).to_have_count(0)
    assert len(routes) == 2


def test_page_that_was_away_for_too_long_reads_everything_again(page: Page, running: ApiProcess) -> None:
    """The server forgets a session after 300 s, and answers an unknown one in the same way."""
    routes: list[WebSocketRoute] = []
    resets: list[str] = []

    def handle(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        routes.append(route)
        route.on_message(lambda text: server.send(forgotten(str(text))))
        server.on_message(lambda text: (resets.append(str(text)), route.send(text)))

    def forgotten(text: str) -> str:
        message = orjson.loads(text)
        return orjson.dumps(
            message | ({"session": "long gone"} if message["type"] == "resume" else {})
        ).decode()

    page.route_web_socket(SOCKET, handle)
    cell = opened(page, running)
    linked(page, "live")
    routes[0].close()
    missed = report(running)
    linked(page, "live")
    expect(cell).to_contain_text(missed)
    assert any('"type":"reset"' in text for text in resets)
    expect(cell).to_contain_text(report(running))


def test_reordered_and_repeated_messages_end_with_the_newest_figure(page: Page, running: ApiProcess) -> None:
    arrived: list[str] = []
    held: list[str] = []

    def disorder(text: str) -> list[str]:
        """Every second price message comes before the one that it followed, and twice."""
        if orjson.loads(text)["channel"] != "prices":
            return [text]
        arrived.append(text)
        held.append(text)
        if len(held) < 2:
            return []
        first, second = held
        held.clear()
        return [second, first, second]

    routes = passed_on(page, disorder)
    cell = opened(page, running)
    linked(page, "live")
    for _ in range(4):
        newest = report(running)
        wait_for_message(page, arrived, newest)
    for text in held:  # of an odd number of messages the last one waits for none
        routes[-1].send(text)
    expect(cell).to_contain_text(newest)


def test_page_polls_where_sockets_are_blocked_and_shows_it(page: Page, running: ApiProcess) -> None:
    page.route_web_socket(SOCKET, lambda route: route.close())
    cell = opened(page, running)
    linked(page, "polled")
    expect(page.locator("main [data-link]")).to_contain_text("tiap 5 detik")
    expect(cell).to_contain_text(report(running))


@pytest.mark.slow
def test_restart_of_the_server_under_events_loses_no_figure(page: Page, running: ApiProcess) -> None:
    cell = opened(page, running)
    linked(page, "live")
    running.stop()
    expect(page.locator(".banner")).to_contain_text("berumur")
    for _ in range(20):
        newest = report(running)
    running.start()
    linked(page, "live")
    expect(cell).to_contain_text(newest)
    expect(cell).to_contain_text(report(running))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_updates(page: Page, running: ApiProcess) -> None:
    cell = opened(page, running)
    linked(page, "live")
    session = page.context.new_cdp_session(page)

    def used() -> tuple[float, int]:
        session.send("HeapProfiler.collectGarbage")
        nodes: int = session.send("Memory.getDOMCounters")["nodes"]
        return session.send("Runtime.getHeapUsage")["usedSize"] / 1e6, nodes

    expect(cell).to_contain_text(report(running))
    megabytes, nodes = used()
    for _ in range(200):
        newest = report(running)
    expect(cell).to_contain_text(newest)
    later_megabytes, later_nodes = used()
    assert later_megabytes - megabytes < 5 and later_nodes - nodes < 200


def test_sentence_chart_and_map_are_read_again_when_their_table_is_new(
    page: Page, running: ApiProcess
) -> None:
    opened(page, running)
    linked(page, "live")
    names = ("/api/v1/overview", "/api/v1/series/daily", "/api/v1/map/prices")
    reads: Counter[str] = Counter()
    page.on("request", lambda request: reads.update(name for name in names if name in request.url))
    write(running.stack.lake_root, "gold.indicators", [])

    def are_read() -> bool:
        page.evaluate("0")
        return set(reads) == set(names)

    eventually(are_read)


@pytest.mark.parametrize(
    ("table", "address"),
    [
        ("gold.bars_live", "/api/v1/bars"),
        ("gold.signal_outcomes", "/api/v1/signal-outcomes"),
        ("gold.trades", "/api/trades/history"),
    ],
)
def test_page_of_trading_reads_what_has_a_new_version(
    page: Page, running: ApiProcess, table: str, address: str
) -> None:
    page.goto("/trades?simbol=COIN")
    expect(page.locator("svg.candles")).to_be_visible()
    with page.expect_request(lambda request: address in request.url):
        write(running.stack.lake_root, table, [])


def test_server_that_is_gone_is_one_banner_over_greyed_figures(page: Page, running: ApiProcess) -> None:
    routes = passed_on(page, lambda text: [text])
    opened(page, running)
    linked(page, "live")
    page.route("**/api/**", lambda route: route.abort())
    page.route_web_socket(SOCKET, lambda route: route.close())
    routes[0].close()
    expect(page.locator(".banner")).to_have_count(1)
    expect(page.locator("main.greyed")).to_have_count(1)
    expect(page.locator("main .fault")).to_have_count(0)
