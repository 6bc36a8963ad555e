"""DuckDB as a pure function: one statement over Arrow tables, in UTC, without files or network."""

import atexit
from functools import cache

import duckdb
import pyarrow as pa

from lakehouse.arrow import arrow_rows
from lakehouse.reference import DEFAULT_TIMEZONE, provinces
from lakehouse.times import YEARS_LEFT_OUT

CLOCK = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?"
ZONE = r"([Zz]|[+-]((0\d|1[0-7]):[0-5]\d|18:00))"
DATE = r"\d{4}-\d\d-\d\d"
LEFT_OUT = ", ".join(f"'{year}'" for year in YEARS_LEFT_OUT)
# Statements are wide projections over one table: other optimizers take a fifth of the time of a small batch
# and find nothing, and large batches cost no more without them.
OPTIMIZERS = ("common_subexpressions", "unused_columns", "column_lifetime")
# What COLUMNS of the kinds may use, and the one function of the rules that Spark has under another name.
MACROS = rf"""
create macro regexp_like(t, pattern) as regexp_matches(t, pattern);
create macro time_of(t) as case when regexp_full_match(t, '{DATE}[Tt ]{CLOCK}{ZONE}')
  and t[:4] not in ({LEFT_OUT}) then try_cast(upper(t) as timestamptz) end;
create macro day_of(t) as case when regexp_full_match(t, '{DATE}')
  and t[:4] not in ({LEFT_OUT}) then try_cast(t as date) end;
create macro month(day) as cast(cast(day as date) as varchar)[:7];
create macro whole(x) as case when x >= 9223372036854775807 then 9223372036854775807
  when x <= -9223372036854775808 then -9223372036854775808 else cast(trunc(x) as bigint) end;
"""


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Opened once: opening costs 10 to 20 ms."""
    database = duckdb.connect(config={"enable_external_access": False, "threads": 1})
    atexit.register(_database.cache_clear)  # else DuckDB reports it as a leak when the process ends
    database.execute("set global timezone = 'UTC'; set global python_enable_replacements = false")
    planned = [name for (name,) in database.execute("select * from duckdb_optimizers()").fetchall()]
    left_out = ",".join(name for name in planned if name not in OPTIMIZERS)
    database.execute(f"set global disabled_optimizers = '{left_out}'")
    database.execute(MACROS)
    database.execute(_local_day())
    return database


def _local_day() -> str:
    """The day of a time in a zone; Jakarta's where none is known.

    Each zone is a constant: DuckDB would look up a zone that varies by row for each row again.
    """
    zones = sorted({place.timezone for place in provinces().values()} - {DEFAULT_TIMEZONE})
    cases = " ".join(f"when '{zone}' then timezone('{zone}', t)" for zone in zones)
    at_home = f"timezone('{DEFAULT_TIMEZONE}', t)"
    local = f"case zone {cases} else {at_home} end" if cases else at_home
    return f"create macro local_day(t, zone) as cast({local} as date)"


def query(sql: str, **tables: pa.Table) -> pa.Table:
    """The rows of a statement over tables, each known by its name here. May run in several threads."""
    with _database().cursor() as cursor:
        for name, table in tables.items():
            cursor.register(name, table)
        return arrow_rows(cursor, sql, sum(table.num_rows for table in tables.values()))
