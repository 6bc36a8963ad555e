"""`query` runs one SELECT over silver and gold and refuses everything else."""

import csv
import io
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conf.settings import settings
from lakehouse.contracts.contract import contracts
from scripts.commands.query import Format, QueryRefused, run, write
from tests.support.query_lake import Lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("query"))
    lake.write(
        "silver.prices",
        [{"event_id": f"e{n}", "commodity": "garam", "price_idr": 1000.0 + n} for n in range(3)],
    )
    lake.write("bronze.events", [{"event_id": "e0", "value": b"\xff"}])
    return lake


@pytest.mark.parametrize("name", ["silver.prices", "silver_prices"])
def test_table_has_two_spellings(lake: Lake, name: str):
    done = lake.run(
        "query",
        f"select event_id, price_idr, event_time from {name} order by 1 desc limit 1",
        "--format",
        "json",
    )
    assert (done.returncode, json.loads(done.stdout)) == (
        0,
        [{"event_id": "e2", "price_idr": 1002.0, "event_time": "2026-03-01T05:00:00Z"}],
    )


def test_show_tables_prints_names_that_a_query_takes(lake: Lake):
    done = lake.run("query", "SHOW TABLES;", "--format", "json")
    tables = {row["table"]: tuple(row["columns"].split(", ")) for row in json.loads(done.stdout)}
    readable = {
        name: each.column_names for name, each in contracts().items() if not name.startswith("bronze")
    }
    assert tables == readable
    for name in ("silver.prices", "gold.live_prices"):
        assert name in tables and lake.run("query", f"select * from {name}").returncode == 0


def test_csv_has_plain_values_and_sums(lake: Lake):
    done = lake.run(
        "query",
        "select commodity, count(*) as n, sum(partition) as s from silver.prices group by all",
        "--format",
        "csv",
    )
    assert done.stdout == "commodity,n,s\ngaram,3,0\n"


def test_parquet_is_written_to_a_file(lake: Lake, tmp_path: Path):
    file = tmp_path / "out.parquet"
    assert (
        lake.run(
            "query", "select price_idr from silver.prices", "--format", "parquet", "--output", str(file)
        ).returncode
        == 0
    )
    assert pq.read_table(file).num_rows == 3


def test_limit_applies_and_an_empty_table_has_columns(lake: Lake):
    assert (
        lake.run("query", "select 1 from silver.prices", "--format", "csv", "--limit", "2").stdout
        == "1\n1\n1\n"
    )
    assert lake.run("query", "select count(*) as n from gold.markets", "--format", "csv").stdout == "n\n0\n"


@pytest.mark.parametrize(
    "sql",
    [
        "delete from silver.prices",
        "drop view silver.prices",
        "create table t as select 1",
        "select 1; select 2",
        "",
        "selec 1",
        "select * from bronze.events",
        "select nothing from silver.prices",
        "copy (select 1) to 'stolen.csv'",
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('conf/lumbung.yml')",
        "attach 'x.db'",
        "install httpfs",
        "pragma version",
        "set enable_external_access = true",
        "explain select 1",
    ],
)
def test_other_statements_are_refused(lake: Lake, sql: str):
    with pytest.raises(QueryRefused, match="."):
        run(sql, None, 60, root=str(lake.home / "lake"))


def test_wrong_usage_exits_with_2_and_a_message_on_stderr(lake: Lake):
    done = lake.start("query", "delete from silver.prices", "--format", "csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert "exactly one SELECT" in done.stderr and "Traceback" not in done.stderr


def test_endless_query_is_stopped(lake: Lake):
    done = lake.start(
        "query", "select count(*) from range(10000000) a, range(10000000) b", "--timeout", "0.5"
    )
    assert (done.returncode, done.stdout) == (124, "")


def test_query_beyond_its_memory_is_refused_with_the_knob(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMBUNG_LAKE__QUERY_MEMORY_MB", "64")
    settings.cache_clear()
    try:
        with pytest.raises(QueryRefused, match="lake.query_memory_mb"):
            run("select len(list(range)) from range(30000000)", None, 240, str(lake.home / "lake"))
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_table_that_is_cut_has_a_line_for_more(lake: Lake):
    cut = lake.run("query", "select range as n from range(101)")
    assert (cut.stdout.count("│\n"), cut.stderr) == (100, "first 100 rows; --limit N for more\n")
    assert lake.run("query", "select range as n from range(100)").stderr == ""
    assert lake.run("query", "select range as n from range(101)", "--limit", "101").stderr == ""


def test_file_name_gives_the_format_and_a_file_has_all_rows(lake: Lake, tmp_path: Path):
    sql = "select range as n, [range, 1] as pair from range(101)"
    for name in ("rows.csv", "rows.json", "rows.parquet"):
        done = lake.run("query", sql, "--output", str(tmp_path / name))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "rows.csv").read_text().splitlines()[::101] == ["n,pair", '100,"[100, 1]"']
    assert json.loads((tmp_path / "rows.json").read_text())[100] == {"n": 100, "pair": [100, 1]}
    assert pq.read_table(tmp_path / "rows.parquet").num_rows == 101
    lake.run("query", sql, "--output", str(tmp_path / "rows.csv"), "--format", "json")
    assert len(json.loads((tmp_path / "rows.csv").read_text())) == 101


def test_table_wider_than_the_terminal_has_a_line_per_value(lake: Lake):
    columns = ", ".join(f"'{number:060}' as column_{number}" for number in range(4))
    shown = lake.run("query", f"select {columns} from range(2)").stdout
    assert shown.splitlines()[:3] == ["row 1", f"  column_0  {0:060}", f"  column_1  {1:060}"]
    assert shown.splitlines()[-1] == "2 rows"
    assert "│" in lake.run("query", "select 1 as one").stdout


STRANGE = "E'\\x1b]0;owned\\x07' || chr(155) || chr(8238)"


@pytest.mark.parametrize("form", ["table", "json"])
def test_control_characters_of_strangers_are_shown_and_not_obeyed(lake: Lake, form: str):
    wide = f"select {STRANGE} || repeat('x', 300) as name"  # a line for each value
    for sql in (f"select {STRANGE} as name", wide):
        shown = lake.run("query", sql, "--format", form).stdout
        assert "owned" in shown and not set(shown) & set("\x1b\x07\x9b\u202e")
    names = json.loads(lake.run("query", f"select {STRANGE} as name", "--format", "json").stdout)
    assert names == [{"name": "\x1b]0;owned\x07\x9b\u202e"}], "the same value"


def test_csv_on_a_terminal_shows_control_characters_and_a_file_keeps_them(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rows = pa.table({"name": ["\x1b[31mred"]})
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    write(rows, Format.CSV, None)
    write(rows, Format.CSV, tmp_path / "rows.csv")
    assert terminal.getvalue() == "name\n\ufffd[31mred\n"
    assert (tmp_path / "rows.csv").read_text() == "name\n\x1b[31mred\n"


def test_csv_holds_no_formula_of_strangers(lake: Lake):
    values = ['=HYPERLINK("http://x")', "@SUM(1)", "+1+1", "-2+3", "-2.5", "+62 812", "garam"]
    listed = ", ".join(f"('{value}')" for value in values)
    done = lake.run("query", f"select * from (values {listed}) as t(name)", "--format", "csv")
    read = [row["name"] for row in csv.DictReader(io.StringIO(done.stdout))]
    assert read == [f"'{value}" for value in values[:4]] + ["-2.5", "'+62 812", "garam"]
    assert lake.run("query", "select -3 as n", "--format", "csv").stdout == "n\n-3\n"
