"""Statements over Arrow tables: one connection a thread, and nothing of one statement in the next."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from conf.settings import settings
from lakehouse.io import query
from lakehouse.io.query import run_sql

NUMBERS = pa.table({"n": [1, 2, 3]})


def test_connection_is_kept_and_tables_are_not(lone_home: Path):
    assert run_sql("select sum(n) as n from numbers", {"numbers": NUMBERS})["n"].to_pylist() == [6]
    kept = query._kept.connection
    with pytest.raises(duckdb.CatalogException):
        run_sql("select sum(n) as n from numbers", {})
    with pytest.raises(duckdb.ConversionException):
        run_sql("select cast('x' as int) from numbers", {"numbers": NUMBERS})
    with pytest.raises(duckdb.CatalogException):
        run_sql("select sum(n) as n from numbers", {})
    assert run_sql("select $top as n", {}, {"top": 7})["n"].to_pylist() == [7]
    assert query._kept.connection is kept


def test_kept_connection_follows_the_bound_of_the_knob(lone_home: Path, monkeypatch: pytest.MonkeyPatch):
    bound = "select current_setting('memory_limit') as bound, current_setting('threads') as threads"
    first = run_sql(bound, {}).to_pylist()[0]
    monkeypatch.setattr(settings().lake, "query_memory_mb", 64)
    second = run_sql(bound, {}).to_pylist()[0]
    assert first["bound"] != second["bound"] and second["bound"].startswith("61.")  # 64 MB in MiB
    assert run_sql(bound, {}, threads=2).to_pylist()[0]["threads"] == 2
