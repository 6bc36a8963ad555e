"""Sentiment: time to state the polarity of one text, and how well links of posts with prices are detected."""

import time

import numpy as np

from conf.settings import settings
from lakehouse.impact import WEEK_DAYS
from lakehouse.sentiment.classifier import LexiconClassifier, PolarityClassifier, TfidfClassifier
from lakehouse.sentiment.lexicon import POLARITIES
from ml.data.files import read_files
from ml.data.panel import Floats, Panel
from ml.sentiment.daily_pressure import SENTIMENT
from ml.sentiment.fit import train_sentiment
from ml.sentiment.labelled_file import LabelledTexts
from scripts.bench.parts.post_skill import forecast_skill, headline_pressure
from scripts.bench.weather_prices import (
    COMMODITIES,
    DAYS,
    PLANTED_R,
    Link,
    add_link,
    autoregressive_series,
    detection_shares,
    panel_of_walks,
)

TABLES = 120
SIGNIFICANT = 0.05
TEXTS = 600  # labelled ones that the model is fitted on, and as many that are timed one by one
POSTS_A_DAY = 6.0
PRIOR_POSTS = 5  # in the denominator of the daily pressure, as lakehouse/sentiment/daily.py has it
MOOD_PERSISTENCE = 0.9  # lag-1 correlation of what posts say
LONGEST_LAG = 30
WORDS = {
    "positif": "murah turun stabil panen melimpah lega",
    "netral": "pasar pedagang rapat laporan survei dinas",
    "negatif": "mahal naik langka mengeluh melonjak habis",
}
MEANS = (
    "milliseconds for one text at a time, by the word list and by a fitted model; cpu: of the processor, "
    "which other programs on the machine do not change much. Detection: random walks of prices, and posts "
    "whose mood persists, computed as in gold.weather_prices; the daily pressure of posts is independent of "
    "prices, or its weekly mean correlates with the weekly change of one price at .3, at a lag of 0 to 30 "
    "days. false_pairs: share of independent pairs that are significant at any lag; power: share of tables "
    "in which the linked pair is. Forecast: a regression of weekly price changes with the pressure of posts "
    "of a week and a month against the same one without (helped: p <= .05), on such tables, the link a week "
    "ahead, and on Panel Harga with the published headlines"
)
HEADLINES = "data/cnbci_headlines/dataset.csv"
PRICES = "data/panelharga_prov_daily/Harga_Bahan_Pangan/train"
SKILL_TABLES = 40
LEAST_POST_DAYS = 90  # before the first forecast
GOALS = {"p50_ms": 10.0, "false_pairs_pct": 6.0, "power_pct": 80.0}


def measure(tables: int = TABLES) -> dict[str, object]:
    """Milliseconds a text, and percentages over `tables` tables, each with its own seed."""
    texts = invented_texts(np.random.default_rng(1))
    model = train_sentiment(texts, None, settings().training.seed).model
    others = invented_texts(np.random.default_rng(2)).texts
    fitted = TfidfClassifier({**model, "version": "bench"})
    return {
        "lexicon_p50_ms": text_times(LexiconClassifier(), others)["p50_ms"],
        **text_times(fitted, others),
        **detection_shares(posts_and_prices, [SENTIMENT], LONGEST_LAG, tables),
        "forecast": {
            "independent": skill_shares(None),
            "linked": skill_shares(Link(0, SENTIMENT, WEEK_DAYS, PLANTED_R)),
            "headlines": headline_skill(),
        },
        "tables": tables,
        "days": DAYS,
        "goals": GOALS,
    }


def skill_shares(link: Link | None) -> dict[str, float]:
    """Mean skill of posts in percent, and the percentage of tables on which they help by the test."""
    results = []
    for seed in range(SKILL_TABLES):
        panel = posts_and_prices(seed, link)
        results.append(forecast_skill(panel, panel.exogenous[0].value, [0], 365))
    helped = [result["p_value"] <= SIGNIFICANT and result["skill_pct"] > 0 for result in results]
    return {
        "mean_skill_pct": round(float(np.mean([result["skill_pct"] for result in results])), 2),
        "helped_pct": round(100 * float(np.mean(helped)), 1),
    }


def headline_skill() -> dict[str, float | int]:
    """Skill of the published headlines on Panel Harga, over the days of both; empty without the data."""
    if not (settings().shared / HEADLINES).is_file():
        return {}
    panel = read_files(settings().shared / PRICES)
    pressure = headline_pressure(panel, settings().shared / HEADLINES)
    first = int(np.flatnonzero(np.isfinite(pressure).any(axis=0))[0]) + LEAST_POST_DAYS
    return forecast_skill(panel, pressure, range(len(panel.series)), first)


def invented_texts(rng: np.random.Generator) -> LabelledTexts:
    """TEXTS headlines of about twelve words, whose words tell the polarity more often than not."""
    texts = []
    labels = []
    for number in range(TEXTS):
        label = POLARITIES[int(rng.integers(3))]
        own = [label if rng.random() < 0.6 else str(rng.choice(POLARITIES)) for _ in range(12)]
        texts.append(" ".join([*(str(rng.choice(WORDS[name].split())) for name in own), f"berita {number}"]))
        labels.append(label)
    return LabelledTexts(texts, labels, [None] * TEXTS)


def text_times(classifier: PolarityClassifier, texts: list[str]) -> dict[str, float]:
    """Percentiles of the milliseconds of one text, each given alone."""
    classifier.polarities(texts[:5])
    clocks = []
    for text in texts:
        before = (time.perf_counter(), time.thread_time())
        classifier.polarities([text])
        after = (time.perf_counter(), time.thread_time())
        clocks.append(np.subtract(after, before))
    elapsed, computed = 1000 * np.transpose(clocks)
    figures = {
        "p50_ms": np.median(elapsed),
        "p95_ms": np.quantile(elapsed, 0.95),
        "cpu_p50_ms": np.median(computed),
    }
    return {name: round(float(value), 3) for name, value in figures.items()}


def posts_and_prices(seed: int, link: Link | None) -> Panel:
    """Random walks of prices, and the daily pressure of posts about each commodity, linked by `link`."""
    rng = np.random.default_rng(seed)
    pressure = np.stack([daily_pressure(rng, DAYS + LONGEST_LAG) for _ in COMMODITIES])
    daily = rng.standard_normal((len(COMMODITIES), DAYS)) * 0.02
    if link:
        begin = LONGEST_LAG - link.lag
        daily[link.row] = add_link(daily[link.row], pressure[link.row, begin : begin + DAYS], link.r)
    known_on = np.full(pressure[:, LONGEST_LAG:].shape, np.nan)  # on the day after, as in daily_pressure.py
    known_on[:, 1:] = pressure[:, LONGEST_LAG:-1]
    return panel_of_walks(daily, 0.0, {SENTIMENT: ("share, -1 to 1", known_on)})


def daily_pressure(rng: np.random.Generator, days: int) -> Floats:
    """(days,) pressure of a random number of posts a day, whose mood is an AR(1) series."""
    mood = autoregressive_series(rng, MOOD_PERSISTENCE, days)
    posts = rng.poisson(POSTS_A_DAY, days)
    rising = rng.binomial(posts, 1 / (1 + np.exp(-mood)))
    return (2 * rising - posts) / (posts + PRIOR_POSTS)
