"""Reports of backtests as one HTML file that needs nothing else: script, style and figures are in it."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from conf.settings import REPO
from lakehouse.trading.backtest_report import report_in
from lakehouse.translation import Language, in_language

BUILT = REPO / ".venv" / "web"
# Nothing is loaded from anywhere.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


class PageNotBuilt(Exception):
    """The web page was not built at set-up; the message names the remedy."""


def backtest_page(results: Sequence[Mapping[str, Any]], language: Language) -> str:
    """The file, with its texts in a language. Each result has `symbol`, `strategy`, its figures and `report`.

    Raises PageNotBuilt.
    """
    shown = [
        {
            **result,
            "verdict": in_language(result["verdict"], language),
            "report": report_in(result["report"], language),
        }
        for result in results
    ]
    script, style = (_built(name) for name in ("report.js", "report.css"))
    figures = orjson.dumps(shown).decode().replace("<", "\\u003c")  # no text in it may end the script
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>Lumbung</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><style>{style}</style></head>'
        f'<body><script type="application/json" id="report">{figures}</script>'
        f"<script>{script}</script></body></html>\n"
    )


def _built(name: str) -> str:
    file = BUILT / name
    if not file.is_file():
        raise PageNotBuilt(f"the web page is not built: {name} is missing; ./run.sh setup builds it")
    return file.read_text(encoding="utf-8")
