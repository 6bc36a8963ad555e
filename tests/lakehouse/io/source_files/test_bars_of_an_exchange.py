"""Bars of an exchange that nobody foresaw, by one YAML file: its own columns, numbers, clock and currency."""

import csv
from pathlib import Path

import orjson
import pytest

from lakehouse.event import faults
from lakehouse.io.source_files.file_events import FileEvents
from lakehouse.io.source_files.formats import FormatError, format_of
from lakehouse.io.source_files.source_format import SourceFormat

NUMBER = '{as: number, thousands: ".", decimal: ",", column: '
XETRA = f"""
description: five-minute bars of German shares
kind: bar
layout: long
delimiter: ";"
encoding: latin-1
file_name: '(?P<symbol>[A-Z0-9]+)_XETR_5min\\.csv'
header: [Datum, Uhrzeit, Eröffnung, Hoch, Tief, Schluss, Stück]
time: {{column: [Datum, Uhrzeit], format: "%d.%m.%Y %H:%M", zone: Europe/Berlin, lag_seconds: 300}}
fields:
  symbol: {{origin: symbol}}
  asset_class: {{constant: equity}}
  interval: {{constant: 5m}}
  bar_time: {{column: [Datum, Uhrzeit], as: time, format: "%d.%m.%Y %H:%M", zone: Europe/Berlin}}
  open: {NUMBER}Eröffnung}}
  high: {NUMBER}Hoch}}
  low: {NUMBER}Tief}}
  close: {NUMBER}Schluss}}
  volume: {NUMBER}Stück}}
  currency: {{constant: EUR}}
"""
ROWS = (
    ("Datum", "Uhrzeit", "Eröffnung", "Hoch", "Tief", "Schluss", "Stück"),
    ("28.03.2025", "09:00", "1.161,08", "1.163,19", "1.160,96", "1.163,13", "4.772"),
    ("31.03.2025", "09:05", "1.163,13", "1.164,77", "1.163,02", "1.164,70", "1.196"),
)


def written(folder: Path) -> Path:
    file = folder / "SIE_XETR_5min.csv"
    with file.open("w", encoding="latin-1", newline="") as out:
        csv.writer(out, delimiter=";").writerows(ROWS)
    return file


def test_five_minute_bars_of_another_exchange_are_read_by_a_yaml_alone(sources: Path, tmp_path: Path):
    (sources / "xetra.yml").write_text(XETRA, encoding="utf-8")
    file = written(tmp_path)
    known = format_of(file)
    assert isinstance(known, SourceFormat), known
    reader = FileEvents(file, known)
    payloads = [orjson.loads(reader.event(row).value) for row in reader.rows()]
    assert [faults(payload, ["bar"]) for payload in payloads] == [[], []]
    shown = ("symbol", "interval", "currency", "bar_time", "event_time", "open", "volume")
    assert [tuple(payload[name] for name in shown) for payload in payloads] == [
        ("SIE", "5m", "EUR", "2025-03-28T09:00:00+01:00", "2025-03-28T09:05:00+01:00", 1161.08, 4772.0),
        ("SIE", "5m", "EUR", "2025-03-31T09:05:00+02:00", "2025-03-31T09:10:00+02:00", 1163.13, 1196.0),
    ]


def test_column_of_several_that_is_not_in_the_header_is_named(sources: Path, tmp_path: Path):
    wrong = XETRA.replace("time: {column: [Datum, Uhrzeit]", "time: {column: [Datum, Zeit]")
    (sources / "xetra.yml").write_text(wrong, encoding="utf-8")
    with pytest.raises(FormatError, match="column Zeit is not in the header"):
        format_of(written(tmp_path), "xetra")
