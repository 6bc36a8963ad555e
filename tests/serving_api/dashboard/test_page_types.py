"""The web page reads what the API documents; what it shows by name has words."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lakehouse.contracts.contract import contracts
from lakehouse.trading.strategies import EXITS, STRATEGIES, variants
from scripts.stack import web_page
from serving_api.app import create

TEXTS = web_page.SOURCES / "src" / "i18n"
OFFERED = web_page.SOURCES / "src" / "pages" / "trading" / "strategies.json"


def test_field_that_the_api_does_not_answer_fails_the_check_of_the_page(tmp_path: Path) -> None:
    if not web_page.CACHE.is_dir():
        pytest.skip("the web page is not built: run ./run.sh setup")
    folder = tmp_path / "page"
    web_page.install(folder)
    types = folder / "src" / "data" / "openapi.ts"
    document = web_page.WORK / "openapi.json"
    is_checked = document.exists() and document.read_text().strip() == json.dumps(create().openapi())
    if is_checked and web_page.built_digest() == web_page.digest():  # by the set-up
        shutil.copy(web_page.WORK / "src" / "data" / "openapi.ts", types)
    else:
        web_page.check(folder)
    written = types.read_text(encoding="utf-8")
    renamed = re.sub(r"\bdispersion_pct\b", "spread_pct", written)
    assert renamed != written
    types.write_text(renamed, encoding="utf-8")
    with pytest.raises(subprocess.CalledProcessError):
        web_page.deno("check", "--quiet", "src", folder=folder)


@pytest.mark.parametrize("language", ["id", "en"])
def test_every_rule_of_alerts_is_named_and_explained_on_the_page(language: str) -> None:
    (rule,) = [column for column in contracts()["gold.alerts"].columns if column.name == "rule"]
    names = set(re.findall(r"\w+", rule.description)) - {"or"}
    assert {"price_level", "manual"} <= names
    words = json.loads((TEXTS / f"{language}.json").read_text(encoding="utf-8"))
    wanted = {f"alert_{part}_{name}" for part in ("rule", "about") for name in names}
    assert wanted <= words.keys(), wanted - words.keys()


def test_form_of_a_backtest_offers_every_strategy_with_the_ranges_of_its_parameters() -> None:
    offered = json.loads(OFFERED.read_text(encoding="utf-8"))
    known = {name: strategy.parameters for name, strategy in STRATEGIES.items()} | {"exits": EXITS}
    ranges = {
        name: {key: (value["low"], value["high"]) for key, value in parameters.items()}
        for name, parameters in (offered["strategies"] | {"exits": offered["exits"]}).items()
    }
    assert ranges == {
        name: {key: (value.low, value.high) for key, value in parameters.items()}
        for name, parameters in known.items()
    }
    for name, parameters in offered["strategies"].items():
        assert variants(name, {key: value["tried"] for key, value in parameters.items()})
