"""Catalogues of two shops with columns, currencies and ways of writing of their own, read by YAML alone."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from lakehouse.contracts.rule_figures import figures_of
from lakehouse.io.source_files.file_events import FileEvents
from lakehouse.io.source_files.formats import format_of
from tests.lakehouse.conftest import bronze, reasons_of, verdicts_of
from tests.lakehouse.own_lists import own_lists

SHOPS = """
shops:
  - {id: toko-jaya, currency: IDR, price_max: 50000000}
  - {id: bazaar-in, currency: INR, price_max: 200000}
  - {id: kiosk-eu, currency: EUR, price_max: 2000, rating_min: 0, rating_max: 10}
"""
FIELDS = {
    "toko_jaya": """
description: catalogue in rupiah
kind: listing
layout: long
delimiter: ";"
header: [Tanggal, Artikel, Nama, Kategori, Harga, Bintang, Ulasan, Stok, Diskon, Terjual, Sejak]
time: {column: Tanggal, format: "%d.%m.%Y", zone: Asia/Jakarta}
fields:
  Shop: {constant: toko-jaya}
  ProductID: {column: Artikel, as: identifier}
  ProductName: {column: Nama}
  Category: {column: Kategori}
  Price: {column: Harga, as: number, strip: [Rp], thousands: ".", decimal: ","}
  Rating: {column: Bintang, as: number, decimal: ","}
  NumReviews: {column: Ulasan, as: integer, thousands: "."}
  StockQuantity: {column: Stok, as: integer, thousands: "."}
  Discount: {column: Diskon, as: number, strip: ["%"], decimal: ",", factor: 0.01}
  Sales: {column: Terjual, as: integer, thousands: "."}
  DateAdded: {column: Sejak, as: date, format: "%d.%m.%Y"}
""",
    "kiosk_eu": """
description: catalogue in euro, ratings from 0 to 10
kind: listing
layout: long
delimiter: "|"
header: [sku, title, group, eur, score, votes, left, off, sold, since, seen_at]
time: {column: seen_at, format: "%Y-%m-%d %H:%M:%S", zone: Europe/Berlin}
fields:
  Shop: {constant: kiosk-eu}
  ProductID: {column: sku, as: identifier}
  ProductName: {column: title}
  Category: {column: group}
  Price: {column: eur, as: number, strip: ["€"], thousands: " ", decimal: ","}
  Rating: {column: score, as: number}
  NumReviews: {column: votes, as: integer}
  StockQuantity: {column: left, as: integer}
  Discount: {column: off, as: number, strip: ["%"], factor: 0.01}
  Sales: {column: sold, as: integer}
  DateAdded: {column: since, as: date, format: "%d/%m/%y"}
""",
    # Without a day, a discount, a category of its own; the file is called after its day.
    "bazaar_in": r"""
description: catalogue in rupees
kind: listing
layout: long
header: [product_id, product_name, category, discounted_price, actual_price, rating, rating_count, sold]
file_name: 'bazaar-(?P<day>\d{8})\.csv'
time: {origin: day, format: "%Y%m%d", zone: Asia/Kolkata}
fields:
  Shop: {constant: bazaar-in}
  ProductID: {column: product_id, as: identifier}
  ProductName: {column: product_name}
  Category: {column: category, part: ["|", 1]}
  Price: {column: actual_price, as: number, strip: ["₹"], thousands: ","}
  Rating: {column: rating, as: number}
  NumReviews: {column: rating_count, as: integer, thousands: ",", otherwise: 0}
  StockQuantity: {constant: 0}
  Discount: {column: discounted_price, as: number, strip: ["₹"], thousands: ",", less_than: actual_price}
  Sales: {column: sold, as: integer, strip: ["+"], decimal: ",", multiples: {rb: 1000, jt: 1e6}, otherwise: 0}
  DateAdded: {origin: day, as: date, format: "%Y%m%d"}
""",
}
FILES = {
    "jaya.csv": "Tanggal;Artikel;Nama;Kategori;Harga;Bintang;Ulasan;Stok;Diskon;Terjual;Sejak\n"
    "03.03.2026;17;Kabel;Electronics;Rp 1.099.000,50;4,2;24.269;1.120;12,5%;1.310;01.02.2026\n"
    "03.03.2026;18;Truk;Toys & Games;Rp 60.000.000;4,2;1;1;0%;1;01.02.2026\n",
    "kiosk.csv": "sku|title|group|eur|score|votes|left|off|sold|since|seen_at\n"
    "17|Lamp|Home and kitchen|1 299,90 €|8.5|12|3|20 %|44|15/01/26|2026-03-03 10:00:00\n"
    "19|Sofa|home & kitchen|2 499 €|10.5|12|3|20 %|44|15/01/26|2026-03-03 10:00:00\n",
}
BAZAAR = (
    "product_id,product_name,category,discounted_price,actual_price,rating,rating_count,sold\n"
    'B07-X,Cable,Electronics|Cables|USB,₹399,"₹1,099",4.2,"24,269","1,2rb+"\n'
    "B07-Y,Lamp,Electronics,₹250,₹250,3.9,,2jt\n"
    "B07-Z,Kettle,Electronics,₹10,₹20,|,7,\n"
    "B07-0,Bag,Electronics,₹10,0,4.0,7,3\n"
)
ARRIVED = datetime(2026, 3, 4, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "sources").mkdir()
    for name, text in FIELDS.items():
        (tmp_path / "sources" / f"{name}.yml").write_text(text, encoding="utf-8")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with own_lists(tmp_path, shops=SHOPS):
        yield tmp_path


def test_listings_are_of_their_shop_and_within_its_bounds(home: Path) -> None:
    events = []
    for name in FILES:
        source = format_of(home / name)
        file = FileEvents(home / name, source)
        events += [file.event(row) for row in file.rows()]
    assert [event.key for event in events] == ["17", "18", "17", "19"]
    rows = [{"event_id": event.event_id, "value": event.value, "received_at": ARRIVED} for event in events]
    verdicts = verdicts_of("listing", bronze("listing", rows))
    rows = verdicts.table.to_pylist()
    assert [(row["shop"], row["product_id"], row["price"], row["discount_pct"]) for row in rows] == [
        ("toko-jaya", 17, 1099000.5, 12.5),
        ("toko-jaya", 18, 60000000.0, 0.0),
        ("kiosk-eu", 17, 1299.9, 20.0),
        ("kiosk-eu", 19, 2499.0, 20.0),
    ]
    assert [row["category"] for row in rows[::2]] == ["ELECTRONICS", "HOME & KITCHEN"]
    assert (rows[2]["event_time"].isoformat(), rows[2]["rating"]) == ("2026-03-03T09:00:00+00:00", 8.5)
    refused = [
        given and {reason["rule"]: reason["message"] for reason in given} for given in reasons_of(verdicts)
    ]
    assert figures_of("listing", "price_range", refused[1]["price_range"]) == {
        "Price": 6e7,
        "price_min": 0,
        "price_max": 5e7,
    }
    assert refused == [
        None,
        {"price_range": "price 60000000 lies outside 0 to 50000000"},
        None,
        {
            "price_range": "price 2499 lies outside 0 to 2000",
            "rating_range": "rating 10.5 lies outside 0 to 10",
        },
    ]


def test_catalogue_without_days_and_discounts_is_read_by_its_name_and_prices(home: Path) -> None:
    path = home / "bazaar-20260302.csv"
    path.write_text(BAZAAR, encoding="utf-8")
    file = FileEvents(path, format_of(path))
    rows = [
        {"event_id": f"b{number}", "value": file.event(row).value, "received_at": ARRIVED}
        for number, row in enumerate(file.rows())
    ]
    verdicts = verdicts_of("listing", bronze("listing", rows))
    listed = verdicts.table.to_pylist()
    names = ("category", "price", "num_reviews", "sales", "date_added")
    assert [tuple(row[name] for name in names) for row in listed[:2]] == [
        ("ELECTRONICS", 1099, 24269, 1200, date(2026, 3, 2)),
        ("ELECTRONICS", 250, 0, 2_000_000, date(2026, 3, 2)),
    ]
    assert listed[0]["discount_pct"] == pytest.approx(100 * (1 - 399 / 1099))
    assert listed[1]["discount_pct"] == 0
    assert {row["event_time"].isoformat() for row in listed} == {"2026-03-01T18:30:00+00:00"}
    assert [reasons and {reason["rule"] for reason in reasons} for reasons in reasons_of(verdicts)] == [
        None,
        None,
        {"rating_required", "field_type"},
        {"discount_range", "price_zero"},
    ]


def test_listings_of_a_file_without_any_time_hold_at_their_receipt(home: Path) -> None:
    timeless = FIELDS["bazaar_in"].replace('time: {origin: day, format: "%Y%m%d", zone: Asia/Kolkata}\n', "")
    (home / "sources" / "bazaar_in.yml").write_text(timeless, encoding="utf-8")
    path = home / "bazaar-20260302.csv"
    path.write_text(BAZAAR, encoding="utf-8")
    file = FileEvents(path, format_of(path))
    first = next(file.rows())
    assert first.payload is not None and "event_time" not in first.payload
    rows = [{"event_id": "b", "value": file.event(first).value, "received_at": ARRIVED}]
    assert verdicts_of("listing", bronze("listing", rows)).table["event_time"].to_pylist() == [ARRIVED]
