"""llms.txt and the documentation as Markdown: every page, and nothing else."""

import re

import pytest

from conf.settings import REPO
from tests.support.api import Api


def test_llms_text_lists_every_page_and_each_is_served(api: Api) -> None:
    response = api.get("/llms.txt")
    lines = response.text.splitlines()
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert lines[0] == "# Lumbung" and lines[2].startswith("> ")
    listed = re.findall(r"\]\(https?://[^/]+/docs-md/([^)]+)\)", response.text)
    pages = {file.relative_to(REPO / "docs").as_posix() for file in (REPO / "docs").rglob("*.md")}
    assert set(listed) == pages | {"README.md", "CONTRIBUTING.md"}
    for name in listed:
        page = api.get(f"/docs-md/{name}")
        assert page.headers["content-type"] == "text/markdown; charset=utf-8" and "# " in page.text[:100]


def test_page_is_the_file_with_an_etag_and_its_links_lead_on(api: Api) -> None:
    readme = api.get("/docs-md/README.md")
    assert readme.content == (REPO / "README.md").read_bytes()
    again = api.get("/docs-md/README.md", headers={"If-None-Match": readme.headers["etag"]})
    assert again.status_code == 304 and not again.content
    links = {link.partition("#")[0] for link in re.findall(r"\]\((docs/[^)]+\.md[^)]*)\)", readme.text)}
    assert len(links) > 10
    assert all(api.get(f"/docs-md/{link}").status_code == 200 for link in links)


@pytest.mark.parametrize(
    "name",
    [
        "none.md",
        "how-to/none.md",
        "images/beranda.png",
        "..%2F.env.example",
        "how-to/..%2F..%2Fconf%2Fsettings.py",
    ],
)
def test_anything_else_is_a_problem(api: Api, name: str) -> None:
    response = api.get(f"/docs-md/{name}")
    assert (response.status_code, response.json()["type"]) == (404, "/problems/not-found")
