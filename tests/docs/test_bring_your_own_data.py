"""docs/how-to/bring-your-own-data.md on invented files: from downloads to a forecast without code."""

import re
import shlex
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import orjson
import pytest

from conf.settings import REPO, child_environment
from tests.docs.how_to_pages import FENCE, HOW_TO

PAGE = HOW_TO / "bring-your-own-data.md"
FIRST = date(2023, 1, 1)
DAYS = 660  # a year, 25 origins of a quick round, and its horizons
MONTHS = [
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
CLI = [sys.executable, "-m", "scripts.cli"]
EXIT_CODE = re.compile(r"# exit code (\d)")


def walk(seed: int, level: float) -> list[str]:
    """Prices as Indonesian offices write them: 48.250."""
    steps = np.random.default_rng(seed).normal(0, 0.02, DAYS)
    return [f"{price:,.0f}".replace(",", ".") for price in level * np.exp(np.cumsum(steps))]


def in_words(day: date) -> str:
    """Such as 3 Januari 2023."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def write_downloads(folder: Path) -> None:
    """Two wide files of four provinces, one long file of two markets, one file with a column per day."""
    folder.mkdir()
    days = [FIRST + timedelta(day) for day in range(DAYS)]
    for seed, name in enumerate(("Cabai Rawit Merah", "Cabai Merah")):
        columns = [walk(10 * seed + nth, 50_000) for nth in range(4)]
        columns[2][0] = "-"
        lines = ["No;Tanggal;Aceh;Jawa Barat;Jawa Tengah;Papua;Rata-rata"]
        lines += [
            f"{nth + 1};{day:%d/%m/%Y};{';'.join(column[nth] for column in columns)};50.000"
            for nth, day in enumerate(days)
        ]
        (folder / f"{name} 2023-2024.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = ["No,Tanggal,Provinsi,Nama Pasar,Barang,Harga,Sumber"]
    places = (
        ("Jawa Barat", "Pasar Kranggan", "Dinas Perdagangan"),
        ("Bali", "Pasar Badung", "Survei Mitra"),
    )
    for seed, (province, market, source) in enumerate(places):
        for more, (name, level) in enumerate((("Bawang Merah", 35_500), ("Petai Papan", 24_000))):
            prices = walk(100 + 10 * seed + more, level)
            lines += [
                f'{nth},{in_words(day)},{province},{market},{name},"Rp {price}",{source}'
                for nth, (day, price) in enumerate(zip(days, prices, strict=True), 1)
            ]
    (folder / "pasar.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    columns = [f"{day.day} {MONTHS[day.month - 1][:3]} {day.year}" for day in days[:-1]]
    thousands = ["14,5"] * (DAYS - 1) + ["14,75"]
    lines = [["Komoditas", "Provinsi", *columns, f"{days[-1]:%d/%m/%Y}"], ["Gula Pasir", "Bali", *thousands]]
    text = "\n".join(";".join(cells) for cells in lines) + "\n"
    (folder / "kabupaten.csv").write_text(text, encoding="utf-8")


def run(line: str, here: Path) -> subprocess.CompletedProcess[str]:
    """One line of the page, called from `here` with the home `here`/var."""
    _, *arguments = shlex.split(line, comments=True)
    own = {"LUMBUNG_HOME": str(here / "var"), "LUMBUNG_CALLED_FROM": str(here)}
    environment = child_environment(**own, LUMBUNG_TRAINING__PROCESSES="1")
    return subprocess.run(
        [*CLI, *arguments], cwd=REPO, env=environment, capture_output=True, text=True, timeout=900
    )


@pytest.mark.slow
def test_page_leads_from_unknown_files_to_a_forecast_without_code(tmp_path: Path):
    write_downloads(tmp_path / "downloads")
    outputs: list[subprocess.CompletedProcess[str]] = []
    for fence in FENCE.finditer(PAGE.read_text(encoding="utf-8")):
        language, *options = shlex.split(fence["info"])
        if options:
            file = tmp_path / options[0].removeprefix("file=")
            file.parent.mkdir(parents=True, exist_ok=True)
            if outputs:  # the entry to copy is what the command before it printed, but for its figures
                (entry,) = (line for line in fence["body"].splitlines() if "id:" in line)
                assert entry.partition("band_idr")[0] in outputs[-1].stdout
            file.write_text(fence["body"], encoding="utf-8")
        if language != "bash":
            continue
        for line in fence["body"].splitlines():
            done = run(line, tmp_path)
            expected = EXIT_CODE.search(line)
            wanted = int(expected[1]) if expected else 0
            assert done.returncode == wanted, f"{line}: {done.stdout[-1500:]}{done.stderr[-3000:]}"
            outputs.append(done)
    checked = outputs[1].stdout
    assert checked.count("format office_wide, ") == 2 and "format markets_long, 2640 events" in checked
    assert f"format days_across, {DAYS} events" in checked and "'price': 14500.0" in checked
    assert f"{4 * DAYS - 1} events" in checked  # the dash is none
    assert "would be refused" not in outputs[0].stderr + outputs[1].stderr
    assert "'provider': 'dinas-perdagangan', 'event_time': '2023-01-01T00:00:00+07:00'" in checked
    sql = "select distinct commodity, region from gold.forecasts where champion"
    forecast = run(f'./run.sh query --format json "{sql}"', tmp_path)
    rows = orjson.loads(forecast.stdout)
    series = {tuple(row.values()) for row in rows}
    assert {
        ("cabai-rawit-merah", "Papua"),
        ("cabai-merah", "Aceh"),
        ("bawang-merah", "Jawa Barat"),
        ("petai-papan", "Bali"),
        ("gula-konsumsi", "Bali"),
    } <= series


@pytest.mark.parametrize("name", ["office_wide", "markets_long", "days_across"])
def test_formats_of_the_page_are_new(name: str):
    assert not (REPO / "conf" / "sources" / f"{name}.yml").exists()
