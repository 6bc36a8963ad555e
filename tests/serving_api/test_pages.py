"""The web page as it is served: headers, budgets, redirects, languages, and a lock without addresses."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from conf.settings import REPO
from scripts.stack import web_page
from serving_api import pages
from tests.support.api import Api

WEB = REPO / "serving_api" / "web"
FIRST_LOAD_BYTES = 85_000
FONT_BYTES = 30_000
TEXTS = ("id", "en")


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    """The page of these sources; it is built by set-up."""
    if web_page.built_digest() != web_page.digest():
        pytest.skip("the web page is not built from these sources: run ./run.sh setup")
    yield web_page.BUILT


def texts(language: str) -> dict[str, str]:
    content: dict[str, str] = orjson.loads((WEB / "src" / "i18n" / f"{language}.json").read_bytes())
    return content


@pytest.mark.parametrize("path", pages.PAGES)
def test_page_is_served_without_inline_script(api: Api, built: Path, path: str) -> None:
    response = api.get(path, headers={"Accept": "text/html"})
    assert response.status_code == 200 and response.headers["content-type"].startswith("text/html")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|<style", response.text)
    assert api.get(path, headers={"If-None-Match": response.headers["etag"]}).status_code == 304
    assert api.request("DELETE", path).status_code == 405


def test_every_asset_of_the_shell_is_immutable_and_compressed(api: Api, built: Path) -> None:
    names = re.findall(r'(?:src|href)="(/assets/[^"]+)"', api.get("/").text)
    assert len(names) == 3
    for name in names:
        response = api.get(name, headers={"Accept-Encoding": "gzip"})
        assert response.status_code == 200 and "immutable" in response.headers["cache-control"]
        assert ("content-encoding" in response.headers) == (not name.endswith(".woff2"))
    assert "immutable" not in api.get("/assets/licenses.txt").headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["/api/none", "/analytics/none", "/predict/none", "/ws/none", "/assets/none.js"]
)
def test_unknown_address_is_a_problem_and_not_the_page(api: Api, path: str) -> None:
    response = api.get(path, headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize("path", ["/none", "/komoditas/none", "/dashboard/none"])
def test_unknown_page_is_the_shell_for_browsers_alone(api: Api, built: Path, path: str) -> None:
    browser = "text/html,application/xhtml+xml,*/*;q=0.8"
    response = api.get(path, headers={"Accept": browser})
    assert response.status_code == 404 and response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store" and 'id="app"' in response.text
    for accept in ("*/*", "application/json"):
        other = api.get(path, headers={"Accept": accept})
        assert (other.status_code, other.json()["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize(("former", "present"), pages.REDIRECTS.items())
def test_former_address_leads_on_with_its_query(api: Api, former: str, present: str) -> None:
    response = api.get(f"{former}?lang=en")
    assert (response.status_code, response.headers["location"]) == (308, f"{present}?lang=en")


def test_page_that_is_not_built_names_the_remedy(
    api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "BUILT", tmp_path)
    for path in ("/", "/prakiraan"):
        response = api.get(path, headers={"Accept": "text/html"})
        assert response.status_code == 503 and "./run.sh setup" in response.text
    assert pages.built_pages() == pages.WITH_FIGURES
    assert api.get("/livez").status_code == 200


def test_first_load_keeps_its_budget(built: Path) -> None:
    manifest = orjson.loads((built / "manifest.json").read_bytes())
    assert manifest["first_load_gzip_bytes"] <= FIRST_LOAD_BYTES
    assert manifest["font_bytes"] <= FONT_BYTES


def test_both_languages_have_the_same_texts_with_the_same_values() -> None:
    indonesian, english = (texts(language) for language in TEXTS)
    assert indonesian.keys() == english.keys() and all(indonesian.values()) and all(english.values())
    for key, text in indonesian.items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", english[key])), key
    same = {key for key, text in indonesian.items() if text == english[key]}
    allowed = {"level_normal", "model", "nation", "origin_model", "sentence_price", "spark_label"}
    assert same <= allowed | {"interval", "per_unit"} | {key for key in same if "Model" in english[key]}


def test_every_text_is_used_and_every_used_text_exists() -> None:
    source = "\n".join(file.read_text(encoding="utf-8") for file in sorted((WEB / "src").rglob("*.ts*")))
    keys = texts("id").keys()
    missing = set(re.findall(r'\bt\(\s*"(\w+)"', source)) - keys
    prefixes = tuple(re.findall(r"`(\w+_)\$\{", source))
    unused = {key for key in keys if f'"{key}"' not in source and not key.startswith(prefixes)}
    assert not missing and not unused


def test_lock_names_checksums_and_no_address() -> None:
    lock = (WEB / "deno.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    packages = orjson.loads(lock)["npm"].values()
    assert packages and all(entry["integrity"].startswith("sha512-") for entry in packages)


def test_outlines_cover_all_provinces_and_name_their_licence() -> None:
    from lakehouse.reference import provinces

    outlines = orjson.loads((REPO / "conf" / "geo" / "provinces.geo").read_bytes())["provinces"]
    assert {row["code"]: row["name"] for row in outlines} == {
        code: province.name for code, province in provinces().items()
    }
    assert "CC BY 4.0" in (REPO / "conf" / "geo" / "LICENSE.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_two_builds_are_equal_and_an_altered_lock_is_refused(
    tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = []
    for name in ("first", "second"):
        web_page.bundle(tmp_path / name)
        manifests.append(
            {
                file.name: file.read_bytes()
                for file in (tmp_path / name / "dist").rglob("*")
                if file.is_file() and file.suffix != ".gz"
            }
        )
    assert manifests[0] == manifests[1]
    altered_sources = tmp_path / "altered"
    shutil.copytree(web_page.SOURCES, altered_sources)
    lock = altered_sources / "deno.lock"
    altered = re.sub(r'("preact@[^}]*sha512-)....', r"\1AAAA", lock.read_text(encoding="utf-8"))
    assert altered != lock.read_text(encoding="utf-8")
    lock.write_text(altered, encoding="utf-8")
    # In a cache of its own: a refused package leaves half of its files, to which other builds are linked.
    monkeypatch.setattr(web_page, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(web_page, "SOURCES", altered_sources)
    with pytest.raises(subprocess.CalledProcessError):
        web_page.install(tmp_path / "third")


@pytest.mark.parametrize("path", [*pages.PAGES, "/favicon.svg", "/favicon.ico"])
def test_head_of_a_page_is_answered_without_its_body(api: Api, built: Path, path: str) -> None:
    response, page = api.request("HEAD", path), api.get(path)
    assert response.status_code == 200 and not response.content
    assert response.headers["content-type"] == page.headers["content-type"]


def test_link_to_a_page_shows_its_sentence(api: Api, built: Path) -> None:
    text = api.get("/pengembang?lang=en").text
    assert f'<meta property="og:description" content="{texts("en")["footer"]}">' in text
    assert '<meta property="og:title" content="Lumbung">' in text and "/pengembang?lang=en" in text
    hostile = api.get('/?x="><script>').text
    assert "<script>" not in hostile and "og:url" in hostile and "og:image" not in hostile
    assert '/komoditas.png?prov=Jawa%20Barat">' in api.get("/komoditas?prov=Jawa%20Barat").text


def test_unknown_commodity_is_a_page_with_status_404(api: Api, built: Path) -> None:
    response = api.get("/komoditas?komoditas=unobtainium", headers={"Accept": "text/html"})
    assert response.status_code == 404 and response.headers["content-type"].startswith("text/html")
    assert api.get("/komoditas?komoditas=cabai").status_code == 200
