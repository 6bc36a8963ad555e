"""`query`: one read-only SELECT over silver and gold, as table, CSV, JSON or Parquet."""

import csv
import json
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from lakehouse.contract import contracts
from scripts.tables import database

READABLE = ("silver", "gold")
SHOWN_CHARACTERS = 60
WIDTH_OFF_TERMINAL = 200


class Refused(ValueError):
    """Not one SELECT over silver and gold; the text says what is wrong with it."""


def run(sql: str, limit: int | None, timeout_seconds: float, root: str | None = None) -> pa.Table:
    """The answer as an Arrow table, at most `limit` rows. Raises Refused, or TimeoutError."""
    connection = database((name for name in contracts() if name.split(".")[0] in READABLE), root=root)
    connection.execute("set enable_external_access = false; set lock_configuration = true")
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise Refused(str(error)) from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise Refused("query takes exactly one SELECT statement; it reads and never writes")
    expired = threading.Event()

    def interrupt() -> None:
        expired.set()
        connection.interrupt()

    timer = threading.Timer(timeout_seconds, interrupt)
    timer.start()
    try:
        reader = connection.sql(statements[0].query).to_arrow_reader(10_000)
        return _first(reader, limit)
    except duckdb.InterruptException:
        raise TimeoutError(f"stopped after {timeout_seconds:g} s; narrow it, or give --timeout") from None
    except (duckdb.Error, pa.ArrowInvalid) as error:
        if expired.is_set():
            raise TimeoutError(f"stopped after {timeout_seconds:g} s; narrow it, or give --timeout") from None
        raise Refused(str(error)) from None
    finally:
        timer.cancel()


def _first(reader: pa.RecordBatchReader, limit: int | None) -> pa.Table:
    batches, rows = [], 0
    for batch in reader:
        batches.append(batch if limit is None else batch.slice(0, limit - rows))
        rows += batches[-1].num_rows
        if limit is not None and rows >= limit:
            break
    return pa.Table.from_batches(batches, schema=reader.schema)


def write(answer: pa.Table, form: str, output: Path | None) -> None:
    """Write the answer to a file or stdout; Parquet needs a file."""
    if form == "parquet":
        if output is None:
            raise Refused("--format parquet needs --output FILE")
        pq.write_table(answer, output)
        return
    with output.open("w", encoding="utf-8", newline="") if output else _Stdout() as out:
        if form == "csv":
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(answer.column_names)
            writer.writerows([_plain(value) for value in row.values()] for row in answer.to_pylist())
        elif form == "json":
            json.dump(answer.to_pylist(), out, default=_plain, ensure_ascii=False, indent=1)
            out.write("\n")
        else:
            _table(answer, Console(file=out, width=None if out.isatty() else WIDTH_OFF_TERMINAL))


class _Stdout:
    """stdout that a `with` does not close."""

    def __enter__(self) -> Any:
        return sys.stdout

    def __exit__(self, *error: object) -> None:
        sys.stdout.flush()


def _plain(value: Any) -> Any:
    """ISO times, bytes as text, exact decimals (sums of integers) as numbers."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value


def _table(answer: pa.Table, console: Console) -> None:
    shown = Table(*answer.column_names)
    for row in answer.to_pylist():
        texts = ("" if value is None else str(_plain(value)) for value in row.values())
        shown.add_row(*(text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…" for text in texts))
    console.print(shown, markup=False) if answer.num_columns else None
    console.print(f"{answer.num_rows} rows", style="dim")
