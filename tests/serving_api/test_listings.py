"""Every list is sent as JSON, CSV and XLSX, each with a file name; texts of strangers stay texts."""

import csv
import io
import re
import zipfile
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from serving_api.http.spreadsheets import FILES, csv_file, xlsx_file
from tests.support.api import Api, pages
from tests.support.openapi import SCHEMA

SPREADSHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
# Lists about a symbol, a model, an event or a test that the sample data do not have.
WITHOUT_SAMPLE = {
    "/api/v1/ai/history/{symbol}",
    "/api/v1/backtests/{backtest_id}/trades",
    "/api/v1/bars",
    "/api/v1/models/importance",
    "/api/v1/quarantine/{event_id}/decisions",
}
LISTS = sorted(
    path
    for path, methods in SCHEMA["paths"].items()
    if path not in WITHOUT_SAMPLE
    and methods.get("get", {}).get("x-requires") != "account_holder"
    and {"application/json", "text/csv"}
    <= methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {}).keys()
)
# Lists that are sent whole, without pages; their figures are in tests/serving_api/retail.
WHOLE = {f"/analytics/{name}" for name in ("revenue", "discount", "price-rating", "customer-satisfaction")}
# What a list cannot do without.
NEEDED = {
    "/api/public/commodity/price/history": "commodity=garam",
    "/api/public/commodity/price/live": "commodity=garam",
    "/api/v1/changes": "commodity=garam",
    "/api/v1/sentiment": "commodity=garam",
    "/api/v1/indicators": "commodity=garam",
    "/api/v1/sources/compare": "commodity=garam",
    "/api/v1/impact/weeks": "commodity=garam",
    "/api/v1/forecasts/issued": "commodity=garam",
    "/api/v1/performance": "by=symbol",
}
ROLES = {"anybody": None, "user": "user", "operator": "operator", "central": "central", "admin": "admin"}
WITH_ROWS = {
    "/api/public/commodity/price/history",
    "/api/public/commodity/price/live",
    "/api/public/market/list",
    "/api/v1/quarantine",
    "/api/v1/rules",
    "/api/v1/sensors/live",
}


def sheet_of(body: bytes, number: int = 1) -> list[list[str]]:
    """The texts of the cells of a sheet, row by row; "" for an empty cell."""
    with zipfile.ZipFile(io.BytesIO(body)) as book:
        shared = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
        sheet = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{number}.xml"))
    texts = ["".join(part.itertext()) for part in shared.iter(f"{SPREADSHEET}si")]
    rows = []
    for row in sheet.iter(f"{SPREADSHEET}row"):
        cells = []
        for cell in row.iter(f"{SPREADSHEET}c"):
            assert cell.find(f"{SPREADSHEET}f") is None, "a formula"
            value = cell.findtext(f"{SPREADSHEET}v") or ""
            cells.append(texts[int(value)] if cell.get("t") == "s" else value)
        rows.append(cells)
    return rows


@pytest.mark.parametrize("path", LISTS)
def test_list_is_sent_as_json_csv_and_xlsx(api: Api, path: str) -> None:
    address = (
        re.sub(r"\{[a-z_]+\}", "32", path) + f"?{'' if path in WHOLE else 'limit=5'}&{NEEDED.get(path, '')}"
    )
    role = ROLES[SCHEMA["paths"][path]["get"]["x-requires"]]
    listed = api.get(address, role)
    assert listed.status_code == 200, listed.text
    items = listed.json()["items"]
    assert items or path not in WITH_ROWS
    columns = SCHEMA["components"]["schemas"][item_schema(path)]["properties"]
    for form, media_type in FILES.items():
        json_alone = {"Accept": "application/json"}
        for query, headers in (
            (f"&format={form}", {}),
            (f"&format={form}", json_alone),
            ("", {"Accept": media_type}),
        ):
            response = api.get(address + query, role, headers=headers)
            assert response.status_code == 200 and response.headers["content-type"].startswith(media_type)
            name = re.fullmatch(
                r'attachment; filename="([a-z0-9-]+)\.(\w+)"', response.headers["content-disposition"]
            )
            assert name and name[2] == form and not name[1].startswith(("v1", "api", "public"))
            assert ("link" in response.headers) is (listed.json().get("next_cursor") is not None)
        rows = list(csv.reader(io.StringIO(response.text))) if form == "csv" else sheet_of(response.content)
        assert len(rows) == len(items) + 1
        assert list(dict.fromkeys(column.split(".")[0] for column in rows[0])) == list(columns)


def test_every_list_of_the_document_has_its_files() -> None:
    """A list is what answers with pages, whose `next_cursor` is in nothing else, and what is sent whole."""
    schemas = SCHEMA["components"]["schemas"]
    answers = {
        path: methods["get"]["responses"]["200"]["content"]
        for path, methods in SCHEMA["paths"].items()
        if "200" in methods.get("get", {}).get("responses", {})
    }
    paged = {
        path: content
        for path, content in answers.items()
        if (name := content.get("application/json", {}).get("schema", {}).get("$ref"))
        and ("next_cursor" in schemas[name.split("/")[-1]].get("properties", {}) or path in WHOLE)
    }
    assert len(paged) > 30 and {"/api/v1/indicators/monthly", *LISTS} <= paged.keys()
    assert not [path for path, content in paged.items() if not set(FILES.values()) <= content.keys()]


def item_schema(path: str) -> str:
    """The name of the schema of a list's items."""
    page = SCHEMA["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    items = SCHEMA["components"]["schemas"][page.split("/")[-1]]["properties"]["items"]
    return str(items["items"]["$ref"].split("/")[-1])


def test_cursor_of_a_list_continues_it_in_another_form(api: Api) -> None:
    path = "/api/v1/rules?limit=7"
    first = api.get(path).json()
    rest = api.get(f"{path}&format=csv&cursor={first['next_cursor']}")
    names = [row["rule"] for row in csv.DictReader(io.StringIO(rest.text))]
    assert names == [item["rule"] for item in pages(api, path)][7:14]


def test_file_of_an_unchanged_list_is_not_sent_again_and_not_taken_for_another_form(api: Api) -> None:
    path = "/api/v1/sensors/live"
    media_type = FILES["csv"]
    etag = api.get(path, headers={"Accept": media_type}).headers["etag"]
    known = {"If-None-Match": etag}
    assert api.get(path, headers=known | {"Accept": media_type}).status_code == 304
    assert api.get(path, headers=known | {"Accept": FILES["xlsx"]}).status_code == 200
    assert api.get(path, headers=known).status_code == 200


def test_workbook_has_times_as_times_and_names_its_source() -> None:
    items = [{"at": "2026-11-21T08:00:00+07:00", "price": 1.5, "tags": ["a", "b"], "part": {"n": 1}}]
    fields = {"at": datetime | None, "price": float, "tags": list[str], "part": dict[str, int]}
    body = xlsx_file(fields, items, {"delta_version": {"gold.x": 7}})
    header, (at, *others) = sheet_of(body)
    assert header == ["at", "price", "tags", "part.n"] and others == ["1.5", "a;b", "1"]
    assert datetime(1899, 12, 30) + timedelta(days=float(at)) == pytest.approx(
        datetime(2026, 11, 21, 1), abs=timedelta(seconds=1)
    )
    assert sheet_of(body, 2) == [["delta_version.gold.x", "7"]]


@pytest.mark.parametrize("text", ["=1+1", "+1 cmd", "-2+3", "@sum", "\tx", "http://a.b", "12"])
def test_text_of_a_stranger_is_no_formula(text: str) -> None:
    items: list[dict[str, Any]] = [{"name": text}]
    formula = text[0] in "=+-@\t"
    expected = f"'{text}" if formula else text
    assert list(csv.reader(io.StringIO(csv_file(["name"], items).decode())))[1] == [expected]
    assert sheet_of(xlsx_file({"name": str}, items, {}))[1] == [expected]


def test_empty_list_has_a_header_line() -> None:
    assert csv_file(["a", "b"], []) == b"a,b\r\n"
    assert sheet_of(xlsx_file({"a": str, "b": int}, [], {})) == [["a", "b"]]
