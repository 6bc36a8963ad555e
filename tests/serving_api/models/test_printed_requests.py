"""Every address that README and docs print as a request without a body is answered."""

import re
from pathlib import Path

from scripts.bench.api_lake import write
from tests.docs.test_snippets import PAGES
from tests.support import doc_pages
from tests.support.api import Api, new_stack
from tests.support.forecast_lake import fill_models, issue
from tests.support.served_lake import fill

ADDRESS = re.compile(r"http://127\.0\.0\.1:8000(/[^\s\"'`)]*)")
WITH_BODY = {
    "/ingest",
    "/api/v1/backtests",
    "/api/auth/device/claim",
    "/api/auth/device/register",
    "/api/validation/price/check",
    "/api/v1/auth/login",
    "/api/v1/change-levels/cabai-rawit-merah",
}


def test_printed_addresses_are_answered(tmp_path: Path) -> None:
    stack = new_stack(tmp_path)
    fill(stack.lake_root)
    fill_models(stack.lake_root)
    for series in (("cabai-rawit-merah", "32"), ("bawang-merah", "33")):
        write(stack.lake_root, "gold.forecasts", issue("naive", *series, champion=True))
    api = Api(stack)
    try:
        paths = {path for page in PAGES for path in ADDRESS.findall(doc_pages.text_of(page))} - WITH_BODY
        assert {"/docs", "/api/public/commodity/price/live?commodity=cabai-rawit-merah"} <= paths
        answers = {path: api.get(path).status_code for path in sorted(paths)}
        assert set(answers.values()) == {200}, answers
    finally:
        api.stop()
