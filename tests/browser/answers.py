"""Answers of the API that a page shows, and what the page makes of them."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

from playwright.sync_api import Page, Route

# Words that no Indonesian text has; names of tables, columns and models are English everywhere.
ENGLISH = re.compile(r"\b(the|of|and|is|are|not|with|was|than|over|serves|served|needed)\b", re.IGNORECASE)


def api_body(site: str, path: str) -> dict[str, Any]:
    """The body of a GET."""
    with urlopen(site + path) as response:
        body: dict[str, Any] = json.load(response)
    return body


def altered(change: Callable[[Any], Any]) -> Callable[[Route], None]:
    """A route that passes a successful body through `change`, and everything else as it is."""

    def answer(route: Route) -> None:
        response = route.fetch()
        if response.status == 200:
            route.fulfill(response=response, json=change(response.json()))
        else:
            route.fulfill(response=response)

    return answer


def english_words(page: Page) -> list[str]:
    """English words on the page outside of code."""
    text = page.evaluate(
        """(() => {
          const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
          const texts = [];
          while (walker.nextNode())
            if (!walker.currentNode.parentElement.closest("pre, dialog")) texts.push(walker.currentNode.data);
          return texts.join(" ");
        })()"""
    )
    return ENGLISH.findall(text)
