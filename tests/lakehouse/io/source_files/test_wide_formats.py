"""Wide files across markets and dates, and dates with names of months and days."""

from pathlib import Path

import pytest

from lakehouse.io.source_files.field_map import FieldMap
from lakehouse.io.source_files.file_events import FileEvents
from lakehouse.io.source_files.formats import Unmatched, format_of, source_formats
from lakehouse.io.source_files.source_format import SourceFormat

BY_MARKET = r"""
description: x
kind: price
layout: wide
across: market
delimiter: ";"
header: [No, Hari]
file_name: '(?P<province>.+) - (?P<commodity>.+)\.csv'
time: {column: Hari, format: "%A, %d %B %Y"}
no_event: {price: ["", "-"]}
fields:
  region: {origin: province}
  market_id: {origin: column, as: market}
  commodity: {origin: commodity}
  price: {origin: cell, as: number, strip: [Rp], thousands: "."}
"""
BY_DATE = r"""
description: x
kind: price
layout: wide
across: date
header: [No, Komoditas (Rp)]
file_name: '(?P<province>.+)\.csv'
time: {format: "%d/ %m/ %Y"}
no_event: {price: ["-"]}
fields:
  market_id: {origin: province, as: province}
  commodity: {column: Komoditas (Rp)}
  price: {origin: cell, as: number, thousands: ","}
"""


def test_wide_file_across_markets_has_ids_of_its_province(sources: Path, tmp_path: Path):
    (sources / "mine.yml").write_text(BY_MARKET)
    file = tmp_path / "Bali - Bawang Merah.csv"
    file.write_text("No;Hari;Pasar Badung;Pasar Kreneng\n1;Jum'at, 5 Mei 2023;Rp 35.500; - \n")
    known = format_of(file)
    assert isinstance(known, SourceFormat) and known.name == "mine"
    first, second = FileEvents(file, known).rows()
    assert first.payload == {
        "region": "Bali",
        "market_id": "PASAR-007",
        "commodity": "Bawang Merah",
        "price": 35500.0,
        "event_time": "2023-05-05T00:00:00+08:00",
    }
    assert (second.position, second.payload) == ("1:Pasar Kreneng", None)
    file.write_text("No;Hari;Bali;Aceh\n")
    assert isinstance(format_of(file), Unmatched)  # provinces are no markets


def test_wide_file_across_dates_is_read_in_order_of_time(sources: Path, tmp_path: Path):
    (sources / "mine.yml").write_text(BY_DATE)
    file = tmp_path / "Papua.csv"
    file.write_text(
        'No,Komoditas (Rp),30/ 12/ 2022,02/ 01/ 2023\n1,Beras,"12,500",-\n2,Gula,"14,000","14,250"\n'
    )
    known = format_of(file)
    assert isinstance(known, SourceFormat) and known.name == "mine"
    events = FileEvents(file, known)
    rows = [row.payload for row in events.ordered()]
    assert events.count() == len(rows) == 4 and rows[-2:] == [
        None,
        {
            "market_id": "PROV-91",
            "commodity": "Gula",
            "price": 14250.0,
            "event_time": "2023-01-02T00:00:00+09:00",
        },
    ]
    file.write_text("No,Komoditas (Rp),30/ 12/ 2022,Total\n")
    assert isinstance(format_of(file), Unmatched)


@pytest.mark.parametrize(
    ("source", "old", "new", "message"),
    [
        (BY_DATE, "time: {", "time: {column: No, ", "time.column: needed, unless the columns are dates"),
        (BY_MARKET, "column: Hari, ", "", "time.column: needed, unless the columns are dates"),
        (BY_MARKET, "across: market\n", "", "across: a wide file needs it"),
        (BY_DATE, "origin: province,", "origin: province_market,", "origin province_market is none of"),
    ],
)
def test_wrong_wide_format_names_its_fault(sources: Path, source: str, old: str, new: str, message: str):
    (sources / "mine.yml").write_text(source.replace(old, new, 1))
    assert message in source_formats().faults["mine"]


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("3 Januari 2023", "%d %B %Y"),
        ("03-JAN-23", "%d-%b-%y"),
        ("Selasa, 3 Jan 2023", "%A, %d %b %Y"),
        (" 3 January 2023 ", "%d %B %Y"),
        ("Tue 3 Januari 2023", "%a %d %b %Y"),
    ],
)
def test_names_of_months_and_days_are_read_in_both_languages(text: str, pattern: str):
    assert FieldMap(column="x", **{"as": "date", "format": pattern}).value(text) == "2023-01-03"


def test_every_month_and_every_day_has_an_indonesian_name():
    months = [
        "Januari",
        "Februari",
        "Maret",
        "April",
        "Mei",
        "Juni",
        "Juli",
        "Agustus",
        "September",
        "Oktober",
        "November",
        "Desember",
    ]
    read = FieldMap(column="x", **{"as": "month", "format": "%d %B %Y"})
    assert [read.value(f"1 {name} 2024") for name in months] == [f"2024-{n:02}" for n in range(1, 13)]
    days = ["Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu"]
    read = FieldMap(column="x", **{"as": "date", "format": "%A %d %m %Y"})
    assert [read.value(f"{name} {n} 1 2024") for n, name in enumerate(days, 1)] == [
        f"2024-01-{n:02}" for n in range(1, 8)
    ]
    assert read.value("Kliwon 1 1 2024") == "Kliwon 1 1 2024"


def test_dates_of_several_patterns_and_prices_in_thousands_are_read(sources: Path, tmp_path: Path):
    text = BY_DATE.replace('"%d/ %m/ %Y"', '["%d %b %Y", "%d/%m/%y"]').replace(
        'thousands: ","', 'decimal: ",", factor: 1000'
    )
    (sources / "mine.yml").write_text(text)
    file = tmp_path / "Bali.csv"
    file.write_text('No,Komoditas (Rp),30 Des 2022,02/01/23\n1,Beras,"12,5",-\n2,Gula,"14,25",15\n')
    known = format_of(file)
    assert isinstance(known, SourceFormat) and known.name == "mine"
    payloads = [row.payload for row in FileEvents(file, known).ordered() if row.payload]
    assert [(each["commodity"], each["price"], str(each["event_time"])[:10]) for each in payloads] == [
        ("Beras", 12500.0, "2022-12-30"),
        ("Gula", 14250.0, "2022-12-30"),
        ("Gula", 15000.0, "2023-01-02"),
    ]
    file.write_text("No,Komoditas (Rp),2022.12.30\n1,Beras,1\n")
    assert isinstance(format_of(file), Unmatched)


@pytest.mark.parametrize("patterns", ["[]", '["%d/%m/%Y", rfc3339]'])
def test_list_of_patterns_holds_patterns_alone(sources: Path, patterns: str):
    (sources / "mine.yml").write_text(BY_DATE.replace('"%d/ %m/ %Y"', patterns))
    (fault,) = source_formats().faults.values()
    assert "a list needs strptime patterns alone" in fault
