"""Statements over Arrow tables: one database for all threads, and nothing of one statement in the next."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from conf.settings import settings
from lakehouse.io import query
from lakehouse.io.query import run_sql

NUMBERS = pa.table({"n": [1, 2, 3]})


def test_database_is_kept_and_tables_are_not(lone_home: Path):
    assert run_sql("select sum(n) as n from numbers", {"numbers": NUMBERS})["n"].to_pylist() == [6]
    opened = query._shared.cache_info().misses
    with pytest.raises(duckdb.CatalogException):
        run_sql("select sum(n) as n from numbers", {})
    with pytest.raises(duckdb.ConversionException):
        run_sql("select cast('x' as int) from numbers", {"numbers": NUMBERS})
    with pytest.raises(duckdb.CatalogException):
        run_sql("select sum(n) as n from numbers", {})
    assert run_sql("select $top as n", {}, {"top": 7})["n"].to_pylist() == [7]
    assert query._shared.cache_info().misses == opened


def test_threads_share_the_database_and_no_table(lone_home: Path):
    all_begun = threading.Barrier(4)

    def total(number: int) -> list[int]:
        all_begun.wait(60)
        tables = {"numbers": pa.table({"n": [number] * 1000})}
        return [run_sql("select sum(n) as n from numbers", tables)["n"][0].as_py() for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(total, range(4))) == [[number * 1000] * 20 for number in range(4)]
    zone = "select current_setting('timezone') as zone"
    assert run_sql(zone, {})["zone"].to_pylist() == ["UTC"]


def test_kept_database_follows_the_bound_of_the_knob(lone_home: Path, monkeypatch: pytest.MonkeyPatch):
    bound = "select current_setting('memory_limit') as bound, current_setting('threads') as threads"
    first = run_sql(bound, {}).to_pylist()[0]
    monkeypatch.setattr(settings().lake, "query_memory_mb", 64)
    second = run_sql(bound, {}).to_pylist()[0]
    assert first["bound"] != second["bound"] and second["bound"].startswith("61.")  # 64 MB in MiB
    assert run_sql(bound, {}, threads=2).to_pylist()[0]["threads"] == 2
