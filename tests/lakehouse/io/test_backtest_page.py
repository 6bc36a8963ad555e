"""One file with script, style and figures: no text in it can end the script; a missing build is named."""

import json
import re
from pathlib import Path

import pytest

from lakehouse.io import backtest_page as page
from lakehouse.io.backtest_page import PageNotBuilt, backtest_page

RESULT = {
    "symbol": "</script><script>alert(1)</script>",
    "strategy": "ma_cross",
    "verdict": "no profit is claimed: holding brought as much",
    "report": {"trades": [], "unknown": [{"name": "sortino", "reason": "no bar lost anything"}]},
}


def test_file_holds_script_style_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page, "BUILT", tmp_path)
    (tmp_path / "report.js").write_text("show();", encoding="utf-8")
    (tmp_path / "report.css").write_text("p{color:red}", encoding="utf-8")
    html = backtest_page([RESULT], "id")
    assert "<style>p{color:red}</style>" in html and "<script>show();</script>" in html
    assert html.count("</script>") == 2
    (given,) = re.findall(r'<script type="application/json" id="report">(.*?)</script>', html)
    (read,) = json.loads(given)
    assert read["symbol"] == RESULT["symbol"]
    assert read["verdict"] == "tidak ada klaim untung: menyimpan saja hasilnya sama"
    assert read["report"]["unknown"] == [{"name": "sortino", "reason": "tidak ada bar yang rugi"}]


def test_missing_build_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page, "BUILT", tmp_path)
    with pytest.raises(PageNotBuilt, match=r"report.js is missing; ./run.sh setup builds it"):
        backtest_page([RESULT], "en")
