"""Lists as files: CSV and XLSX with the items of a page, a row each."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal, get_args

import orjson
from starlette.requests import Request
from xlsxwriter import Workbook

from lakehouse.strange_text import spreadsheet_text
from serving_api.http.request_checks import JSON_MEDIA_TYPE, prefers

ListFormat = Literal["json", "csv", "xlsx"]
FILES: dict[ListFormat, str] = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
MEDIA_TYPES: dict[ListFormat, str] = {"json": JSON_MEDIA_TYPE, **FILES}
PREFIXES = ("", "api", "public", "v1")  # parts of addresses that name no list
LONGEST_CELL = 32_767  # characters that a cell of a spreadsheet holds
# Texts stay texts: nothing of them is read as a formula, an address or a number.
AS_TEXT = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def list_format(request: Request, requested: ListFormat | None) -> ListFormat:
    """The requested format, else the file that Accept names without JSON, else json."""
    if requested is not None:
        return requested
    return next((form for form, media_type in FILES.items() if prefers(request, media_type)), "json")


def file_name(request: Request, file_format: ListFormat, as_of: str | None) -> str:
    """`supply-stock-2026-11-21.csv`: the last parts of the address, and the newest day in the tables."""
    path = request.scope["route"].path
    parts = [part for part in path.split("/") if part not in PREFIXES and "{" not in part]
    day = [] if as_of is None else [as_of[:10]]
    return "-".join([*parts[-2:], *day]) + f".{file_format}"


def flat_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """The item with one value a cell: objects as `name.key`, lists of texts joined by `;`, others as JSON."""
    cells: dict[str, Any] = {}
    for name, value in item.items():
        if isinstance(value, dict):
            cells |= {f"{name}.{key}": inner for key, inner in flat_item(value).items()}
        elif isinstance(value, list):
            is_text = all(isinstance(entry, str) for entry in value)
            cells[name] = ";".join(value) if is_text else orjson.dumps(value).decode()
        else:
            cells[name] = value
    return {name: spreadsheet_text(v) if isinstance(v, str) else v for name, v in cells.items()}


def column_names(fields: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of flat items in the order of the `fields` of their schema."""
    present = list(dict.fromkeys(name for row in rows for name in row))
    nested = {name: [column for column in present if column.startswith(f"{name}.")] for name in fields}
    return [column for name in fields for column in nested[name] or [name]]


def csv_file(fields: Sequence[str], items: Sequence[Mapping[str, Any]]) -> bytes:
    """The items as CSV in UTF-8 with a header line."""
    rows = [flat_item(item) for item in items]
    out = io.StringIO()
    writer = csv.DictWriter(out, column_names(fields, rows), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def xlsx_file(
    fields: Mapping[str, Any], items: Sequence[Mapping[str, Any]], source: Mapping[str, Any]
) -> bytes:
    """The items as a workbook; its second sheet holds `source`, the provenance of the list.

    `fields`: name -> type of a field. Times and days become cells of that type, times in UTC.
    """
    rows = [flat_item(item) for item in items]
    columns = column_names(list(fields), rows)
    kinds = {name: cell_kind(fields.get(name)) for name in columns}
    out = io.BytesIO()
    with Workbook(out, {"in_memory": True, **AS_TEXT}) as book:
        heading = book.add_format({"bold": True})
        formats = {
            datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            date: book.add_format({"num_format": "yyyy-mm-dd"}),
        }
        sheet = book.add_worksheet("items")
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, columns, heading)
        for number, row in enumerate(rows, 1):
            for place, name in enumerate(columns):
                kind = kinds[name]
                value = row.get(name)
                if kind is None or value is None:
                    sheet.write(number, place, value[:LONGEST_CELL] if isinstance(value, str) else value)
                else:
                    sheet.write_datetime(number, place, as_cell(value, kind), formats[kind])
        if rows:
            sheet.autofilter(0, 0, len(rows), len(columns) - 1)
        sheet.autofit()
        about = book.add_worksheet("source")
        for number, (name, value) in enumerate(flat_item(source).items()):
            about.write_row(number, 0, [name, value])
        about.autofit()
    return out.getvalue()


def cell_kind(annotation: Any) -> type[date] | None:
    """`datetime` or `date` where the annotation allows one, else None."""
    allowed = {annotation, *get_args(annotation)}
    return next((kind for kind in (datetime, date) if kind in allowed), None)


def as_cell(text: str, kind: type[date]) -> date:
    """A time or day from its JSON text; a workbook knows no time zones, so a time is in UTC."""
    if kind is not datetime:
        return date.fromisoformat(text)
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
