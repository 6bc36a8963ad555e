"""Published formats as data: what is recognised, what a cell becomes, what a wrong format file is told."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from conf.settings import settings
from producers.file_events import FileEvents
from producers.source_format import FieldMap, SourceFormat, Unmatched, format_of, formats

DATA = settings().shared / "data"
LONG = "market_id,commodity,price,unit,event_time,region"


def test_every_format_is_recognised_by_its_header_and_by_no_other(tmp_path: Path):
    headers = {
        "price_long": LONG,
        "panelharga_wide": "Date,Aceh,DI Yogyakarta,Papua Barat",
        "bandung_consumer": ",".join(formats()["bandung_consumer"].header),
        "room_sensor": '"date","Temperature","Humidity","Light","CO2","HumidityRatio","Occupancy"',
    }
    assert set(headers) == set(formats())
    for name, header in headers.items():
        file = tmp_path / f"{name}.csv"
        file.write_text("\ufeff" + header + "\n", encoding="utf-8")
        assert format_of(file).name == name


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "the file is empty"), ("a,b\n1,2\n", "unknown header: a,b"), ("Date,Atlantis\n", "unknown header: Date,Atlantis")],
)
def test_an_unknown_file_is_told_what_is_known(tmp_path: Path, text: str, said: str):
    (tmp_path / "x.csv").write_text(text)
    found = format_of(tmp_path / "x.csv")
    assert isinstance(found, Unmatched) and said in found.reason


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
    ],
)
def test_a_cell_becomes_a_value_and_what_is_no_number_stays_text(rule: dict, text: str, value: object):
    found = FieldMap(column="x", **rule).value(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "gossip"}, "unknown kind"),
        ({"fields": {"prise": {"column": "price"}}}, "not a payload field"),
        ({"fields": {"price": {"column": "preis"}}}, "not in the header"),
        ({"fields": {"price": {}}}, "exactly one of"),
        ({"surplus": 1}, "Extra inputs"),
    ],
)
def test_a_wrong_format_file_names_its_fault(change: dict, said: str):
    good = yaml.safe_load((Path("conf/sources") / "price_long.yml").read_text())
    with pytest.raises(ValidationError, match=said):
        SourceFormat(name="x", **(good | change))


def test_a_wide_row_wakes_up_in_the_east_first_and_an_empty_cell_is_no_event(tmp_path: Path):
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
        "event_time": "2024-01-01T00:00:00+07:00",
    }


def test_rows_of_the_wrong_width_and_bytes_that_are_not_text_are_passed_on(tmp_path: Path):
    file = tmp_path / "x.csv"
    file.write_bytes(LONG.encode() + b"\nPASAR-001,garam\nPASAR-001,ga\xffram,11500,,,\n")
    events = FileEvents(file, formats()["price_long"])
    short, raw = (events.event(row) for row in events.rows())
    assert short.value == b'{"raw_row":"PASAR-001,garam"}'
    assert b'"ga\xffram"' in raw.value


def test_ids_repeat_for_the_same_content_and_differ_for_another(tmp_path: Path):
    def ids(text: str) -> list[str]:
        (tmp_path / "x.csv").write_text(text)
        events = FileEvents(tmp_path / "x.csv", formats()["price_long"])
        return [events.event(row).event_id for row in events.rows()]

    one = ids(f"{LONG}\nPASAR-001,garam,1,,,\nPASAR-001,garam,1,,,\n")
    assert one == ids(f"{LONG}\nPASAR-001,garam,1,,,\nPASAR-001,garam,1,,,\n") and len(set(one)) == 2
    assert not set(one) & set(ids(f"{LONG}\nPASAR-001,garam,2,,,\nPASAR-001,garam,1,,,\n"))
    assert ids(f"{LONG},event_id\nPASAR-001,garam,1,,,,mine-1\n") == ["mine-1"]


@pytest.mark.skipif(not DATA.exists(), reason="published data sets are not here (LUMBUNG_SHARED)")
@pytest.mark.parametrize(
    ("path", "rows", "events"),
    [
        ("bandung_bapanas_daily/harga_komoditas_konsumen_kota_bandung.csv", 1625, 1326),
        ("occupancy_uci/datatest.txt", 2665, 2665),
    ],
)
def test_real_long_files_are_read_whole(path: str, rows: int, events: int):
    known = format_of(DATA / path)
    assert not isinstance(known, Unmatched)
    found = list(FileEvents(DATA / path, known).rows())
    assert (len(found), sum(row.payload is not None for row in found)) == (rows, events)


@pytest.mark.skipif(not DATA.exists(), reason="published data sets are not here (LUMBUNG_SHARED)")
def test_every_filled_cell_of_a_real_matrix_is_an_event_in_time_order():
    file = DATA / "panelharga_prov_daily/Harga_Bahan_Pangan/train/Cabai_Rawit_Merah.csv"
    cells = [cell for line in file.read_text(encoding="utf-8-sig").splitlines()[1:] for cell in line.split(",")[1:]]
    known = format_of(file)
    assert not isinstance(known, Unmatched)
    found = list(FileEvents(file, known).rows())
    assert len(found) == len(cells) > 30_000
    assert sum(row.payload is not None for row in found) == sum(bool(cell.strip()) for cell in cells)
    assert [row.time for row in found] == sorted(row.time for row in found)
