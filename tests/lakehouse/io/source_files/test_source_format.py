"""Source formats: which files are recognised, the value of a cell, the errors of a wrong format file."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from conf.settings import REPO, settings
from lakehouse.io.source_files.field_map import FieldMap
from lakehouse.io.source_files.file_events import FileEvents
from lakehouse.io.source_files.formats import FormatError, Unmatched, format_of, formats, source_formats
from lakehouse.io.source_files.source_format import SourceFormat

DATA = settings().shared / "data"
LONG = "market_id,commodity,price,unit,event_time,region"
NAMES = {  # of formats with a file_name
    "us_daily": "AAPL.csv",
    "cn_daily": "600519_SS.csv",
    "crypto_daily": "BTCUSDT.csv",
    "crypto_minutes": "BTCUSDT_1min.csv",
    "futures": "US_Wheat_Futures_Historical_Data.csv",
    "currency": "USDIDR=X.csv",
}


def placed(folder: Path, known: SourceFormat) -> Path:
    """An empty file of the format, with the name and in the folder that it requires."""
    regions = ["Aceh", "DI Yogyakarta", "Papua Barat"] if known.across else []
    file = folder / (known.folder or "anywhere") / NAMES.get(known.name, "x.csv")
    file.parent.mkdir(exist_ok=True)
    file.write_text("\ufeff" + ",".join([*known.header, *regions]) + "\n", encoding="utf-8")
    return file


@pytest.mark.usefixtures("lone_home")  # without formats of the developer's own
@pytest.mark.parametrize("name", sorted(file.stem for file in (REPO / "conf" / "sources").glob("*.yml")))
def test_each_format_is_recognised_by_header_and_folder_and_no_other_fits(tmp_path: Path, name: str):
    file = placed(tmp_path, formats()[name])
    actual = format_of(file)
    assert isinstance(actual, SourceFormat) and actual.name == name
    others = [
        other for other in formats().values() if other.name != name and other.matches(list(actual.header))
    ]
    assert all(other.folder and actual.folder and other.folder != actual.folder for other in others)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("a,b\n1,2\n", "unknown header: a,b"),
        ("Date,Atlantis\n", "unknown header: Date,Atlantis"),
    ],
)
def test_unknown_file_names_the_known_formats(tmp_path: Path, text: str, message: str):
    (tmp_path / "x.csv").write_text(text)
    actual = format_of(tmp_path / "x.csv")
    assert isinstance(actual, Unmatched) and message in actual.reason


MONTH_END = {"as": "time", "format": "%Y-%m-%d", "end_of": "month", "lag_days": 1}


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        ({"as": "number"}, "65209.99999999999", 65209.99999999999),
        ({"as": "number", "strip": ["Rp"], "thousands": "."}, "Rp 16.500", 16500.0),
        ({"as": "number", "thousands": ".", "decimal": ","}, "16.500,25", 16500.25),
        ({"as": "number"}, "enam belas ribu", "enam belas ribu"),
        ({"as": "number"}, "nan", "nan"),
        ({"as": "number"}, "1e400", "1e400"),
        ({"as": "number"}, "1_000", "1_000"),
        ({"as": "integer"}, "1", 1),
        ({"as": "integer"}, "1.5", 1.5),
        ({}, "007", "007"),
        (MONTH_END, "2024-12-03", "2025-01-02T00:00:00+07:00"),
        ({"as": "time", "format": "%d/%m/%Y", "lag_days": 3}, "03/12/2024", "2024-12-06T00:00:00+07:00"),
        (MONTH_END, "December", "December"),
    ],
)
def test_cell_becomes_a_value_and_text_that_is_no_number_stays_text(rule: dict, text: str, value: object):
    actual = FieldMap(column="x", **rule).value(text)
    assert actual == value and type(actual) is type(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "gossip"}, "unknown kind"),
        ({"fields": {"prise": {"column": "price"}}}, "not a payload field"),
        ({"fields": {"price": {"column": "preis"}}}, "not in the header"),
        ({"fields": {"price": {}}}, "exactly one of"),
        ({"fields": {"price": {"column": "price", "lag_days": 1}}}, "are for a time"),
        ({"surplus": 1}, "Extra inputs"),
    ],
)
def test_wrong_format_file_names_its_fault(change: dict, message: str):
    fields = yaml.safe_load((Path("conf/sources") / "price_long.yml").read_text())
    with pytest.raises(ValidationError, match=message):
        SourceFormat(name="x", **(fields | change))


def test_wide_row_is_read_from_east_to_west_and_an_empty_cell_is_no_event(tmp_path: Path):
    file = tmp_path / "Beras_Premium.csv"
    file.write_text("Date,Aceh,Bali,Papua\n2024-01-01,14000.0,,16000.0\n")
    rows = list(FileEvents(file, formats()["panelharga_wide"]).rows())
    assert [(row.position, row.payload and row.payload["event_time"]) for row in rows] == [
        ("1:Papua", "2024-01-01T00:00:00+09:00"),
        ("1:Bali", None),
        ("1:Aceh", "2024-01-01T00:00:00+07:00"),
    ]
    assert rows[2].payload == {
        "market_id": "PROV-11",
        "commodity": "Beras_Premium",
        "price": 14000.0,
        "provider": "panel-harga",
        "event_time": "2024-01-01T00:00:00+07:00",
    }


def test_rows_of_the_wrong_width_and_bytes_that_are_not_utf8_are_passed_on(tmp_path: Path):
    file = tmp_path / "x.csv"
    file.write_bytes(LONG.encode() + b"\nPASAR-001,garam\nPASAR-001,ga\xffram,11500,,,\n")
    events = FileEvents(file, formats()["price_long"])
    short, raw = (events.event(row) for row in events.rows())
    assert short.value == b'{"raw_row":"PASAR-001,garam"}'
    assert b'"ga\xffram"' in raw.value


TWO = {  # a row of a price, a sensor and another price
    "description": "x",
    "layout": "long",
    "header": ["day", "rice", "oil", "heat", "people"],
    "folder": "here",
    "file_name": r"(?P<market>[A-Z]+)-\d+\.csv",
    "time": {"column": "day", "format": "%d/%m/%Y", "zone": "UTC"},
    "events": [
        {
            "kind": "price",
            "no_event": {"price": ["", "0"]},
            "fields": {
                "market_id": {"origin": "market", "values": {"A": "PASAR-001"}},
                "price": {"column": "rice", "as": "number"},
            },
        },
        {
            "kind": "sensor",
            "time": {"column": "day", "format": "%d/%m/%Y", "zone": "Asia/Jakarta", "lag_seconds": 86400},
            "fields": {
                "device_id": {"digest": ["day", "people"]},
                "market_id": {"origin": "event_time"},
                "temperature_c": {"column": "heat", "as": "number", "missing": ["0", "9999"]},
                "crowd_count": {"column": "people", "as": "integer"},
            },
        },
        {
            "kind": "price",
            "fields": {
                "price": {"column": "oil", "as": "number", "thousands": ","},
                "unit": {"column": "day", "as": "month", "format": "%d/%m/%Y"},
            },
        },
    ],
}


def test_each_event_of_a_row_is_read_by_its_own_rules(tmp_path: Path):
    file = tmp_path / "A-1.csv"
    file.write_text('day,rice,oil,heat,people\n31/12/2023,0,"1,250.5",9999,7\n1/1/2024,14000,,21.5,8\nx\n')
    events = FileEvents(file, SourceFormat(name="two", **TWO))
    rows = list(events.rows())
    assert [row.position for row in rows] == [
        "1:price:1",
        "1:sensor:1",
        "1:price:2",
        "2:price:1",
        "2:sensor:1",
        "2:price:2",
        "3",
    ]
    assert len({events.event(row).event_id for row in rows}) == 7 == events.count()
    assert [row.kind for row in rows] == ["price", "sensor", "price"] * 2 + ["price"]
    nothing, sensor, oil, rice, heat, no_oil, misfit = (row.payload for row in rows)
    assert nothing is None and misfit == {"raw_row": "x"}
    late = "2024-01-01T00:00:00+07:00"  # a day is known when it is over
    assert sensor == {
        "device_id": sensor["device_id"],
        "crowd_count": 7,
        "event_time": late,
        "market_id": late,
    }
    assert oil == {"price": 1250.5, "unit": "2023-12", "event_time": "2023-12-31T00:00:00+00:00"}
    assert rice == {"market_id": "PASAR-001", "price": 14000.0, "event_time": "2024-01-01T00:00:00+00:00"}
    assert heat["temperature_c"] == 21.5 and "price" not in no_oil
    assert len(sensor["device_id"]) == 16 and sensor["device_id"] != heat["device_id"]


@pytest.mark.parametrize(
    ("name", "is_requested", "message"),
    [
        ("here/A-1.csv", False, None),
        ("there/A-1.csv", False, "its folder is not 'here'"),
        ("there/A-1.csv", True, None),
        ("here/A.csv", True, "its name does not match"),
        ("here/B-1.csv", False, "'B' in its name is none of A"),
    ],
)
def test_formats_with_one_header_are_distinguished_by_folder_and_name(
    name: str, is_requested: bool, message: str | None
):
    actual = SourceFormat(name="two", **TWO).misplaced(Path("/data") / name, is_requested)
    assert actual == message if message is None else message in actual


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file_name": None}, "origin market is none of event_time, file_stem"),
        ({"layout": "wide"}, "a cell of a wide file is one event"),
        (
            {
                "events": [
                    {"kind": "price", "no_event": {"price": [""]}, "fields": {"unit": {"column": "day"}}}
                ]
            },
            "price is not read",
        ),
        (
            {"events": [{"kind": "price", "fields": {"unit": {"column": "day", "as": "date"}}}]},
            "needs its format",
        ),
        (
            {"events": [{"kind": "price", "fields": {"unit": {"digest": ["dya"]}}}]},
            "column dya is not in the header",
        ),
        (
            {"time": {"column": "day", "format": "%Y", "lag_seconds": -1}},
            "a row cannot be known before its time",
        ),
    ],
)
def test_wrong_format_of_several_events_names_its_fault(change: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        SourceFormat(name="two", **(TWO | change))


def test_same_content_has_the_same_ids_and_other_content_others(tmp_path: Path):
    def ids(text: str) -> list[str]:
        (tmp_path / "x.csv").write_text(text)
        events = FileEvents(tmp_path / "x.csv", formats()["price_long"])
        return [events.event(row).event_id for row in events.rows()]

    first_ids = ids(f"{LONG}\nPASAR-001,garam,1,,,\nPASAR-001,garam,1,,,\n")
    assert (
        first_ids == ids(f"{LONG}\nPASAR-001,garam,1,,,\nPASAR-001,garam,1,,,\n") and len(set(first_ids)) == 2
    )
    assert not set(first_ids) & set(ids(f"{LONG}\nPASAR-001,garam,2,,,\nPASAR-001,garam,1,,,\n"))
    assert ids(f"{LONG},event_id\nPASAR-001,garam,1,,,,mine-1\n") == ["mine-1"]


@pytest.mark.skipif(not DATA.exists(), reason="published data sets are not here (LUMBUNG_SHARED)")
def test_every_filled_cell_of_a_published_matrix_is_an_event_in_time_order():
    file = DATA / "panelharga_prov_daily/Harga_Bahan_Pangan/train/Cabai_Rawit_Merah.csv"
    cells = [
        cell for line in file.read_text(encoding="utf-8-sig").splitlines()[1:] for cell in line.split(",")[1:]
    ]
    known = format_of(file)
    assert not isinstance(known, Unmatched)
    actual = list(FileEvents(file, known).rows())
    assert len(actual) == len(cells) > 30_000
    assert sum(row.payload is not None for row in actual) == sum(bool(cell.strip()) for cell in cells)
    assert [row.time for row in actual] == sorted(row.time for row in actual)


SOURCE = """
description: x
kind: price
layout: long
header: [No, Yes, On, 2024, 007, Off]
optional: [No., null]
time: {column: On, format: "%Y-%m-%d", zone: Asia/Jakarta}
no_event: {price: [No, 0]}
fields:
  market_id: {column: Yes, values: {No: PASAR-001, 2: PASAR-002}}
  commodity: {column: No}
  price: {column: 2024, as: number}
  unit: {constant: off}
"""


def test_words_that_yaml_takes_for_booleans_and_numbers_stay_text(sources: Path, tmp_path: Path):
    (sources / "mine.yml").write_text(SOURCE)
    mine = formats()["mine"]
    assert mine.header == ("No", "Yes", "On", "2024", "007", "Off") and mine.optional == ("No.", "null")
    (event,) = mine.events
    assert event.no_event == {"price": ("No", "0")}
    (tmp_path / "x.csv").write_text(
        "No,Yes,On,2024,007,Off\ngaram,No,2024-01-01,5000,,\ngaram,2,2024-01-02,No,,\n"
    )
    assert format_of(tmp_path / "x.csv") == mine
    rows = [row.payload for row in FileEvents(tmp_path / "x.csv", mine).rows()]
    assert rows == [
        {
            "market_id": "PASAR-001",
            "commodity": "garam",
            "price": 5000.0,
            "unit": "off",
            "event_time": "2024-01-01T00:00:00+07:00",
        },
        None,
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("header:", "haeder:", "there is no key 'haeder'"),
        ("layout: long", "layout: tall", "layout is 'tall', not one of long, wide"),
        ("as: number", "as: nmber", "fields.price.as is 'nmber', not one of"),
        ("Asia/Jakarta", "Asia/Jakrta", "'time.zone': there is no time zone 'Asia/Jakrta'"),
        ("%Y-%m-%d", "%Y-%Q", "'time.format': '%Y-%Q' is no strptime pattern"),
        ("kind: price", "encoding: utf-nine\nkind: price", "'encoding': there is no encoding 'utf-nine'"),
        ("kind: price", "delimiter: tab\nkind: price", "'delimiter': one character is needed"),
        ("kind: price", "kind: price\nkind: price", "the key 'kind' is given twice"),
        ("fields:", "fields: [", "line 11: "),
        (SOURCE, "", "not a mapping of keys to values"),
    ],
)
def test_faulty_file_is_reported_and_the_other_formats_work(
    sources: Path, tmp_path: Path, old: str, new: str, message: str
):
    (sources / "mine.yml").write_text(SOURCE.replace(old, new))
    known = source_formats()
    assert message in known.faults["mine"] and str(sources / "mine.yml") in known.faults["mine"]
    assert "remedy: correct it; every key is in docs/how-to/add-a-file-format.md" in known.faults["mine"]
    (tmp_path / "x.csv").write_text(f"{LONG}\n")
    assert format_of(tmp_path / "x.csv") == known.formats["price_long"]
    (tmp_path / "y.csv").write_text("a,b\n")
    unmatched = format_of(tmp_path / "y.csv")
    assert isinstance(unmatched, Unmatched) and known.faults["mine"] in unmatched.reason
    with pytest.raises(FormatError, match=re.escape(message)):
        format_of(tmp_path / "x.csv", "mine")


def test_own_format_takes_the_place_of_the_one_of_its_name_as_soon_as_it_is_there(
    sources: Path, tmp_path: Path
):
    (tmp_path / "x.csv").write_text(f"{LONG}\n")
    assert isinstance(format_of(tmp_path / "x.csv"), SourceFormat)
    (sources / "price_long.yml").write_text(SOURCE)
    assert formats()["price_long"].header[0] == "No"
    assert source_formats().files["price_long"] == sources / "price_long.yml"
    assert isinstance(format_of(tmp_path / "x.csv"), Unmatched)


def test_sheet_of_bps_is_a_figure_of_the_week_that_ends_with_its_sunday(tmp_path: Path):
    """July 2025 has Sundays from the 6th on; its contributions are not read, for they are a selection."""
    sheet = tmp_path / "iph.csv"
    header = "Bulan,Minggu ke-,Kab/Kota,Indikator Perubahan Harga (%),Komoditas Andil Perubahan Harga"
    sheet.write_text(
        f"{header},Komoditas Fluktuasi Harga Tertinggi,Fluktuasi Harga\n"
        'Juli 2025,M2,Kota Bandung,"3,06",BERAS(0.5);CABAI(0.3),CABAI RAWIT,"0,17"\n'
        "Juli 2025,M5,Jawa Barat,-0.4,,,\n"
    )
    source = format_of(sheet)
    assert isinstance(source, SourceFormat) and source.name == "bps_weekly_index"
    first, second, third, _ = (row.payload for row in FileEvents(sheet, source).rows())
    assert first == {
        "indicator": "iph-kota-bandung",
        "period": "2025-07-13",
        "value": 3.06,
        "unit": "percent",
        "source": "bps",
        "released_at": "2025-07-14T00:00:00+07:00",
        "event_time": "2025-07-14T00:00:00+07:00",
    }
    assert second and (second["indicator"], second["value"]) == ("iph-fluctuation-kota-bandung", 0.17)
    assert third and third["period"] == "Juli 2025 M5", "there is no fifth Sunday: it is quarantined"
