"""Rules of bars, stocks, listings and posts that read earlier events: hand-checked cases and real bars."""

import csv
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conf.settings import settings
from tests.support.walks import START, judged, landed, names, numbered, validator


def bar(
    after: timedelta, close: float = 100.0, asset_class: str = "crypto", interval: str = "1d"
) -> dict[str, Any]:
    symbol = {"symbol": "X", "interval": interval, "asset_class": asset_class}
    return {**symbol, "bar_time": START + after, "close": close, "final": True}


def days(number: float) -> timedelta:
    return timedelta(days=number)


@pytest.mark.parametrize("late", [0, -1])
def test_a_late_or_repeated_bar_is_refused_unless_released(late: int):
    rows = [bar(days(0)), bar(days(1)), bar(days(1 + late)), bar(days(2))]
    assert names(judged("bar", rows)) == [set(), set(), {"bar_time_increasing"}, set()]
    rows[2]["released"] = True
    assert names(judged("bar", rows)) == [set(), set(), {"bar_time_increasing"}, set()]


@pytest.mark.parametrize(
    ("asset_class", "interval", "after", "close", "expected"),
    [
        ("equity", "1d", days(1), 128.5, {"bar_return"}),  # ln 1.285 = .2508
        ("equity", "1d", days(1), 128.0, set()),  # ln 1.28 = .2469
        ("equity", "1d", days(1), 77.8, {"bar_return"}),  # ln .778 = -.2510
        ("crypto", "1d", days(1), 165.0, {"bar_return"}),  # ln 1.65 = .5008
        ("crypto", "1d", days(1), 164.8, set()),  # ln 1.648 = .4996
        ("crypto", "1m", timedelta(minutes=1), 110.6, {"bar_return"}),  # ln 1.106 = .1008
        ("crypto", "1m", timedelta(minutes=1), 110.5, set()),  # ln 1.105 = .0998
        ("crypto", "1m", timedelta(minutes=4), 122.0, {"bar_gap"}),  # 4 steps: .10 * 2; ln 1.22 = .1989
        ("crypto", "1m", timedelta(minutes=4), 122.2, {"bar_gap", "bar_return"}),  # ln 1.222 = .2005
        ("equity", "1m", timedelta(hours=18), 128.0, set()),  # over a night the day's limit holds
        ("equity", "1m", timedelta(minutes=1), 110.6, {"bar_return"}),
        ("crypto", "1d", days(2), 100.0, {"bar_gap"}),
        ("equity", "1d", days(11), 100.0, set()),
        ("equity", "1d", days(12), 100.0, {"bar_gap"}),
    ],
)
def test_bar_is_compared_with_the_one_before(
    asset_class: str, interval: str, after: timedelta, close: float, expected: set[str]
):
    rows = [bar(days(0), 100.0, asset_class, interval), bar(after, close, asset_class, interval)]
    assert names(judged("bar", rows)) == [set(), expected]


@pytest.mark.parametrize(("first", "second"), [(1e308, 5e-324), (5e-324, 1e308)])
def test_ratio_of_two_closes_that_is_no_double_is_an_unusual_return(first: float, second: float):
    rows = [bar(days(0), first), bar(days(1), second)]
    assert names(judged("bar", rows)) == [set(), {"bar_return"}]


def test_bar_may_be_sent_again_until_it_is_final():
    open_bar = bar(days(1), 105) | {"final": False}
    assert names(judged("bar", [bar(days(0)), open_bar, open_bar, bar(days(1), 106), open_bar])) == [
        set(), set(), set(), set(), {"bar_time_increasing"},
    ]  # fmt: skip


def test_missing_bars_are_counted():
    evidence = judged("bar", [bar(days(0)), bar(days(4))])[1][1]
    assert evidence is not None and evidence["gap_before"] == 3


FOLDERS = {
    "us_daily": ("equity", "1d", "USD"),
    "cn_daily": ("equity", "1d", "CNY"),
    "crypto_daily": ("crypto", "1d", "USDT"),
    "crypto_1min_sample": ("crypto", "1m", "USDT"),
}


def real_bars() -> list[dict[str, Any]]:
    root, rows = settings().shared / "data" / "systb_trading", []
    if not root.exists():
        pytest.skip(f"{root} is not there")
    for folder, (asset_class, interval, currency) in FOLDERS.items():
        about = {"asset_class": asset_class, "interval": interval, "currency": currency}
        for file in sorted((root / folder).glob("*.csv")):
            rows += file_bars(file, about)
    return rows


def file_bars(file: Path, about: dict[str, str]) -> list[dict[str, Any]]:
    with file.open(newline="") as lines:
        return [
            {
                **about,
                "symbol": file.stem,
                "bar_time": datetime.fromisoformat(line.get("date") or line["datetime"]).replace(tzinfo=UTC),
                "close": float(line["close"]),
                "final": True,
            }
            for line in csv.DictReader(lines)
        ]


def test_real_bars_have_no_error():
    """Published bars are clean: no error, no gap and no unusual return."""
    rows = numbered(real_bars())
    verdicts = judged("bar", rows)
    assert len(rows) > 130_000
    assert Counter(rule for violated in names(verdicts) for rule in violated) == {}
    half = len(rows) // 2
    again = validator("bar")
    again.load(landed("bar", rows[:half], verdicts[:half]))
    assert judged("bar", rows[half : half + 1000], again) == verdicts[half : half + 1000]


def test_injected_faults_are_found():
    """One bar is repeated, one dropped and one doubled, each at a known place."""
    rows = [row for row in real_bars() if row["symbol"] == "BTCUSDT"]
    spoiled = [
        *rows[:100],
        rows[99],
        *rows[100:200],
        *rows[201:300],
        rows[300] | {"close": rows[300]["close"] * 2},
        *rows[301:],
    ]
    violations = {nth: violated for nth, violated in enumerate(names(judged("bar", spoiled))) if violated}
    assert violations == {
        100: {"bar_time_increasing"},
        201: {"bar_gap"},
        300: {"bar_return"},
        301: {"bar_return"},
    }


def stock(day: float, kg: float, entity: str = "W1") -> dict[str, Any]:
    return {"entity_id": entity, "commodity": "garam", "event_time": START + days(day), "quantity_kg": kg}


@pytest.mark.parametrize(
    ("day", "kg", "jumps"),
    [
        (1, 150, False),
        (1, 151, True),
        (1, 50, False),
        (1, 49, True),
        (0.1, 151, True),
        (2, 200, False),
        (2, 201, True),
        (-1, 900, False),
    ],
)
def test_stock_that_changes_by_more_than_half_a_day_jumps(day: float, kg: float, jumps: bool):
    """From 100 kg; within a day counts as a day, an older report is compared with nothing."""
    assert names(judged("stock", [stock(0, 100), stock(day, kg)]))[1] == ({"stock_jump"} if jumps else set())


def test_an_empty_store_does_not_fill_by_itself():
    assert names(judged("stock", [stock(0, 0), stock(5, 0), stock(10, 1), stock(10, 1, "W2")])) == [
        set(),
        set(),
        {"stock_jump"},
        set(),
    ]


def listing(day: int, rating: float, reviews: int, product: int = 7, shop: str = "main") -> dict[str, Any]:
    row = {"shop": shop, "product_id": product, "event_time": START + days(day)}
    return row | {"rating": rating, "num_reviews": reviews}


def test_falling_reviews_and_leaping_ratings_are_warned():
    rows = [
        listing(0, 3.0, 10),
        listing(1, 3.0, 9),
        listing(2, 4.1, 13),
        listing(3, 3.0, 18),
        listing(4, 4.0, 18),
    ]
    # 9 < 10; +1.1 with 4 new reviews; -1.1 with 5 new; +1.0 is not more than 1
    assert names(judged("listing", rows)) == [set(), {"reviews_fall"}, {"rating_leap"}, set(), set()]
    assert names(judged("listing", [listing(0, 1.0, 10), listing(1, 5.0, 1, product=8)])) == [set(), set()]
    assert names(judged("listing", [listing(0, 1.0, 10), listing(1, 5.0, 1, shop="b")])) == [set(), set()]


def post(
    event_id: str, day: float, text: str = "Harga cabai naik", received: float | None = None
) -> dict[str, Any]:
    received_at = START + days(day if received is None else received)
    return {
        "event_id": event_id,
        "content": text,
        "event_time": START + days(day),
        "received_at": received_at,
    }


def test_text_repeated_within_a_week_is_warned_in_any_spelling():
    rows = [
        post("a", 0),
        post("b", 7, "  harga CABAI\nnaik "),
        post("c", 7.01),
        post("d", 3, "Harga cabai turun"),
    ]
    verdicts = judged("post", rows)
    assert names(verdicts) == [set(), {"text_repeated"}, set(), set()]
    evidence = verdicts[1][1]
    assert evidence == {"first_event_id": "a", "days_apart": 7.0}


def test_replayed_posts_are_compared_by_event_time():
    """Old posts are received within minutes: posts a year apart are different, in either order."""
    assert names(judged("post", [post("a", 0, received=400), post("b", -365, received=400)])) == [
        set(),
        set(),
    ]
    assert names(judged("post", [post("a", 3, received=400), post("b", 0, received=400)])) == [
        set(),
        {"text_repeated"},
    ]


def test_text_is_forgotten_a_month_after_its_receipt():
    assert names(judged("post", [post("a", 0, received=0), post("b", 1, received=30)])) == [
        set(),
        {"text_repeated"},
    ]
    assert names(judged("post", [post("a", 0, received=0), post("b", 1, received=31)])) == [set(), set()]
