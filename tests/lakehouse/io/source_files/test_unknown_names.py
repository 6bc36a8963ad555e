"""Names that no reference list has come back as YAML that, completed, makes them known."""

import re
from pathlib import Path

import pytest

from lakehouse.io.source_files.file_events import FileEvents
from lakehouse.io.source_files.formats import Unmatched, format_of
from lakehouse.io.source_files.source_format import SourceFormat
from lakehouse.io.source_files.unknown_names import UnknownNames
from lakehouse.reference import commodity_aliases, market_id_of, markets, region_aliases, unit_aliases
from lakehouse.yaml_text import read_mapping
from tests.lakehouse.own_lists import own_lists

LONG = SourceFormat.model_validate(
    {
        "name": "provincial",
        "description": "x",
        "kind": "price",
        "layout": "long",
        "header": ["Tanggal", "Provinsi", "Pasar", "Komoditas", "Harga", "Satuan"],
        "time": {"column": "Tanggal", "format": "%d-%m-%Y"},
        "fields": {
            "region": {"column": "Provinsi"},
            "market_id": {"column": "Pasar", "as": "market"},
            "commodity": {"column": "Komoditas"},
            "price": {"column": "Harga", "as": "number"},
            "unit": {"column": "Satuan"},
        },
    }
)


def events_of(path: Path, text: str, known: SourceFormat) -> list[dict[str, object]]:
    path.write_text(text, encoding="utf-8")
    return [row.payload for row in FileEvents(path, known).rows() if row.payload]


def test_markets_with_spaces_and_provinces_by_name_are_read_in_their_local_time(tmp_path: Path):
    rows = events_of(
        tmp_path / "x.csv",
        "Tanggal,Provinsi,Pasar,Komoditas,Harga,Satuan\n"
        "01-02-2024,Jawa Barat,Pasar Caringin,Beras,14000,kg\n"
        "01-02-2024,Papua,Pasar Hamadi Kota,Beras,16000,kg\n",
        LONG,
    )
    assert [(row["market_id"], row["event_time"]) for row in rows] == [
        ("PASAR-001", "2024-02-01T00:00:00+07:00"),
        ("91-PASAR-HAMADI-KOTA", "2024-02-01T00:00:00+09:00"),
    ]


def test_province_by_name_is_the_market_of_the_whole_province(tmp_path: Path):
    raw = LONG.model_dump(by_alias=True, exclude={"events"}, exclude_none=True) | {
        "kind": "price",
        "time": {"column": "Tanggal", "format": "%d-%m-%Y"},
        "fields": {
            "market_id": {"column": "Provinsi", "as": "province"},
            "commodity": {"column": "Komoditas"},
            "price": {"column": "Harga", "as": "number"},
        },
    }
    rows = events_of(
        tmp_path / "x.csv",
        "Tanggal,Provinsi,Pasar,Komoditas,Harga,Satuan\n"
        "01-02-2024,Maluku Utara,,Beras,14000,kg\n01-02-2024,Atlantis Raya,,Beras,14000,kg\n",
        SourceFormat.model_validate(raw),
    )
    assert [(row["market_id"], row["event_time"][-6:]) for row in rows] == [
        ("PROV-82", "+09:00"),
        ("Atlantis Raya", "+07:00"),
    ]


def test_list_to_copy_makes_every_name_known(tmp_path: Path):
    rows = events_of(
        tmp_path / "x.csv",
        "Tanggal,Provinsi,Pasar,Komoditas,Harga,Satuan\n"
        "01-02-2024,Jawa Baratt,Pasar A,Bawang Merahh,30000,kg\n"
        "01-02-2024,Priangan,Pasar A,Petai Papan,20000,karung\n"
        "02-02-2024,Priangan,Pasar A,Petai Papan,30000,karung\n"
        "02-02-2024,,Pasar B No,Beras,14000,kg\n",
        LONG,
    )
    names = UnknownNames()
    for row in rows:
        names.note("price", row)
    text = names.yaml()
    assert "{id: bawang-merah, aliases: [Bawang Merahh]}" in text
    assert "band_idr: [2500, 250000], typical_idr: 25000" in text
    assert '{code: "32", aliases: [Jawa Baratt]}  # Jawa Barat?' in text
    assert "market_id: PASAR-B-NO" in text and "PASAR-A" not in text  # a region is given for Pasar A
    completed = text.replace('code: "?"', 'code: "32"').replace('region: "?"', 'region: "32"')
    sections = read_mapping(completed.replace("  ?: [karung]", "  kg: [karung]"))
    files: dict[str, str] = {}
    for line in completed.replace("  ?: [karung]", "  kg: [karung]").splitlines():
        if line.startswith("# "):
            file = Path(line[2:]).stem
            continue
        files[file] = files.get(file, "") + line + "\n"
    assert set(sections) == {"commodities", "units", "provinces", "markets"}
    with own_lists(tmp_path / "home", **files):
        assert commodity_aliases()["petaipapan"] == "petai-papan"
        assert region_aliases()["priangan"] == region_aliases()["jawabaratt"] == "32"
        assert unit_aliases()["karung"] == "kg" and markets()["PASAR-B-NO"].region_code == "32"
        assert market_id_of("Pasar B No") == "PASAR-B-NO"
        again = UnknownNames()
        for row in rows:
            again.note("price", row)
        assert not again and again.yaml() == ""


def test_new_commodity_has_the_unit_that_the_file_names():
    names = UnknownNames()
    for commodity, unit in (("Susu Segar", "ltr"), ("Petai Papan", "karung"), ("Gula Aren", None)):
        event = {"region": "Bali", "market_id": "PROV-51", "commodity": commodity, "price": 1.0}
        names.note("price", event | ({"unit": unit} if unit else {}))
    entries = dict(re.findall(r"name: ([\w ]+), group: other, unit: (\w+)", names.yaml()))
    assert entries == {"Susu Segar": unit_aliases()["ltr"], "Petai Papan": "kg", "Gula Aren": "kg"}
    assert unit_aliases()["ltr"] != "kg"


def test_known_names_give_no_list():
    names = UnknownNames()
    names.note("price", {"market_id": "PASAR-001", "commodity": "Beras", "unit": "kg", "price": 1.0})
    names.note("weather", {"station_id": "x", "region": "Jawa Barat"})
    assert not names


def test_wide_file_with_few_unknown_columns_names_them(tmp_path: Path):
    file = tmp_path / "Beras.csv"
    file.write_text("Date,Aceh,Sumatra Utara,Bali,Rata-rata Nasional\n2024-01-01,1,2,3,4\n")
    actual = format_of(file)
    assert isinstance(actual, Unmatched)
    first, *rest = actual.reason.splitlines()
    assert first.startswith("a file of panelharga_wide, but no provinces: Sumatra Utara, Rata-rata Nasional.")
    assert '  - {code: "12", aliases: [Sumatra Utara]}  # Sumatera Utara?' in rest


@pytest.mark.parametrize("header", ["Date,Aceh,Rata-rata,Bali", "Date,Aceh,Bali"])
def test_optional_columns_of_a_wide_file_are_no_regions(tmp_path: Path, header: str):
    raw = {
        "name": "w",
        "description": "x",
        "kind": "price",
        "layout": "wide",
        "across": "region",
        "header": ["Date"],
        "optional": ["Rata-rata"],
        "time": {"column": "Date", "format": "%Y-%m-%d"},
        "fields": {
            "market_id": {"origin": "province_market"},
            "commodity": {"origin": "file_stem"},
            "price": {"origin": "cell", "as": "number"},
        },
    }
    wide = SourceFormat.model_validate(raw)
    columns = header.split(",")
    assert wide.matches(columns)
    cells = ["2024-01-01", *(str(1000 * number) for number in range(1, len(columns)))]
    rows = events_of(tmp_path / "Beras.csv", f"{header}\n{','.join(cells)}\n", wide)
    assert sorted(row["market_id"] for row in rows) == ["PROV-11", "PROV-51"]
    assert FileEvents(tmp_path / "Beras.csv", wide).count() == 2


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("Cabai Rawit Merahh", "cabai-rawit-merah"),
        ("Cabai Rawit Hijau", None),
        ("Bawang Merah Segarr", None),
        ("Beras Premium II", None),
        ("Telur Ayam Kampung", None),
        ("Gula Pasir Kita", "gula-konsumsi"),
        ("Minyak Goreng Kemasan Premium", None),
        ("Daging Sapii", "daging-sapi"),
        ("Daging Kerbau Beku (Lokal)", None),
    ],
)
def test_name_with_another_colour_grade_or_cut_is_no_spelling(name: str, suggested: str | None):
    names = UnknownNames()
    names.note("price", {"region": "Bali", "market_id": "PROV-51", "commodity": name, "price": 1.0})
    aliases = re.findall(r"id: ([\w-]+), aliases:", names.yaml())
    assert aliases == ([suggested] if suggested else [])
