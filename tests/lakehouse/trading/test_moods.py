"""Sentiment as a vote: of the day before, by the names that posts use, and nothing where nobody posts."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from lakehouse.sentiment.daily import score_of
from lakehouse.trading.bars import Bars
from lakehouse.trading.moods import counts_of, with_moods
from lakehouse.trading.series_bars import StoredSeries
from lakehouse.trading.signals import Series, signal_at
from tests.lakehouse.trading.made_bars import BEGIN, COIN, random_bars

BARS = random_bars(83, 300)
LAST = 299


def stored(series: Series = COIN, bars: Bars = BARS) -> StoredSeries:
    return StoredSeries(series, bars, bars.time, "file")


def posts(subject: str, day: date, positive: int, negative: int) -> dict[str, object]:
    return {"subject": subject, "market_date": day, "positive": positive, "negative": negative}


def moods_of(series: Series, *rows: dict[str, object]) -> np.ndarray:
    bars = with_moods(stored(series), counts_of(rows)).bars
    assert bars.mood is not None
    return bars.mood


def day_of(bar: int) -> date:
    """A bar of a day begins at 07:00 in Jakarta."""
    return date.fromordinal(BEGIN.date().toordinal() + bar)


def test_posts_count_for_the_bar_of_the_next_day_alone() -> None:
    moods = moods_of(COIN, posts("COIN", day_of(9), 5, 0), posts("OTHER", day_of(19), 5, 0))
    assert moods[10] == score_of(5, 0) == 0.5
    assert np.isnan(np.delete(moods, 10)).all()


def test_day_is_that_of_jakarta() -> None:
    """The bar of 16:59 UTC begins at 23:59 in Jakarta, the next one on the next day."""
    minute = 60_000_000
    first = int(BEGIN.timestamp() * 1e6) + (17 * 60 - 1) * minute
    bars = replace(BARS.part(0, 2), time=np.array([first, first + minute]))
    held = with_moods(stored(bars=bars), counts_of([posts("COIN", day_of(0), 1, 0)])).bars
    assert held.mood is not None
    assert np.isnan(held.mood[0]) and held.mood[1] == score_of(1, 0)


@pytest.mark.parametrize(
    ("symbol", "asset_class", "names", "counted"),
    [
        ("BTCUSDT", "crypto", ("BTCUSDT", "BTC"), (4, 2)),  # both names are the same coin
        ("BTC-USD", "crypto", ("BTC", "ETH"), (2, 1)),
        ("BBCA", "equity", ("BBCA", "BB"), (2, 1)),
    ],
)
def test_posts_may_name_a_coin_or_its_pair(
    symbol: str, asset_class: str, names: tuple[str, str], counted: tuple[int, int]
) -> None:
    series = replace(COIN, symbol=symbol, asset_class=asset_class)
    moods = moods_of(series, *(posts(name, day_of(0), 2, 1) for name in names))
    assert moods[1] == score_of(*counted)


def test_posts_about_others_change_no_signal() -> None:
    plain = stored()
    assert with_moods(plain, counts_of([posts("OTHER", day_of(LAST - 1), 9, 0)])) is plain
    silent = replace(BARS, mood=np.full(len(BARS), np.nan))
    assert signal_at(silent, 300, COIN) == signal_at(BARS, 300, COIN)


def test_sentiment_votes_and_is_kept_with_the_signal() -> None:
    before = signal_at(BARS, 300, COIN)
    assert before is not None and before.sentiment is None
    for positive, negative in ((20, 0), (0, 20)):
        rows = [posts("COIN", day_of(LAST - 1), positive, negative)]
        signal = signal_at(with_moods(stored(), counts_of(rows)).bars, 300, COIN)
        assert signal is not None and signal.sentiment == score_of(positive, negative)
        change = (signal.buy_score - signal.sell_score) - 4 / 5 * (before.buy_score - before.sell_score)
        assert change == pytest.approx(20 * signal.sentiment, abs=1e-3), "a fifth of the votes"
        assert signal.data_version != before.data_version, "the fingerprint names the sentiment too"


def test_later_posts_and_bars_change_no_signal() -> None:
    rows = [posts("COIN", day_of(at), at % 7, at % 5) for at in range(298)]
    held = with_moods(stored(), counts_of(rows)).bars
    later = [posts("COIN", day_of(at), 50, 0) for at in range(280, 320)]
    other = with_moods(stored(), counts_of([*rows[:280], *later])).bars
    for end in range(250, 282):
        assert (
            signal_at(held, end, COIN)
            == signal_at(other, end, COIN)
            == signal_at(held.part(0, end), end, COIN)
        )
