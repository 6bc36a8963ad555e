"""gold.sentiment equals its recomputation from all posts, for any cut into batches."""

import os
import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import skops.io

from lakehouse.io.delta import empty_table, high_water_mark, open_table
from lakehouse.io.sentiment_model import sentiment_model_file
from lakehouse.sentiment.daily import pressures
from lakehouse.sentiment.lexicon import lexicon_polarity
from ml.sentiment.fit import fit_model
from ml.sentiment.labelled_file import LabelledTexts
from streaming_jobs.gold import contract_sql
from streaming_jobs.gold.sentiment import TABLE, Sentiment
from tests.support.written_lake import finish, write

BEGAN = datetime(2026, 3, 1, 5, tzinfo=UTC)
TEXTS = (
    "Harga cabai rawit naik lagi",
    "Harga cabai rawit turun, bawang merah langka",
    "Saham anjlok",
    "Rapat hari ini",
    "Harga telur stabil, panen berhasil",
    "Moka Pot bagus, tetapi Galaxy S24 Ultra jelek",
    "galaxy s24, barang bagus",
)
CATALOGUE = (("main", "HOME", "Moka Pot"), ("main", "HP", "Galaxy S24"), ("toko-b", "HP", "Galaxy S24"))

pytestmark = pytest.mark.usefixtures("lake")


def posts(count: int, seed: int) -> list[dict[str, Any]]:
    """Rows of silver.posts over ten days; every eighth repeats an earlier text."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        time = BEGAN + timedelta(hours=rng.randrange(240))
        rows.append(
            {
                "event_id": f"p{number}",
                "content": rng.choice(TEXTS),
                "title": rng.choice((None, "Harga beras naik")),
                "symbols": rng.choice(([], ["BBRI"], ["BBRI", "BTCUSDT"])),
                "commodities": rng.choice(([], ["garam"])),
                "event_time": time,
                "market_date": (time + timedelta(hours=7)).date(),
                "event_month": f"{time:%Y-%m}",
                "_warnings": ["text_repeated"] if number % 8 == 0 else [],
            }
        )
    return rows


def recomputed(
    rows: list[dict[str, Any]], catalogue: Iterable[tuple[str, str, str]] = ()
) -> dict[tuple, Any]:
    """Subject and day -> counts and indices, one post after the other."""
    counts: dict[tuple, dict[str, Any]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        if row["_warnings"]:
            continue
        text = f"{row['title']}. {row['content']}" if row["title"] else row["content"]
        named = pressures(text, row["commodities"])
        products = [
            product for product in catalogue if f"{product[2]} ".lower() in text.lower().replace(",", " ")
        ]
        for subject in [*named, *row["symbols"], *products]:
            count = counts[subject, row["market_date"]]
            count["posts"] += 1
            count[lexicon_polarity(text)] += 1
            if named.get(subject):
                count[named[subject]] += 1
    for count in counts.values():
        sided = count["positif"] + count["negatif"]
        stated = sum(count[name] for name in ("naik", "turun", "stabil", "langka"))
        count["score"] = (count["positif"] - count["negatif"]) / (sided + 5)
        balance = count["naik"] + count["langka"] - count["turun"]
        count["pressure"] = balance / (stated + 5) if stated else None
    return dict(counts)


def written() -> dict[tuple, dict[str, Any]]:
    rows = open_table(TABLE).to_pyarrow_table().to_pylist()
    by_key = {(subject_of(row), row["market_date"]): row for row in rows}
    assert len(by_key) == len(rows)
    return by_key


def subject_of(row: dict[str, Any]) -> Any:
    return (
        (row["shop"], row["category"], row["subject"]) if row["subject_kind"] == "product" else row["subject"]
    )


def assert_equals(rows: list[dict[str, Any]], catalogue: Iterable[tuple[str, str, str]] = ()) -> None:
    gold, wanted = written(), recomputed(rows, catalogue)
    assert gold.keys() == wanted.keys() and wanted
    for key, row in gold.items():
        for name in ("posts", "naik", "turun", "stabil", "langka", "score", "pressure"):
            assert row[name] == wanted[key][name], (key, name)
        assert row["positive"] + row["neutral"] + row["negative"] == row["posts"]


def posts_about(product: tuple[str, str, str], counts: dict[tuple, Any]) -> int:
    return sum(row["posts"] for (subject, _), row in counts.items() if subject == product)


def list_products(hour: int, *products: tuple[int, str, str, str]) -> None:
    """Write listings of (number, shop, category, name)."""
    rows = [
        {"event_id": f"{hour}-{shop}-{number}", "product_id": number, "shop": shop, "category": category}
        | {"product_name": name, "event_time": BEGAN + timedelta(hours=hour), "event_month": "2026-03"}
        for number, shop, category, name in products
    ]
    write("silver.listings", rows)


def batch(number: int, rows: list[dict[str, Any]]) -> None:
    time = BEGAN + timedelta(days=20, seconds=number)
    write("silver.posts", [{**row, "ingested_at": time} for row in rows])
    finish(time, kind="post")


@pytest.mark.parametrize(("seed", "cuts"), [(1, 1), (2, 7)])
def test_sentiment_equals_its_recomputation(seed: int, cuts: int) -> None:
    rows = posts(120, seed)
    job = Sentiment()
    for number in range(cuts):
        batch(number, rows[number::cuts])
        if number % 3 != 1:
            job.refresh()
        if number == 3:
            job = Sentiment()  # a restart
    job.refresh()
    assert_equals(rows)
    version = open_table(TABLE).version()
    job.refresh()
    assert open_table(TABLE).version() == version, "nothing new, nothing written"


def test_posts_of_many_days_are_added_to_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract_sql, "MOST_KEYS", 3)
    rows = posts(80, 7)
    job = Sentiment()
    for number, part in enumerate((rows[:40], rows[40:])):
        batch(number, part)
        job.refresh()
    assert_equals(rows)


def test_a_batch_of_repeated_posts_alone_changes_no_row() -> None:
    rows = posts(40, 3)
    job = Sentiment()
    batch(0, rows)
    job.refresh()
    batch(1, [{**rows[0], "event_id": "again", "_warnings": ["text_repeated"]}])
    job.refresh()
    assert_equals(rows)
    assert high_water_mark(TABLE) == BEGAN + timedelta(days=20, seconds=1)


def test_another_classifier_and_an_emptied_table_compute_all_days_again() -> None:
    rows = posts(60, 4)
    job = Sentiment()
    batch(0, rows)
    job.refresh()
    before = written()
    texts = [f"{text} {n}" for n in range(12) for text in TEXTS]
    labels = ["positif", *["negatif"] * (len(TEXTS) - 1)] * 12
    model = fit_model(LabelledTexts(texts, labels, [None] * len(texts)), 1) | {"version": "2"}  # type: ignore[arg-type]
    sentiment_model_file().parent.mkdir(parents=True)
    sentiment_model_file().write_bytes(skops.io.dumps(model))
    job.refresh()
    assert {row["classifier"] for row in written().values()} == {"tfidf_svc"}
    assert written().keys() == before.keys()
    sentiment_model_file().unlink()
    job.refresh()
    assert written() == before
    empty_table(TABLE)
    job.refresh()
    assert written() == before


def test_products_are_counted_for_each_shop_whatever_comes_first() -> None:
    rows = posts(80, 5)
    job = Sentiment(pause_share=0)
    batch(0, rows[:40])
    job.refresh()
    assert_equals(rows[:40])
    list_products(
        0, (1, "main", "HOME", "Moka Pot"), (2, "main", "HP", "Galaxy S24"), (2, "toko-b", "HP", "?")
    )
    job.refresh()
    assert_equals(rows[:40], CATALOGUE[:2])
    list_products(1, (2, "toko-b", "HP", "GALAXY S24"), (3, "toko-b", "HP", "s24"))
    batch(1, rows[40:])
    job.refresh()
    renamed = ("toko-b", "HP", "GALAXY S24")
    assert_equals(rows, [*CATALOGUE[:2], renamed])
    version = open_table(TABLE).version()
    list_products(2, (2, "toko-b", "HP", "GALAXY S24"))
    job.refresh()
    assert open_table(TABLE).version() == version, "the names are the same"
    list_products(3, (2, "toko-b", "HP", "Nokia 3310"))
    job.refresh()
    assert_equals(rows, CATALOGUE[:2])


def test_posts_are_counted_while_other_names_wait(lake: Path) -> None:
    rows = posts(60, 6)
    list_products(0, (1, "main", "HOME", "Moka Pot"))
    job = Sentiment(pause_share=1e6)
    batch(0, rows[:30])
    job.refresh()
    list_products(1, (2, "main", "HP", "Galaxy S24"))
    batch(1, rows[30:])
    job.refresh()
    assert posts_about(CATALOGUE[0], written()) == posts_about(CATALOGUE[0], recomputed(rows, CATALOGUE)) > 0
    for log in lake.glob("lake/*/*/_delta_log"):  # nothing is committed any more
        os.utime(log, (1, 1))
    job.refresh()
    assert posts_about(CATALOGUE[1], written()) == posts_about(CATALOGUE[1], recomputed(rows[30:], CATALOGUE))
    job._names_due = 0.0  # the pause is over
    job.refresh()
    assert_equals(rows, CATALOGUE[:2])
