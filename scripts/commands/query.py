"""`query`: one read-only SELECT over silver and gold, as table, CSV, JSON or Parquet."""

import csv
import json
import sys
import threading
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from rich.console import Console
from rich.table import Table

from conf.runtime.exit_codes import ExitCode
from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.query import lake_database
from lakehouse.io.terminal import translated
from lakehouse.strange_text import escaped_json, spreadsheet_text, visible
from lakehouse.times import utc_text
from scripts.console import AsJson, console, fail, is_too_wide, new_app, result_console

app = new_app(None)
READABLE_LAYERS = ("silver", "gold")
TABLE_ROWS = 100  # of a table on the terminal, unless --limit is given
CELL_CHARACTERS = 60
WIDTH_OFF_TERMINAL = 200  # of a table; rich would take 80
# DuckDB's own `show tables` does not print the names that the documentation uses.
SHOW_TABLES = """
  select schema || '.' || name as "table", list_aggregate(column_names, 'string_agg', ', ') as columns
  from (show all tables) where schema in ('silver', 'gold') order by 1"""


class QueryRefused(ValueError):
    """The text is not one SELECT over silver and gold; the message names the fault."""


class Format(StrEnum):
    """How the rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


@app.command()
def query(
    sql: Annotated[
        str, typer.Argument(help='e.g. "select * from gold.live_prices" (gold_live_prices works too)')
    ],
    form: Annotated[
        Format | None,
        typer.Option("--format", help="table, csv, json or parquet; without it as the file's name ends"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="write to this file instead of stdout, e.g. prices.csv")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"rows at most (table: {TABLE_ROWS} unless given)")
    ] = None,
    as_json: AsJson = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="time limit in seconds; then exit 124")] = 60,
) -> None:
    """Run one read-only SELECT over silver and gold; exit 2 for any other statement."""
    form = Format.JSON if as_json else form or format_of(output)
    try:
        shown_rows = TABLE_ROWS if form == Format.TABLE and not limit else None
        rows = run(sql, shown_rows + 1 if shown_rows else limit, timeout)
        write(rows.slice(0, shown_rows), form, settings().called_from / output if output else None)
        if shown_rows and rows.num_rows > shown_rows:
            console.print(f"first {shown_rows} rows; --limit N for more", markup=False)
    except QueryRefused as error:
        fail(str(error), ExitCode.USAGE)
    except TimeoutError as error:
        fail(str(error), ExitCode.TIME_LIMIT)


def format_of(output: Path | None) -> Format:
    """The format that the file's name ends in, else a table."""
    ending = output.suffix[1:].lower() if output else ""
    return Format(ending) if ending in set(Format) else Format.TABLE


def run(sql: str, limit: int | None, timeout_seconds: float, root: str | None = None) -> pa.Table:
    """The rows as an Arrow table, at most `limit`. Raises QueryRefused, or TimeoutError."""
    readable = (name for name in contracts() if name.split(".")[0] in READABLE_LAYERS)
    connection = lake_database(readable, root=root)
    connection.execute("set enable_external_access = false; set lock_configuration = true")
    if sql.lower().rstrip(" ;").split() == ["show", "tables"]:
        sql = SHOW_TABLES
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryRefused(str(error)) from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryRefused("query takes exactly one SELECT statement; it reads and never writes")
    expired = threading.Event()

    def interrupt() -> None:
        expired.set()
        connection.interrupt()

    timer = threading.Timer(timeout_seconds, interrupt)
    timer.start()
    try:
        rows = connection.sql(statements[0].query)
        return (rows if limit is None else rows.limit(limit)).to_arrow_table()
    except duckdb.Error as error:
        if expired.is_set() or isinstance(error, duckdb.InterruptException):
            text = f"stopped after {timeout_seconds:g} s; read fewer rows or raise --timeout"
            raise TimeoutError(text) from None
        advice = "; raise lake.query_memory_mb" if "Out of Memory" in str(error) else ""
        raise QueryRefused(f"{error}{advice}") from None
    finally:
        timer.cancel()


def write(rows: pa.Table, form: Format, output: Path | None) -> None:
    """Write the rows to a file or stdout. Raises QueryRefused for Parquet without a file."""
    if form == Format.PARQUET:
        if output is None:
            raise QueryRefused("--format parquet needs --output FILE")
        pq.write_table(rows, output)
        return
    with output.open("w", encoding="utf-8", newline="") if output else nullcontext(sys.stdout) as out:
        if form == Format.CSV:
            writer = csv.writer(out, lineterminator="\n")
            text_of = visible if out.isatty() else str
            writer.writerow(rows.column_names)
            for row in rows.to_pylist():
                values = [_csv_value(value) for value in row.values()]
                writer.writerow([text_of(value) if isinstance(value, str) else value for value in values])
        elif form == Format.JSON:
            document = json.dumps(rows.to_pylist(), default=_plain, ensure_ascii=False, indent=1)
            out.write(f"{escaped_json(document)}\n")
        else:
            _print_table(rows, result_console(out, WIDTH_OFF_TERMINAL))


def _plain(value: Any) -> Any:
    """ISO times, bytes as text, exact decimals (sums of integers) as numbers."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, datetime) and value.tzinfo:
        return utc_text(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def _csv_value(value: Any) -> Any:
    """A plain value; a list or a record as JSON, which other programs read."""
    if isinstance(value, list | dict):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    plain = _plain(value)
    return spreadsheet_text(plain) if isinstance(plain, str) else plain


def _cell(value: Any) -> str:
    text = "" if value is None else visible(str(_plain(value)))
    return text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - 1] + "…"


def _print_table(rows: pa.Table, out: Console) -> None:
    """A table; a line per value where the table is wider than the terminal."""
    shown = Table(*rows.column_names)
    cells = [[_cell(value) for value in row.values()] for row in rows.to_pylist()]
    for row in cells:
        shown.add_row(*row)
    if cells and is_too_wide(shown, out):
        width = max(map(len, rows.column_names))
        for number, row in enumerate(cells, 1):
            out.print(translated(f"row {number}"), style="bold")
            for name, text in zip(rows.column_names, row, strict=True):
                out.print(f"  {name:<{width}}  {text}", soft_wrap=True)
    elif rows.num_columns:
        out.print(shown)
    out.print(translated(f"{rows.num_rows} rows"), style="dim")
